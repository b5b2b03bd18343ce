package embedded

import (
	"errors"
	"iter"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// A scan reads its rows in pieces of at most scanRowsMax rows, or one row more
// than scanBytesMax bytes of bodies. So no statement stays open while the
// loop's body runs: it may scan and write as it likes, and leave at any time.
const (
	scanRowsMax  = 512
	scanBytesMax = 1 << 20
)

// tx is a store.Tx in the writing session's transaction, or a store.Reader in
// a reading session's. It ends with the function that it was made for.
type tx struct {
	*session
	stop   func() error // the error that ends reading early, if any
	broken error        // the first error after which nothing may be committed
	ended  bool
}

// usable returns the error of a call that comes too late.
func (x *tx) usable() error {
	if x.ended {
		return errors.New("a transaction used after its end")
	}
	return x.stop()
}

// noted remembers an error that f must not paper over.
func (x *tx) noted(err error) error {
	if err == nil || x.broken != nil {
		return err
	}
	if fault.KindOf(err) != fault.NotFound {
		x.broken = err
	}
	return err
}

// Get implements store.Reader.
func (x *tx) Get(t *store.Table, id string) (store.Row, error) {
	if err := x.usable(); err != nil {
		return store.Row{}, err
	}
	row, err := x.get(t, id)
	return row, x.noted(err)
}

// Scan implements store.Reader.
func (x *tx) Scan(t *store.Table, q store.Query) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		if err := q.Check(t); err != nil {
			yield(store.Row{}, err)
			return
		}
		of, values := query(scanRows, t, q)
		left := q.Limit
		for {
			list, last, err := x.piece(of, values, left)
			if err != nil {
				yield(store.Row{}, err)
				return
			}
			if !last { // before the loop's body may change the row that it owns
				left -= len(list) // stays negative without a limit
				end := list[len(list)-1]
				of, values = following(t, q, end.ID, value(t, end, q.Column))
			}
			for _, row := range list {
				if !yield(row, nil) {
					return
				}
			}
			if last {
				return
			}
		}
	}
}

// piece returns the next rows of a scan that wants left more, or all when
// left is not positive; last tells that there are no others.
func (x *tx) piece(of shape, values []any, left int) (list []store.Row, last bool, err error) {
	if err := x.usable(); err != nil {
		return nil, false, err
	}
	n := scanRowsMax
	if left > 0 {
		n = min(n, left)
	}
	list, err = x.read(scanBytesMax, of, append(slices.Clip(values), n))
	if err != nil {
		return nil, false, x.noted(err)
	}
	size := 0
	for _, row := range list {
		size += len(row.Body)
	}
	full := len(list) == n || size > scanBytesMax
	return list, !full || len(list) == left, nil
}

// Count implements store.Reader.
func (x *tx) Count(t *store.Table, q store.Query) (int, error) {
	if err := x.usable(); err != nil {
		return 0, err
	}
	if err := q.Check(t); err != nil {
		return 0, err
	}
	q.After = ""
	of, values := query(countRows, t, q)
	n, err := x.count(of, values)
	return n, x.noted(err)
}

// Insert implements store.Tx.
func (x *tx) Insert(t *store.Table, r store.Row) error {
	n, err := x.change(insertRow, t, r)
	if err == nil && n == 0 {
		return t.AlreadyExists()
	}
	return err
}

// Put implements store.Tx.
func (x *tx) Put(t *store.Table, r store.Row) error {
	_, err := x.change(putRow, t, r)
	return err
}

func (x *tx) change(v verb, t *store.Table, r store.Row) (int64, error) {
	if err := x.usable(); err != nil {
		return 0, err
	}
	if err := t.Check(r); err != nil {
		return 0, err
	}
	n, err := x.write(shape{verb: v, table: t}, values(r)...)
	return n, x.noted(err)
}

// Delete implements store.Tx.
func (x *tx) Delete(t *store.Table, id string) error {
	if err := x.usable(); err != nil {
		return err
	}
	n, err := x.write(shape{verb: deleteRow, table: t}, id)
	if err == nil && n == 0 {
		return t.NotFound()
	}
	return x.noted(err)
}
