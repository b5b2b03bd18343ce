package mem

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// place is where a row stands in one of its table's orders: by a column's
// value (empty in the order of ids) and then by id. Both compare byte by byte.
type place struct {
	value, id string
}

func (p place) compare(q place) int {
	if c := strings.Compare(p.value, q.value); c != 0 {
		return c
	}
	return strings.Compare(p.id, q.id)
}

// tree is an immutable weight-balanced search tree (Adams, "Efficient sets: a
// balancing act", with the parameters of Haskell's Data.Map): changing one
// yields a new tree that shares all but the path to the change, so that a
// state once seen stays as it is. nil is the empty tree.
type tree struct {
	place
	row         *store.Row
	left, right *tree
	size        int
}

// The weight of one side is at most delta times the other's; below ratio a
// single rotation restores that, else a double one.
const (
	delta = 3
	ratio = 2
)

func (t *tree) count() int {
	if t == nil {
		return 0
	}
	return t.size
}

// with returns the node t's place and row over other children.
func (t *tree) with(left, right *tree) *tree {
	return &tree{place: t.place, row: t.row, left: left, right: right, size: 1 + left.count() + right.count()}
}

// balanced is with for children one of which has just changed by one row.
func (t *tree) balanced(left, right *tree) *tree {
	l, r := left.count(), right.count()
	switch {
	case l+r <= 1:
		return t.with(left, right)
	case r > delta*l:
		if right.left.count() < ratio*right.right.count() {
			return right.with(t.with(left, right.left), right.right)
		}
		pivot := right.left
		return pivot.with(t.with(left, pivot.left), right.with(pivot.right, right.right))
	case l > delta*r:
		if left.right.count() < ratio*left.left.count() {
			return left.with(left.left, t.with(left.right, right))
		}
		pivot := left.right
		return pivot.with(left.with(left.left, pivot.left), t.with(pivot.right, right))
	default:
		return t.with(left, right)
	}
}

func (t *tree) get(p place) *store.Row {
	for t != nil {
		switch c := p.compare(t.place); {
		case c < 0:
			t = t.left
		case c > 0:
			t = t.right
		default:
			return t.row
		}
	}
	return nil
}

// put returns the tree with the row at p.
func (t *tree) put(p place, row *store.Row) *tree {
	if t == nil {
		return &tree{place: p, row: row, size: 1}
	}
	switch c := p.compare(t.place); {
	case c < 0:
		return t.balanced(t.left.put(p, row), t.right)
	case c > 0:
		return t.balanced(t.left, t.right.put(p, row))
	default:
		return &tree{place: p, row: row, left: t.left, right: t.right, size: t.size}
	}
}

// remove returns the tree without p.
func (t *tree) remove(p place) *tree {
	if t == nil {
		return nil
	}
	switch c := p.compare(t.place); {
	case c < 0:
		return t.balanced(t.left.remove(p), t.right)
	case c > 0:
		return t.balanced(t.left, t.right.remove(p))
	case t.left == nil:
		return t.right
	case t.right == nil:
		return t.left
	default:
		next := t.right
		for next.left != nil {
			next = next.left
		}
		return next.balanced(t.left, t.right.remove(next.place))
	}
}

// below returns the number of places less than p.
func (t *tree) below(p place) int {
	n := 0
	for t != nil {
		if p.compare(t.place) <= 0 {
			t = t.left
			continue
		}
		n += t.left.count() + 1
		t = t.right
	}
	return n
}

// ascend calls yield for the rows from p on until it returns false, which
// ascend then returns.
func (t *tree) ascend(p place, yield func(place, *store.Row) bool) bool {
	if t == nil {
		return true
	}
	if p.compare(t.place) <= 0 {
		if !t.left.ascend(p, yield) || !yield(t.place, t.row) {
			return false
		}
	}
	return t.right.ascend(p, yield)
}
