package sink

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/entry"
)

// feed reads a log from where it read last, without looking at what is before.
type feed struct {
	log Log
	at  place // of what was taken last, where it is known
	to  place // of what was read last
}

// place is where a record stands, or 0 for the beginning of a segment. The zero
// value is nowhere.
type place struct {
	segment uint64
	offset  int64
}

// limits bound what is read.
type limits struct {
	entries, bytes int
	upto           audit.Position // 0: no bound
}

// taken says that what was read last will not be read again.
func (f *feed) taken() { f.at = f.to }

// read returns the entries after a position, which is that of the last one
// taken: at least one if there is one. Whole says that there are no more.
func (f *feed) read(ctx context.Context, after audit.Position, l limits) (list []*audit.Record, whole bool, err error) {
	// The list is older than what is read: a segment that it has another one
	// behind is sealed, and read to its end.
	numbers, err := f.log.Segments()
	if err != nil {
		return nil, false, err
	}
	if !slices.Contains(numbers, f.at.segment) {
		if found, err := f.locate(ctx, after); !found || err != nil {
			return nil, true, err
		}
	}
	size := 0
	for at := f.at; ; {
		f.to = at
		for r, err := range f.log.Segment(ctx, at.segment, at.offset) {
			if err != nil {
				f.at = place{} // it is looked for anew
				return nil, false, err
			}
			if r.Position <= after {
				continue
			}
			if beyond := l.upto > 0 && r.Position > l.upto; beyond || len(list) > 0 && (len(list) == l.entries || size+len(r.JSON) > l.bytes) {
				return list, false, nil
			}
			size += len(r.JSON)
			f.to.offset = r.Offset
			if list, err = add(list, r); err != nil {
				return nil, false, err
			}
		}
		next := slices.Index(numbers, at.segment) + 1
		if next <= 0 || next >= len(numbers) {
			return list, true, nil
		}
		at = place{segment: numbers[next]}
	}
}

// add adds a record that is valid only for now.
func add(list []*audit.Record, r *audit.Record) ([]*audit.Record, error) {
	e, err := entry.Decode(r.JSON)
	if err != nil {
		return nil, fmt.Errorf("reading entry %d of the audit log: %w", r.Position, err)
	}
	kept := *r
	kept.Entry, kept.JSON = e, bytes.Clone(r.JSON)
	return append(list, &kept), nil
}

// locate finds the first entry after a position.
func (f *feed) locate(ctx context.Context, after audit.Position) (found bool, err error) {
	for r, err := range f.log.Read(ctx, audit.Filter{After: after}) {
		if err != nil {
			return false, err
		}
		f.at = place{r.Segment, r.Offset}
		return true, nil
	}
	return false, nil
}
