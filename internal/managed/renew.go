package managed

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/lease"
	"github.com/holdfast-kms/holdfast/internal/renewal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// SetRule gives a certificate a rule of renewal of its own, by which the clock
// renews it whether anybody has it or not; nil takes the rule away. The caller
// needs UpdateManaged.
func (s *Service) SetRule(ctx context.Context, call *key.Call, id string, rule *renewal.Rule) (*Certificate, error) {
	return s.change(ctx, call, key.UpdateManaged, id, nil, func(c *Certificate) error {
		if c.Kind != Private {
			return fault.New(fault.WrongState, "an imported certificate is not renewed: import it again")
		}
		if c.Rule = nil; rule == nil {
			return nil
		}
		own := *rule
		c.Rule = &own
		return own.Check()
	})
}

// Renew renews a certificate now, under the same id: with a new key or, if its
// rule says so, the same one. The key before it is destroyed after the shortest
// waiting period; the certificate before it stays valid. It has to be
// Renewable, else it is a WrongState error; one that another server renews at
// the moment is a Conflict error. As by the clock, the authority has to have given
// its permission to the service that renews: if it does not issue, the outcome
// is in Certificate.Renewal.
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
				Public: "only a certificate that an authority issued, and that was exported, is in use or has a rule of renewal, can be renewed",
			}
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		var l *lease.Lease
		err = s.store.Update(ctx, func(tx store.Tx) error {
			l, err = s.take(tx, c.ID, c)
			return err
		})
		if errors.Is(err, lease.ErrHeld) {
			err = &fault.Error{Kind: fault.Conflict, Resource: c.Resource().String(), Public: "the certificate is being renewed", Err: err}
		}
		if err != nil {
			return nil, err
		}
		a := &attempt{call: s.ownCall(c, call.RequestID), lease: l, asked: true}
		renewed, err := s.renew(ctx, v, c, a)
		if err != nil {
			return nil, errors.Join(err, s.abandon(context.WithoutCancel(ctx), a, c))
		}
		return renewed, s.leases.Release(ctx, l)
	})
}

// attempt is one try to renew a certificate.
type attempt struct {
	call  *key.Call // as the service
	lease *lease.Lease
	asked bool // by a caller, not by the clock
	above *issuer
}

// renew tries to renew a certificate and stores the outcome, with what people
// are to be told of it. The lock of c is held, and its lease. Once it has
// returned without an error, there is nothing left to do for the lease.
func (s *Service) renew(ctx context.Context, v *guard.Visit, c *Certificate, a *attempt) (*Certificate, error) {
	if err := s.endUnused(ctx, a.call, c, a.lease.Left); err != nil {
		return nil, err
	}
	next, now := c.clone(), s.now().UTC()
	a.above = s.issuerOf(c)
	err := s.reissue(ctx, a, next)
	if ctx.Err() != nil { // the server stops: that is no failure of the renewal
		return nil, ctx.Err()
	}
	var told *event.Event
	if err == nil {
		next.Renewal = &Renewal{Outcome: Succeeded, At: now}
		v.Note("renewal", string(Succeeded))
		v.Note("serial", next.Serial)
		told = renewed(c, next, now)
	} else {
		next = c.refused(err, now, next.Next, a.above)
		v.Note("renewal", string(Refused))
		v.Note("cause", publicOf(err))
		told = failed(next, err, now)
	}
	err = s.put(ctx, v, next, func(tx store.Tx) error {
		if err := lease.Check(tx, a.lease); err != nil {
			return err
		}
		return event.Emit(tx, told)
	})
	if err != nil {
		if errors.Is(err, lease.ErrHeld) { // whoever took over does not know of the key if it was made since
			err = errors.Join(err, s.keys.EndEntrusted(ctx, a.call, grantee(c.ID), planned(a.lease)))
		}
		return nil, err
	}
	return next, s.endUnused(ctx, a.call, next, a.lease.Note)
}

// refused returns the certificate after an attempt that failed, whose key the
// next attempt takes.
func (c *Certificate) refused(err error, now time.Time, kept key.ID, above *issuer) *Certificate {
	next := c.clone()
	next.Next = kept
	next.Renewal = &Renewal{Outcome: Refused, At: now, Failure: failureOf(err), Attempts: 1, Issuer: above.state}
	if r := c.Renewal; r != nil && r.Outcome == Refused {
		next.Renewal.Attempts += r.Attempts
	}
	return next
}

// abandon takes back what a call began that ended with an error.
func (s *Service) abandon(ctx context.Context, a *attempt, c *Certificate) error {
	if err := s.keys.EndEntrusted(ctx, a.call, grantee(c.ID), planned(a.lease)); err != nil {
		return err
	}
	return s.leases.Release(ctx, a.lease)
}

// reissue has the authority issue for the certificate's next key, as the
// service. A new key is kept in c.Next when the authority refuses: it is the
// next attempt's.
func (s *Service) reissue(ctx context.Context, a *attempt, c *Certificate) error {
	if err := a.worthwhile(c); err != nil {
		return err
	}
	c.Authority = a.above.next.ID
	id, csr, err := s.nextKey(ctx, a, c)
	if err != nil { // of whatever kind: it is not the authority's refusal
		return &fault.Error{Kind: fault.Internal, Op: "renewing", Public: "the certificate's key: " + publicOf(err), Err: err}
	}
	if err := s.issue(ctx, a.call, c, id, csr); err != nil {
		return err
	}
	c.Next = ""
	return nil
}

// nextKey returns the key of the next certificate, and its request: the
// current one if the rule says so, the one that an earlier attempt made, or a
// new one.
func (s *Service) nextKey(ctx context.Context, a *attempt, c *Certificate) (key.ID, []byte, error) {
	if c.Renews.Keeps() {
		csr, err := s.csr(ctx, a.call, c, c.Key)
		return c.Key, csr, err
	}
	if c.Next != "" {
		if csr, err := s.csr(ctx, a.call, c, c.Next); err == nil {
			return c.Next, csr, nil
		}
		c.Next = "" // somebody disabled or ended it meanwhile
	}
	fresh := planned(a.lease)
	if _, err := s.makeKey(ctx, a.call, c, fresh); err != nil {
		return "", nil, err
	}
	csr, err := s.csr(ctx, a.call, c, fresh)
	if err == nil {
		c.Next = fresh
	}
	return fresh, csr, err
}

// gain is how much longer than the current certificate a new one has to be
// valid for the clock to ask for it.
const gain = time.Minute

// worthwhile refuses what cannot succeed, before a key is made for it, and what
// the clock would do again and again without end: renewing a certificate that
// ends with its authority gives one with the same end.
func (a *attempt) worthwhile(c *Certificate) error {
	switch next := a.above.next; {
	case next == nil:
		return fault.New(fault.NotFound, "the authority does not exist any more, and none took over from it")
	case next.State != ca.Active:
		return next.State.Refusal()
	case !a.asked && a.above.cause == NoCause && !next.NotAfter.After(c.NotAfter.Add(gain)):
		return fault.New(fault.WrongState, "the certificate ends when its authority does: renew the authority first")
	}
	return nil
}

// renewed is the event of a renewal.
func renewed(before, c *Certificate, now time.Time) *event.Event {
	e := eventOf(c, event.CertificateRenewed, c.Serial, now)
	e.Summary = fmt.Sprintf("The certificate of %s was renewed: it is valid until %s.", c.Domain, c.NotAfter.UTC().Format(time.RFC3339))
	e.Details = append(e.Details, event.Detail{Name: "before", Value: before.Serial})
	return e
}

// failed is the event of a renewal that failed: one a day.
func failed(c *Certificate, err error, now time.Time) *event.Event {
	e := eventOf(c, event.RenewalFailed, c.Serial+"/"+now.Format(time.DateOnly), now)
	e.Summary = fmt.Sprintf("The certificate of %s could not be renewed, %s: it is valid until %s.",
		c.Domain, c.Renewal.Failure, c.NotAfter.UTC().Format(time.RFC3339))
	e.Details = append(e.Details, event.Detail{Name: "failure", Value: string(c.Renewal.Failure)})
	if text := publicOf(err); text != "" {
		e.Details = append(e.Details, event.Detail{Name: "cause", Value: text})
	}
	return e
}

// eventOf returns an event about a certificate that which tells from others.
func eventOf(c *Certificate, kind event.Kind, which string, now time.Time) *event.Event {
	return &event.Event{
		ID: string(kind) + "/" + c.ID + "/" + which, Kind: kind, Realm: c.Realm, Region: c.Region, Time: now,
		Subject: c.Resource().String(), Name: c.Domain,
		Details: []event.Detail{
			{Name: "serial", Value: c.Serial},
			{Name: "authority", Value: c.Authority},
			{Name: "not after", Value: c.NotAfter.UTC().Format(time.RFC3339)},
		},
	}
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
	call := guard.OwnCall(c.Realm, c.Region, s.principal, "Renew", s.now())
	call.RequestID, call.Secure = requestID, true
	return call
}
