package managed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// When certificates are renewed.
const (
	// renewBefore is how long before its end a certificate is renewed, and at
	// the most the last third of its time: 60 days, as AWS Certificate Manager
	// has it.
	renewBefore = 60 * 24 * time.Hour
	// firstRetry is the wait after a renewal that failed. It doubles with each
	// further one up to maxRetry.
	firstRetry = 15 * time.Minute
	maxRetry   = 24 * time.Hour
)

// dueBatch is how many certificates one Tick renews at most.
const dueBatch = 64

// dueAt returns when the clock next tries to renew the certificate, or the
// zero time.
func (c *Certificate) dueAt(now time.Time) time.Time {
	if c.State(now) == Revoked && c.Reason == ca.CertificateHold && now.Before(c.NotAfter) {
		return now.Add(maxRetry) // it may be released by then, and nobody tells
	}
	if !c.Renewable(now) {
		return time.Time{}
	}
	at := c.NotAfter.Add(-min(renewBefore, c.NotAfter.Sub(c.NotBefore)/3))
	if r := c.Renewal; r != nil && r.Outcome == Refused {
		wait := maxRetry
		if shift := r.Attempts - 1; shift < 7 { // 15 minutes doubled seven times are more than a day
			wait = firstRetry << shift
		}
		if next := r.At.Add(wait); next.After(at) {
			at = next
		}
	}
	return at
}

// Renew renews a certificate now: with a new key, under the same id. The old
// key is destroyed after the shortest waiting period; the old certificate
// stays valid. It has to be Renewable, else it is a WrongState error. As by the
// clock, the authority has to have given its permission to the service that
// renews: if it does not issue, the outcome is in Certificate.Renewal.
func (s *Service) Renew(ctx context.Context, call *key.Call, id string) (*Certificate, error) {
	return guard.Do(ctx, s.guard, call, key.RenewManaged, func(v *guard.Visit) (*Certificate, error) {
		defer s.locks.lock(id)()
		c, err := s.visit(ctx, v, key.RenewManaged, id)
		if err != nil {
			return nil, err
		}
		if !c.Renewable(s.now()) {
			return nil, &fault.Error{
				Kind: fault.WrongState, Reason: fault.NotRenewable, Resource: c.Resource().String(),
				Public: "only a certificate that an authority issued, and that was exported or is in use, can be renewed",
			}
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		return s.renew(ctx, v, c)
	})
}

// renew tries to renew a certificate and stores the outcome. The lock of c is
// held.
func (s *Service) renew(ctx context.Context, v *guard.Visit, c *Certificate) (*Certificate, error) {
	next, old := c.clone(), c.Key
	call := s.ownCall(c, v.Call.RequestID)
	now := s.now().UTC()
	err := s.reissue(ctx, call, next)
	if err != nil {
		next = c.clone()
		attempts := 1
		if r := c.Renewal; r != nil && r.Outcome == Refused {
			attempts += r.Attempts
		}
		next.Renewal = &Renewal{Outcome: Refused, At: now, Failure: failureOf(err), Attempts: attempts}
		v.Note("renewal", string(Refused))
		v.Note("cause", publicOf(err))
	} else {
		next.Renewal = &Renewal{Outcome: Succeeded, At: now}
		v.Note("renewal", string(Succeeded))
		v.Note("serial", next.Serial)
	}
	if err := s.put(ctx, v, next, nil); err != nil {
		return nil, err
	}
	if next.Key != old {
		if err := s.keys.EndEntrusted(ctx, call, grantee(c.ID), old); err != nil {
			return nil, fmt.Errorf("ending the key that certificate %s had before: %w", c.ID, err)
		}
	}
	return next, nil
}

// reissue makes a new key and has the authority issue for it, as the service.
func (s *Service) reissue(ctx context.Context, call *key.Call, c *Certificate) error {
	k, err := s.makeKey(ctx, call, c)
	if err != nil {
		return err
	}
	if err := s.issue(ctx, call, c, k); err != nil {
		return errors.Join(err, s.keys.EndEntrusted(ctx, call, grantee(c.ID), k.Name.ID))
	}
	return nil
}

// publicOf returns the sentence of a fault that its caller may see.
func publicOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Public
	}
	return ""
}

// ownCall returns the envelope of what is done for a certificate with nobody
// asking: as the service that the authority's permissions name.
func (s *Service) ownCall(c *Certificate, requestID string) *key.Call {
	return &key.Call{
		Caller: key.Caller{
			Principal: key.Principal{Realm: c.Realm, Kind: key.Service, Name: s.principal}, Method: "internal",
		},
		RequestID: requestID, API: "holdfast", Operation: "Renew", Region: c.Region, Secure: true, Time: s.now(),
	}
}

// Tick does what the clock has to do with managed certificates: it renews those
// that are due, and forgets old tokens. Whoever calls it (package lifecycle)
// does so again and again; more says that there is more to do at once. A
// certificate that fails does not keep the others waiting: it is due again
// later.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	var due []*Certificate
	now := s.now().UTC().Format(store.TimeFormat)
	err = s.store.View(ctx, func(r store.Reader) error {
		// From "0" leaves out the empty value, which means never.
		for row, err := range r.Scan(store.Managed, store.Query{Column: "due", From: "0", To: now, Limit: dueBatch}) {
			if err != nil {
				return err
			}
			c, err := readCertificate(row)
			if err != nil {
				return err
			}
			due = append(due, c)
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("looking for certificates to renew: %w", err)
	}
	var failures []error
	for _, c := range due {
		if err := s.renewDue(ctx, c); err != nil {
			failures = append(failures, fmt.Errorf("renewing managed certificate %s: %w", c.ID, err))
		}
	}
	return len(due) == dueBatch && len(failures) == 0, errors.Join(failures...)
}

// renewDue renews a certificate by the clock.
func (s *Service) renewDue(ctx context.Context, due *Certificate) error {
	defer s.locks.lock(due.ID)()
	requestID, err := newID()
	if err != nil {
		return err
	}
	call := s.ownCall(due, requestID)
	c, err := s.find(ctx, call, due.ID)
	if err != nil {
		return err
	}
	if at := c.dueAt(s.now()); at.IsZero() || at.After(s.now()) {
		// Not due any more, or never again: expired. The column says so from now on.
		return s.settle(ctx, c)
	}
	_, err = guard.Do(ctx, s.guard, call, key.RenewManaged, func(v *guard.Visit) (*Certificate, error) {
		v.Permit(c.Resource(), "the certificate is renewed before it expires")
		return s.renew(ctx, v, c)
	})
	return err
}

// settle stores when a certificate is due, and changes nothing else: no call
// is concerned, and nothing that anybody sees.
func (s *Service) settle(ctx context.Context, c *Certificate) error {
	row, err := c.row(s.now())
	if err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Managed, row) })
}
