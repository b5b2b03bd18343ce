package sink

import (
	"bytes"
	"context"
	"fmt"
	"iter"
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
	g := &gathering{limits: l, after: after}
	for at := f.at; ; {
		f.to = at
		full, err := g.segment(f.log.Segment(ctx, at.segment, at.offset), &f.to.offset)
		if err != nil {
			f.at = place{} // it is looked for anew
			return nil, false, err
		}
		next := slices.Index(numbers, at.segment) + 1
		if full || next <= 0 || next >= len(numbers) {
			return g.list, !full, nil
		}
		at = place{segment: numbers[next]}
	}
}

// gathering is what is being read.
type gathering struct {
	limits

	after audit.Position
	list  []*audit.Record
	size  int
}

// segment adds what a segment has, notes the place of the last entry, and
// reports whether there is more than there is room for.
func (g *gathering) segment(all iter.Seq2[*audit.Record, error], last *int64) (full bool, err error) {
	for r, err := range all {
		switch {
		case err != nil:
			return false, err
		case r.Position <= g.after:
			continue
		case g.upto > 0 && r.Position > g.upto, len(g.list) > 0 && (len(g.list) >= g.entries || g.size+len(r.JSON) > g.bytes):
			return true, nil
		}
		if err := g.add(r); err != nil {
			return false, err
		}
		*last = r.Offset
	}
	return false, nil
}

// add adds a record that is valid only for now.
func (g *gathering) add(r *audit.Record) error {
	e, err := entry.Decode(r.JSON)
	if err != nil {
		return fmt.Errorf("reading entry %d of the audit log: %w", r.Position, err)
	}
	kept := *r
	kept.Entry, kept.JSON = e, bytes.Clone(r.JSON)
	g.list, g.size = append(g.list, &kept), g.size+len(r.JSON)
	return nil
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
