package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/envelope"
)

// slow is a key that answers late, and does not mind when nobody waits.
type slow struct {
	envelope.Identity
	delay time.Duration
	calls *atomic.Int64
}

func (s slow) Unwrap(ctx context.Context, st envelope.Stanza, binding []byte) ([]byte, error) {
	s.calls.Add(1)
	time.Sleep(s.delay)
	return s.Identity.Unwrap(ctx, st, binding)
}

// Waiting is bounded, whatever the keys do, and nobody is asked in vain.
func TestWaiting(t *testing.T) {
	a, b := newBox(t), newBox(t)
	file := seal(t, []byte("data"), envelope.NewAEAD("one:a", a), envelope.NewAEAD("two:b", b))
	good, other := envelope.NewAEAD("one:a", a), envelope.NewAEAD("two:b", b)
	tests := []struct {
		name string
		// ids are asked in their order, each after its delay.
		ids    []envelope.Identity
		delays []time.Duration
		took   time.Duration
		asked  int64
		err    string
	}{
		{"the first answers: the second is not asked", []envelope.Identity{good, other}, []time.Duration{0, 0}, 0, 1, ""},
		{"the first fails: the second is asked at once", []envelope.Identity{down("one:a"), other}, []time.Duration{0, 0}, 0, 2, ""},
		{"the first is silent: the second is asked after a while", []envelope.Identity{good, other}, []time.Duration{time.Hour, 0}, time.Second, 2, ""},
		{"the first is slow, and yet faster", []envelope.Identity{good, other}, []time.Duration{2 * time.Second, time.Hour}, 2 * time.Second, 2, ""},
		{"two are silent", []envelope.Identity{good, other, other}, []time.Duration{time.Hour, time.Hour, 0}, 2 * time.Second, 3, ""},
		{"all are silent", []envelope.Identity{good, other}, []time.Duration{time.Hour, time.Hour}, 31 * time.Second, 2, "one:a: no answer within 30s; two:b: no answer within 30s"},
		{"one is silent, one fails", []envelope.Identity{good, down("two:b")}, []time.Duration{time.Hour, 0}, 30 * time.Second, 2, "one:a: no answer within 30s; two:b: two:b is down"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked atomic.Int64
				ids := make([]envelope.Identity, len(tt.ids))
				for i, id := range tt.ids {
					ids[i] = slow{id, tt.delays[i], &asked}
				}
				began := time.Now()
				_, err := envelope.Decrypt(t.Context(), bytes.NewReader(file), ids...)
				if took := time.Since(began); took != tt.took {
					t.Errorf("it took %s, not %s", took, tt.took)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("%v: want %q", err, tt.err)
				}
				if n := asked.Load(); n != tt.asked {
					t.Errorf("%d were asked, not %d", n, tt.asked)
				}
				time.Sleep(2 * time.Hour) // for those who are still at it
			})
		})
	}
}

// The end of the context ends the waiting.
func TestCancel(t *testing.T) {
	a := newBox(t)
	file := seal(t, []byte("data"), envelope.NewAEAD("one:a", a))
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		defer stop()
		var calls atomic.Int64
		began := time.Now()
		_, err := envelope.Decrypt(ctx, bytes.NewReader(file), slow{envelope.NewAEAD("one:a", a), time.Hour, &calls})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		time.Sleep(2 * time.Hour)
	})
}
