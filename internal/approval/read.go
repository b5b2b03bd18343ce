package approval

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Page asks for a part of a listing.
type Page struct {
	After string // the last id of the page before
	Limit int
}

// Filter says which requests are listed.
type Filter struct {
	// States are those wanted; none means all but drafts.
	States []State
	// Mine wants the caller's own only, of which drafts are some.
	Mine bool
}

// wants reports whether a request is to be listed.
func (f *Filter) wants(r *Request, c *key.Caller) bool {
	switch {
	case f.Mine && !r.by(c):
		return false
	case len(f.States) > 0:
		return slices.Contains(f.States, r.State)
	}
	return f.Mine || r.State != Draft
}

// List returns a page of the requests of the caller's realm, in the order of
// their ids, and the After of the next page. The caller needs ListApprovals,
// but not for its own.
func (s *Service) List(ctx context.Context, call *key.Call, f Filter, page Page) (list []*Request, next string, err error) {
	for _, state := range f.States {
		if !slices.Contains(States(), state) {
			return nil, "", fault.New(fault.InvalidArgument, "%q is no state of a request for approval", state)
		}
	}
	_, err = guard.Do(ctx, s.guard, call, key.ListApprovals, func(v *guard.Visit) (none struct{}, err error) {
		if err := s.admitList(v, f.Mine); err != nil {
			return none, err
		}
		list, next, err = s.page(ctx, &call.Caller, f, page)
		return none, err
	})
	return list, next, err
}

func (s *Service) admitList(v *guard.Visit, mine bool) error {
	realm := key.Resource{Realm: v.Call.Caller.Principal.Realm, Region: v.Call.Region}
	if mine {
		v.Permit(realm, "the caller's own requests")
		return nil
	}
	return v.Authorize(guard.Target{Action: key.ListApprovals, Resource: realm})
}

func (s *Service) page(ctx context.Context, c *key.Caller, f Filter, page Page) (list []*Request, next string, err error) {
	now := s.gate.now()
	err = s.gate.store.View(ctx, func(tx store.Reader) error {
		q := store.Query{Column: "realm", Equal: string(c.Principal.Realm), After: page.After}
		for row, err := range tx.Scan(store.Approvals, q) {
			if err != nil {
				return err
			}
			r, err := parse(row)
			if err != nil {
				return err
			}
			if r.State = r.at(now); !f.wants(r, c) {
				continue
			}
			if len(list) == page.Limit {
				next = list[len(list)-1].ID
				return nil
			}
			list = append(list, r)
		}
		return nil
	})
	return list, next, err
}

// Show returns a request. Who made it may see it, and whoever has ListApprovals.
func (s *Service) Show(ctx context.Context, call *key.Call, id string) (*Request, error) {
	return guard.Do(ctx, s.guard, call, key.ListApprovals, func(v *guard.Visit) (*Request, error) {
		r, err := s.visit(ctx, v, key.ListApprovals, id)
		if err != nil {
			return nil, err
		}
		r.State = r.at(s.gate.now())
		return r, nil
	})
}

// Rules returns the rules of critical operations. The caller needs ListApprovals.
func (s *Service) Rules(ctx context.Context, call *key.Call) ([]Rule, error) {
	return guard.Do(ctx, s.guard, call, key.ListApprovals, func(v *guard.Visit) ([]Rule, error) {
		return slices.Clone(s.gate.rules), s.admitList(v, false)
	})
}

// perTick bounds the requests that one Tick ends or forgets.
const perTick = 100

// Tick ends the requests whose time is over, and forgets those that ended long
// ago and drafts that nobody filed. It reports whether there are more.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	var due []*Request
	err = s.gate.store.View(ctx, func(tx store.Reader) error {
		q := store.Query{Column: "due", From: "0", To: s.gate.now().Add(1).UTC().Format(store.TimeFormat), Limit: perTick}
		for row, err := range tx.Scan(store.Approvals, q) {
			if err != nil {
				return err
			}
			r, err := parse(row)
			if err != nil {
				return err
			}
			due = append(due, r)
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	for _, r := range due {
		if err := s.over(ctx, r); err != nil {
			return false, err
		}
	}
	return len(due) == perTick, nil
}

// over does what is due with a request. That the time of a filed one is over is
// on record.
func (s *Service) over(ctx context.Context, seen *Request) error {
	change := func() error {
		return s.gate.store.Update(ctx, func(tx store.Tx) error {
			now := s.gate.now().UTC()
			r, err := read(tx, seen.ID)
			switch {
			case err != nil && fault.KindOf(err) == fault.NotFound:
				return nil // another server was here
			case err != nil:
				return err
			case r.State.open() && r.at(now) != Expired:
				return nil // it was decided meanwhile
			case !r.State.open() && now.Before(r.EndedAt.Add(keep)):
				return nil
			case r.State == Draft, !r.State.open():
				return r.remove(tx)
			}
			return r.expire(tx, now)
		})
	}
	if seen.State != Pending && seen.State != Approved {
		return change()
	}
	call := guard.OwnCall(seen.Realm, seen.Region, "approval", "ExpireApproval", s.gate.now())
	call.Secure = true
	_, err := guard.Do(ctx, s.guard, call, key.CancelApproval, func(v *guard.Visit) (none struct{}, err error) {
		v.Permit(seen.Object(), "its time is over")
		seen.note(v)
		return none, v.Commit(ctx, change)
	})
	return err
}
