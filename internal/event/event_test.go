package event_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// TestLife: an event is due once, however often it is emitted, and is
// remembered for more than a year after it was handled.
func TestLife(t *testing.T) {
	s := mem.New()
	now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	e := &event.Event{
		ID: "key.rotated/k/2", Kind: event.KeyRotated, Realm: "123456789012", Region: "eu-central-1", Time: now,
		Subject: "123456789012/eu-central-1/k", Name: "alias/pki", Summary: "The key was rotated.",
		Details: []event.Detail{{Name: "version", Value: "2"}},
	}
	update := func(f func(tx store.Tx) error) {
		t.Helper()
		if err := s.Update(t.Context(), f); err != nil {
			t.Fatal(err)
		}
	}
	emit := func() { t.Helper(); update(func(tx store.Tx) error { return event.Emit(tx, e) }) }
	due := func(at time.Time) (list []*event.Event) {
		t.Helper()
		update(func(tx store.Tx) (err error) { list, err = event.Due(tx, at, 10); return err })
		return list
	}
	emit()
	emit()
	if got := due(now); len(got) != 1 || !cmp.Equal(got[0], e) {
		t.Fatalf("due is %+v", got)
	}
	update(func(tx store.Tx) error { return event.Handled(tx, e, now) })
	for _, later := range []time.Duration{0, time.Hour, 366 * 24 * time.Hour} {
		emit()
		if got := due(now.Add(later)); len(got) != 0 {
			t.Errorf("after %v it is due again", later)
		}
	}
	if got := due(now.Add(401 * 24 * time.Hour)); len(got) != 0 {
		t.Errorf("a forgotten event is due")
	}
	update(func(tx store.Tx) error {
		there, err := event.Emitted(tx, e.ID)
		if there {
			t.Error("a handled event is never forgotten")
		}
		return err
	})
}
