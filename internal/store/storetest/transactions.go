package storetest

import (
	"context"
	"errors"
	"runtime"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func transactionTests() map[string]func(*testing.T, Config) {
	return map[string]func(*testing.T, Config){
		"an error takes everything back":    testRollback,
		"a panic takes everything back":     testPanic,
		"Goexit takes everything back":      testGoexit,
		"going on after an expected error":  testGoingOn,
		"a transaction reads its writes":    testReadYourWrites,
		"nothing works after the end":       testAfterTheEnd,
		"a context that ends before":        testEndedContext,
		"a context that ends in a View":     testContextInView,
		"a context that ends in an Update":  testContextInUpdate,
		"errors of f come back as they are": testErrors,
	}
}

// change does every kind of write to a store that holds what testRollback and
// its like have put there.
func change(tx store.Tx) error {
	return errors.Join(
		tx.Insert(store.Keys, key("new", "s", "", "new")),
		tx.Put(store.Keys, key("kept", "changed", "", "changed")),
		tx.Delete(store.Keys, "deleted"),
		tx.Put(store.Settings, setting("another table", "")),
	)
}

func beforeChange(t *testing.T, s store.Store) {
	t.Helper()
	put(t, s, store.Keys, key("deleted", "s", "", "one"), key("kept", "s", "", "two"))
}

// wantUnchanged also requires that the store goes on working.
func wantUnchanged(t *testing.T, s store.Store) {
	t.Helper()
	wantRows(t, s, store.Keys, key("deleted", "s", "", "one"), key("kept", "s", "", "two"))
	wantRows(t, s, store.Settings)
	update(t, s, change)
	wantRows(t, s, store.Keys, key("kept", "changed", "", "changed"), key("new", "s", "", "new"))
}

func testRollback(t *testing.T, c Config) {
	s := c.open(t)
	beforeChange(t, s)
	refused := errors.New("refused")
	err := s.Update(t.Context(), func(tx store.Tx) error { return errors.Join(change(tx), refused) })
	if !errors.Is(err, refused) {
		t.Errorf("Update: %v, want the error of f", err)
	}
	wantUnchanged(t, s)
}

func testPanic(t *testing.T, c Config) {
	s := c.open(t)
	beforeChange(t, s)
	for name, call := range map[string]func(){
		"Update": func() {
			_ = s.Update(t.Context(), func(tx store.Tx) error { // it does not return
				if err := change(tx); err != nil {
					t.Error(err)
				}
				panic("f broke")
			})
		},
		"View": func() {
			_ = s.View(t.Context(), func(store.Reader) error { panic("f broke") }) // it does not return
		},
	} {
		func() {
			defer func() {
				if got := recover(); got != "f broke" {
					t.Errorf("%s: recovered %v, want the panic of f", name, got)
				}
			}()
			call()
			t.Errorf("%s returned although f panicked", name)
		}()
	}
	wantUnchanged(t, s)
}

// testGoexit does what t.Fatal in f does.
func testGoexit(t *testing.T, c Config) {
	s := c.open(t)
	beforeChange(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Update(t.Context(), func(tx store.Tx) error { // it does not return
			if err := change(tx); err != nil {
				t.Error(err)
			}
			runtime.Goexit()
			return nil
		})
		t.Error("Update returned although f ended the goroutine")
	}()
	<-done
	wantUnchanged(t, s)
}

func testGoingOn(t *testing.T, c Config) {
	s := c.open(t)
	put(t, s, store.Settings, setting("a", "old"))
	update(t, s, func(tx store.Tx) error {
		if err := tx.Put(store.Settings, setting("before", "")); err != nil {
			return err
		}
		wantKind(t, "Insert", tx.Insert(store.Settings, setting("a", "new")), fault.AlreadyExists)
		wantKind(t, "Delete", tx.Delete(store.Settings, "b"), fault.NotFound)
		_, err := tx.Get(store.Settings, "b")
		wantKind(t, "Get", err, fault.NotFound)
		return tx.Put(store.Settings, setting("behind", ""))
	})
	wantRows(t, s, store.Settings, setting("a", "old"), setting("before", ""), setting("behind", ""))
}

func testReadYourWrites(t *testing.T, c Config) {
	s := c.open(t)
	beforeChange(t, s)
	update(t, s, func(tx store.Tx) error {
		if err := change(tx); err != nil {
			return err
		}
		_, err := tx.Get(store.Keys, "deleted")
		wantKind(t, "Get of a row deleted before", err, fault.NotFound)
		got, err := tx.Get(store.Keys, "kept")
		if err != nil {
			return err
		}
		if string(got.Body) != "changed" {
			t.Errorf("body %q, want the one just written", got.Body)
		}
		for scope, want := range map[string]int{"s": 1, "changed": 1} {
			q := store.Query{Column: "scope", Equal: scope}
			list, err := ids(tx, store.Keys, q)
			if err != nil {
				return err
			}
			count, err := tx.Count(store.Keys, q)
			if err != nil {
				return err
			}
			if len(list) != want || count != want {
				t.Errorf("scope %s: rows %v, count %d, want %d", scope, list, count, want)
			}
		}
		wantKind(t, "Insert of a row put before", tx.Insert(store.Keys, key("new", "", "", "")), fault.AlreadyExists)
		return nil
	})
}

func testAfterTheEnd(t *testing.T, c Config) {
	s := c.open(t)
	var keptTx store.Tx
	var keptReader store.Reader
	update(t, s, func(tx store.Tx) error { keptTx = tx; return nil })
	view(t, s, func(r store.Reader) error { keptReader = r; return nil })
	if err := keptTx.Put(store.Settings, setting("a", "")); err == nil {
		t.Error("Put after the end of the transaction worked")
	}
	for name, r := range map[string]store.Reader{"Tx": keptTx, "Reader": keptReader} {
		if _, err := r.Get(store.Settings, "a"); err == nil || fault.KindOf(err) == fault.NotFound {
			t.Errorf("Get from a kept %s: %v, want an error", name, err)
		}
		if _, err := all(r, store.Settings, store.Query{}); err == nil {
			t.Errorf("Scan from a kept %s worked", name)
		}
		if _, err := r.Count(store.Settings, store.Query{}); err == nil {
			t.Errorf("Count from a kept %s worked", name)
		}
	}
	wantRows(t, s, store.Settings)
}

func testEndedContext(t *testing.T, c Config) {
	s := c.open(t)
	ctx := ended(t)
	for range 20 { // a select among ready cases would let some through
		err := s.Update(ctx, func(tx store.Tx) error {
			t.Error("Update ran f")
			return tx.Put(store.Settings, setting("a", ""))
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Update: %v, want context.Canceled", err)
		}
		err = s.View(ctx, func(store.Reader) error {
			t.Error("View ran f")
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("View: %v, want context.Canceled", err)
		}
	}
	wantRows(t, s, store.Settings)
}

func testContextInView(t *testing.T, c Config) {
	s := c.open(t)
	manyRows(t, s, 3000)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := s.View(ctx, func(r store.Reader) error {
		for _, err := range r.Scan(store.Keys, store.Query{}) {
			if err != nil {
				return err
			}
			n++
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n == 3000 {
		t.Errorf("a View whose context ended read %d rows: %v", n, err)
	}
}

// testContextInUpdate: what has started is carried through.
func testContextInUpdate(t *testing.T, c Config) {
	s := c.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Update(ctx, func(tx store.Tx) error {
		cancel()
		return tx.Put(store.Settings, setting("a", ""))
	})
	if err != nil {
		t.Errorf("Update whose context ended in f: %v", err)
	}
	wantRows(t, s, store.Settings, setting("a", ""))
}

func testErrors(t *testing.T, c Config) {
	s := c.open(t)
	want := fault.Because(fault.WrongState, fault.KeyDisabled, "the key is disabled")
	for name, got := range map[string]error{
		"View":   s.View(t.Context(), func(store.Reader) error { return want }),
		"Update": s.Update(t.Context(), func(store.Tx) error { return want }),
	} {
		if got != error(want) { //nolint:errorlint // wrapped would be another error
			t.Errorf("%s: %v, want the very error of f", name, got)
		}
	}
}
