package inventory

import (
	"context"
	"crypto/dsa" //nolint:staticcheck // old certificates have such keys: it is to find them
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// ProblemKind says what is wrong with a certificate, or with the place where
// it is in use.
type ProblemKind string

// The kinds of problems.
const (
	ProblemExpired       ProblemKind = "expired"
	ProblemExpiresSoon   ProblemKind = "expires-soon"
	ProblemNotYetValid   ProblemKind = "not-yet-valid"
	ProblemRevoked       ProblemKind = "revoked"           // by an authority here
	ProblemIncomplete    ProblemKind = "chain-incomplete"  // an issuer's certificate was not sent, or is not known
	ProblemUntrusted     ProblemKind = "untrusted-issuer"  // the chain ends at a root that is not trusted here
	ProblemHostname      ProblemKind = "hostname-mismatch" // the certificate is not for the name it was found at
	ProblemWeakKey       ProblemKind = "weak-key"
	ProblemWeakSignature ProblemKind = "weak-signature"
)

// Problem is one thing that is wrong.
type Problem struct {
	Kind ProblemKind
	// Place is where it is so, "" when it is the certificate itself.
	Place string
	Text  string
}

// Problematic is an entry with what is wrong with it.
type Problematic struct {
	*Entry
	Problems []Problem
}

// soon is when the end of a certificate is near: 30 days, or a third of the
// life of one that lives for less than 90 days.
func soon(c *ca.Certificate) time.Duration {
	return min(30*24*time.Hour, c.NotAfter.Sub(c.NotBefore)/3)
}

// Problems returns a page of the certificates that a query wants and that have
// problems, with these. Pages and decisions are those of Search; a page may be
// short and not the last.
func (s *Service) Problems(ctx context.Context, call *key.Call, q Query, page kms.Page) ([]*Problematic, string, error) {
	type result struct {
		list []*Problematic
		next string
	}
	out, err := guard.Do(ctx, s.guard, call, key.ListCertificates, func(v *guard.Visit) (result, error) {
		l, err := s.begin(ctx, call, v, q, page)
		if err != nil {
			return result{}, err
		}
		var found []*Problematic
		err = s.store.View(ctx, func(r store.Reader) error {
			if err := l.run(r); err != nil {
				return err
			}
			j := s.judge(r, l.realm, l.now)
			for _, e := range l.list {
				problems, err := j.problems(e)
				if err != nil {
					return err
				}
				if len(problems) > 0 {
					found = append(found, &Problematic{e, problems})
				}
			}
			return nil
		})
		return result{found, l.next}, err
	})
	return out.list, out.next, err
}

// Certificate returns one entry by its id, "authority id/serial" or "found/"
// and a fingerprint, with its problems.
func (s *Service) Certificate(ctx context.Context, call *key.Call, id string) (*Problematic, error) {
	return guard.Do(ctx, s.guard, call, key.GetCertificate, func(v *guard.Visit) (*Problematic, error) {
		realm := call.Caller.Principal.Realm
		owner, last, ok := strings.Cut(id, "/")
		target := guard.Target{Action: key.GetCertificate, Resource: key.Resource{Kind: key.KindCertificate, Realm: realm, Region: call.Region, ID: id}}
		if !ok {
			v.About(target.Resource)
			return nil, fault.New(fault.InvalidArgument, "%q is no certificate's id: authority id/serial, or found/fingerprint", id)
		}
		if owner != term.FoundMark {
			a, err := s.authorities.Find(call, owner)
			if err != nil {
				v.About(target.Resource)
				return nil, err
			}
			resource := target.Resource
			target, realm = a.Target(key.GetCertificate), a.Realm
			resource.Realm, resource.Region, resource.ID = a.Realm, a.Region, ca.CertificateID(a.ID, last)
			target.Resource = resource
		}
		if err := v.Authorize(target); err != nil {
			return nil, err
		}
		var out *Problematic
		err := s.store.View(ctx, func(r store.Reader) error {
			e, err := entryByID(r, realm, target.Resource.ID)
			if err != nil {
				return err
			}
			problems, err := s.judge(r, realm, s.now()).problems(e)
			out = &Problematic{e, problems}
			return err
		})
		return out, err
	})
}

// entryByID returns an entry, or a NotFound error.
func entryByID(r store.Reader, realm key.RealmID, id string) (*Entry, error) {
	var e *Entry
	var err error
	if fingerprint, ok := strings.CutPrefix(id, term.FoundMark+"/"); ok {
		if e, err = found(r, realm, fingerprint); e == nil && err == nil {
			return nil, noForeign(fingerprint)
		}
		return e, err
	}
	if e, err = stored(r, id); e == nil && err == nil {
		return nil, &fault.Error{Kind: fault.NotFound, Op: "inventory", Resource: id, Public: "the certificate does not exist"}
	}
	return e, err
}

// judge finds problems in one state of the store.
type judge struct {
	r           store.Reader
	realm       key.RealmID
	now         time.Time
	authorities []*x509.Certificate // of the realm
	ids         []string            // of the realm's authorities
	roots       *x509.CertPool
}

func (s *Service) judge(r store.Reader, realm key.RealmID, now time.Time) *judge {
	j := &judge{r: r, realm: realm, now: now, roots: s.roots}
	for _, a := range s.authorities.All() {
		if a.Realm != realm {
			continue
		}
		j.ids = append(j.ids, a.ID)
		for _, der := range slices.Concat([][]byte{a.Certificate}, a.Past, a.Chain) { // Past: what was renewed is still in use
			if c, err := x509.ParseCertificate(der); err == nil { // one that has no certificate yet has none
				j.authorities = append(j.authorities, c)
			}
		}
	}
	return j
}

// problems returns what is wrong with an entry. That a certificate of an
// authority here has ended or was revoked is no problem as such: it is one
// where the certificate is in use.
func (j *judge) problems(e *Entry) ([]Problem, error) {
	c, err := x509.ParseCertificate(e.DER)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", e.ID, err)
	}
	list := append(j.timeProblems(e), weaknesses(c)...)
	if e.Foreign == nil {
		return list, nil
	}
	own, err := issuedAs(j.r, j.ids, e)
	if err != nil {
		return nil, err
	}
	if own != nil && own.RevokedAt != nil {
		list = append(list, Problem{ProblemRevoked, "", "revoked on " + day(*own.RevokedAt) + ": " + own.Reason.String()})
	}
	chain, err := j.chainProblems(e, c)
	if err != nil {
		return nil, err
	}
	return append(append(list, chain...), hostnames(e, c)...), nil
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }

func (j *judge) timeProblems(e *Entry) []Problem {
	left := e.NotAfter.Sub(j.now)
	switch {
	case left < 0:
		if e.Foreign == nil {
			return nil
		}
		return []Problem{{ProblemExpired, "", "expired on " + day(e.NotAfter)}}
	case j.now.Before(e.NotBefore):
		return []Problem{{ProblemNotYetValid, "", "not valid before " + day(e.NotBefore)}}
	case left < soon(e.Certificate) && e.RevokedAt == nil:
		return []Problem{{ProblemExpiresSoon, "", fmt.Sprintf("expires in %d days, on %s", int(left.Hours()/24), day(e.NotAfter))}}
	}
	return nil
}

// weaknesses returns what is weak about a certificate: a key below 112 bits of
// strength (NIST SP 800-131A), one that others can compute, or a signature
// over a broken hash.
func weaknesses(c *x509.Certificate) []Problem {
	var list []Problem
	switch k := c.PublicKey.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits < 2048 {
			list = append(list, Problem{ProblemWeakKey, "", fmt.Sprintf("an RSA key of %d bits", bits)})
		} else if known, err := cert.PublicOf(c); err == nil {
			if e, ok := errors.AsType[*fault.Error](weakkey.Check(known, nil)); ok {
				list = append(list, Problem{ProblemWeakKey, "", e.Public})
			}
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P224() {
			list = append(list, Problem{ProblemWeakKey, "", "a key on the curve P-224"})
		}
	case *dsa.PublicKey:
		list = append(list, Problem{ProblemWeakKey, "", "a DSA key"})
	}
	selfSigned := string(c.RawIssuer) == string(c.RawSubject) // nobody relies on a root's own signature
	weak := []x509.SignatureAlgorithm{
		x509.MD2WithRSA, x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.DSAWithSHA256, x509.ECDSAWithSHA1,
	}
	if slices.Contains(weak, c.SignatureAlgorithm) && !selfSigned {
		list = append(list, Problem{ProblemWeakSignature, "", "signed with " + c.SignatureAlgorithm.String()})
	}
	return list
}

// hostnames returns the places whose name the certificate is not for.
func hostnames(e *Entry, c *x509.Certificate) []Problem {
	var list []Problem
	for _, p := range e.Foreign.Places {
		host, _, err := net.SplitHostPort(p.Address)
		if err != nil {
			continue // a file
		}
		name := p.Name
		if name == "" {
			name = host
		}
		if c.VerifyHostname(name) != nil {
			list = append(list, Problem{ProblemHostname, p.Address, "the certificate is not for " + name})
		}
	}
	return list
}
