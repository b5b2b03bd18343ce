package ca

import (
	"context"
	"crypto/x509"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Reason is why a certificate was revoked (RFC 5280 section 5.3.1, whose
// numbers these are).
type Reason int

// The reasons. RemoveFromCRL is not one to revoke for: it is what a delta CRL
// says of a certificate whose hold was released.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6 // until it is released, or revoked for good
	RemoveFromCRL        Reason = 8
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

// Reasons returns every reason that a revocation may give.
func Reasons() []Reason {
	return []Reason{
		Unspecified, KeyCompromise, CACompromise, AffiliationChanged, Superseded, CessationOfOperation, CertificateHold,
		PrivilegeWithdrawn, AACompromise,
	}
}

// String returns the reason's name in RFC 5280, such as "keyCompromise", and
// "" for what is no reason to revoke.
func (r Reason) String() string {
	switch r {
	case Unspecified:
		return "unspecified"
	case KeyCompromise:
		return "keyCompromise"
	case CACompromise:
		return "cACompromise"
	case AffiliationChanged:
		return "affiliationChanged"
	case Superseded:
		return "superseded"
	case CessationOfOperation:
		return "cessationOfOperation"
	case CertificateHold:
		return "certificateHold"
	case PrivilegeWithdrawn:
		return "privilegeWithdrawn"
	case AACompromise:
		return "aACompromise"
	case RemoveFromCRL:
	}
	return ""
}

// ParseReason returns the reason of a name that String gives.
func ParseReason(name string) (Reason, error) {
	for _, r := range Reasons() {
		if r.String() == name {
			return r, nil
		}
	}
	if name == "removeFromCRL" {
		return 0, fault.New(fault.InvalidArgument, "a certificate is not revoked to be removed from the CRL: release its hold")
	}
	return 0, fault.New(fault.InvalidArgument, "%q is no reason for a revocation", name)
}

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
func (s *Service) Revoke(ctx context.Context, call *key.Call, authority, serial string, reason Reason) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.RevokeCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, serial, err := s.visitRevocation(call, v, authority, serial)
		if err != nil {
			return nil, err
		}
		return s.revoke(ctx, v, a, serial, reason)
	})
}

// Release takes back the hold of a certificate, which is good again. A
// certificate that is revoked for any other reason stays so (WrongState).
func (s *Service) Release(ctx context.Context, call *key.Call, authority, serial string) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.RevokeCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, serial, err := s.visitRevocation(call, v, authority, serial)
		if err != nil {
			return nil, err
		}
		v.Note("reason", "release of the hold")
		s.mu.Lock()
		defer s.mu.Unlock()
		c, err := s.Lookup(ctx, a.ID, serial)
		if err != nil {
			return nil, err
		}
		if c.RevokedAt == nil || c.Reason != CertificateHold {
			return nil, fault.New(fault.WrongState, "the certificate is not on hold")
		}
		if call.DryRun {
			return nil, dryRun()
		}
		c.RevokedAt, c.Reason = nil, Unspecified
		return c, s.commitRevocation(ctx, v, c)
	})
}

// visitRevocation finds and authorises what is to be revoked or released.
func (s *Service) visitRevocation(call *key.Call, v *guard.Visit, authority, serial string) (*authority, string, error) {
	a, serial, err := s.visitCertificate(call, v, key.RevokeCertificate, authority, serial)
	if err != nil {
		return nil, "", err
	}
	if a.Type == Root && serial == a.Serial {
		return nil, "", fault.New(fault.InvalidArgument, "a root's own certificate is not revoked: whoever trusts it does so without asking")
	}
	return a, serial, a.permit(key.RevokeCertificate, s.now())
}

// revoke revokes a certificate for an authorised caller.
func (s *Service) revoke(ctx context.Context, v *guard.Visit, a *authority, serial string, reason Reason) (*Certificate, error) {
	if reason.String() == "" {
		return nil, fault.New(fault.InvalidArgument, "%d is no reason for a revocation", int(reason))
	}
	v.Note("reason", reason.String())
	s.mu.Lock()
	defer s.mu.Unlock()
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
		return nil, dryRun()
	case c.RevokedAt == nil: // after a hold, it is revoked since that began
		now := s.now().UTC().Truncate(time.Second) // a CRL has whole seconds
		c.RevokedAt = &now
	}
	c.Reason = reason
	return c, s.commitRevocation(ctx, v, c)
}

// Lookup returns a certificate by its authority's id and its serial number in
// hexadecimal. It asks for no decision. One that the authority did not issue
// is a NotFound error.
func (s *Service) Lookup(ctx context.Context, authority, serial string) (*Certificate, error) {
	a, ok := s.live.Load().byID[authority]
	if !ok {
		return nil, noAuthority()
	}
	var c *Certificate
	err := s.store.View(ctx, func(r store.Reader) error {
		var err error
		c, err = a.stored(r, serial)
		return err
	})
	return c, err
}

// commitRevocation records and stores a certificate that was revoked or
// released, with what the lists need of it and the time of the authority's
// last change, in one transaction. s.mu is held.
func (s *Service) commitRevocation(ctx context.Context, v *guard.Visit, c *Certificate) error {
	issuer := *s.live.Load().byID[c.Authority]
	now := s.now().UTC()
	if !now.After(issuer.changed) { // the order of changes is that of their times, whatever the clock does
		now = issuer.changed.Add(time.Nanosecond)
	}
	issuer.changed = now
	changed := []*authority{&issuer}
	if sub := s.authorityOf(c); sub != nil {
		next := *sub
		next.certify(c.RevokedAt == nil, now)
		changed = append(changed, &next)
	}
	err := v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error {
			if err := tx.Put(store.Certificates, c.Row()); err != nil {
				return err
			}
			if err := tx.Put(store.Revocations, c.revocation(now).Row()); err != nil {
				return err
			}
			return putAuthorities(tx, changed...)
		})
	})
	if err != nil {
		return err
	}
	s.publish(changed...)
	for _, f := range s.onRevoked {
		f(c, now)
	}
	return nil
}

// certify changes the state of an authority whose certificate was revoked, or
// is good again.
func (a *authority) certify(good bool, now time.Time) {
	state := &a.State
	if a.State == Deleted {
		state = &a.before // what it is when it is restored
	}
	switch {
	case !good && *state != Revoked:
		a.held, *state = *state, Revoked
	case good && *state == Revoked && a.held != "":
		*state, a.held = a.held, ""
	default:
		return
	}
	if state == &a.State {
		a.StateChangedAt = now
	}
}

// authorityOf returns the authority that the certificate is of, or nil. One
// that has another certificate by now does not depend on it any more.
func (s *Service) authorityOf(c *Certificate) *authority {
	if parsed, err := x509.ParseCertificate(c.DER); err != nil || !parsed.IsCA {
		return nil
	}
	for _, a := range s.live.Load().byID {
		if a.Parent == c.Authority && a.Serial == c.Serial {
			return a
		}
	}
	return nil
}

// putAuthorities stores new states of authorities.
func putAuthorities(tx store.Tx, list ...*authority) error {
	for _, a := range list {
		row, err := a.row()
		if err != nil {
			return err
		}
		if err := tx.Put(store.Authorities, row); err != nil {
			return err
		}
	}
	return nil
}
