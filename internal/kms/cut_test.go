package kms_test

import (
	"context"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// cutStore is a store whose power is cut in the middle of a transaction: after
// so many writes, the next one and the transaction with it are lost.
type cutStore struct {
	store.Store
	left atomic.Int64 // writes until the cut; below 0 means never
	set  atomic.Bool
}

// after cuts the power after n writes; below 0 means never.
func (s *cutStore) after(n int) {
	s.left.Store(int64(n))
	s.set.Store(n >= 0)
}

func (s *cutStore) Update(ctx context.Context, f func(store.Tx) error) error {
	return s.Store.Update(ctx, func(tx store.Tx) error { return f(&cutTx{tx, s}) })
}

type cutTx struct {
	store.Tx
	store *cutStore
}

func (t *cutTx) write(f func() error) error {
	if t.store.set.Load() && t.store.left.Add(-1) < 0 {
		return fault.New(fault.Unavailable, "the power is gone")
	}
	return f()
}

func (t *cutTx) Insert(table *store.Table, r store.Row) error {
	return t.write(func() error { return t.Tx.Insert(table, r) })
}

func (t *cutTx) Put(table *store.Table, r store.Row) error {
	return t.write(func() error { return t.Tx.Put(table, r) })
}

func (t *cutTx) Delete(table *store.Table, id string) error {
	return t.write(func() error { return t.Tx.Delete(table, id) })
}
