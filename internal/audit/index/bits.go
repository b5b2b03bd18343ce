package index

import (
	"encoding/binary"
	"errors"
	"iter"
	"math/bits"
)

// set is a set of ordinals: the records of a segment by their order in it.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

// fill puts the ordinals from one up to another, which is not in, into the set.
func (s set) fill(from, to uint32) {
	for from < to {
		word, low := from/64, from%64
		high := min(64, low+to-from)
		s[word] |= (^uint64(0) << low) & (^uint64(0) >> (64 - high))
		from += high - low
	}
}

// and keeps what is in the other set, too.
func (s set) and(other set) {
	for i := range s {
		s[i] &= other[i]
	}
}

// clear takes the ordinals from one up to another out of the set.
func (s set) clear(from, to uint32) {
	outside := newSet(len(s) * 64)
	outside.fill(from, to)
	for i := range s {
		s[i] &^= outside[i]
	}
}

// up yields the ordinals in their order.
func (s set) up() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i, word := range s {
			for word != 0 {
				if !yield(uint32(i*64 + bits.TrailingZeros64(word))) { //nolint:gosec // an ordinal
					return
				}
				word &= word - 1
			}
		}
	}
}

// down yields the ordinals from the last to the first.
func (s set) down() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := len(s) - 1; i >= 0; i-- {
			for word := s[i]; word != 0; {
				top := 63 - bits.LeadingZeros64(word)
				if !yield(uint32(i*64 + top)) { //nolint:gosec // an ordinal
					return
				}
				word &^= 1 << top
			}
		}
	}
}

// runs are ordinals in order, as pairs of a first one and one past a last
// one: what most entries have (the realm, the result) is a few pairs.
type runs []uint32

// add adds an ordinal that is above all that are in.
func (r *runs) add(n uint32) {
	if last := len(*r) - 1; last > 0 && (*r)[last] == n {
		(*r)[last]++
		return
	}
	*r = append(*r, n, n+1)
}

// into puts the ordinals into a set.
func (r runs) into(s set) {
	for i := 0; i+1 < len(r); i += 2 {
		s.fill(r[i], r[i+1])
	}
}

// append writes the runs: their number, and of each the gap before it and its
// length.
func (r runs) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(r)/2))
	end := uint32(0)
	for i := 0; i+1 < len(r); i += 2 {
		b = binary.AppendUvarint(b, uint64(r[i]-end))
		b = binary.AppendUvarint(b, uint64(r[i+1]-r[i]))
		end = r[i+1]
	}
	return b
}

var errDamaged = errors.New("the index file is damaged")

// reader reads numbers and texts. After the first that cannot be, all are
// zero and bad is set.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 {
		r.bad, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return n
}

func (r *reader) text() []byte {
	n := r.number()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, nil
		return nil
	}
	text := r.rest[:n]
	r.rest = r.rest[n:]
	return text
}

// runs reads runs of ordinals below count into a set, nil to pass them over.
func (r *reader) runs(into set, count int) {
	end := uint64(0)
	for range r.number() {
		from := end + r.number()
		end = from + r.number()
		if r.bad || end > uint64(count) || end < from { //nolint:gosec // a length
			r.bad, r.rest = true, nil
			return
		}
		if into != nil {
			into.fill(uint32(from), uint32(end)) //nolint:gosec // below count
		}
	}
}
