package ca

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"time"

	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// OwnCertificate is a certificate that an authority issues for its own work,
// such as its OCSP responder's. Nobody asks for it, so no policy and no
// profile decides on it; it is linted, recorded and stored like any other.
type OwnCertificate struct {
	Profile string // under which it is listed
	// Template has the subject and the extensions; serial number, times, key
	// identifiers and the issuer's address are filled in.
	Template *x509.Certificate
	Key      *key.Key
	Validity time.Duration
}

// IssueOwn has the authority with the id, as the call's caller, issue a
// certificate for itself. The authority must be one that may issue.
func (s *Service) IssueOwn(ctx context.Context, call *key.Call, id string, own *OwnCertificate) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.IssueCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, ok := s.live.Load().byID[id]
		if !ok {
			return nil, noAuthority()
		}
		v.Permit(a.Resource(), "the certificate is for the authority's own work")
		now := s.now().UTC()
		if err := s.usable(a, now); err != nil {
			return nil, err
		}
		t, err := s.ownTemplate(a, own, now)
		if err != nil {
			return nil, err
		}
		c := &Certificate{
			Authority: a.ID, Serial: cert.SerialText(t.SerialNumber), Subject: t.Subject.String(), Profile: own.Profile,
			Key: &own.Key.Name.ID, Requester: call.Caller.Principal.String(), Shard: s.shard(a, t.SerialNumber),
			IssuedAt: now, NotBefore: t.NotBefore, NotAfter: t.NotAfter,
		}
		v.Note("profile", c.Profile)
		v.Note("serial", c.Serial)
		v.Note("subject", c.Subject)
		v.Note("key", own.Key.Name.String())
		subject, err := engine.ParsePublic(own.Key.Spec, own.Key.Current().Public)
		if err != nil {
			return nil, err
		}
		token, err := s.lints.Certificate(t, a.cert, a.public, subject, a.Algorithm)
		if err != nil {
			return nil, err
		}
		if c.DER, err = s.sign(ctx, call, a, token); err != nil {
			return nil, err
		}
		return c, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return s.insertCertificate(tx, c) })
		})
	})
}

// ownTemplate completes the template of a certificate for the authority's own
// work. Its time ends with the authority's.
func (s *Service) ownTemplate(a *authority, own *OwnCertificate, now time.Time) (*x509.Certificate, error) {
	t := *own.Template
	var err error
	if t.SerialNumber, err = cert.NewSerial(now, rand.Reader); err != nil {
		return nil, err
	}
	if t.SubjectKeyId, err = cert.SubjectKeyID(own.Key.Current().Public); err != nil {
		return nil, err
	}
	if s.publicURL != "" {
		t.IssuingCertificateURL = []string{s.publicURL + "/" + publicFolder + "/" + a.ID + ".cer"}
	}
	validity := own.Validity
	if a.Mode == ShortLived {
		validity = min(validity, MaxShortLife)
	}
	t.NotBefore = now.Add(-authorityBackdate).Truncate(time.Second)
	if t.NotBefore.Before(a.NotBefore) {
		t.NotBefore = a.NotBefore
	}
	t.NotAfter = now.Add(validity).Truncate(time.Second)
	if t.NotAfter.After(a.NotAfter) {
		t.NotAfter = a.NotAfter
	}
	return &t, nil
}
