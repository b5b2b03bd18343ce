package profile

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/extension"
)

// template is an AWS Private CA template as a profile ("Template definitions",
// AWS Private CA User Guide): front/aws/pca makes them all of these parts.
func template(ca bool, pathLen int, usage x509.KeyUsage, pass Passthrough, extended ...x509.ExtKeyUsage) Profile {
	return Profile{
		CA: ca, PathLen: pathLen, Usage: usage, Extended: extended, Passthrough: pass,
		Subject: SubjectRules{Others: true, Repeated: true, FreeName: true}, Names: AnyName, Wildcards: true, Lenient: true,
		AskStart: true,
	}
}

// oid returns the extension of a draft, nil if it has none.
func oid(d *Draft, id asn1.ObjectIdentifier) *pkix.Extension {
	i := slices.IndexFunc(d.Template.ExtraExtensions, func(e pkix.Extension) bool { return e.Id.Equal(id) })
	if i < 0 {
		return nil
	}
	return &d.Template.ExtraExtensions[i]
}

// TestPrecedence: the template's value over the caller's over the CSR's
// ("AWS Private CA template order of operations").
func TestPrecedence(t *testing.T) {
	const sign, agree = x509.KeyUsageDigitalSignature, x509.KeyUsageKeyAgreement
	const commit = x509.KeyUsageContentCommitment
	custom := asn1.ObjectIdentifier{1, 2, 3, 4}
	policy := func(n int) []PolicyInformation { return []PolicyInformation{{OID: asn1.ObjectIdentifier{1, 3, n}}} }
	csr := &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: "csr"}, DNSNames: []string{"csr.example"},
		ExtraExtensions: []pkix.Extension{
			ext(t, true, extension.KeyUsage, asn1.BitString{Bytes: []byte{0x08}, BitLength: 5}),
			ext(t, false, extension.ExtendedKeyUsage, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 4}}),
			ext(t, false, extension.Policies, []struct{ OID asn1.ObjectIdentifier }{{asn1.ObjectIdentifier{1, 3, 1}}}),
			ext(t, false, custom, "csr"), ext(t, true, asn1.ObjectIdentifier{1, 2, 3, 5}, "only the csr"),
			ext(t, true, extension.BasicConstraints, basicConstraints{true, 5}),
		},
	}
	usage := commit
	api := Extensions{
		KeyUsage: &usage, Extended: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping}, Policies: policy(2),
		Names: &Names{DNS: []string{"api.example"}}, Custom: []pkix.Extension{ext(t, true, custom, "api")},
	}
	type want struct {
		usage    x509.KeyUsage
		extended string
		policy   string // the DER's last byte, in hex
		custom   string
		names    string
		only     bool // the CSR's own extension
	}
	mail, stamp := "1.3.6.1.5.5.7.3.4", "1.3.6.1.5.5.7.3.8"
	server := "1.3.6.1.5.5.7.3.1"
	for name, c := range map[string]struct {
		profile Profile
		api     bool
		want    want
	}{
		"EndEntityServerAuthCertificate":                    {template(false, 0, sign, Passthrough{}, x509.ExtKeyUsageServerAuth), false, want{sign, server, "", "", "csr.example", false}},
		"EndEntityServerAuthCertificate_CSRPassthrough":     {template(false, 0, sign, Passthrough{CSR: true}, x509.ExtKeyUsageServerAuth), false, want{sign, server, "01", "csr", "csr.example", true}},
		"EndEntityServerAuthCertificate_APIPassthrough":     {template(false, 0, sign, Passthrough{API: true}, x509.ExtKeyUsageServerAuth), true, want{sign, server, "02", "api", "api.example", false}},
		"EndEntityServerAuthCertificate_APICSRPassthrough":  {template(false, 0, sign, Passthrough{true, true}, x509.ExtKeyUsageServerAuth), true, want{sign, server, "02", "api", "api.example", true}},
		"BlankEndEntityCertificate_CSRPassthrough":          {template(false, 0, 0, Passthrough{CSR: true}), false, want{agree, mail, "01", "csr", "csr.example", true}},
		"BlankEndEntityCertificate_APIPassthrough":          {template(false, 0, 0, Passthrough{API: true}), true, want{commit, stamp, "02", "api", "api.example", false}},
		"BlankEndEntityCertificate_APICSRPassthrough":       {template(false, 0, 0, Passthrough{true, true}), true, want{commit, stamp, "02", "api", "api.example", true}},
		"BlankEndEntityCertificate_APICSR, nothing from it": {template(false, 0, 0, Passthrough{true, true}), false, want{agree, mail, "01", "csr", "csr.example", true}},
	} {
		t.Run(name, func(t *testing.T) {
			in := from(t, csr)
			if c.api {
				in.Extensions = api
			}
			d, err := compile(t, c.profile).Draft(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			got := want{usage: d.Template.KeyUsage, names: strings.Join(d.Names.DNS, " ")}
			for _, o := range extension.UsageOIDs(d.Template.ExtKeyUsage, d.Template.UnknownExtKeyUsage) {
				got.extended += o.String()
			}
			if e := oid(d, extension.Policies); e != nil {
				got.policy = hex.EncodeToString(e.Value[len(e.Value)-1:])
			}
			if e := oid(d, custom); e != nil {
				got.custom = string(e.Value[2:])
			}
			got.only = oid(d, asn1.ObjectIdentifier{1, 2, 3, 5}) != nil
			if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(want{})); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if d.Template.IsCA || !slices.Contains(d.Ignored, extension.BasicConstraints.String()) {
				t.Errorf("CA %v, ignored %v", d.Template.IsCA, d.Ignored)
			}
		})
	}
}

// TestTemplatesOfAuthorities: what a request asks for changes nothing about
// what an authority's certificate says of authorities.
func TestTemplatesOfAuthorities(t *testing.T) {
	const usage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	csr := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "sub"}, ExtraExtensions: []pkix.Extension{
		ext(t, true, extension.BasicConstraints, basicConstraints{true, 9}),
		ext(t, true, extension.KeyUsage, asn1.BitString{Bytes: []byte{0x06}, BitLength: 7}),
	}}
	for pathLen := range 4 {
		for _, pass := range []Passthrough{{}, {CSR: true}, {API: true}, {true, true}} {
			d, err := compile(t, template(true, pathLen, usage, pass)).Draft(t.Context(), from(t, csr))
			if err != nil {
				t.Fatal(err)
			}
			if c := d.Template; !c.IsCA || c.MaxPathLen != pathLen || c.MaxPathLenZero != (pathLen == 0) || c.KeyUsage != usage {
				t.Errorf("path length %d %v, usage %v", c.MaxPathLen, c.MaxPathLenZero, c.KeyUsage)
			}
			blank, err := compile(t, template(true, pathLen, 0, pass)).Draft(t.Context(), from(t, csr))
			if err != nil {
				t.Fatal(err)
			}
			want := x509.KeyUsage(0)
			if pass.CSR {
				want = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
			}
			if blank.Template.KeyUsage != want {
				t.Errorf("a blank template with %+v has the usage %v", pass, blank.Template.KeyUsage)
			}
		}
	}
}

// TestExtensionsRefused is the table of what a caller may not pass through.
func TestExtensionsRefused(t *testing.T) {
	certSign := x509.KeyUsageCertSign
	api := compile(t, template(false, 0, 0, Passthrough{API: true}))
	closed := compile(t, template(false, 0, 0, Passthrough{}))
	many := make([]PolicyInformation, 21)
	for i := range many {
		many[i].OID = asn1.ObjectIdentifier{1, 3, i}
	}
	for name, c := range map[string]struct {
		profile *Profile
		ext     Extensions
	}{
		"anything where nothing passes": {closed, Extensions{KeyUsage: new(x509.KeyUsage)}},
		"an authority's usage":          {api, Extensions{KeyUsage: &certSign}},
		"name constraints":              {api, Extensions{Constraints: &NameConstraints{Permitted: Subtrees{DNS: []string{"a"}}}}},
		"basic constraints as bytes":    {api, Extensions{Custom: []pkix.Extension{ext(t, true, extension.BasicConstraints, basicConstraints{true, 0})}}},
		"names as bytes":                {api, Extensions{Custom: []pkix.Extension{san(t, dns("a.b"))}}},
		"a key identifier as bytes":     {api, Extensions{Custom: []pkix.Extension{{Id: extension.AuthorityKeyID, Value: []byte{0x30, 0}}}}},
		"an extension twice":            {api, Extensions{Custom: []pkix.Extension{ext(t, false, asn1.ObjectIdentifier{1, 2, 3}, "a"), ext(t, false, asn1.ObjectIdentifier{1, 2, 3}, "b")}}},
		"no DER":                        {api, Extensions{Custom: []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Value: []byte{0x30, 5, 0}}}}},
		"no type":                       {api, Extensions{Custom: []pkix.Extension{{Value: []byte{5, 0}}}}},
		"too many policies":             {api, Extensions{Policies: many}},
		"a policy twice":                {api, Extensions{Policies: []PolicyInformation{{OID: oidPolicy}, {OID: oidPolicy}}}},
		"a notice that is hidden":       {api, Extensions{Policies: []PolicyInformation{{OID: oidPolicy, Notice: "a\u202eb"}}}},
		"a statement that is no URI":    {api, Extensions{Policies: []PolicyInformation{{OID: oidPolicy, CPS: []string{"a b"}}}}},
		"an unknown usage":              {api, Extensions{Extended: []x509.ExtKeyUsage{99}}},
	} {
		t.Run(name, func(t *testing.T) {
			in := input(t, Subject{CommonName: "x"}, Names{})
			in.Extensions = c.ext
			if d, err := c.profile.Draft(t.Context(), in); err == nil {
				t.Errorf("%+v", d.Template.ExtraExtensions)
			}
		})
	}
}

// TestOpenSSLReads: every extension as OpenSSL reads it, criticality included.
func TestOpenSSLReads(t *testing.T) {
	critical := true
	p := compile(t, Profile{
		CA: true, PathLen: 2, Usage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, Names: AnyName,
		Extended: []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}, ExtendedOIDs: []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 17}}, CriticalExtended: true,
		PlainBasicConstraints: true, Subject: SubjectRules{Others: true, Repeated: true},
		Policies: []PolicyInformation{{OID: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}, CPS: []string{"https://a.example/cps"}, Notice: "für alle"}},
		Extra:    []pkix.Extension{{Id: extension.OCSPNoCheck, Value: []byte{5, 0}}},
		Constraints: &NameConstraints{Critical: critical, Permitted: Subtrees{
			DNS: []string{"example.com"}, Emails: []string{"example.com", ".example.org", "a@example.net"}, URIs: []string{".example.com"},
			IPs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}, Directory: []Subject{{Country: "CH"}},
		}, Excluded: Subtrees{DNS: []string{"secret.example.com"}}},
	})
	d, err := p.Draft(t.Context(), input(t,
		Subject{CommonName: "x", SerialNumber: "7", Title: "Dr", Custom: []Attribute{
			{OID: oidUnit, Value: "a"}, {OID: oidUnit, Value: "b"}, {OID: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "com"},
		}},
		Names{
			DNS: []string{"a.example.com"}, IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}, URIs: []string{"urn:uuid:1"}, Emails: []string{"a@b.example"},
			UPNs: []string{"alice@corp.example"}, Others: []OtherName{{OID: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: "ünï"}},
			Directory: []Subject{{CommonName: "y"}}, RegisteredIDs: []asn1.ObjectIdentifier{{1, 2, 3, 4}},
		}))
	if err != nil {
		t.Fatal(err)
	}
	text := opensslText(t, d)
	for _, want := range []string{
		"Subject: DC=com, OU=a, OU=b, CN=x, serialNumber=7, title=Dr",
		"X509v3 Key Usage: critical\n                Certificate Sign, CRL Sign",
		"X509v3 Extended Key Usage: critical\n                OCSP Signing, ipsec Internet Key Exchange",
		"X509v3 Basic Constraints: \n                CA:TRUE, pathlen:2",
		"DNS:a.example.com, IP Address:10.0.0.1, URI:urn:uuid:1, email:a@b.example, othername: UPN:", "alice@corp.example",
		"othername: 1.2.3.4:", "Registered ID:1.2.3.4",
		"Policy: 1.3.6.1.4.1.99999.1", "CPS: https://a.example/cps", "Explicit Text: ",
		"X509v3 Name Constraints: critical\n                Permitted:\n                  DNS:example.com\n                  email:example.com\n                  email:.example.org\n                  email:a@example.net\n                  URI:.example.com\n                  IP:10.0.0.0/255.0.0.0",
		"Excluded:\n                  DNS:secret.example.com", "OCSP No Check",
	} {
		if !strings.Contains(strings.ReplaceAll(text, " = ", "="), want) {
			t.Errorf("openssl does not read %q in\n%s", want, text)
		}
	}
}

// opensslText signs a draft with the key of the tests and has OpenSSL read it.
func opensslText(t *testing.T, d *Draft) string {
	t.Helper()
	k := publicOf(t, signer(t).Public())
	d.Template.SerialNumber, d.Template.SubjectKeyId = big.NewInt(1<<40), []byte{1, 2, 3}
	tbs, err := cert.Encode(d.Template, d.Template, k, k, alg.ECDSASHA256)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "c.der")
	if err := os.WriteFile(path, signRequest(t, signer(t), alg.ECDSASHA256, alg.P256, tbs), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "openssl", "x509", "-inform", "DER", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus_space", "-in", path).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestRoom: an authority's path length is below what the issuers leave.
func TestRoom(t *testing.T) {
	for _, c := range []struct {
		pathLen, room int
		good          bool
	}{
		{0, 0, false},
		{0, 1, true},
		{1, 1, false},
		{2, 3, true},
		{3, 3, false},
		{NoPathLimit, 5, false},
		{NoPathLimit, NoPathLimit, true},
		{3, NoPathLimit, true},
	} {
		p := compile(t, Profile{CA: true, PathLen: c.pathLen, Usage: x509.KeyUsageCertSign})
		in := input(t, Subject{CommonName: "x"}, Names{})
		in.Room = c.room
		_, err := p.Draft(t.Context(), in)
		wantViolation(t, err, c.good)
	}
	in := input(t, Subject{CommonName: "x"}, Names{})
	in.Room = 0
	_, err := builtin(t, "tls-client").Draft(t.Context(), in)
	wantViolation(t, err, true)
}

// TestSelfSigned: only a root's profile makes what signs itself, and nothing
// else does it make.
func TestSelfSigned(t *testing.T) {
	in := input(t, Subject{CommonName: "Root"}, Names{})
	_, err := builtin(t, "root-ca").Draft(t.Context(), in)
	wantViolation(t, err, false)
	in.Issuer = nil
	_, err = builtin(t, "subordinate-ca-0").Draft(t.Context(), in)
	wantViolation(t, err, false)
	d, err := builtin(t, "root-ca").Draft(t.Context(), in)
	if err != nil || !d.Template.IsCA || d.Template.MaxPathLen != -1 {
		t.Errorf("%+v (%v)", d, err)
	}
}
