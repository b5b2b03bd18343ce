package audit

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Record is an entry that was read from a log.
type Record struct {
	Position Position
	// Segment is the number of the file that holds the record; 0 in memory.
	Segment uint64
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

// Files is the directory of a Log that this process need not have open.
type Files string

// Read implements Source.
func (dir Files) Read(ctx context.Context, f Filter) iter.Seq2[*Record, error] {
	return files{dir: string(dir), patience: patience}.Read(ctx, f)
}

// Tail implements Source.
func (dir Files) Tail(ctx context.Context, n int, f Filter, follow bool) iter.Seq2[*Record, error] {
	return files{dir: string(dir), patience: patience}.Tail(ctx, n, f, follow)
}

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
		err = decodeJSON(fr.payload, &h)
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
