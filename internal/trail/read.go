package trail

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Get returns a trail, for one of the actions that read one.
func (s *Service) Get(ctx context.Context, call *key.Call, action key.Action, ref Ref) (*Trail, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*Trail, error) {
		return s.visit(ctx, v, action, ref)
	})
}

// Describe returns the trails that refs name and that there are, or without
// any all of the call's region, and with others those of every region that
// have its events, too.
func (s *Service) Describe(ctx context.Context, call *key.Call, refs []Ref, others bool) ([]*Trail, error) {
	return guard.Do(ctx, s.guard, call, key.DescribeTrails, func(v *guard.Visit) (list []*Trail, err error) {
		if err := v.Authorize(realmTarget(call, key.DescribeTrails)); err != nil {
			return nil, err
		}
		wanted := map[Ref]bool{}
		for _, r := range refs {
			wanted[r] = true
		}
		err = s.store.View(ctx, func(r store.Reader) error {
			for t, err := range all(r, call.Caller.Principal.Realm) {
				if err != nil {
					return err
				}
				here := t.Region == call.Region || others && t.AllRegions
				if here && (len(refs) == 0 || wanted[Ref{t.Region, t.Name}]) {
					list = append(list, t)
				}
			}
			return nil
		})
		return list, err
	})
}

// List returns a page of the realm's trails in all regions. Next is what
// After of the next page is, empty at the end.
func (s *Service) List(ctx context.Context, call *key.Call, page kms.Page) (list []*Trail, next string, err error) {
	list, err = guard.Do(ctx, s.guard, call, key.ListTrails, func(v *guard.Visit) (list []*Trail, err error) {
		if err := v.Authorize(realmTarget(call, key.ListTrails)); err != nil {
			return nil, err
		}
		err = s.store.View(ctx, func(r store.Reader) error {
			for t, err := range all(r, call.Caller.Principal.Realm) {
				if err != nil {
					return err
				}
				place := t.Region + "/" + t.Name
				if place <= page.After {
					continue
				}
				if len(list) == page.Limit {
					last := list[len(list)-1]
					next = last.Region + "/" + last.Name
					return nil
				}
				list = append(list, t)
			}
			return nil
		})
		return list, err
	})
	return list, next, err
}

// realmTarget is what to authorise where no trail is concerned.
func realmTarget(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}
