package lease_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/lease"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// clock is a time that a test moves.
type clock struct{ at time.Time }

func (c *clock) now() time.Time { return c.at }

// stores runs a test on every kind of store, with two owners and a clock.
func stores(t *testing.T, test func(t *testing.T, s store.Store, c *clock, one, two *lease.Holder)) {
	t.Helper()
	for name, open := range map[string]func(t *testing.T) store.Store{
		"mem": func(*testing.T) store.Store { return mem.New() },
		"embedded": func(t *testing.T) store.Store {
			t.Helper()
			s, err := embedded.Open(filepath.Join(t.TempDir(), "db"), embedded.Options{})
			must(t, err)
			t.Cleanup(func() { must(t, s.Close()) })
			return s
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := open(t), &clock{time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)}
			test(t, s, c, lease.New(s, c.now), lease.New(s, c.now))
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused fails the test unless somebody else has the lease.
func refused(t *testing.T, err error) {
	t.Helper()
	if fault.KindOf(err) != fault.Conflict || !errors.Is(err, lease.ErrHeld) {
		t.Errorf("got %v, want a Conflict", err)
	}
}

func check(t *testing.T, s store.Store, l *lease.Lease) error {
	t.Helper()
	return s.View(t.Context(), func(r store.Reader) error { return lease.Check(r, l) })
}

// TestLife: one has a lease until it is given back or its time is over; the
// numbers grow, and who lost it cannot store, renew or give back any more.
func TestLife(t *testing.T) {
	stores(t, func(t *testing.T, s store.Store, c *clock, one, two *lease.Holder) {
		ctx := t.Context()
		first, err := one.Take(ctx, "work/a", time.Minute)
		must(t, err)
		for _, h := range []*lease.Holder{one, two} {
			_, err = h.Take(ctx, "work/a", time.Minute)
			refused(t, err)
		}
		other, err := two.Take(ctx, "work/b", time.Minute)
		must(t, err)
		if other.Fence <= first.Fence {
			t.Errorf("the second number is %d after %d", other.Fence, first.Fence)
		}
		c.at = c.at.Add(50 * time.Second)
		longer, err := one.Renew(ctx, first, time.Minute)
		must(t, err)
		c.at = c.at.Add(50 * time.Second)
		_, err = two.Take(ctx, "work/a", time.Minute)
		refused(t, err) // renewed
		c.at = c.at.Add(10 * time.Second)
		must(t, check(t, s, longer)) // expired, and nobody has taken it
		taken, err := two.Take(ctx, "work/a", time.Minute)
		must(t, err)
		if taken.Fence <= other.Fence {
			t.Errorf("the number is %d after %d", taken.Fence, other.Fence)
		}
		refused(t, check(t, s, longer))
		_, err = one.Renew(ctx, longer, time.Minute)
		refused(t, err)
		must(t, one.Release(ctx, longer)) // without effect
		must(t, check(t, s, taken))
		must(t, two.Release(ctx, taken, other))
		refused(t, check(t, s, taken))
		again, err := one.Take(ctx, "work/a", time.Minute)
		if err != nil || again.Fence <= taken.Fence {
			t.Errorf("after it was given back: %+v, %v", again, err)
		}
		must(t, one.Release(ctx))
	})
}

// TestTakeover: who takes over finds what the former holder noted; what is
// expired can be listed.
func TestTakeover(t *testing.T) {
	stores(t, func(t *testing.T, s store.Store, c *clock, one, two *lease.Holder) {
		take := func(h *lease.Holder, name, note string) (l *lease.Lease) {
			t.Helper()
			must(t, s.Update(t.Context(), func(tx store.Tx) (err error) {
				l, err = h.TakeIn(tx, name, time.Minute, func(string) string { return note })
				return err
			}))
			return l
		}
		expired := func(limit int) (list []string) {
			t.Helper()
			must(t, s.View(t.Context(), func(r store.Reader) (err error) {
				list, err = lease.Expired(r, "work/", c.at, limit)
				return err
			}))
			return list
		}
		if l := take(one, "work/a", "key 1"); l.Left != "" {
			t.Errorf("the first holder finds %q", l.Left)
		}
		take(one, "work/b", "")
		take(one, "worker", "")
		if list := expired(10); len(list) != 0 {
			t.Errorf("expired are %v", list)
		}
		c.at = c.at.Add(time.Minute)
		if list := expired(10); len(list) != 2 || list[0] != "work/a" {
			t.Errorf("expired are %v", list)
		}
		if list := expired(1); len(list) != 1 {
			t.Errorf("of expired ones there are %v", list)
		}
		if l := take(two, "work/a", "key 2"); l.Left != "key 1" || l.Note != "key 2" {
			t.Errorf("who takes over finds %q, and has %q", l.Left, l.Note)
		}
	})
}

func TestInvalid(t *testing.T) {
	h := lease.New(mem.New(), time.Now)
	for _, name := range []string{"", "fence", string(make([]byte, 257))} {
		if _, err := h.Take(t.Context(), name, time.Minute); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := h.Take(t.Context(), "a", 0); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("for no time: %v", err)
	}
}

// TestRace: of many who want it at the same time, one gets it.
func TestRace(t *testing.T) {
	stores(t, func(t *testing.T, _ store.Store, _ *clock, one, two *lease.Holder) {
		var got atomic.Int32
		var all sync.WaitGroup
		for i := range 16 {
			h := one
			if i%2 == 1 {
				h = two
			}
			all.Go(func() {
				if _, err := h.Take(context.WithoutCancel(t.Context()), "work", time.Minute); err == nil {
					got.Add(1)
				}
			})
		}
		all.Wait()
		if got.Load() != 1 {
			t.Errorf("%d have it", got.Load())
		}
	})
}

// TestBudget: in no minute is more spent than the bound, by however many, and
// it is all there again a minute later.
func TestBudget(t *testing.T) {
	stores(t, func(t *testing.T, s store.Store, c *clock, _, _ *lease.Holder) {
		const bound = 10
		b := lease.Budget{Name: "budget/work", PerMinute: bound}
		log := map[int64]int{}
		for step := range 120 {
			var got int
			must(t, s.Update(t.Context(), func(tx store.Tx) (err error) {
				got, err = b.Spend(tx, c.at, 1+step%4)
				return err
			}))
			log[c.at.UnixMilli()] += got
			sum := 0
			for at, n := range log {
				if at > c.at.UnixMilli()-60_000 {
					sum += n
				}
			}
			if sum > bound {
				t.Fatalf("%d in the minute before %s", sum, c.at)
			}
			c.at = c.at.Add(1700 * time.Millisecond)
		}
		c.at = c.at.Add(62 * time.Second)
		must(t, s.Update(t.Context(), func(tx store.Tx) error {
			got, err := b.Spend(tx, c.at, 100)
			if got != bound {
				t.Errorf("after a minute %d are left", got)
			}
			return err
		}))
	})
}
