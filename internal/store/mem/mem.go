// Package mem is a store that keeps nothing: its rows live in memory and go
// with the process. It passes storetest as the durable stores do, durability
// apart, and serves "holdfast dev --in-memory" and the tests of other packages.
//
// The state is one immutable value behind an atomic pointer. A View reads the
// state that it found; an Update builds the next one, and publishes it when f
// succeeds.
package mem

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Store is a store.Store in memory.
type Store struct {
	// turn holds a token while an Update runs.
	turn chan struct{}
	// running counts the transactions that Close waits for; mu guards its
	// first increments against Close.
	mu      sync.Mutex
	running sync.WaitGroup
	closed  bool
	current atomic.Pointer[state]
}

var _ store.Store = (*Store)(nil)

// state holds the trees of each table. It is not changed once published.
type state map[*store.Table][]*tree // [0] by id, [i+1] by Columns[i]

// New returns an empty store.
func New() *Store {
	s := &Store{turn: make(chan struct{}, 1)}
	empty := make(state)
	for _, t := range store.Tables() {
		empty[t] = make([]*tree, 1+len(t.Columns))
	}
	s.current.Store(&empty)
	return s
}

// View implements store.Store.
func (s *Store) View(ctx context.Context, f func(store.Reader) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	tx := &tx{ctx: ctx, state: *s.current.Load()}
	defer tx.end()
	return f(tx)
}

// Update implements store.Store.
func (s *Store) Update(ctx context.Context, f func(store.Tx) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.running.Done()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-s.turn }()

	next := make(state)
	for t, trees := range *s.current.Load() {
		next[t] = slices.Clone(trees)
	}
	tx := &tx{ctx: context.WithoutCancel(ctx), state: next}
	defer tx.end()
	if err := f(tx); err != nil {
		return err
	}
	if tx.broken != nil {
		return tx.broken
	}
	s.current.Store(&next)
	return nil
}

// Close implements store.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// enter registers a transaction, unless ctx has ended or the store is closed.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return fault.New(fault.Unavailable, "the store is closed")
	}
	s.running.Add(1)
	return nil
}

// tx is a store.Tx over a state of its own, and a store.Reader over a
// published one.
type tx struct {
	ctx    context.Context //nolint:containedctx // the transaction ends with the call that made it
	state  state
	broken error // fails Update though f returns nil
	ended  bool
}

func (x *tx) end() { x.ended = true }

// trees returns the table's trees, or the error of a call that comes too late.
func (x *tx) trees(t *store.Table) ([]*tree, error) {
	if x.ended {
		return nil, errors.New("a transaction used after its end")
	}
	if err := x.ctx.Err(); err != nil {
		return nil, err
	}
	trees, ok := x.state[t]
	if !ok {
		x.broken = errors.New("a table that the store does not know: " + t.Name)
		return nil, x.broken
	}
	return trees, nil
}

// Get implements store.Reader.
func (x *tx) Get(t *store.Table, id string) (store.Row, error) {
	trees, err := x.trees(t)
	if err != nil {
		return store.Row{}, err
	}
	row := trees[0].get(place{id: id})
	if row == nil {
		return store.Row{}, t.NotFound()
	}
	return clone(row), nil
}

// Scan implements store.Reader.
func (x *tx) Scan(t *store.Table, q store.Query) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		trees, err := x.trees(t)
		if err == nil {
			err = q.Check(t)
		}
		if err != nil {
			yield(store.Row{}, err)
			return
		}
		order, from, to := bounds(t, q)
		if q.After != "" {
			from = later(from, place{value: q.Equal, id: q.After + "\x00"})
		}
		n := 0
		trees[order].ascend(from, func(p place, row *store.Row) bool {
			if to != nil && p.compare(*to) >= 0 {
				return false
			}
			if _, err := x.trees(t); err != nil {
				return yield(store.Row{}, err) && false
			}
			n++
			return yield(clone(row), nil) && n != q.Limit
		})
	}
}

// Count implements store.Reader.
func (x *tx) Count(t *store.Table, q store.Query) (int, error) {
	trees, err := x.trees(t)
	if err == nil {
		err = q.Check(t)
	}
	if err != nil {
		return 0, err
	}
	order, from, to := bounds(t, q)
	end := trees[order].count()
	if to != nil {
		end = trees[order].below(*to)
	}
	return max(0, end-trees[order].below(from)), nil
}

// bounds returns which of the table's trees answers the query, the first
// place wanted, and the first no longer wanted, if there is an end.
func bounds(t *store.Table, q store.Query) (order int, from place, to *place) {
	if q.Column == "" {
		if q.To != "" {
			to = &place{id: q.To}
		}
		return 0, place{id: q.From}, to
	}
	order = 1 + slices.Index(t.Columns, q.Column)
	if q.Equal != "" {
		return order, place{value: q.Equal}, &place{value: q.Equal + "\x00"}
	}
	if q.To != "" {
		to = &place{value: q.To}
	}
	return order, place{value: q.From}, to
}

func later(p, q place) place {
	if p.compare(q) < 0 {
		return q
	}
	return p
}

// Insert implements store.Tx.
func (x *tx) Insert(t *store.Table, r store.Row) error {
	trees, err := x.writable(t, r)
	if err != nil {
		return err
	}
	if trees[0].get(place{id: r.ID}) != nil {
		return t.AlreadyExists()
	}
	add(trees, r)
	return nil
}

// Put implements store.Tx.
func (x *tx) Put(t *store.Table, r store.Row) error {
	trees, err := x.writable(t, r)
	if err != nil {
		return err
	}
	if old := trees[0].get(place{id: r.ID}); old != nil {
		remove(trees, old)
	}
	add(trees, r)
	return nil
}

// Delete implements store.Tx.
func (x *tx) Delete(t *store.Table, id string) error {
	trees, err := x.trees(t)
	if err != nil {
		return err
	}
	old := trees[0].get(place{id: id})
	if old == nil {
		return t.NotFound()
	}
	remove(trees, old)
	return nil
}

// writable returns the table's trees when the row may go into them.
func (x *tx) writable(t *store.Table, r store.Row) ([]*tree, error) {
	trees, err := x.trees(t)
	if err != nil {
		return nil, err
	}
	return trees, t.Check(r)
}

func add(trees []*tree, r store.Row) {
	row := clone(&r)
	trees[0] = trees[0].put(place{id: row.ID}, &row)
	for i, value := range row.Columns {
		trees[i+1] = trees[i+1].put(place{value: value, id: row.ID}, &row)
	}
}

func remove(trees []*tree, row *store.Row) {
	trees[0] = trees[0].remove(place{id: row.ID})
	for i, value := range row.Columns {
		trees[i+1] = trees[i+1].remove(place{value: value, id: row.ID})
	}
}

func clone(r *store.Row) store.Row {
	return store.Row{ID: r.ID, Columns: slices.Clone(r.Columns), Body: bytes.Clone(r.Body)}
}
