package ca

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Reason is why a certificate was revoked (RFC 5280 section 5.3.1, whose
// numbers these are).
type Reason int

// The reasons. certificateHold (6) and with it removeFromCRL (8) are not
// offered: a certificate is revoked for good.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

// Reasons returns every reason that a revocation may give.
func Reasons() []Reason {
	return []Reason{
		Unspecified, KeyCompromise, CACompromise, AffiliationChanged, Superseded, CessationOfOperation,
		PrivilegeWithdrawn, AACompromise,
	}
}

// String returns the reason's name in RFC 5280, such as "keyCompromise".
func (r Reason) String() string {
	return map[Reason]string{
		Unspecified: "unspecified", KeyCompromise: "keyCompromise", CACompromise: "cACompromise",
		AffiliationChanged: "affiliationChanged", Superseded: "superseded", CessationOfOperation: "cessationOfOperation",
		PrivilegeWithdrawn: "privilegeWithdrawn", AACompromise: "aACompromise",
	}[r]
}

// ParseReason returns the reason of a name that String gives.
func ParseReason(name string) (Reason, error) {
	for _, r := range Reasons() {
		if r.String() == name {
			return r, nil
		}
	}
	switch name {
	case "certificateHold", "removeFromCRL":
		return 0, fault.New(fault.Unsupported, "the reason %s is not supported: a certificate is revoked for good", name)
	}
	return 0, fault.New(fault.InvalidArgument, "%q is no reason for a revocation", name)
}

// Revoke revokes a certificate, expired ones too. Its cost does not depend on
// how many are revoked: the next CRL is made when somebody asks for it or the
// clock comes by, and whoever asks after Revoke has returned gets one with
// the certificate on it. To revoke a certificate once more with the same
// reason changes nothing and succeeds; with another one it is a WrongState
// error, for the first reason stands. Revoking an authority's certificate
// ends its issuing.
func (s *Service) Revoke(ctx context.Context, call *key.Call, authority, serial string, reason Reason) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.RevokeCertificate, func(v *guard.Visit) (*Certificate, error) {
		a, serial, err := s.visitCertificate(call, v, key.RevokeCertificate, authority, serial)
		if err != nil {
			return nil, err
		}
		if reason.String() == "" {
			return nil, fault.New(fault.InvalidArgument, "%d is no reason for a revocation", int(reason))
		}
		v.Note("reason", reason.String())
		s.mu.Lock()
		defer s.mu.Unlock()
		c, err := s.revocable(ctx, a, serial, reason)
		if err != nil || c.RevokedAt != nil {
			return c, err
		}
		if call.DryRun {
			return nil, dryRun()
		}
		now := s.now().UTC().Truncate(time.Second) // a CRL has whole seconds
		c.RevokedAt, c.Reason = &now, reason
		return c, s.commitRevocation(ctx, v, c)
	})
}

// revocable reads a certificate that is to be revoked for the reason.
func (s *Service) revocable(ctx context.Context, a *authority, serial string, reason Reason) (*Certificate, error) {
	var c *Certificate
	err := s.store.View(ctx, func(r store.Reader) error {
		var err error
		c, err = a.stored(r, serial)
		return err
	})
	if err == nil && c.RevokedAt != nil && c.Reason != reason {
		return nil, fault.New(fault.WrongState, "the certificate is revoked already, for the reason %s", c.Reason)
	}
	return c, err
}

// commitRevocation records and stores a revocation, with the authority's
// need for a new CRL in the same transaction. s.mu is held.
func (s *Service) commitRevocation(ctx context.Context, v *guard.Visit, c *Certificate) error {
	issuer := *s.live.Load().byID[c.Authority]
	issuer.revocations++
	issuer.due = *c.RevokedAt
	changed := []*authority{&issuer}
	if sub := s.authorityOf(c); sub != nil {
		revoked := *sub
		revoked.State = Revoked
		changed = append(changed, &revoked)
	}
	err := v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error {
			if err := tx.Put(store.Certificates, c.row()); err != nil {
				return err
			}
			if err := tx.Put(store.Revocations, c.revocation().Row()); err != nil {
				return err
			}
			return putAuthorities(tx, changed...)
		})
	})
	if err != nil {
		return err
	}
	for _, a := range changed {
		s.publish(a)
	}
	return nil
}

// authorityOf returns the authority that the certificate is of, or nil.
func (s *Service) authorityOf(c *Certificate) *authority {
	if c.Profile != profile.Authority {
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
