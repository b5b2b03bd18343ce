package ca

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// OnRevoked has f told of every certificate that is revoked or released from
// now on, and when the change was stored (Revocation.Changed): after that is
// durable, and before the call that did it returns. f is quick, does not call
// back, and is set before the Service is used.
func (s *Service) OnRevoked(f func(c *Certificate, changed time.Time)) {
	s.onRevoked = append(s.onRevoked, f)
}

// Revoke revokes a certificate, expired ones too. Its cost does not depend on
// how many are revoked: three rows are written, and lists are made later
// (package status). To revoke a certificate once more for the same reason
// changes nothing and succeeds. With another reason it is a WrongState error
// (AlreadyRevoked), for the first one stands; only a hold may become a
// revocation for good. Revoking an authority's certificate ends its issuing.
func (s *Service) Revoke(ctx context.Context, call *key.Call, issuer, serial string, reason Reason) (*Certificate, error) {
	return guard.Do(ctx, s.r.Guard, call, key.RevokeCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, serial, err := s.visitRevocation(v, issuer, serial)
		if err != nil {
			return nil, err
		}
		return s.revoke(ctx, v, a, serial, reason)
	})
}

// Release takes back the hold of a certificate, which is good again. A
// certificate that is revoked for any other reason stays so (WrongState).
func (s *Service) Release(ctx context.Context, call *key.Call, issuer, serial string) (*Certificate, error) {
	return guard.Do(ctx, s.r.Guard, call, key.RevokeCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, serial, err := s.visitRevocation(v, issuer, serial)
		if err != nil {
			return nil, err
		}
		v.Note("reason", "release of the hold")
		defer s.r.Hold()()
		c, err := s.Lookup(ctx, a.ID, serial)
		if err != nil {
			return nil, err
		}
		if c.RevokedAt == nil || c.Reason != CertificateHold {
			return nil, fault.New(fault.WrongState, "the certificate is not on hold")
		}
		if call.DryRun {
			return nil, authority.DryRun()
		}
		c.RevokedAt, c.Reason = nil, Unspecified
		return c, s.commitRevocation(ctx, v, c)
	})
}

// visitRevocation finds and authorises what is to be revoked or released.
func (s *Service) visitRevocation(v *guard.Visit, issuer, serial string) (*authority.Entry, string, error) {
	a, serial, err := s.visitCertificate(v, key.RevokeCertificate, issuer, serial)
	if err != nil {
		return nil, "", err
	}
	if a.Type == Root && serial == a.Serial {
		return nil, "", fault.New(fault.InvalidArgument, "a root's own certificate is not revoked: whoever trusts it does so without asking")
	}
	return a, serial, a.Permit(key.RevokeCertificate, s.r.Now())
}

// revoke revokes a certificate for an authorised caller.
func (s *Service) revoke(ctx context.Context, v *guard.Visit, a *authority.Entry, serial string, reason Reason) (*Certificate, error) {
	if reason.String() == "" {
		return nil, fault.New(fault.InvalidArgument, "%d is no reason for a revocation", int(reason))
	}
	v.Note("reason", reason.String())
	defer s.r.Hold()()
	c, err := s.Lookup(ctx, a.ID, serial)
	if err != nil {
		return nil, err
	}
	switch {
	case c.RevokedAt != nil && c.Reason == reason:
		return c, nil
	case c.RevokedAt != nil && c.Reason != CertificateHold:
		return nil, fault.Because(fault.WrongState, fault.AlreadyRevoked,
			"the certificate is revoked already, for the reason %s", c.Reason)
	case v.Call.DryRun:
		return nil, authority.DryRun()
	case c.RevokedAt == nil: // after a hold, it is revoked since that began
		now := s.r.Now().UTC().Truncate(time.Second) // a CRL has whole seconds
		c.RevokedAt = &now
	}
	c.Reason = reason
	return c, s.commitRevocation(ctx, v, c)
}

// commitRevocation records and stores a certificate that was revoked or
// released, with what the lists need of it and the time of the authority's
// last change, in one transaction. The registry is held.
func (s *Service) commitRevocation(ctx context.Context, v *guard.Visit, c *Certificate) error {
	issuer := *s.r.Entries()[c.Authority]
	now := s.r.Now().UTC()
	if !now.After(issuer.Changed) { // the order of changes is that of their times, whatever the clock does
		now = issuer.Changed.Add(time.Nanosecond)
	}
	issuer.Changed = now
	changed := []*authority.Entry{&issuer}
	if sub := s.authorityOf(c); sub != nil {
		next := *sub
		next.Certify(c.RevokedAt == nil, now)
		changed = append(changed, &next)
	}
	err := s.r.Commit(ctx, v, func(tx store.Tx) error {
		if err := tx.Put(store.Certificates, c.Row()); err != nil {
			return err
		}
		return tx.Put(store.Revocations, c.Revocation(now).Row())
	}, changed...)
	if err != nil {
		return err
	}
	for _, f := range s.onRevoked {
		f(c, now)
	}
	return nil
}

// authorityOf returns the authority that the certificate is of, or nil. One
// that has another certificate by now does not depend on it any more.
func (s *Service) authorityOf(c *Certificate) *authority.Entry {
	if parsed, err := x509.ParseCertificate(c.DER); err != nil || !parsed.IsCA {
		return nil
	}
	for _, a := range s.r.Entries() {
		if a.Parent == c.Authority && a.Serial == c.Serial {
			return a
		}
	}
	return nil
}
