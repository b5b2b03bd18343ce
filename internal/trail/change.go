package trail

import (
	"context"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// MaxTrails is how many trails a realm has in a region.
const MaxTrails = 5

// Create asks for a trail.
type Create struct {
	Name, Bucket, Prefix string
	AllRegions, Global   bool
	Tags                 []key.Tag
}

// Create makes a trail. It delivers nothing until it is started.
func (s *Service) Create(ctx context.Context, call *key.Call, req *Create) (*Trail, error) {
	return guard.Do(ctx, s.guard, call, key.CreateTrail, func(v *guard.Visit) (*Trail, error) {
		t := &Trail{
			Realm: call.Caller.Principal.Realm, Region: call.Region, Name: req.Name, CreatedAt: s.now().UTC(), Bucket: req.Bucket,
			Prefix: req.Prefix, AllRegions: req.AllRegions, Global: req.Global,
		}
		err := v.Authorize(guard.Target{Action: key.CreateTrail, Resource: t.Resource(), Attributes: &policy.Attributes{Tags: req.Tags}})
		if err != nil {
			return nil, err
		}
		v.Note("bucket", req.Bucket)
		if t.Tags, err = key.MergeTags(nil, req.Tags); err != nil {
			return nil, err
		}
		s.changes.Lock()
		defer s.changes.Unlock()
		if err := s.room(ctx, t); err != nil {
			return nil, err
		}
		row, err := rowOf(t)
		if err != nil {
			return nil, err
		}
		return t, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return tx.Insert(store.Trails, row) })
		})
	})
}

// room refuses a trail whose name is taken, or that is one too many.
func (s *Service) room(ctx context.Context, t *Trail) error {
	return s.store.View(ctx, func(r store.Reader) error {
		count := 0
		for have, err := range all(r, t.Realm) {
			switch {
			case err != nil:
				return err
			case have.Region != t.Region:
			case have.Name == t.Name:
				return &fault.Error{Kind: fault.AlreadyExists, Resource: t.Resource().String(), Public: "the trail exists already"}
			default:
				count++
			}
		}
		if count >= MaxTrails {
			return fault.New(fault.LimitExceeded, "there are at most %d trails in a region", MaxTrails)
		}
		return nil
	})
}

// Update changes what is set of a trail.
type Update struct {
	Bucket, Prefix     *string
	AllRegions, Global *bool
}

// Update changes a trail.
func (s *Service) Update(ctx context.Context, call *key.Call, ref Ref, u *Update) (*Trail, error) {
	return s.change(ctx, call, key.UpdateTrail, ref, nil, func(v *guard.Visit, t *Trail) error {
		if u.Bucket != nil {
			v.Note("bucket", *u.Bucket)
			t.Bucket = *u.Bucket
		}
		set(&t.Prefix, u.Prefix)
		set(&t.AllRegions, u.AllRegions)
		set(&t.Global, u.Global)
		if t.AllRegions && !t.Global {
			return invalid("a trail of all regions has the events of services without one")
		}
		return nil
	})
}

func set[T any](to, value *T) {
	if value != nil {
		*to = *value
	}
}

// change changes a trail of the call's region.
func (s *Service) change(
	ctx context.Context, call *key.Call, action key.Action, ref Ref, tags []key.Tag, edit func(*guard.Visit, *Trail) error,
) (*Trail, error) {
	return guard.Do(ctx, s.guard, call, action, func(v *guard.Visit) (*Trail, error) {
		s.changes.Lock()
		defer s.changes.Unlock()
		t, err := s.find(ctx, call, ref)
		if err != nil {
			v.About(ref.resource(call))
			return nil, err
		}
		err = v.Authorize(guard.Target{Action: action, Resource: t.Resource(), Attributes: &policy.Attributes{Tags: tags}})
		if err != nil {
			return nil, err
		}
		if err := atHome(call, t); err != nil {
			return nil, err
		}
		next := t.clone()
		if err := edit(v, next); err != nil {
			return nil, err
		}
		return next, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return put(tx, next) })
		})
	})
}

// atHome refuses a change from another region than the trail's.
func atHome(call *key.Call, t *Trail) error {
	if t.Region == call.Region {
		return nil
	}
	return &fault.Error{
		Kind: fault.InvalidArgument, Reason: fault.ForeignRegion, Resource: t.Resource().String(),
		Public: "a trail is changed in its home region, " + t.Region,
	}
}

// Delete ends a trail. What it delivered stays, and so does the audit log.
func (s *Service) Delete(ctx context.Context, call *key.Call, ref Ref) error {
	_, err := guard.Do(ctx, s.guard, call, key.DeleteTrail, func(v *guard.Visit) (*Trail, error) {
		s.changes.Lock()
		defer s.changes.Unlock()
		t, err := s.visit(ctx, v, key.DeleteTrail, ref)
		if err == nil {
			err = atHome(call, t)
		}
		if err != nil {
			return nil, err
		}
		return t, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return tx.Delete(store.Trails, idOf(t.Realm, t.Region, t.Name)) })
		})
	})
	return err
}

// maxSpans is how often a trail may be stopped and started before what came
// between is delivered.
const maxSpans = 32

// Start has a trail's events delivered from now on. One that is started
// already stays as it is.
func (s *Service) Start(ctx context.Context, call *key.Call, ref Ref) error {
	_, err := s.change(ctx, call, key.StartLogging, ref, nil, func(_ *guard.Visit, t *Trail) error {
		if t.Logging {
			return nil
		}
		if len(t.spans) >= maxSpans {
			return fault.New(fault.LimitExceeded, "the trail was stopped %d times, and nothing could be delivered since", maxSpans)
		}
		t.Logging, t.StartedAt = true, s.now().UTC()
		t.spans = append(t.spans, span{From: s.log.Last()})
		return nil
	})
	return err
}

// Stop ends the delivery of a trail's events: what has happened until now is
// still delivered. The audit log goes on.
func (s *Service) Stop(ctx context.Context, call *key.Call, ref Ref) error {
	_, err := s.change(ctx, call, key.StopLogging, ref, nil, func(_ *guard.Visit, t *Trail) error {
		if !t.Logging {
			return nil
		}
		t.Logging, t.StoppedAt = false, s.now().UTC()
		t.spans[len(t.spans)-1].To = max(1, s.log.Last())
		return nil
	})
	return err
}

// PutSelectors sets which events a trail has.
func (s *Service) PutSelectors(ctx context.Context, call *key.Call, ref Ref, selectors Selectors) (*Trail, error) {
	return s.change(ctx, call, key.PutEventSelectors, ref, nil, func(v *guard.Visit, t *Trail) error {
		if err := selectors.check(); err != nil {
			return err
		}
		v.NoteInt("selectors", len(selectors.Basic)+len(selectors.Fields))
		t.Selectors = selectors
		return nil
	})
}

// Tag gives a trail tags, in the place of those with the same keys.
func (s *Service) Tag(ctx context.Context, call *key.Call, ref Ref, tags []key.Tag) error {
	_, err := s.change(ctx, call, key.TagTrail, ref, tags, func(_ *guard.Visit, t *Trail) (err error) {
		t.Tags, err = key.MergeTags(t.Tags, tags)
		return err
	})
	return err
}

// Untag takes tags of these keys from a trail; those that it does not have
// are left out.
func (s *Service) Untag(ctx context.Context, call *key.Call, ref Ref, keys []string) error {
	tags := make([]key.Tag, len(keys))
	for i, k := range keys {
		tags[i].Key = k
	}
	_, err := s.change(ctx, call, key.UntagTrail, ref, tags, func(_ *guard.Visit, t *Trail) error {
		t.Tags = slices.DeleteFunc(t.Tags, func(have key.Tag) bool { return slices.Contains(keys, have.Key) })
		return nil
	})
	return err
}
