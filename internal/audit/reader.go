package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/holdfast-kms/holdfast/internal/entry"
)

// reader reads records from segment to segment.
type reader struct {
	files
	filter  Filter
	needles [][]byte
	only    bool // no further than this segment
	bare    bool // the records' entries are left as JSON
	// following: the end of the context is no error.
	following bool

	number uint64
	c      *cursor // nil: the segment is not open
	off    int64
	next   Position // 0: not known yet
	sealed bool
}

func (d files) reader(f Filter, number uint64) *reader {
	return &reader{files: d, filter: f, needles: f.needles(), number: number}
}

func (r *reader) close() {
	if r.c != nil {
		_ = r.c.file.Close() // it was only read
		r.c = nil
	}
}

// run yields what the filter chooses up to the end of what is written, and
// reports whether it may be called again for more.
func (r *reader) run(ctx context.Context, yield func(*Record, error) bool) bool {
	for {
		if err := ctx.Err(); err != nil {
			_ = r.following || yield(nil, err)
			return false
		}
		f, err := r.frame(ctx)
		if errors.Is(err, errNoFrame) {
			return true
		}
		if err != nil {
			yield(nil, err)
			return false
		}
		if !r.show(&f, r.off-int64(len(f.raw)), yield) {
			return false
		}
	}
}

// show yields the record of the frame at an offset, if the filter chooses it,
// and reports whether to go on.
func (r *reader) show(f *frame, at int64, yield func(*Record, error) bool) bool {
	if f.kind != kindRecord || f.position <= r.filter.After || !r.wanted(f.payload) {
		return true
	}
	record, err := r.record(f, at)
	if err != nil {
		yield(nil, err)
		return false
	}
	return !r.filter.matches(record) || yield(record, nil)
}

// frame returns the next frame, or errNoFrame at the end of the log.
func (r *reader) frame(ctx context.Context) (frame, error) {
	for {
		if r.c == nil {
			if err := r.open(); err != nil {
				return frame{}, err
			}
		}
		f, err := r.c.frame(r.off)
		if errors.Is(err, errNoFrame) && !r.sealed {
			r.c.forget() // look again: it may have been written meanwhile
			f, err = r.c.frame(r.off)
		}
		switch {
		case err == nil && f.kind == kindRecord && r.limit != nil && f.position > r.limit():
			return f, errNoFrame
		case err == nil:
			r.off += int64(len(f.raw))
			return f, r.step(&f)
		case !errors.Is(err, errNoFrame) || r.sealed && r.only:
			return f, err
		case !r.sealed:
			if err := r.stuck(ctx); err != nil {
				return f, err
			}
			continue
		}
		r.close()
		r.number++
	}
}

// open opens the segment, or returns errNoFrame if there is none yet.
func (r *reader) open() error {
	file, err := openSegment(r.dir, r.number)
	if errors.Is(err, fs.ErrNotExist) && !r.only {
		if m, bad := ReadMark(r.dir); bad == nil && m != nil && m.Segment > r.number { // it was removed meanwhile
			r.number, r.next = m.Segment, 0
			file, err = openSegment(r.dir, r.number)
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return errNoFrame
	}
	if err != nil {
		return err
	}
	c, err := newCursor(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	r.c, r.off, r.sealed = c, int64(len(magic)), false
	return nil
}

// step follows the positions.
func (r *reader) step(f *frame) error {
	switch f.kind {
	case kindHeader:
		if r.next == 0 {
			r.next = f.position + 1
		}
	case kindGap:
		r.next = f.position + 1
	case kindCheckpoint:
		r.sealed = bytes.Contains(f.payload, []byte(`,"sealed":true,`))
	case kindRecord:
		if r.next != 0 && f.position != r.next {
			return r.damage("entry %d stands where entry %d should", f.position, r.next)
		}
		r.next = f.position + 1
	}
	return nil
}

// stuck says why the segment goes on no further: errNoFrame if more may come,
// nil if more has come.
func (r *reader) stuck(ctx context.Context) error {
	for look := 0; ; look++ {
		what, _, err := r.c.assess(r.off)
		if err != nil {
			return err
		}
		followed, err := segmentExists(r.dir, r.number+1)
		if err != nil {
			return err
		}
		if what != damaged && !followed {
			return errNoFrame
		}
		// A writer may have gone on between the looks, or be at it.
		r.c.forget()
		if _, err := r.c.frame(r.off); !errors.Is(err, errNoFrame) {
			return err
		}
		if look == r.patience {
			return r.damage("entry %d cannot be read", r.next)
		}
		if !sleep(ctx, lookAgain) {
			return errNoFrame
		}
	}
}

func (r *reader) damage(format string, args ...any) error {
	return &CorruptError{r.dir, []Problem{{
		Kind: Damaged, Segment: r.number, Offset: r.off, First: r.next, Last: r.next, Text: fmt.Sprintf(format, args...),
	}}}
}

// wanted reports whether a record may be one that the filter chooses.
func (r *reader) wanted(payload []byte) bool {
	for _, n := range r.needles {
		if !bytes.Contains(payload, n) {
			return false
		}
	}
	return true
}

func (r *reader) record(f *frame, at int64) (*Record, error) {
	record := &Record{
		Position: f.position, Segment: r.number, Offset: at, Hash: f.hash,
		JSON: bytes.TrimSuffix(f.payload, []byte("\n")),
	}
	if r.bare {
		return record, nil
	}
	var err error
	if record.Entry, err = entry.Decode(f.payload); err != nil {
		return nil, r.damage("entry %d cannot be read: %v", f.position, err)
	}
	record.JSON = bytes.Clone(record.JSON)
	return record, nil
}
