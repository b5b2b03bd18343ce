package storetest

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func concurrencyTests() map[string]func(*testing.T, Config) {
	return map[string]func(*testing.T, Config){
		"counters lose nothing":                  testCounters,
		"one insert of many wins":                testOneInsert,
		"failures hit nobody else":               testNeighbours,
		"a View is a snapshot":                   testSnapshot,
		"Views see whole transactions":           testInvariant,
		"an Update is seen by Views that follow": testVisible,
		"an Update that waits can be cancelled":  testCancelWaiting,
	}
}

// together runs f n times at once.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// increment adds one to the counter in the row.
func increment(tx store.Tx, id string) error {
	row, err := tx.Get(store.Settings, id)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	n, _ := strconv.Atoi(string(row.Body)) // no row counts as 0
	return tx.Put(store.Settings, setting(id, strconv.Itoa(n+1)))
}

func testCounters(t *testing.T, c Config) {
	const workers, each, counters = 200, 10, 3
	s := c.open(t)
	var calls atomic.Int64
	together(workers, func(i int) {
		for range each {
			err := s.Update(t.Context(), func(tx store.Tx) error {
				calls.Add(1)
				return increment(tx, strconv.Itoa(i%counters))
			})
			if err != nil {
				t.Errorf("Update: %v", err)
			}
		}
	})
	sum := 0
	view(t, s, func(r store.Reader) (err error) {
		sum, err = total(r, store.Settings)
		return err
	})
	if sum != workers*each || calls.Load() != workers*each {
		t.Errorf("counted %d in %d calls of f, want %d", sum, calls.Load(), workers*each)
	}
}

func testOneInsert(t *testing.T, c Config) {
	s := c.open(t)
	var won atomic.Int64
	together(100, func(int) {
		err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(store.Settings, setting("a", "")) })
		if err == nil {
			won.Add(1)
			return
		}
		wantKind(t, "Update", err, fault.AlreadyExists)
	})
	if won.Load() != 1 {
		t.Errorf("%d inserts of one row succeeded", won.Load())
	}
}

// testNeighbours mixes transactions that fail in every way with ones that do
// not: those that commit together must not share their fate.
func testNeighbours(t *testing.T, c Config) {
	const workers, each = 40, 20
	s := c.open(t)
	kinds := []func(*testing.T, store.Store, string){insertOne, insertOne, refuseOne, panicOne}
	together(workers, func(i int) {
		for j := range each {
			kinds[i%len(kinds)](t, s, fmt.Sprintf("%02d/%02d", i, j))
		}
	})
	view(t, s, func(r store.Reader) error {
		list, err := ids(r, store.Settings, store.Query{})
		if len(list) != workers/2*each {
			t.Errorf("%d rows, want %d", len(list), workers/2*each)
		}
		for _, id := range list {
			if i, err := strconv.Atoi(id[:2]); err != nil || i%len(kinds) > 1 {
				t.Errorf("row %s of a transaction that failed", id)
			}
		}
		return err
	})
}

func insertOne(t *testing.T, s store.Store, id string) {
	err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(store.Settings, setting(id, "")) })
	if err != nil {
		t.Errorf("Update: %v", err)
	}
}

func refuseOne(t *testing.T, s store.Store, id string) {
	refused := errors.New("refused")
	err := s.Update(t.Context(), func(tx store.Tx) error {
		return errors.Join(tx.Insert(store.Settings, setting(id, "")), refused)
	})
	if !errors.Is(err, refused) {
		t.Errorf("Update that fails: %v", err)
	}
}

func panicOne(t *testing.T, s store.Store, id string) {
	defer func() {
		if recover() == nil {
			t.Error("Update that panics did not")
		}
	}()
	_ = s.Update(t.Context(), func(tx store.Tx) error { // it does not return
		if err := tx.Insert(store.Settings, setting(id, "")); err != nil {
			t.Error(err)
		}
		panic("f broke")
	})
}

func testSnapshot(t *testing.T, c Config) {
	s := c.open(t)
	manyRows(t, s, 1500)
	view(t, s, func(r store.Reader) error {
		if _, err := r.Get(store.Keys, "000000"); err != nil { // the state is chosen here at the latest
			return err
		}
		update(t, s, func(tx store.Tx) error { // by another goroutine in life
			for _, id := range []string{"000001", "001000"} {
				if err := tx.Delete(store.Keys, id); err != nil {
					return err
				}
			}
			return tx.Insert(store.Keys, key("000001x", "mine", "", ""))
		})
		rows, err := all(r, store.Keys, store.Query{})
		if err != nil {
			return err
		}
		n, err := r.Count(store.Keys, store.Query{})
		if len(rows) != 1500 || rows[1].ID != "000001" || n != 1500 {
			t.Errorf("a View saw %d rows (count %d), the second %s: not the state of its start", len(rows), n, rows[1].ID)
		}
		return err
	})
	view(t, s, func(r store.Reader) error {
		n, err := r.Count(store.Keys, store.Query{})
		if n != 1499 {
			t.Errorf("%d rows after the View, want 1499", n)
		}
		return err
	})
}

// testInvariant moves amounts between rows of two tables while readers add
// them up.
func testInvariant(t *testing.T, c Config) {
	const rows, amount = 8, 100
	s := c.open(t)
	update(t, s, func(tx store.Tx) error {
		for i := range rows {
			id := strconv.Itoa(i)
			err := errors.Join(
				tx.Put(store.Settings, setting(id, strconv.Itoa(amount))),
				tx.Put(store.Keys, key(id, "s", "", strconv.Itoa(amount))),
			)
			if err != nil {
				return err
			}
		}
		return nil
	})
	sum := func(r store.Reader) error {
		inSettings, err := total(r, store.Settings)
		if err != nil {
			return err
		}
		inKeys, err := total(r, store.Keys)
		if err == nil && inSettings+inKeys != 2*rows*amount {
			err = fmt.Errorf("the sum is %d, want %d", inSettings+inKeys, 2*rows*amount)
		}
		return err
	}
	together(12, func(i int) {
		for j := range 40 {
			var err error
			if i%2 == 0 {
				err = s.View(t.Context(), sum)
			} else {
				err = s.Update(t.Context(), func(tx store.Tx) error {
					return errors.Join(transfer(tx, strconv.Itoa((i+j)%rows), strconv.Itoa((i*j)%rows), j), sum(tx))
				})
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	view(t, s, sum)
}

// total adds up the bodies of a table's rows.
func total(r store.Reader, table *store.Table) (sum int, err error) {
	for row, err := range r.Scan(table, store.Query{}) {
		if err != nil {
			return 0, err
		}
		n, err := strconv.Atoi(string(row.Body))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// transfer moves an amount from a row of one table to one of another.
func transfer(tx store.Tx, from, to string, amount int) error {
	for _, move := range []struct {
		table  *store.Table
		id     string
		amount int
	}{{store.Settings, from, -amount}, {store.Keys, to, amount}} {
		row, err := tx.Get(move.table, move.id)
		if err != nil {
			return err
		}
		n, err := strconv.Atoi(string(row.Body))
		if err != nil {
			return err
		}
		row.Body = []byte(strconv.Itoa(n + move.amount))
		if err := tx.Put(move.table, row); err != nil {
			return err
		}
	}
	return nil
}

func testVisible(t *testing.T, c Config) {
	s := c.open(t)
	together(20, func(i int) {
		for j := range 20 {
			id := fmt.Sprintf("%d/%d", i, j)
			if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(store.Settings, setting(id, "")) }); err != nil {
				t.Errorf("Update: %v", err)
			}
			err := s.View(t.Context(), func(r store.Reader) error {
				_, err := r.Get(store.Settings, id)
				return err
			})
			if err != nil {
				t.Errorf("a View after the Update: %v", err)
			}
		}
	})
}

// testCancelWaiting ends the context of an Update that waits for another.
func testCancelWaiting(t *testing.T, c Config) {
	s := c.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	update(t, s, func(tx store.Tx) error {
		go func() {
			result <- s.Update(ctx, func(tx store.Tx) error { return tx.Put(store.Settings, setting("second", "")) })
		}()
		cancel()
		err := <-result // while this transaction still runs
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the waiting Update: %v, want context.Canceled", err)
		}
		return tx.Put(store.Settings, setting("first", ""))
	})
	wantRows(t, s, store.Settings, setting("first", ""))
}
