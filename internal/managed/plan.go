package managed

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

// Plan returns a page of the certificates of the call's realm and region that
// the clock renews, in the order in which it does, up to a time (the zero time
// for all), and where the next page begins, "" at the end. The caller needs
// ListManaged.
func (s *Service) Plan(ctx context.Context, call *key.Call, until time.Time, p kms.Page) (list []*Certificate, next string, err error) {
	if p.Limit < 1 || p.Limit > MaxPage {
		p.Limit = MaxPage
	}
	list, err = guard.Do(ctx, s.guard, call, key.ListManaged, func(v *guard.Visit) ([]*Certificate, error) {
		if err := v.Authorize(realmTarget(call, key.ListManaged)); err != nil {
			return nil, err
		}
		var list []*Certificate
		err := s.store.View(ctx, func(r store.Reader) (err error) {
			list, next, err = s.planned(r, call, until, p)
			return err
		})
		return list, err
	})
	return list, next, err
}

// planned reads a page of the plan.
func (s *Service) planned(r store.Reader, call *key.Call, until time.Time, p kms.Page) (list []*Certificate, next string, err error) {
	q := store.Query{Column: "due", From: "0"} // which leaves out those that are never renewed
	if p.After != "" {
		at, _, ok := strings.Cut(p.After, "/")
		if _, err := time.Parse(store.TimeFormat, at); !ok || err != nil {
			return nil, "", fault.Because(fault.InvalidArgument, fault.MalformedMarker, "the marker is not of this listing")
		}
		q.From = at
	}
	if !until.IsZero() {
		q.To = dueColumn(until)
	}
	scope, last := scopeOf(call.Caller.Principal.Realm, call.Region), ""
	for row, err := range r.Scan(store.Managed, q) {
		if err != nil {
			return nil, "", err
		}
		place := row.Columns[1] + "/" + row.ID
		if row.Columns[0] != scope || place <= p.After {
			continue
		}
		if len(list) == p.Limit {
			return list, last, nil
		}
		c, err := s.current(r, row)
		if err != nil {
			return nil, "", err
		}
		last = place
		if list = append(list, c); c.Due.IsZero() {
			list = list[:len(list)-1] // the clock has not seen it yet
		}
	}
	return list, "", nil
}
