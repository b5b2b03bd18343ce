package approval

import (
	"testing"
	"time"
)

// TestWaiting counts what was filed and is neither decided nor over.
func TestWaiting(t *testing.T) {
	f := newFixture(t, deletions())
	waiting := func(want int, age time.Duration) {
		t.Helper()
		n, first, err := f.Waiting(t.Context())
		if err != nil || n != want || first.IsZero() != (want == 0) || want > 0 && f.gate.now().Sub(first) != age {
			t.Errorf("%d wait since %s, %v; want %d for %s", n, first, err, want, age)
		}
	}
	id := f.refused(f.drop("alice", "x")) // a draft
	waiting(0, 0)
	f.file("alice", id)
	f.pass(time.Minute)
	f.file("alice", f.refused(f.drop("alice", "y")))
	waiting(2, time.Minute)
	if _, err := f.Decide(t.Context(), f.as("bob", ""), id, true, ""); err != nil {
		t.Fatal(err)
	}
	waiting(1, 0)
	f.pass(24 * time.Hour) // the clock has not been there yet
	waiting(0, 0)
}
