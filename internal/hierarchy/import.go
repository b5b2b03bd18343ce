package hierarchy

import (
	"bytes"
	"context"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/ledger"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// maxPast is how many former certificates an authority's record keeps.
const maxPast = 16

// ImportAuthorityCertificate gives an authority the certificate that its
// request was for (AuthorityCSR), in DER, with the certificates of its issuers
// up to the root in any order; a root's comes without any. It makes a pending
// authority active, and renews one that has a certificate. To import the
// same once more changes nothing and succeeds. What cannot be read, or does
// not hold together, is an InvalidArgument error with the reason
// MalformedCertificate; a certificate for another name or key has the reason
// CertificateMismatch.
func (s *Service) ImportAuthorityCertificate(
	ctx context.Context, call *key.Call, idOrName string, certificate []byte, chain [][]byte,
) (*authority.Authority, error) {
	action := key.ImportAuthorityCertificate
	return guard.Do(ctx, s.r.Guard, call, action, func(v *guard.Visit) (*authority.Authority, error) {
		defer s.r.Hold()()
		a, err := s.r.Admit(v, action, idOrName)
		if err != nil {
			return nil, err
		}
		now := s.r.Now().UTC()
		if err := a.Permit(action, now); err != nil {
			return nil, err
		}
		path, err := s.fitting(a, certificate, chain, now)
		if err != nil {
			return nil, err
		}
		v.Note("serial", cert.SerialText(path[0].SerialNumber))
		v.Note("issuer", path[0].Issuer.String())
		if slices.EqualFunc(path, append([][]byte{a.Certificate}, a.Chain...), same) {
			return a.At(now), nil
		}
		if call.DryRun {
			return nil, authority.DryRun()
		}
		next, others, err := s.renewed(a, path, s.issuerOf(path), now)
		if err != nil {
			return nil, err
		}
		return next.At(now), s.commit(ctx, v, now, nil, append([]*authority.Entry{next}, others...)...)
	})
}

func same(c *x509.Certificate, der []byte) bool { return bytes.Equal(c.Raw, der) }

// fitting checks that a certificate and its chain are for the authority, and
// returns them in order.
func (s *Service) fitting(a *authority.Entry, certificate []byte, chain [][]byte, now time.Time) ([]*x509.Certificate, error) {
	c, err := authority.ParseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if err := matches(a, c); err != nil {
		return nil, err
	}
	self := authority.SelfSigned(c)
	switch {
	case a.Type == authority.Root && !self:
		return nil, fault.Because(fault.InvalidArgument, fault.CertificateMismatch, "a root's certificate is signed by its own key")
	case a.Type == authority.Root && len(chain) > 0:
		return nil, authority.Malformed("a root's certificate has no chain")
	case a.Type == authority.Subordinate && self:
		return nil, fault.Because(fault.InvalidArgument, fault.CertificateMismatch, "a subordinate authority's certificate is signed by another one")
	case a.Type == authority.Subordinate && len(chain) == 0:
		return nil, authority.Malformed("a subordinate authority's certificate comes with its chain")
	}
	path, err := authority.Arrange(c, chain)
	if err != nil {
		return nil, err
	}
	path = append([]*x509.Certificate{c}, path...)
	return path, authority.CheckPath(path, now)
}

// matches checks that a certificate is for the authority's key and name.
func matches(a *authority.Entry, c *x509.Certificate) error {
	spki, err := engine.MarshalPublic(a.Spec, a.Public().Key())
	if err != nil {
		return err
	}
	if !bytes.Equal(c.RawSubjectPublicKeyInfo, spki) {
		return fault.Because(fault.InvalidArgument, fault.CertificateMismatch, "the certificate is for another key than the authority's")
	}
	subject, err := rawSubject(a)
	if err != nil {
		return err
	}
	if !authority.SameName(subject, c.RawSubject) {
		return fault.Because(fault.InvalidArgument, fault.CertificateMismatch,
			"the certificate's subject is %s, the authority's is %s", c.Subject, a.Subject)
	}
	return nil
}

// rawSubject returns the authority's name in DER.
func rawSubject(a *authority.Entry) ([]byte, error) {
	if a.X509() != nil {
		return a.X509().RawSubject, nil
	}
	csr, err := x509.ParseCertificateRequest(a.CSR)
	if err != nil {
		return nil, fmt.Errorf("reading the request of authority %s: %w", a.ID, err)
	}
	return csr.RawSubject, nil
}

// issuerOf returns the authority here that issued the first of a path, or nil:
// the one whose name and key are those of the second. Authorities of one name
// differ in their keys.
func (s *Service) issuerOf(path []*x509.Certificate) *authority.Entry {
	if len(path) < 2 {
		return nil
	}
	up := path[1]
	for _, a := range s.r.Entries() {
		if a.X509() != nil && bytes.Equal(a.X509().RawSubject, up.RawSubject) &&
			bytes.Equal(a.X509().RawSubjectPublicKeyInfo, up.RawSubjectPublicKeyInfo) {
			return a
		}
	}
	return nil
}

// renewed returns an authority with a new certificate and chain, by an issuer
// that is here or nil, and what else changes with it: the chains of the
// authorities below, and the predecessor's end. s.mu is held.
func (s *Service) renewed(a *authority.Entry, path []*x509.Certificate, issuer *authority.Entry, now time.Time) (*authority.Entry, []*authority.Entry, error) {
	next := *a
	if a.Certificate != nil && !same(path[0], a.Certificate) {
		next.Past = append(slices.Clone(a.Past), a.Certificate)
		next.Past = next.Past[max(0, len(next.Past)-maxPast):]
	}
	next.Certificate, next.Chain, next.Parent = path[0].Raw, nil, ""
	for _, c := range path[1:] {
		next.Chain = append(next.Chain, c.Raw)
	}
	if issuer != nil {
		next.Parent = issuer.ID
	}
	if err := next.Open(); err != nil {
		return nil, nil, err
	}
	if a.State == authority.Pending {
		next.Enter(authority.Active, now)
	}
	if before := s.succeed(&next, now); before != nil {
		return &next, []*authority.Entry{before}, nil
	}
	others, err := s.rechained(&next)
	return &next, others, err
}

// rechained returns the authorities below one that has a new certificate, with
// their chains renewed. The key above them is the same, and so their own
// certificates are good with either.
func (s *Service) rechained(a *authority.Entry) ([]*authority.Entry, error) {
	var list []*authority.Entry
	for _, below := range s.r.Entries() {
		if below.Parent != a.ID || below.ID == a.ID || below.X509() == nil {
			continue
		}
		next := *below
		next.Chain = append([][]byte{a.Certificate}, a.Chain...)
		if err := next.Open(); err != nil {
			return nil, err
		}
		further, err := s.rechained(&next)
		if err != nil {
			return nil, err
		}
		list = append(append(list, &next), further...)
	}
	return list, nil
}

// succeed lets an authority with its first certificate take over from its
// predecessor: it gets the name, and the other one issues no more. It returns
// the predecessor's new state, or nil where there is nothing to take over.
// s.mu is held.
func (s *Service) succeed(a *authority.Entry, now time.Time) *authority.Entry {
	before, ok := s.r.Entries()[a.Predecessor]
	if !ok || before.Successor != "" {
		return nil
	}
	next := *before
	next.Successor = a.ID
	if a.Name == "" {
		a.Name, next.Name = next.Name, ""
	}
	if next.State == authority.Active {
		next.Enter(authority.Disabled, now)
	}
	return &next
}

// insertAll returns what writes certificates into inventories.
func (s *Service) insertAll(list ...*ledger.Certificate) func(store.Tx) error {
	return func(tx store.Tx) error { return s.ledger.Insert(tx, list...) }
}
