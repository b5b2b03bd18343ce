package audit

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"

	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Record is an entry that was read from a log.
type Record struct {
	Position Position
	// Segment is the number of the file that holds the record, Offset where
	// in the file it begins; both 0 in memory.
	Segment uint64
	Offset  int64
	// Hash is the chain's value after the record; zero in memory.
	Hash  Hash
	Entry Entry
	// JSON is the record as it was written, without the line feed.
	JSON []byte
}

// Source is where records are read: the directory of a Log (Files), a Log
// that is open, or Memory. Reading takes no part in writing: it neither waits
// for writers nor delays them. It checks checksums and that no position is
// missing; only Verify checks the hash chain and the signatures.
type Source interface {
	// Read yields the records that the filter chooses, oldest first, up to
	// the end of the log as it is then. After an error it ends.
	Read(ctx context.Context, f Filter) iter.Seq2[*Record, error]
	// Tail yields the last n of the records that the filter chooses, oldest
	// first, and then, if follow is set, those that are added, until the
	// context ends; that is no error.
	Tail(ctx context.Context, n int, f Filter, follow bool) iter.Seq2[*Record, error]
}

// Segmented is a Source in files that can be read apart, for an index of it.
// All its segments but the last are sealed: they do not change any more.
type Segmented interface {
	Source
	// LogID returns the log's id.
	LogID() (string, error)
	// Segments returns the numbers of the segments, in order.
	Segments() ([]uint64, error)
	// Segment yields the records of one segment from an offset on, 0 for all.
	// Only Position, Segment, Offset, Hash and JSON are set, and what JSON
	// refers to is valid until the next record.
	Segment(ctx context.Context, number uint64, from int64) iter.Seq2[*Record, error]
	// At yields those of the records at offsets that the filter chooses.
	At(number uint64, offsets iter.Seq[int64], f Filter) iter.Seq2[*Record, error]
}

// Files returns the log in a directory, which this process need not have open.
func Files(dir string) Segmented { return files{dir: dir, patience: patience} }

// files is a log's directory, read up to a position that may move on.
type files struct {
	dir   string
	limit func() Position // nil: no limit
	// patience is how often a reader looks again at a place that a writer at
	// work may be about to complete.
	patience int
}

// patience is enough looks, lookAgain apart, for any writer that is at work.
const patience = 40

// pollInterval is how often a follower looks for new records.
const pollInterval = 100 * time.Millisecond

func (d files) Read(ctx context.Context, f Filter) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		numbers, err := d.segments()
		if err != nil {
			yield(nil, err)
			return
		}
		first, err := d.from(numbers, f)
		if err != nil {
			yield(nil, err)
			return
		}
		r := d.reader(f, first)
		defer r.close()
		r.run(ctx, yield)
	}
}

func (d files) Tail(ctx context.Context, n int, f Filter, follow bool) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		numbers, err := d.segments()
		if err != nil {
			yield(nil, err)
			return
		}
		backlog, r, err := d.backlog(ctx, numbers, max(0, n), f)
		if err != nil {
			yield(nil, err)
			return
		}
		defer r.close()
		for _, record := range backlog {
			if !yield(record, nil) {
				return
			}
		}
		for r.following = follow; r.following; {
			r.following = r.run(ctx, yield) && sleep(ctx, pollInterval)
		}
	}
}

// sleep waits for a time and reports whether the context is still going on.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// LogID implements Segmented.
func (d files) LogID() (string, error) {
	numbers, err := d.segments()
	if err != nil {
		return "", err
	}
	h, err := d.header(numbers[0])
	return h.Log, err
}

// Segments implements Segmented.
func (d files) Segments() ([]uint64, error) { return d.segments() }

// Segment implements Segmented.
func (d files) Segment(ctx context.Context, number uint64, from int64) iter.Seq2[*Record, error] {
	return d.apart(number, Filter{}, func(r *reader, yield func(*Record, error) bool) {
		r.only, r.bare, r.off = true, true, max(r.off, from)
		r.run(ctx, yield)
	})
}

// At implements Segmented.
func (d files) At(number uint64, offsets iter.Seq[int64], f Filter) iter.Seq2[*Record, error] {
	return d.apart(number, f, func(r *reader, yield func(*Record, error) bool) {
		r.c.buf = make([]byte, 0, glance)
		for r.off = range offsets {
			f, err := r.c.frame(r.off)
			if err != nil {
				yield(nil, r.damage("there is no entry: %v", err))
				return
			}
			if !r.show(&f, r.off, yield) {
				return
			}
		}
	})
}

// apart opens one segment and has it read.
func (d files) apart(number uint64, f Filter, read func(*reader, func(*Record, error) bool)) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		r := d.reader(f, number)
		defer r.close()
		if err := r.open(); err != nil {
			yield(nil, fmt.Errorf("opening audit segment %d: %w", number, err))
			return
		}
		read(r, yield)
	}
}

func (d files) segments() ([]uint64, error) {
	numbers, err := segmentNumbers(d.dir)
	if err == nil && len(numbers) == 0 {
		err = fault.New(fault.NotFound, "there is no audit log in %s", d.dir)
	}
	return numbers, err
}

// clockSlack is by how much an entry may be older than the file it is in is
// old, and clocks may have been set back.
const clockSlack = time.Hour

// from returns the first segment that may hold what the filter chooses: the
// one before the first whose header is past the filter's beginning.
func (d files) from(numbers []uint64, f Filter) (uint64, error) {
	if f.From.IsZero() && f.After == 0 {
		return numbers[0], nil
	}
	for i := len(numbers) - 1; i > 0; i-- {
		h, err := d.header(numbers[i])
		if errors.Is(err, fs.ErrNotExist) { // it was removed meanwhile, and those before it
			return numbers[i], nil
		}
		if err != nil {
			return 0, err
		}
		if h.First <= f.After+1 || h.Time.Before(f.From.Add(-clockSlack)) {
			return numbers[i], nil
		}
	}
	return numbers[0], nil
}

func (d files) header(number uint64) (h header, err error) {
	file, err := openSegment(d.dir, number)
	if err != nil {
		return h, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	c, err := newCursor(file)
	if err != nil {
		return h, err
	}
	fr, err := c.frame(int64(len(magic)))
	if err == nil {
		err = entry.DecodeJSON(fr.payload, &h)
	}
	if err != nil {
		err = fmt.Errorf("reading the header of audit segment %d: %w", number, err)
	}
	return h, err
}

// backlog returns the last n records that the filter chooses, looking from
// the end, and a reader that stands at the end.
func (d files) backlog(ctx context.Context, numbers []uint64, n int, f Filter) ([]*Record, *reader, error) {
	var backlog []*Record
	var end *reader
	for i := len(numbers) - 1; i >= 0 && (end == nil || len(backlog) < n); i-- {
		var found []*Record
		r := d.reader(f, numbers[i])
		r.only = end != nil
		var failed error
		r.run(ctx, func(record *Record, err error) bool {
			failed = err
			if found = append(found, record); len(found) >= 2*n+1 {
				found = append(found[:0], found[len(found)-n:]...)
			}
			return err == nil
		})
		if end == nil {
			end = r
		} else {
			r.close()
		}
		if failed != nil {
			end.close()
			return nil, nil, failed
		}
		backlog = append(found, backlog...)
	}
	return backlog[max(0, len(backlog)-n):], end, nil
}
