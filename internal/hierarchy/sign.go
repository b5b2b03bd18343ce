package hierarchy

import (
	"context"
	"crypto/x509"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/lint"
)

// lintAuthority has the certificate of an authority encoded and linted for its
// public key. parent issues it; nil is the authority itself, with the
// algorithm.
func (s *Service) lintAuthority(t *x509.Certificate, parent *authority.Entry, subject *engine.PublicKey, a alg.Algorithm) (*lint.Token, error) {
	spki, err := engine.MarshalPublic(subject.Spec(), subject.Key())
	if err != nil {
		return nil, err
	}
	if len(t.SubjectKeyId) == 0 || parent == nil {
		if t.SubjectKeyId, err = cert.SubjectKeyID(spki); err != nil {
			return nil, err
		}
	}
	if parent == nil {
		return s.r.Lints.Certificate(t, t, subject, subject, a)
	}
	return s.r.Lints.Certificate(t, parent.X509(), parent.Public(), subject, parent.Algorithm)
}

// signAuthority lints the certificate of an authority and has its parent sign
// it, or, where that is nil, itself.
func (s *Service) signAuthority(ctx context.Context, v *guard.Visit, t *x509.Certificate, parent, a *authority.Entry) ([]byte, error) {
	if parent != nil {
		return s.signBelow(ctx, v, t, parent, a.Public())
	}
	passed, err := s.lintAuthority(t, nil, a.Public(), a.Algorithm)
	return s.sign(ctx, v, a, passed, err)
}

// signBelow lints the certificate of any authority with the public key, and
// has another one here sign it.
func (s *Service) signBelow(ctx context.Context, v *guard.Visit, t *x509.Certificate, by *authority.Entry, subject *engine.PublicKey) ([]byte, error) {
	passed, err := s.lintAuthority(t, by, subject, by.Algorithm)
	return s.sign(ctx, v, by, passed, err)
}

// sign has an authority sign what passed the lint, if it did.
func (s *Service) sign(ctx context.Context, v *guard.Visit, by *authority.Entry, passed *lint.Token, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	if v.Call.DryRun {
		return nil, authority.DryRun()
	}
	return s.r.Sign(ctx, v.Call, by, passed)
}
