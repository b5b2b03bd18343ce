package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
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
) (*Authority, error) {
	action := key.ImportAuthorityCertificate
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*Authority, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		a, err := s.visit(call, v, action, idOrName)
		if err != nil {
			return nil, err
		}
		now := s.now().UTC()
		if err := a.permit(action, now); err != nil {
			return nil, err
		}
		path, err := s.fitting(a, certificate, chain, now)
		if err != nil {
			return nil, err
		}
		v.Note("serial", cert.SerialText(path[0].SerialNumber))
		v.Note("issuer", path[0].Issuer.String())
		if slices.EqualFunc(path, append([][]byte{a.Certificate}, a.Chain...), same) {
			return a.at(now), nil
		}
		if call.DryRun {
			return nil, dryRun()
		}
		next, others, err := s.renewed(a, path, s.issuerOf(path), now)
		if err != nil {
			return nil, err
		}
		return next.at(now), s.commit(ctx, v, now, nil, append([]*authority{next}, others...)...)
	})
}

func same(c *x509.Certificate, der []byte) bool { return bytes.Equal(c.Raw, der) }

// fitting checks that a certificate and its chain are for the authority, and
// returns them in order.
func (s *Service) fitting(a *authority, certificate []byte, chain [][]byte, now time.Time) ([]*x509.Certificate, error) {
	c, err := parseCertificate(certificate)
	if err != nil {
		return nil, err
	}
	if err := a.matches(c); err != nil {
		return nil, err
	}
	self := selfSigned(c)
	switch {
	case a.Type == Root && !self:
		return nil, fault.Because(fault.InvalidArgument, fault.CertificateMismatch, "a root's certificate is signed by its own key")
	case a.Type == Root && len(chain) > 0:
		return nil, malformed("a root's certificate has no chain")
	case a.Type == Subordinate && self:
		return nil, fault.Because(fault.InvalidArgument, fault.CertificateMismatch, "a subordinate authority's certificate is signed by another one")
	case a.Type == Subordinate && len(chain) == 0:
		return nil, malformed("a subordinate authority's certificate comes with its chain")
	}
	path, err := arrange(c, chain)
	if err != nil {
		return nil, err
	}
	path = append([]*x509.Certificate{c}, path...)
	return path, checkPath(path, now)
}

// matches checks that a certificate is for the authority's key and name.
func (a *authority) matches(c *x509.Certificate) error {
	spki, err := engine.MarshalPublic(a.Spec, a.public.Key())
	if err != nil {
		return err
	}
	if !bytes.Equal(c.RawSubjectPublicKeyInfo, spki) {
		return fault.Because(fault.InvalidArgument, fault.CertificateMismatch, "the certificate is for another key than the authority's")
	}
	subject, err := a.rawSubject()
	if err != nil {
		return err
	}
	if !sameName(subject, c.RawSubject) {
		return fault.Because(fault.InvalidArgument, fault.CertificateMismatch,
			"the certificate's subject is %s, the authority's is %s", c.Subject, a.Subject)
	}
	return nil
}

// rawSubject returns the authority's name in DER.
func (a *authority) rawSubject() ([]byte, error) {
	if a.cert != nil {
		return a.cert.RawSubject, nil
	}
	csr, err := x509.ParseCertificateRequest(a.CSR)
	if err != nil {
		return nil, fmt.Errorf("reading the request of authority %s: %w", a.ID, err)
	}
	return csr.RawSubject, nil
}

// sameName reports whether two names in DER have the same attributes with the
// same texts, whichever string types carry them: an issuer may write a name
// its own way (RFC 5280 section 4.1.2.4), and OpenSSL does.
func sameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	var x, y [][]attribute
	if _, err := asn1.Unmarshal(a, &x); err != nil {
		return false
	}
	if _, err := asn1.Unmarshal(b, &y); err != nil {
		return false
	}
	return slices.EqualFunc(x, y, func(x, y []attribute) bool {
		return slices.EqualFunc(x, y, func(x, y attribute) bool {
			text, isText := x.Value.(string)
			other, bothText := y.Value.(string)
			return x.Type.Equal(y.Type) && isText && bothText && text == other
		})
	})
}

// attribute is AttributeTypeAndValue (RFC 5280 section 4.1.2.4).
type attribute struct {
	Type  asn1.ObjectIdentifier
	Value any
}

// issuerOf returns the authority here that issued the first of a path, or nil:
// the one whose name and key are those of the second. Authorities of one name
// differ in their keys.
func (s *Service) issuerOf(path []*x509.Certificate) *authority {
	if len(path) < 2 {
		return nil
	}
	up := path[1]
	for _, a := range s.live.Load().byID {
		if a.cert != nil && bytes.Equal(a.cert.RawSubject, up.RawSubject) &&
			bytes.Equal(a.cert.RawSubjectPublicKeyInfo, up.RawSubjectPublicKeyInfo) {
			return a
		}
	}
	return nil
}

// renewed returns an authority with a new certificate and chain, by an issuer
// that is here or nil, and what else changes with it: the chains of the
// authorities below, and the predecessor's end. s.mu is held.
func (s *Service) renewed(a *authority, path []*x509.Certificate, issuer *authority, now time.Time) (*authority, []*authority, error) {
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
	if err := next.open(nil); err != nil {
		return nil, nil, err
	}
	if a.State == Pending {
		next.enter(Active, now)
	}
	if before := s.succeed(&next, now); before != nil {
		return &next, []*authority{before}, nil
	}
	others, err := s.rechained(&next)
	return &next, others, err
}

// rechained returns the authorities below one that has a new certificate, with
// their chains renewed. The key above them is the same, and so their own
// certificates are good with either.
func (s *Service) rechained(a *authority) ([]*authority, error) {
	var list []*authority
	for _, below := range s.live.Load().byID {
		if below.Parent != a.ID || below.ID == a.ID || below.cert == nil {
			continue
		}
		next := *below
		next.Chain = append([][]byte{a.Certificate}, a.Chain...)
		if err := next.open(nil); err != nil {
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
func (s *Service) succeed(a *authority, now time.Time) *authority {
	before, ok := s.live.Load().byID[a.Predecessor]
	if !ok || before.Successor != "" {
		return nil
	}
	next := *before
	next.Successor = a.ID
	if a.Name == "" {
		a.Name, next.Name = next.Name, ""
	}
	if next.State == Active {
		next.enter(Disabled, now)
	}
	return &next
}

// insertAll returns what writes certificates into inventories.
func (s *Service) insertAll(list ...*Certificate) func(store.Tx) error {
	return func(tx store.Tx) error {
		for _, c := range list {
			if err := s.insertCertificate(tx, c); err != nil {
				return err
			}
		}
		return nil
	}
}
