package ca

import (
	"bytes"
	"context"
	"crypto/x509"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// IssuerOf returns the authority that issued a certificate and its realm, ""
// for one from elsewhere. That it did, its ledger says, which has the same
// bytes. A certificate that is revoked or on hold now is an Unauthenticated
// error, as is one below an authority that is not good any more.
func (s *Service) IssuerOf(ctx context.Context, c *x509.Certificate) (id string, realm key.RealmID, err error) {
	serial := cert.SerialText(c.SerialNumber)
	for _, a := range s.r.Entries() {
		if a.X509() == nil || !bytes.Equal(a.X509().RawSubject, c.RawIssuer) {
			continue
		}
		issued, err := s.ledger.Read(ctx, a.ID, serial)
		if err != nil && fault.KindOf(err) == fault.NotFound {
			continue // another authority of its name
		}
		if err != nil {
			return "", "", err
		}
		if !bytes.Equal(issued.DER, c.Raw) {
			continue
		}
		if issued.RevokedAt != nil {
			return "", "", fault.Because(fault.Unauthenticated, fault.DisabledCredential, "the client's certificate is revoked")
		}
		if !s.upright(a) {
			return "", "", fault.Because(fault.Unauthenticated, fault.DisabledCredential, "the authority of the client's certificate is not good any more")
		}
		return a.ID, a.Realm, nil
	}
	return "", "", nil
}

// upright reports whether certificates of an authority are to be believed: it
// and those above it that are here have certificates that are valid now. One
// that is disabled issues nothing more, and what it issued stays.
func (s *Service) upright(a *authority.Entry) bool {
	for range authorityDepth {
		if !slices.Contains([]authority.State{authority.Active, authority.Disabled}, a.StateAt(s.r.Now())) {
			return false
		}
		parent, here := s.r.Entry(a.Parent)
		if a.Parent == "" || a.Parent == a.ID || !here {
			return true
		}
		a = parent
	}
	return false
}

// authorityDepth is how many authorities above one another are looked at.
const authorityDepth = 16
