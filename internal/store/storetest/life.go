package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func lifeTests() map[string]func(*testing.T, Config) {
	return map[string]func(*testing.T, Config){
		"a closed store":              testClosed,
		"Close waits":                 testCloseWaits,
		"Close among calls":           testCloseAmongCalls,
		"what is kept over a restart": testReopen,
	}
}

func testClosed(t *testing.T, c Config) {
	s := c.New(t)
	put(t, s, store.Settings, setting("a", ""))
	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	for range 20 { // a select among ready cases would let some through
		wantKind(t, "View of a closed store", s.View(t.Context(), func(store.Reader) error {
			t.Error("View ran f")
			return nil
		}), fault.Unavailable)
		wantKind(t, "Update of a closed store", s.Update(t.Context(), func(store.Tx) error {
			t.Error("Update ran f")
			return nil
		}), fault.Unavailable)
	}
}

func testCloseWaits(t *testing.T, c Config) {
	s := c.New(t)
	put(t, s, store.Settings, setting("a", ""))
	closing := make(chan error, 1)
	ended := false
	view(t, s, func(r store.Reader) error {
		go func() {
			closing <- s.Close()
		}()
		for { // until Close has begun
			err := s.View(t.Context(), func(store.Reader) error { return nil })
			if fault.KindOf(err) == fault.Unavailable {
				break
			}
			if err != nil {
				return err
			}
		}
		select {
		case err := <-closing:
			t.Errorf("the store closed during a View: %v", err)
		default:
		}
		_, err := r.Get(store.Settings, "a")
		ended = true
		return err
	})
	if err := <-closing; err != nil || !ended {
		t.Errorf("Close: %v (after the View: %v)", err, ended)
	}
}

// testCloseAmongCalls closes the store under load: each call ends, done or
// Unavailable.
func testCloseAmongCalls(t *testing.T, c Config) {
	s := c.New(t)
	started := make(chan struct{}, 50)
	go func() {
		for range 10 {
			<-started
		}
		if err := s.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}()
	together(50, func(i int) {
		for n := 0; ; n++ {
			err := s.Update(t.Context(), func(tx store.Tx) error {
				return tx.Put(store.Settings, setting(fmt.Sprintf("%d/%d", i, n), ""))
			})
			if err == nil {
				err = s.View(t.Context(), func(r store.Reader) error {
					_, err := r.Get(store.Settings, fmt.Sprintf("%d/%d", i, n))
					return err
				})
			}
			if err != nil {
				wantKind(t, "a call on a store that closes", err, fault.Unavailable)
				return
			}
			select {
			case started <- struct{}{}:
			default:
			}
		}
	})
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

func testReopen(t *testing.T, c Config) {
	if c.Reopen == nil {
		return // the store keeps nothing, and says so by its Config
	}
	s := c.New(t)
	var want []store.Row
	for i := range 50 {
		r := key(fmt.Sprintf("%03d", i), "s", fmt.Sprint(i%3), fmt.Sprint("body ", i))
		put(t, s, store.Keys, r)
		want = append(want, r)
	}
	update(t, s, func(tx store.Tx) error { return tx.Delete(store.Keys, "049") })
	want = want[:49]
	refused := errors.New("refused")
	if err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.Put(store.Keys, key("never", "", "", "")), refused)
	}); !errors.Is(err, refused) {
		t.Errorf("Update that fails: %v", err)
	}
	for round := range 3 {
		s = c.Reopen(t, s)
		wantRows(t, s, store.Keys, want...)
		r := key(fmt.Sprintf("9%02d", round), "s", "", "after a restart")
		put(t, s, store.Keys, r)
		want = append(want, r)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}
