package topic

import (
	"context"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// subscriptionID is the id of a subscription's row.
func subscriptionID(topic key.Resource, id string) string { return rowID(topic) + "/" + id }

func (s *Subscription) rowID() string { return subscriptionID(s.Topic, s.ID) }

// of returns all subscriptions of a topic.
func (s *Service) of(ctx context.Context, ref key.Resource) ([]*Subscription, error) {
	return rows(ctx, s.Store, store.Subscriptions, store.Query{Column: "topic", Equal: rowID(ref)}, readSubscription)
}

// find reads a subscription and its topic.
func (s *Service) find(ctx context.Context, ref key.Resource) (sub *Subscription, t *Topic, err error) {
	err = s.Store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Subscriptions, rowID(ref))
		if err != nil {
			return gone(err, ref)
		}
		if sub, err = readSubscription(row); err != nil {
			return err
		}
		t, err = s.get(r, sub.Topic)
		return err
	})
	return sub, t, err
}

// gone puts the store's word for what is not there into this package's.
func gone(err error, ref key.Resource) error {
	if fault.KindOf(err) != fault.NotFound {
		return err
	}
	return &fault.Error{Kind: fault.NotFound, Resource: ref.String(), Public: "the subscription does not exist"}
}

// alter records the call, which is authorised, and changes a subscription. The
// edit is rehearsed before. absent makes the error for one that is not there.
func (s *Service) alter(
	ctx context.Context, v *guard.Visit, id string, edit func(*Subscription) error, absent func() error,
) (*Subscription, error) {
	var sub *Subscription
	load := func(r store.Reader) error {
		row, err := r.Get(store.Subscriptions, id)
		if fault.KindOf(err) == fault.NotFound && err != nil {
			return absent()
		}
		if err == nil {
			sub, err = readSubscription(row)
		}
		if err != nil {
			return err
		}
		return edit(sub)
	}
	if err := s.Store.View(ctx, load); err != nil {
		return nil, err
	}
	if err := dry(v.Call); err != nil {
		return nil, err
	}
	err := v.Commit(ctx, func() error {
		return s.Store.Update(ctx, func(tx store.Tx) error {
			if err := load(tx); err != nil {
				return err
			}
			row, err := sub.row()
			if err != nil {
				return err
			}
			return tx.Put(store.Subscriptions, row)
		})
	})
	return sub, err
}

// visitSubscription authorises an action on a subscription and finds it.
func (s *Service) visitSubscription(ctx context.Context, v *guard.Visit, action key.Action, ref key.Resource) (*Subscription, *Topic, error) {
	if ref.Region != v.Call.Region {
		v.About(ref)
		return nil, nil, fault.Because(fault.InvalidArgument, fault.ForeignRegion, "the subscription is in the region %s", ref.Region)
	}
	if err := v.Authorize(guard.Target{Action: action, Resource: ref}); err != nil {
		return nil, nil, err
	}
	return s.find(ctx, ref)
}

// Subscription returns a subscription and its topic.
func (s *Service) Subscription(ctx context.Context, call *key.Call, ref key.Resource) (sub *Subscription, t *Topic, err error) {
	sub, err = guard.Do(ctx, s.Guard, call, key.GetSubscription, func(v *guard.Visit) (*Subscription, error) {
		sub, t, err = s.visitSubscription(ctx, v, key.GetSubscription, ref)
		return sub, err
	})
	return sub, t, err
}

// ChangeSubscription changes what a subscription wishes.
func (s *Service) ChangeSubscription(ctx context.Context, call *key.Call, ref key.Resource, edit func(*Wishes) error) error {
	_, err := guard.Do(ctx, s.Guard, call, key.SetSubscription, func(v *guard.Visit) (*Subscription, error) {
		_, t, err := s.visitSubscription(ctx, v, key.SetSubscription, ref)
		if err != nil {
			return nil, err
		}
		return s.alter(ctx, v, rowID(ref), func(sub *Subscription) error {
			if err := edit(&sub.Wishes); err != nil {
				return err
			}
			return sub.check(t, sub.Protocol)
		}, func() error { return gone(fault.New(fault.NotFound, ""), ref) })
	})
	return err
}

// TopicSubscriptions returns a page of a topic's subscriptions, in the order of
// their ids, and where the next page begins, "" at the end.
func (s *Service) TopicSubscriptions(ctx context.Context, call *key.Call, ref key.Resource, page kms.Page) ([]*Subscription, string, error) {
	list, err := guard.Do(ctx, s.Guard, call, key.ListTopicSubscriptions, func(v *guard.Visit) ([]*Subscription, error) {
		if _, err := s.visit(ctx, v, key.ListTopicSubscriptions, ref, nil); err != nil {
			return nil, err
		}
		q := store.Query{Column: "topic", Equal: rowID(ref), Limit: page.Limit + 1}
		if page.After != "" {
			q.After = rowID(ref) + "/" + page.After
		}
		return rows(ctx, s.Store, store.Subscriptions, q, readSubscription)
	})
	return cut(list, err, page, func(sub *Subscription) string { return sub.ID })
}

// Subscriptions is TopicSubscriptions for all topics of the call's realm in its
// region.
func (s *Service) Subscriptions(ctx context.Context, call *key.Call, page kms.Page) ([]*Subscription, string, error) {
	scope := scopeOf(key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}) + "/"
	list, err := guard.Do(ctx, s.Guard, call, key.ListSubscriptions, func(v *guard.Visit) ([]*Subscription, error) {
		if err := v.Authorize(realmTarget(call, key.ListSubscriptions)); err != nil {
			return nil, err
		}
		q := store.Query{From: scope, To: after(scope), Limit: page.Limit + 1}
		if page.After != "" {
			q.After = scope + page.After
		}
		return rows(ctx, s.Store, store.Subscriptions, q, readSubscription)
	})
	return cut(list, err, page, func(sub *Subscription) string { return strings.TrimPrefix(sub.rowID(), scope) })
}

// after is the first id after those that begin with a prefix, which ends in a
// slash.
func after(prefix string) string { return prefix[:len(prefix)-1] + "0" }

// cut ends a page that has one entry too many.
func cut[T any](list []*T, err error, page kms.Page, name func(*T) string) ([]*T, string, error) {
	if err != nil || len(list) <= page.Limit {
		return list, "", err
	}
	list = list[:page.Limit]
	return list, name(list[page.Limit-1]), nil
}
