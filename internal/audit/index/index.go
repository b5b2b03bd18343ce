// Package index finds entries of the audit log without reading all of it: by
// who called, what was done and to what, by which request, when, and by facets
// that whoever opens it defines. It is an audit.Source with the same answers
// as the log itself, and Search.
//
// Start with Open. Beside the log is a directory with a file for each sealed
// segment (file.go has the format), made by Tick or when a search first needs
// it. What is in the segment being written is indexed in memory. All of it is
// derived from the log: what is lost or damaged is made again, and no proof
// rests on it. A record that the index finds is read from the log and judged
// by the whole filter, so that an index can hide records and never invent any.
package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/entry"
)

// Facets gives an entry's facets: what it can be searched by beside its own
// fields. Each has one value at most, the same whenever it is asked.
type Facets func(e *entry.Entry, put func(facet, value string))

// Config says what an index is of. Log is required.
type Config struct {
	Log audit.Segmented
	// Dir is where the index is kept; it is made when it is missing. Empty for
	// an index that is made as it is needed and kept nowhere.
	Dir string
	// ReadOnly leaves the directory as it is.
	ReadOnly bool
	// Facets may be nil. Version names what they are made by: files of another
	// are made again.
	Facets  Facets
	Version string
}

// Index is an audit.Source that answers from an index. Its methods may be
// called at the same time.
type Index struct {
	c Config

	mu    sync.Mutex         // guards what follows
	live  *part              // of the last segment
	ready map[uint64]*stored // sealed segments whose files are known to be theirs
}

// segment is what a search asks of a segment's index: part and stored are it.
type segment interface {
	// count is how many records there are; their ordinals are from 0.
	count() int
	bounds() ([]block, error)
	// places returns the records' offsets.
	places() ([]uint32, error)
	// match puts the records whose field is what the pattern says into a set.
	match(field, pattern string, into set) error
}

// Open opens the index of a log.
func Open(c Config) (*Index, error) {
	if c.Facets == nil {
		c.Facets = noFacets
	}
	x := &Index{c: c, ready: map[uint64]*stored{}}
	if c.Dir == "" || c.ReadOnly {
		return x, nil
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the audit log's index: %w", err)
	}
	partial, err := filepath.Glob(filepath.Join(c.Dir, "*"+partialSuffix))
	if err != nil {
		return nil, err
	}
	for _, path := range partial { // of a process that was killed
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func noFacets(*entry.Entry, func(facet, value string)) {}

// Tick makes what is missing of the index: at most one sealed segment at a
// time, then what came into the last one. It removes what is of segments that
// are no longer there.
func (x *Index) Tick(ctx context.Context) (more bool, err error) {
	numbers, err := x.c.Log.Segments()
	if err != nil {
		return false, err
	}
	if err := x.forget(numbers); err != nil {
		return false, err
	}
	last := len(numbers) - 1
	for i, number := range numbers[:last] {
		if x.known(number) {
			continue
		}
		err := x.use(ctx, number, false, func(segment) error { return nil })
		return err == nil && i+1 < last, err
	}
	return false, x.use(ctx, numbers[last], true, func(segment) error { return nil })
}

func (x *Index) known(number uint64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.ready[number] != nil
}

// forget removes the files of segments that are not listed.
func (x *Index) forget(numbers []uint64) error {
	x.mu.Lock()
	for number := range x.ready {
		if !slices.Contains(numbers, number) {
			delete(x.ready, number)
		}
	}
	x.mu.Unlock()
	if x.c.Dir == "" || x.c.ReadOnly {
		return nil
	}
	files, err := os.ReadDir(x.c.Dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		digits, ok := strings.CutSuffix(f.Name(), suffix)
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || slices.Contains(numbers, number) {
			continue
		}
		if err := os.Remove(filepath.Join(x.c.Dir, f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// use has f use the index of a segment. What f is given is not used after it
// returns, but for what places returned.
func (x *Index) use(ctx context.Context, number uint64, last bool, f func(segment) error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if last && (x.live == nil || x.live.number <= number) {
		if err := x.current(ctx, number); err != nil {
			return err
		}
		return f(x.live)
	}
	s, err := x.sealed(ctx, number)
	if err != nil {
		return err
	}
	return f(s)
}

// sealed returns the index of a sealed segment, from its file or made anew.
// x.mu is held.
func (x *Index) sealed(ctx context.Context, number uint64) (segment, error) {
	if s := x.ready[number]; s != nil {
		return s, nil
	}
	path := filepath.Join(x.c.Dir, fileName(number))
	if x.c.Dir != "" {
		if s, err := openStored(path); err == nil && x.belongs(s, number) {
			x.ready[number] = s
			return s, nil
		}
	}
	p := x.live
	if p == nil || p.number != number {
		p = newPart(number, x.c.Facets)
	}
	if err := x.extend(ctx, p); err != nil {
		return nil, err
	}
	if x.c.Dir == "" || x.c.ReadOnly {
		return p, nil
	}
	if err := p.write(x.c.Dir, x.c.Version); err != nil {
		return nil, fmt.Errorf("writing the audit log's index: %w", err)
	}
	s, err := openStored(path)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log's index: %w", err)
	}
	x.ready[number] = s
	if x.live == p {
		x.live = nil
	}
	return s, nil
}

// belongs reports whether a file is of a segment, as the segment is now.
func (x *Index) belongs(s *stored, number uint64) bool {
	if s.toc.Segment != number || s.toc.Facets != x.c.Version && !x.c.ReadOnly {
		return false
	}
	if s.toc.Count == 0 {
		return true
	}
	for r, err := range x.c.Log.At(number, slices.Values([]int64{s.toc.Place}), audit.Filter{}) {
		return err == nil && r.Hash == s.toc.Hash && r.Position == s.ends.last
	}
	return false
}

// current brings x.live up to what is durable in the last segment. x.mu is
// held.
func (x *Index) current(ctx context.Context, number uint64) error {
	if x.live == nil || x.live.number != number {
		x.live = newPart(number, x.c.Facets)
	}
	return x.extend(ctx, x.live)
}

// extend adds what the segment has behind what the part has. x.mu is held.
func (x *Index) extend(ctx context.Context, p *part) error {
	from := int64(0)
	if n := len(p.offsets); n > 0 {
		from = int64(p.offsets[n-1])
	}
	for r, err := range x.c.Log.Segment(ctx, p.number, from) {
		if err != nil {
			return err
		}
		if len(p.offsets) > 0 && r.Position <= p.last {
			continue
		}
		if err := p.add(r); err != nil {
			return fmt.Errorf("entry %d: %w", r.Position, err)
		}
	}
	return nil
}

// drop forgets a sealed segment's file, which is damaged. x.mu is held.
func (x *Index) drop(number uint64) {
	delete(x.ready, number)
	if x.c.Dir != "" && !x.c.ReadOnly {
		_ = os.Remove(filepath.Join(x.c.Dir, fileName(number))) // one that stays is replaced
	}
}

// Read implements audit.Source.
func (x *Index) Read(ctx context.Context, f audit.Filter) iter.Seq2[*audit.Record, error] {
	return x.Search(ctx, &Query{Filter: f})
}

// Tail implements audit.Source. The log itself is followed.
func (x *Index) Tail(ctx context.Context, n int, f audit.Filter, follow bool) iter.Seq2[*audit.Record, error] {
	if follow || n <= 0 {
		return x.c.Log.Tail(ctx, n, f, follow)
	}
	return func(yield func(*audit.Record, error) bool) {
		var found []*audit.Record
		for r, err := range x.Search(ctx, &Query{Filter: f, Newest: true}) {
			if err != nil {
				yield(nil, err)
				return
			}
			if found = append(found, r); len(found) == n {
				break
			}
		}
		for _, r := range slices.Backward(found) {
			if !yield(r, nil) {
				return
			}
		}
	}
}
