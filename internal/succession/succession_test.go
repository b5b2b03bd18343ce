package succession

import (
	"errors"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// TestPermits is what a key still does that another has succeeded: nothing that
// makes something new.
func TestPermits(t *testing.T) {
	old := &key.Key{Succession: key.Succession{To: "next"}}
	permitted := map[key.Action]bool{
		key.Verify: true, key.VerifyMAC: true, key.Decrypt: true, key.ReEncryptFrom: true, key.GetPublicKey: true, key.ExportKey: true,
	}
	for _, a := range key.Actions() {
		if err := Permits(&key.Key{}, a); err != nil {
			t.Errorf("%s of a key without a successor: %v", a, err)
		}
		switch err := Permits(old, a); {
		case permitted[a] && err != nil:
			t.Errorf("%s: %v", a, err)
		case !permitted[a] && (err == nil || fault.KindOf(err) != fault.WrongState || fault.ReasonOf(err) != fault.KeySucceeded):
			t.Errorf("%s: %v", a, err)
		}
	}
}

// TestSuccessorOf holds that the ids of successors stay what they are in every
// release: they are why a key has only one.
func TestSuccessorOf(t *testing.T) {
	const first = key.ID("11111111-2222-4333-8444-555555555555")
	second := SuccessorOf(first)
	if want := key.ID("bd7cbd88-b4f5-4cea-b10f-fdf64a5372d6"); second != want {
		t.Errorf("got %s, want %s", second, want)
	}
	if _, ok := second.UUID(); !ok || SuccessorOf(second) == first || SuccessorOf(second) == second {
		t.Errorf("after %s comes %s", second, SuccessorOf(second))
	}
}

// TestLater is when a key is tried again that keeps failing.
func TestLater(t *testing.T) {
	var l Later
	at, failing, name := time.Unix(0, 0), errors.New("no"), key.Name{ID: "k"}
	for i, wait := range []time.Duration{0, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour} {
		l.Note("k", at, failing)
		if wait > 0 && !l.Puts("k", at.Add(wait-1)) || l.Puts("k", at.Add(wait)) {
			t.Errorf("after failure %d the key is not put off for %s", i+1, wait)
		}
	}
	if l.Keep([]key.Name{name}); l.Count() != 1 {
		t.Error("a key that is due is forgotten")
	}
	if l.Keep(nil); l.Count() != 0 || l.Puts("k", at) {
		t.Error("a key that is not due is kept")
	}
	l.Note("k", at, failing)
	if l.Note("k", at, nil); l.Count() != 0 {
		t.Error("a key that did not fail is kept")
	}
}
