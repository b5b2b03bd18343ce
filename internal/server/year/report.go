package year

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// report judges the end of the year.
func (w *World) report(ctx context.Context) (*Report, error) {
	r := w.made
	r.Certificates, r.MostPerMinute = len(w.known), w.begun.most()
	var wrong []error
	if r.MostPerMinute > w.plan.PerMinute {
		wrong = append(wrong, fmt.Errorf("%d renewals began within a minute, the bound is %d", r.MostPerMinute, w.plan.PerMinute))
	}
	spare := 0
	for id, s := range w.known {
		c, err := w.Managed[0].Describe(ctx, w.Admin(), id)
		if err != nil {
			return nil, err
		}
		last, least, err := w.people.follow(id, s)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		r.Renewed += len(w.people.renewals[id])
		r.Least = min(r.Least, least)
		if c.State(w.Now()) != managed.Issued || c.Serial != last.serial {
			wrong = append(wrong, fmt.Errorf("%s is %s with serial %s; %s was told of", c.Domain, c.State(w.Now()), c.Serial, last.serial))
		}
		if c.Next != "" {
			spare++
		}
	}
	keys, err := w.enabled(ctx)
	if err != nil {
		return nil, err
	}
	authorities := len(w.CA.All())
	if want := len(w.known) + spare + authorities; keys != want {
		wrong = append(wrong, fmt.Errorf("%d keys are enabled, want %d", keys, want))
	}
	wrong = append(wrong, w.people.wrong...)
	wrong = append(wrong, w.people.unrenewed(w.ends()))
	r.Messages, r.Repeated, r.Refused = len(w.people.heard), w.people.repeated, w.people.refused
	r.Failed, r.Ending = w.people.failed, len(w.people.ending)
	r.Issued, err = w.issued(ctx)
	// The second level's authorities are issued, too, each with every renewal of its own.
	r.Unused = r.Issued - r.Certificates - r.Renewed - len(w.unrenewed)
	return &r, errors.Join(append(wrong, err)...)
}

// enabled counts the keys that are in use.
func (w *World) enabled(ctx context.Context) (n int, err error) {
	page := kms.Page{Limit: 1000}
	for {
		ids, next, err := w.Keys.ListKeys(ctx, w.Admin(), page)
		if err != nil {
			return 0, err
		}
		for _, id := range ids {
			k, err := w.Keys.DescribeKey(ctx, w.Admin(), kms.Ref{ID: id})
			if err != nil {
				return 0, err
			}
			if k.State == key.Enabled {
				n++
			}
		}
		if page.After = next; next == "" {
			return n, nil
		}
	}
}

// issued counts the certificates of end entities that the authorities issued.
func (w *World) issued(ctx context.Context) (n int, err error) {
	err = w.Store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Certificates, store.Query{}) {
			if err != nil {
				return err
			}
			c, err := ca.ReadCertificate(row)
			if err != nil {
				return err
			}
			if c.Profile != profile.Authority {
				n++
			}
		}
		return nil
	})
	return n, err
}

// ends returns the ids of the events that certificates which nobody renews have
// come to: 30, 14, 7 and 1 days before their end, where they live at least twice
// as long, and at their end.
func (w *World) ends() (ids []string) {
	for _, c := range w.unrenewed {
		id := ca.CertificateID(c.Authority, c.Serial)
		for _, days := range []time.Duration{30, 14, 7, 1} {
			if c.NotAfter.Sub(c.NotBefore) >= 2*days*day && !c.NotAfter.Add(-days*day).After(w.Now()) {
				ids = append(ids, fmt.Sprintf("%s/%s/%d", event.CertificateExpiring, id, days))
			}
		}
		if !c.NotAfter.After(w.Now()) {
			ids = append(ids, fmt.Sprintf("%s/%s", event.CertificateExpired, id))
		}
	}
	return ids
}
