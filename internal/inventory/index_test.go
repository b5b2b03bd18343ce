package inventory

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// terms counts the rows of store.Terms.
func (f *fixture) terms(t testing.TB) (n int) {
	t.Helper()
	err := f.store.View(t.Context(), func(r store.Reader) error {
		var err error
		n, err = r.Count(store.Terms, store.Query{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDelay: without a search, terms are written after a while.
func TestDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		defer f.Close() //nolint:errcheck // the fixture looks
		synctest.Wait()
		f.issue(t, f.house.list[0], spec{common: "a"})
		time.Sleep(1999 * time.Millisecond)
		synctest.Wait()
		if n := f.terms(t); n != 0 {
			t.Errorf("%d terms before the time", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := f.terms(t); n != 4 {
			t.Errorf("%d terms after it", n)
		}
	})
}

// TestFull: many certificates do not wait.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		defer f.Close() //nolint:errcheck // the fixture looks
		synctest.Wait()
		c := f.issue(t, f.house.list[0], spec{common: "a"})
		for i := range tailLength {
			copied := *c
			copied.Serial = fmt.Sprintf("%032x", i)
			f.put(t, &copied)
		}
		synctest.Wait()
		if n := f.terms(t); n < tailLength {
			t.Errorf("%d terms for %d certificates", n, tailLength)
		}
	})
}

// TestCrash: what was not written when the process ended is written by the
// next one, and nothing else is looked at.
func TestCrash(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	a := f.house.list[0]
	f.issue(t, a, spec{names: []string{"early.example.com"}})
	f.search(t, Query{Name: "early.example.com"}, 10)
	f.pass(time.Hour)
	f.issue(t, a, spec{names: []string{"late.example.com"}})
	f.search(t, Query{Name: "late.example.com"}, 10) // sets the mark
	f.house.OnIssued(nil)                            // the process is gone
	f.pass(time.Minute)
	f.issue(t, a, spec{names: []string{"lost.example.com"}})

	f.open(t)
	f.caughtUp(t)
	for _, name := range []string{"early", "late", "lost"} {
		if got := f.search(t, Query{Name: name + ".example.com"}, 10); len(got) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
	if before := f.index.mark.Before; before.Before(start.Add(50 * time.Minute)) {
		t.Errorf("the mark is still %v", before)
	}
	list, err := f.index.missing(t.Context(), a.ID, f.index.mark)
	if err != nil || len(list) != 2 {
		t.Errorf("%d certificates are looked at, want the 2 of the last minutes (%v)", len(list), err)
	}
}

// TestCleanEnd: after a clean end there is nothing to look at.
func TestCleanEnd(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	f.issue(t, f.house.list[0], spec{common: "a"})
	f.pass(time.Millisecond)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := f.terms(t); n != 4 {
		t.Errorf("%d terms are written", n)
	}
	x := newIndex(f.house, f.store, f.now, time.Second)
	if err := x.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := x.missing(t.Context(), f.house.list[0].ID, x.mark); err != nil || len(list) != 0 {
		t.Errorf("%d certificates are looked at (%v)", len(list), err)
	}
}

// TestBackFill: what was stored before there was an inventory is taken up, in
// pieces that a stop interrupts, and searches find it meanwhile.
func TestBackFill(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	first := f.issue(t, f.house.list[0], spec{names: []string{"h.example.com"}})
	f.house.OnIssued(nil)
	a := f.house.list[0]
	err := f.store.Update(t.Context(), func(tx store.Tx) error {
		for i := range tailLength + 100 {
			c := *first
			c.Serial = fmt.Sprintf("%032x", i)
			if err := tx.Put(store.Certificates, c.Row()); err != nil {
				return err
			}
		}
		return tx.Delete(store.Settings, markID)
	})
	if err != nil {
		t.Fatal(err)
	}
	x := newIndex(f.house, f.store, f.now, time.Second)
	if err := x.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	// One piece, and the process ends.
	ctx, cancel := context.WithCancel(t.Context())
	list, err := x.missing(ctx, a.ID, x.mark)
	if err != nil || len(list) != tailLength {
		t.Fatalf("a piece of %d (%v)", len(list), err)
	}
	m := x.mark
	m.At = ca.CertificateID(a.ID, list[len(list)-1].Serial)
	if _, err := x.write(ctx, list); err != nil {
		t.Fatal(err)
	}
	if err := x.set(ctx, m); err != nil {
		t.Fatal(err)
	}
	cancel()

	f.open(t)
	want := tailLength + 101
	if got := len(f.search(t, Query{Name: "h.example.com"}, 1000)); got != want {
		t.Errorf("%d while the index is made, want %d", got, want)
	}
	f.caughtUp(t)
	if got := len(f.search(t, Query{Name: "h.example.com"}, 1000)); got != want {
		t.Errorf("%d with the index, want %d", got, want)
	}
}

// TestOtherTerms: terms of another version are made again.
func TestOtherTerms(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	if err := f.index.set(t.Context(), mark{V: term.Version + 1, Before: f.clock, Ready: true}); err != nil {
		t.Fatal(err)
	}
	x := newIndex(f.house, f.store, f.now, time.Second)
	if err := x.load(t.Context()); err != nil || x.mark != (mark{V: term.Version}) {
		t.Errorf("the mark is %+v (%v)", x.mark, err)
	}
}

// TestEarlyCertificate: the certificate of an authority that is only being
// made waits for it.
func TestEarlyCertificate(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	a := f.house.list[0]
	f.issue(t, a, spec{names: []string{"a.example.com"}})
	f.house.mu.Lock()
	f.house.list = nil
	f.house.mu.Unlock()
	if err := f.index.flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.house.mu.Lock()
	f.house.list = []*ca.Authority{a}
	f.house.mu.Unlock()
	if got := f.search(t, Query{Name: "a.example.com"}, 10); len(got) != 1 {
		t.Errorf("found %v", got)
	}
}
