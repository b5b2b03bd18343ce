package kms_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// TestToldOfDeletion: people are told at once that a key is to be destroyed,
// and again three days and a day before, unless it stays.
func TestToldOfDeletion(t *testing.T) {
	f := newFixture(t)
	told := func(after time.Duration) (days []string) {
		t.Helper()
		at := time.Now().Add(after)
		if err := f.store.Update(t.Context(), func(tx store.Tx) error {
			due, err := event.Due(tx, at, 10)
			for _, e := range due {
				if e.Kind != event.DeletionPending || e.Name != "alias/doomed" {
					t.Errorf("told of %+v", e)
				}
				days = append(days, e.Details[0].Value)
				if err := event.Handled(tx, e, at); err != nil {
					return err
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return days
	}
	const day = 24 * time.Hour
	k := f.create(alg.AES256, alg.EncryptDecrypt)
	if err := f.CreateAlias(t.Context(), f.admin(), "alias/doomed", refTo(k)); err != nil {
		t.Fatal(err)
	}
	for range 2 { // cancelled, and scheduled again
		if _, err := f.ScheduleDeletion(t.Context(), f.admin(), refTo(k), kms.MinDeletion); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"7"}, told(0)); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"3"}, told(5*day)); diff != "" {
			t.Error(diff)
		}
		if _, err := f.CancelDeletion(t.Context(), f.admin(), refTo(k)); err != nil {
			t.Fatal(err)
		}
		if got := told(8 * day); got != nil {
			t.Errorf("told %v days before the end of a key that stays", got)
		}
	}
}
