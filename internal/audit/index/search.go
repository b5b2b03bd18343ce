package index

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// Query chooses records: those that the filter chooses, that have all the
// terms, and that stand before a position.
type Query struct {
	audit.Filter
	// Before leaves out this position and those behind it; 0 for none.
	Before audit.Position
	// Terms are values that facets must have, each another facet.
	Terms []Term
	// Newest yields the newest first.
	Newest bool
}

// Term is a facet's value. One of no facet of the index is had by no record.
type Term struct{ Facet, Value string }

// Search yields the records that a query chooses, in the order of the log or
// the newest first, as the log is now. After an error it ends.
func (x *Index) Search(ctx context.Context, q *Query) iter.Seq2[*audit.Record, error] {
	return func(yield func(*audit.Record, error) bool) {
		numbers, err := x.c.Log.Segments()
		if err != nil {
			yield(nil, err)
			return
		}
		last := numbers[len(numbers)-1]
		if q.Newest {
			slices.Reverse(numbers)
		}
		for _, number := range numbers {
			if err := ctx.Err(); err != nil {
				yield(nil, err)
				return
			}
			offsets, err := x.find(ctx, q, number, number == last)
			if errors.Is(err, fs.ErrNotExist) && x.retired(number) {
				continue
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if offsets != nil && !x.show(ctx, q, number, offsets, yield) {
				return
			}
		}
	}
}

// retired reports whether a segment is no longer the log's, of which the
// beginning is removed once it is old.
func (x *Index) retired(number uint64) bool {
	numbers, err := x.c.Log.Segments()
	return err == nil && number < numbers[0]
}

// show yields what a query chooses of the records at offsets of a segment,
// and reports whether to go on.
func (x *Index) show(ctx context.Context, q *Query, number uint64, offsets iter.Seq[int64], yield func(*audit.Record, error) bool) bool {
	for r, err := range x.c.Log.At(number, offsets, q.Filter) {
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) && x.retired(number) {
			return true
		}
		if err != nil {
			yield(nil, err)
			return false
		}
		if q.has(x.c.Facets, r) && !yield(r, nil) {
			return false
		}
	}
	return true
}

// has reports whether a record has all terms.
func (q *Query) has(facets Facets, r *audit.Record) bool {
	if q.Before > 0 && r.Position >= q.Before {
		return false
	}
	missing := len(q.Terms)
	if missing > 0 {
		facets(&r.Entry, func(facet, value string) {
			if slices.Contains(q.Terms, Term{facet, value}) {
				missing--
			}
		})
	}
	return missing == 0
}

// find returns where in a segment the records are that a query may choose, in
// the query's order; nil for none.
func (x *Index) find(ctx context.Context, q *Query, number uint64, last bool) (offsets iter.Seq[int64], err error) {
	look := func(s segment) (err error) {
		offsets, err = candidates(s, q)
		return err
	}
	err = x.use(ctx, number, last, func(s segment) error {
		err := look(s)
		if !errors.Is(err, errDamaged) {
			return err
		}
		x.drop(number) // it was whole when it was opened
		if s, err = x.sealed(ctx, number); err != nil {
			return err
		}
		return look(s)
	})
	return offsets, err
}

// candidates returns the offsets of the records of a segment that a query may
// choose: all that it does choose are among them.
func candidates(s segment, q *Query) (iter.Seq[int64], error) {
	if s.count() == 0 {
		return nil, nil
	}
	if f, ok := s.(*stored); ok && outside(q, &f.ends) {
		return nil, nil
	}
	chosen := newSet(s.count())
	chosen.fill(0, uint32(s.count())) //nolint:gosec // records of a segment
	blocks, err := s.bounds()
	if err != nil {
		return nil, err
	}
	for i := range blocks {
		if outside(q, &blocks[i]) {
			from := uint32(i * blockSize)
			chosen.clear(from, min(from+blockSize, uint32(s.count()))) //nolint:gosec // records of a segment
		}
	}
	for _, t := range wanted(q) {
		having := newSet(s.count())
		if err := s.match(t.Facet, t.Value, having); err != nil {
			return nil, err
		}
		chosen.and(having)
	}
	if !slices.ContainsFunc(chosen, func(word uint64) bool { return word != 0 }) {
		return nil, nil
	}
	places, err := s.places()
	if err != nil {
		return nil, err
	}
	return func(yield func(int64) bool) {
		ordinals := chosen.up()
		if q.Newest {
			ordinals = chosen.down()
		}
		for n := range ordinals {
			if !yield(int64(places[n])) {
				return
			}
		}
	}, nil
}

// outside reports whether a query chooses nothing within bounds.
func outside(q *Query, b *block) bool {
	return !q.From.IsZero() && b.newst < stamp(q.From) || !q.Until.IsZero() && b.oldest > stamp(q.Until) ||
		b.last <= q.After || q.Before > 0 && b.first >= q.Before
}

// wanted returns what fields must be, with the fields' names in the place of
// facets'.
func wanted(q *Query) (list []Term) {
	for _, t := range []Term{
		{fieldRealm, q.Realm},
		{fieldPrincipal, q.Principal},
		{fieldAction, q.Action},
		{fieldOperation, q.Operation},
		{fieldResource, q.Resource},
		{fieldResult, q.Result},
		{fieldDecision, string(q.Decision)},
	} {
		if t.Value != "" {
			list = append(list, t)
		}
	}
	if q.RequestID != "" && !strings.Contains(q.RequestID, "*") {
		list = append(list, Term{fieldRequest, hashed(q.RequestID)})
	}
	for _, t := range q.Terms {
		list = append(list, Term{facetPrefix + t.Facet, t.Value})
	}
	return list
}
