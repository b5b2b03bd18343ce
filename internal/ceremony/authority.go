package ceremony

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// rehearsed stands before the common name of a rehearsal's root.
const rehearsed = "REHEARSAL "

// maxCSR is the longest certificate request that is read, in bytes.
const maxCSR = 64 << 10

// signerDays is how long the certificate of a transcript's signer is valid.
const signerDays = 1

// backdate is how far before its making a certificate begins to be valid: the
// clock of a machine without a network is seldom right.
const backdate = 5 * time.Minute

// documentSigning is the extended key usage of whoever signs transcripts
// (RFC 9336).
func documentSigning() asn1.ObjectIdentifier {
	return asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 36}
}

func (s Subject) profile() profile.Subject {
	return profile.Subject{
		CommonName: s.CommonName, Organization: s.Organization, OrganizationalUnit: s.OrganizationalUnit,
		Country: s.Country, Province: s.Province, Locality: s.Locality,
	}
}

func pathText(n *int) string {
	if n == nil {
		return "no limit"
	}
	return fmt.Sprint(*n)
}

func (a *Root) kind() string { return "root" }

func (a *Root) subject(c *conduct) profile.Subject {
	s := a.Subject.profile()
	if c.Rehearse {
		s.CommonName = rehearsed + s.CommonName
	}
	return s
}

func (a *Root) describe(c *conduct) ([]Fact, error) {
	facts := []Fact{
		{"make a root", a.Name},
		{"on the key", a.Key},
		{"subject", a.subject(c).String()},
		{"valid for", days(a.Days)},
		{"path length", pathText(a.PathLength)},
	}
	if a.Algorithm != "" {
		facts = append(facts, Fact{"algorithm", a.Algorithm})
	}
	return append(append(facts, a.Constraints.facts()...), Fact{"write", a.Certificate}), nil
}

// act makes the root, or takes the one that an interrupted act made.
func (a *Root) act(ctx context.Context, c *conduct) (*outcome, error) {
	authority, err := c.installation.Authorities.Authority(ctx, c.call("Root"), a.Name)
	if fault.KindOf(err) == fault.NotFound {
		authority, err = a.found(ctx, c)
	}
	if err == nil && authority.State == ca.Pending {
		authority, err = a.certify(ctx, c, authority)
	}
	if err != nil {
		return nil, err
	}
	file, err := c.output(a.Certificate, pemOf(authority.Certificate))
	if err != nil {
		return nil, err
	}
	return &outcome{
		facts: append(certificateFacts(authority.Certificate), Fact{"authority", authority.ID}, Fact{"valid until", authority.NotAfter.UTC().Format(time.RFC3339)}),
		files: []File{file},
	}, nil
}

// found makes the authority, with a request in place of a certificate.
func (a *Root) found(ctx context.Context, c *conduct) (*ca.Authority, error) {
	algorithm, err := parseAlgorithm(a.Algorithm)
	if err != nil {
		return nil, err
	}
	return c.installation.Authorities.CreateAuthority(ctx, c.call("Root"), &ca.CreateAuthorityRequest{
		Name: a.Name, Key: kms.Ref{Alias: keyAlias(a.Key)}, Algorithm: algorithm, Subject: a.subject(c), PathLen: a.PathLength,
		Type: ca.Root, Pending: true, Revocation: &ca.RevocationConfig{CRL: ca.CRLConfig{Enabled: true}},
	})
}

// certify has the authority sign its own certificate.
func (a *Root) certify(ctx context.Context, c *conduct, authority *ca.Authority) (*ca.Authority, error) {
	csr, err := c.installation.Authorities.AuthorityCSR(ctx, c.call("Root"), authority.ID)
	if err != nil {
		return nil, err
	}
	constraints, err := a.Constraints.profile()
	if err != nil {
		return nil, err
	}
	pathLen := profile.NoPathLimit
	if a.PathLength != nil {
		pathLen = *a.PathLength
	}
	issued, err := c.installation.Authorities.Issue(ctx, c.call("Root"), &ca.IssueRequest{
		Authority: authority.ID, CSR: csr, Inline: authorityProfile("ceremony-root", pathLen, a.Days, constraints, true),
	})
	if err != nil {
		return nil, err
	}
	return c.installation.Authorities.ImportAuthorityCertificate(ctx, c.call("Root"), authority.ID, issued.DER, nil)
}

// authorityProfile returns the profile of an authority's certificate. What a
// request asks for beyond name and key is passed over: the script decides.
func authorityProfile(name string, pathLen, days int, constraints *profile.NameConstraints, self bool) *profile.Profile {
	return &profile.Profile{
		Name: name, CA: true, PathLen: pathLen, SelfSigned: self, Usage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		Keys: profile.AnyKey(), Default: profile.Days(days), Backdate: backdate, Constraints: constraints, Lenient: true,
		Subject: profile.SubjectRules{Others: true, Repeated: true, FreeName: true},
	}
}

// certificateFacts tell a certificate apart.
func certificateFacts(der []byte) []Fact {
	facts := []Fact{{factCertificate, hexDigest(der)}}
	if parsed, err := x509.ParseCertificate(der); err == nil {
		facts = append(facts, Fact{"serial", cert.SerialText(parsed.SerialNumber)}, Fact{"public key sha256", hexDigest(parsed.RawSubjectPublicKeyInfo)})
	}
	return facts
}

func (a *Sign) kind() string { return "sign" }

// request reads the CSR and checks that it is the one that was agreed on.
func (a *Sign) request(c *conduct) (*request, error) {
	content, file, err := c.input(a.CSR, maxCSR)
	if err != nil {
		return nil, err
	}
	if a.SHA256 != "" && !strings.EqualFold(a.SHA256, file.SHA256) {
		return nil, fault.New(fault.InvalidArgument, "the SHA-256 of %s is %s, and not the one that the script has", a.CSR, file.SHA256)
	}
	r := &request{file: file, der: content}
	if block, _ := pem.Decode(content); block != nil {
		r.der = block.Bytes
	}
	if r.Request, err = profile.ReadCSR(r.der); err != nil {
		return nil, err
	}
	if given := a.Subject.profile(); !given.IsZero() {
		r.Subject = given
	}
	return r, nil
}

// request is a certificate request that was read.
type request struct {
	*profile.Request
	der  []byte
	file File
}

func (a *Sign) describe(c *conduct) ([]Fact, error) {
	in, err := a.request(c)
	if err != nil {
		return nil, err
	}
	facts := []Fact{
		{"sign the request", a.CSR},
		{"request sha256", in.file.SHA256},
		{"public key sha256", hexDigest(in.SPKI)},
		{"as", a.Authority},
		{"subject", in.Subject.String()},
		{"valid for", days(a.Days)},
		{"path length", fmt.Sprint(a.PathLength)},
	}
	facts = append(append(facts, a.Constraints.facts()...), Fact{"write", a.Certificate})
	if a.Chain != "" {
		facts = append(facts, Fact{"write", a.Chain})
	}
	return facts, nil
}

func (a *Sign) act(ctx context.Context, c *conduct) (*outcome, error) {
	in, err := a.request(c)
	if err != nil {
		return nil, err
	}
	constraints, err := a.Constraints.profile()
	if err != nil {
		return nil, err
	}
	issued, err := c.installation.Authorities.Issue(ctx, c.call("Sign"), &ca.IssueRequest{
		Authority: a.Authority, CSR: in.der, Subject: a.Subject.profile(), Validity: profile.Days(a.Days),
		Inline: authorityProfile("ceremony-subordinate", a.PathLength, a.Days, constraints, false),
	})
	if err != nil {
		return nil, err
	}
	return a.deliver(ctx, c, issued, in.file)
}

// deliver writes the new certificate, and its chain if that is asked for.
func (a *Sign) deliver(ctx context.Context, c *conduct, issued *ca.Issued, in File) (*outcome, error) {
	file, err := c.output(a.Certificate, pemOf(issued.DER))
	if err != nil {
		return nil, err
	}
	out := &outcome{
		facts: append(certificateFacts(issued.DER), Fact{"valid until", issued.NotAfter.UTC().Format(time.RFC3339)}),
		files: []File{in, file},
	}
	if a.Chain == "" {
		return out, nil
	}
	issuer, err := c.installation.Authorities.Authority(ctx, c.call("Sign"), a.Authority)
	if err != nil {
		return nil, err
	}
	chain := append([][]byte{issued.DER, issuer.Certificate}, issuer.Chain...)
	if file, err = c.output(a.Chain, pemOf(chain...)); err != nil {
		return nil, err
	}
	out.files = append(out.files, file)
	return out, nil
}

// facts tell the constraints.
func (n *Constraints) facts() []Fact {
	if n == nil {
		return nil
	}
	var facts []Fact
	for _, set := range []struct {
		name string
		NameSet
	}{{"permitted", n.Permitted}, {"excluded", n.Excluded}} {
		for _, kind := range []struct {
			name  string
			texts []string
		}{{"dns", set.DNS}, {"ip", set.IP}, {"email", set.Email}, {"uri", set.URI}} {
			if len(kind.texts) > 0 {
				facts = append(facts, Fact{set.name + " " + kind.name, strings.Join(kind.texts, ", ")})
			}
		}
	}
	return facts
}

// profile returns the constraints as a profile has them, nil for none.
func (n *Constraints) profile() (*profile.NameConstraints, error) {
	if n == nil {
		return nil, nil //nolint:nilnil // no constraints
	}
	out := &profile.NameConstraints{Critical: true}
	for _, pair := range []struct {
		set *NameSet
		to  *profile.Subtrees
	}{{&n.Permitted, &out.Permitted}, {&n.Excluded, &out.Excluded}} {
		pair.to.DNS, pair.to.Emails, pair.to.URIs = pair.set.DNS, pair.set.Email, pair.set.URI
		for _, text := range pair.set.IP {
			p, err := netip.ParsePrefix(text)
			if err != nil {
				return nil, fault.New(fault.InvalidArgument, "name_constraints: %q is no range of addresses such as 10.0.0.0/8", text)
			}
			pair.to.IPs = append(pair.to.IPs, p.Masked())
		}
	}
	return out, nil
}
