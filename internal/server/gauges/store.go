package gauges

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// The kinds of transactions.
const (
	view   = "view"
	update = "update"
)

// Store returns a store whose transactions are counted, and marked where a
// request is watched.
func (g *Gauges) Store(s store.Store) store.Store { return &timed{s, g} }

type timed struct {
	store.Store
	gauges *Gauges
}

// View implements store.Store.
func (t *timed) View(ctx context.Context, f func(store.Reader) error) error {
	defer t.note(ctx, view)()
	var own error
	err := t.Store.View(ctx, func(r store.Reader) error {
		own = f(r)
		return own
	})
	return t.judge(view, err, own)
}

// Update implements store.Store.
func (t *timed) Update(ctx context.Context, f func(store.Tx) error) error {
	defer t.note(ctx, update)()
	var own error
	err := t.Store.Update(ctx, func(tx store.Tx) error {
		own = f(tx)
		return own
	})
	return t.judge(update, err, own)
}

// note returns what is called at the transaction's end.
func (t *timed) note(ctx context.Context, kind string) func() {
	began, span := time.Now(), trace.Start(ctx, "store."+kind)
	return func() {
		span.End(nil) // why f failed is not the store's, and the visit says it
		t.gauges.store.WithLabelValues(kind).Observe(time.Since(began).Seconds())
	}
}

// judge counts what the store could not do. What f itself returned is none of
// that, unless it is the store's word that it cannot.
func (t *timed) judge(kind string, err, own error) error {
	if err != nil && (own == nil || fault.KindOf(err) == fault.Unavailable) {
		t.gauges.refused.WithLabelValues(kind).Inc()
	}
	return err
}
