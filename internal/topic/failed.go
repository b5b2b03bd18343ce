package topic

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Failed is a delivery that was given up.
type Failed struct {
	Message      string
	Topic        string
	Subscription string
	Protocol     Protocol
	Endpoint     string
	Attempts     int
	Cause        string
	PublishedAt  time.Time
	FailedAt     time.Time

	row string
}

// Failed returns a page of the deliveries of the call's realm in its region that
// were given up in the last 14 days, and where the next page begins, "" at the
// end.
func (s *Service) Failed(ctx context.Context, call *key.Call, page kms.Page) ([]*Failed, string, error) {
	scope := scopeOf(key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region})
	list, err := guard.Do(ctx, s.Guard, call, key.ListSubscriptions, func(v *guard.Visit) ([]*Failed, error) {
		if err := v.Authorize(realmTarget(call, key.ListSubscriptions)); err != nil {
			return nil, err
		}
		q := store.Query{Column: "failed", Equal: scope, After: page.After, Limit: page.Limit + 1}
		return rows(ctx, s.Store, store.Messages, q, readFailed)
	})
	return cut(list, err, page, func(f *Failed) string { return f.row })
}

func readFailed(row store.Row) (*Failed, error) {
	d, err := readDelivery(row)
	if err != nil {
		return nil, err
	}
	parts := strings.Split(d.subscription, "/")
	return &Failed{
		Message: d.message, Topic: parts[2], Subscription: parts[len(parts)-1], Protocol: d.Protocol, Endpoint: d.Endpoint,
		Attempts: d.Attempts, Cause: d.Error, PublishedAt: d.Created, FailedAt: d.FailedAt, row: row.ID,
	}, nil
}

// expire forgets a subscription that nobody confirmed in time.
func (s *Service) expire(ctx context.Context, id string, now time.Time) error {
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if err := deleted(tx, remindPrefix+id); err != nil {
			return err
		}
		row, err := tx.Get(store.Subscriptions, id)
		if err != nil {
			if fault.KindOf(err) == fault.NotFound {
				return nil
			}
			return err
		}
		sub, err := readSubscription(row)
		if err != nil || sub.State() == Confirmed {
			return err
		}
		if sub.Expires.After(now) { // it was asked again
			return tx.Put(store.Messages, reminder(id, sub.Expires))
		}
		return tx.Delete(store.Subscriptions, id)
	})
}
