package survey

import (
	"context"
	"crypto/dsa" //nolint:staticcheck // only to tell that a key is one
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// ofAuthorities judges the certificates of the realm's authorities, and notes
// whose keys are theirs.
func (c *check) ofAuthorities(context.Context) error {
	for _, a := range c.c.Authorities.All() {
		if a.Realm != c.realm || !a.DeleteAt.IsZero() {
			continue
		}
		c.authorities[a.Key] = a
		x := a.X509()
		if x == nil {
			continue
		}
		if !c.visit.May(a.Target(key.DescribeAuthority)) {
			c.Gap(compliance.SubjectCertificate, a.Resource().String(), "the caller may not describe some authorities")
			continue
		}
		facts := factsOf(x)
		facts.Resource, facts.Region, facts.Authority, facts.Issuer, facts.Serial = a.Resource().String(), a.Region, a.ID, a.Parent, a.Serial
		if a.Name != "" {
			facts.Name = a.Name
		}
		c.Certificate(facts)
	}
	return nil
}

// certificates judges the valid certificates of the inventory, and of those
// from elsewhere also those that have ended: one that was issued here and has
// ended is of the past, one that was seen at a server is in use.
func (c *check) certificates(ctx context.Context) error {
	s := &successors{seed: maphash.MakeSeed(), last: map[uint64]int64{}}
	for _, q := range []inventory.Query{{Origin: inventory.Issued, State: inventory.Valid}, {Origin: inventory.Elsewhere}} {
		err := c.search(ctx, q, s)
		if fault.KindOf(err) == fault.PermissionDenied {
			c.Gap(compliance.SubjectCertificate, string(c.realm), "the caller may not list certificates")
			return nil
		}
		if err != nil {
			return err
		}
	}
	for _, w := range s.waiting {
		if end := time.Unix(s.last[w.names], 0); end.After(w.facts.NotAfter) {
			w.facts.Successor = end
		}
		c.Certificate(w.facts)
	}
	c.visit.NoteInt("certificates", s.count)
	return nil
}

// search judges what a query finds, page by page. What ends soon waits, until
// it is known whether something takes its place.
func (c *check) search(ctx context.Context, q inventory.Query, s *successors) error {
	for page := (kms.Page{Limit: ca.MaxPage}); ; {
		list, next, err := c.c.Inventory.Search(ctx, c.inner(), q, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			if e.RevokedAt != nil {
				continue
			}
			s.count++
			facts, err := entryFacts(e)
			if err != nil {
				c.Gap(compliance.SubjectCertificate, e.ID, "the certificate cannot be parsed")
				continue
			}
			names := s.add(e)
			if facts.NotAfter.Sub(c.now) > time.Duration(c.settings.Expiring)*24*time.Hour {
				c.Certificate(facts)
				continue
			}
			s.waiting = append(s.waiting, waiting{names, facts})
		}
		if next == "" {
			return nil
		}
		page.After = next
	}
}

// successors knows until when there are certificates for which names.
type successors struct {
	seed    maphash.Seed
	last    map[uint64]int64 // the last end, in Unix seconds, by the names
	waiting []waiting
	count   int
}

// waiting is a certificate that ends soon.
type waiting struct {
	names uint64
	facts *compliance.Certificate
}

// add notes a certificate and returns what stands for its names.
func (s *successors) add(e *inventory.Entry) uint64 {
	names := slices.Clone(e.Names)
	slices.Sort(names)
	text := strings.Join(names, "\n")
	if text == "" {
		text = e.Subject
	}
	h := maphash.String(s.seed, text)
	s.last[h] = max(s.last[h], e.NotAfter.Unix())
	return h
}

// entryFacts returns what is known of a certificate of the inventory.
func entryFacts(e *inventory.Entry) (*compliance.Certificate, error) {
	x, err := x509.ParseCertificate(e.DER)
	if err != nil {
		return nil, err
	}
	facts := factsOf(x)
	facts.Resource, facts.Issuer, facts.Serial = e.ID, e.Authority, e.Serial
	if facts.Name == "" && len(e.Names) > 0 {
		facts.Name = e.Names[0]
	}
	return facts, nil
}

// factsOf returns what a certificate itself tells.
func factsOf(x *x509.Certificate) *compliance.Certificate {
	signature, known := signatureOf(x)
	facts := &compliance.Certificate{
		Place: compliance.Holdfast, Name: x.Subject.String(), Type: typeOf(x), NotBefore: x.NotBefore, NotAfter: x.NotAfter,
		Server: slices.Contains(x.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !x.IsCA,
	}
	if known {
		facts.Signature = signature
		facts.Broken = slices.Contains(brokenSignatures(), x.SignatureAlgorithm) && string(x.RawIssuer) != string(x.RawSubject)
	}
	return facts
}

// signatureOf returns the name of the algorithm that signs a certificate:
// crypto/x509's, or that of the table for those which it does not have.
func signatureOf(x *x509.Certificate) (string, bool) {
	if x.SignatureAlgorithm != x509.UnknownSignatureAlgorithm {
		return x.SignatureAlgorithm.String(), true
	}
	a, err := cert.SignedBy(x)
	return a.String(), err == nil
}

func brokenSignatures() []x509.SignatureAlgorithm {
	return []x509.SignatureAlgorithm{
		x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
	}
}

// typeOf returns the type of a certificate's key.
func typeOf(x *x509.Certificate) compliance.Type {
	if p, err := cert.PublicOf(x); err == nil && p.Spec() != alg.NoSpec {
		return compliance.TypeOf(p.Spec(), alg.SignVerify)
	}
	switch k := x.PublicKey.(type) {
	case *rsa.PublicKey:
		return compliance.Type{Name: fmt.Sprintf("rsa-%d", k.N.BitLen()), Family: alg.RSA, Bits: k.N.BitLen(), Usage: alg.SignVerify}
	case *ecdsa.PublicKey:
		return compliance.Type{Name: strings.ToLower(k.Curve.Params().Name), Family: alg.EC, Bits: k.Curve.Params().BitSize, Usage: alg.SignVerify}
	case *dsa.PublicKey:
		return compliance.Type{Name: "DSA"}
	}
	return compliance.Type{Name: "of an algorithm that is not known"}
}
