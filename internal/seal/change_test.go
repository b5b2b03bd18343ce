package seal

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// house is a data directory with a store that has something sealed in it.
type house struct {
	dir   string
	store store.Store
	old   *wayOf
}

const secretRow = "a secret of the test"

func newHouse(t *testing.T, w *wayOf) *house {
	t.Helper()
	h := &house{dir: t.TempDir(), store: mem.New(), old: w}
	r, err := Make(t.Context(), h.dir, w.plan, w.deliver)
	if err != nil {
		t.Fatal(err)
	}
	h.use(t, r, nil)
	return h
}

// use claims the store and reads, or at first makes, the secret in it.
func (h *house) use(t *testing.T, r *Root, err error) {
	t.Helper()
	if err == nil {
		err = Claim(t.Context(), r, h.store)
	}
	if err != nil {
		t.Errorf("it does not open: %v", err)
		return
	}
	got, err := Secret(t.Context(), r, h.store, secretRow, func() []byte { return []byte("the secret") })
	if err != nil || string(got) != "the secret" {
		t.Errorf("the secret is %q, %v", got, err)
	}
	if got, err := NewKeyring(r, h.store).realm("111111111111"); err != nil {
		t.Errorf("the realm's key: %v, %v", got, err)
	}
}

func (h *house) unlock(t *testing.T, w *wayOf) (*Opened, *Root, error) {
	t.Helper()
	o, err := Unlock(t.Context(), h.dir, w.again(t))
	if err != nil {
		return nil, nil, err
	}
	t.Cleanup(o.Close)
	r, err := o.Root()
	return o, r, err
}

// opens wants the directory, as it is now, to open by a way and to work.
func (h *house) opens(t *testing.T, when string, w *wayOf) {
	t.Helper()
	copied := *h // what an opening tidies must not help the next one
	copied.dir = t.TempDir()
	if err := os.CopyFS(copied.dir, os.DirFS(h.dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(copied.dir, rootFile), 0o600); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	_, r, err := copied.unlock(t, w)
	if err != nil {
		t.Errorf("%s it does not open by %s: %v", when, w.plan.Method, err)
		return
	}
	copied.use(t, r, nil)
}

func (h *house) refuses(t *testing.T, when string, w *wayOf) {
	t.Helper()
	o, r, err := h.unlock(t, w)
	if err == nil {
		err = Claim(t.Context(), r, h.store)
		o.Close()
	}
	if err == nil {
		t.Errorf("%s it still opens by the old %s", when, w.plan.Method)
	}
}

// Every method changes to every other and to a new one of its own, with the
// root key or without; a crash between any two steps leaves a seal that opens.
func TestChange(t *testing.T) {
	for _, replace := range []bool{false, true} {
		for from := range ways(t) {
			for to := range ways(t) {
				old := ways(t)[from]
				others := []*wayOf{byFile(), byPhrase("another passphrase"), byShares(3, 4), byToken(t, "two")}
				w := others[to]
				t.Run(fmt.Sprintf("%s to %s, replacing %t", old.plan.Method, w.plan.Method, replace), func(t *testing.T) {
					changeOnce(t, newHouse(t, old), w, replace)
				})
			}
		}
	}
}

func changeOnce(t *testing.T, h *house, w *wayOf, replace bool) {
	t.Helper()
	o, r, err := h.unlock(t, h.old)
	if err != nil {
		t.Fatal(err)
	}
	h.use(t, r, nil)
	c, err := o.Begin(t.Context(), r, w.plan, replace)
	if h.old.plan.Method == InFile && w.plan.Method == InFile && !replace {
		if fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("a change of nothing: %v", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Shares) > 0 {
		if err := w.deliver(c.Shares); err != nil {
			t.Fatal(err)
		}
	}
	h.opens(t, "once begun,", h.old)
	h.opens(t, "once begun,", w)
	if (c.From.ID() != c.To.ID()) != replace {
		t.Errorf("the root key goes from %s to %s", c.From.ID(), c.To.ID())
	}
	if replace {
		if err := h.store.Update(t.Context(), func(tx store.Tx) error { return Reseal(tx, c.From, c.To) }); err != nil {
			t.Fatal(err)
		}
		h.opens(t, "with the store resealed,", h.old)
		h.opens(t, "with the store resealed,", w)
	}
	if err := c.Finish(); err != nil {
		t.Fatal(err)
	}
	h.opens(t, "finished,", w)
	if w.plan.Method != InFile { // which opens for everybody
		h.refuses(t, "finished,", h.old)
	}
	_, err = os.Stat(filepath.Join(h.dir, rootFile))
	if (err == nil) != (w.plan.Method == InFile) {
		t.Errorf("the root key's file: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(h.dir, "*.new*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A crash at the very end leaves the root key's file, or an old root key in
// it. Whoever claims the store next removes it.
func TestWhatAnInterruptedChangeLeavesIsRemoved(t *testing.T) {
	h := newHouse(t, byFile())
	text, err := os.ReadFile(filepath.Join(h.dir, rootFile))
	if err != nil {
		t.Fatal(err)
	}
	w := byPhrase("another passphrase")
	changeOnce(t, h, w, false)
	put := func(content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(h.dir, rootFile), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(text)
	_, r, err := h.unlock(t, byPhrase("another passphrase"))
	h.use(t, r, err)
	if _, err := os.Stat(filepath.Join(h.dir, rootFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the root key's file is still there: %v", err)
	}

	h = newHouse(t, byFile())
	if text, err = os.ReadFile(filepath.Join(h.dir, rootFile)); err != nil {
		t.Fatal(err)
	}
	put([]byte(strings.Repeat("00", keySize) + "\n" + string(text)))
	_, r, err = h.unlock(t, byFile())
	h.use(t, r, err)
	if got, err := os.ReadFile(filepath.Join(h.dir, rootFile)); err != nil || string(got) != string(text) {
		t.Errorf("the file has still the other key: %v", err)
	}
}

// A change that was interrupted is undone or finished by another one, begun by
// whichever way opens.
func TestChangeAfterAnInterruptedOne(t *testing.T) {
	for _, resealed := range []bool{false, true} {
		h := newHouse(t, byPhrase(goodPhrase))
		o, r, err := h.unlock(t, h.old)
		if err != nil {
			t.Fatal(err)
		}
		h.use(t, r, nil)
		lost := byShares(2, 3)
		c, err := o.Begin(t.Context(), r, lost.plan, true)
		if err != nil {
			t.Fatal(err)
		}
		if resealed {
			if err := h.store.Update(t.Context(), func(tx store.Tx) error { return Reseal(tx, c.From, c.To) }); err != nil {
				t.Fatal(err)
			}
		}
		if s, err := Inspect(h.dir); err != nil || len(s.Ways) != 2 || len(s.Ways[0].RootKeys) != 2 {
			t.Errorf("%+v, %v", s, err)
		}
		changeOnce(t, h, byShares(3, 4), true)
	}
}

func TestStoreUnderAnotherRootKey(t *testing.T) {
	h := newHouse(t, byPhrase(goodPhrase))
	before, err := os.ReadFile(filepath.Join(h.dir, describes))
	if err != nil {
		t.Fatal(err)
	}
	changeOnce(t, h, byPhrase("another passphrase"), true)
	if err := os.WriteFile(filepath.Join(h.dir, describes), before, 0o600); err != nil {
		t.Fatal(err)
	}
	_, r, err := h.unlock(t, h.old)
	if err != nil {
		t.Fatal(err)
	}
	if err := Claim(t.Context(), r, h.store); fault.KindOf(err) != fault.Unauthenticated || !strings.Contains(err.Error(), "older than the other") {
		t.Errorf("the seal of before the change: %v", err)
	}
}

// What cannot be decrypted is not thrown away.
func TestResealRefusesWhatItCannotRead(t *testing.T) {
	h := newHouse(t, byFile())
	_, r, err := h.unlock(t, h.old)
	if err != nil {
		t.Fatal(err)
	}
	h.use(t, r, nil)
	other, err := Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	err = h.store.Update(t.Context(), func(tx store.Tx) error {
		if err := tx.Put(store.Settings, store.Row{ID: "foreign", Body: other.Seal("foreign", []byte("x"), nil)}); err != nil {
			return err
		}
		return Reseal(tx, r, other)
	})
	if fault.KindOf(err) != fault.Internal || err == nil || !strings.Contains(err.Error(), `"foreign"`) {
		t.Errorf("got %v", err)
	}
	h.use(t, r, nil)
}

// Shares that wait for others do not outlive a change of the seal.
func TestUnsealingSeesAChange(t *testing.T) {
	h := newHouse(t, byShares(2, 3))
	old := h.old.shares
	u, err := NewUnsealing(h.dir)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := u.Add(bytes.Clone(old[0])); err != nil || p.Have != 1 {
		t.Fatalf("%v, %v", p, err)
	}
	renewed := byShares(3, 3)
	changeOnce(t, h, renewed, false)
	if p, err := u.Add(bytes.Clone(old[1])); fault.KindOf(err) != fault.WrongState || p.String() != "0 of 3 shares" {
		t.Errorf("a share of before: %v, %v", p, err)
	}
	for i, s := range renewed.shares {
		if p, err := u.Add(bytes.Clone(s)); err != nil || p.Have != i+1 {
			t.Errorf("%v, %v", p, err)
		}
	}
	if _, err := u.Open(); err != nil {
		t.Error(err)
	}
	h.old = renewed
	changeOnce(t, h, byPhrase(goodPhrase), false)
	if _, err := u.Add(bytes.Clone(renewed.shares[0])); fault.KindOf(err) != fault.WrongState {
		t.Errorf("a seal without shares: %v", err)
	}
}
