package audit

import (
	"bytes"
	"context"
	"iter"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Memory is a Recorder and Source that keeps the last entries and forgets
// them with the process. Nothing in it is durable, chained or signed: it is
// for servers that keep nothing at all.
type Memory struct {
	mu      sync.Mutex // guards what follows
	ring    [][]byte   // JSON lines; position p is at (p-1) % len
	last    Position
	changed chan struct{} // closed and replaced at each entry, if anybody follows
}

// NewMemory returns a Memory that keeps the last limit entries, at least one.
func NewMemory(limit int) *Memory { return &Memory{ring: make([][]byte, max(1, limit))} }

// Enqueue implements Recorder. Strings are cut as in a Log.
func (m *Memory) Enqueue(e *Entry) (Position, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at := e.Time
	if at.IsZero() {
		at = time.Now()
	}
	slot := &m.ring[uint64(m.last)%uint64(len(m.ring))]
	*slot = entry.Append((*slot)[:0], e, at, entry.MaxSize)
	m.last++
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
	return m.last, nil
}

// Wait implements Recorder: all there is, is as durable as it gets.
func (m *Memory) Wait(_ context.Context, p Position) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p == 0 || p > m.last {
		return fault.New(fault.InvalidArgument, "position %d was not given out", p)
	}
	return nil
}

// Last returns the position of the last entry, 0 of none.
func (m *Memory) Last() Position {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.last
}

// Read implements Source.
func (m *Memory) Read(ctx context.Context, f Filter) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		m.run(ctx, f, span{f.After + 1, m.Last()}, yield)
	}
}

// Tail implements Source.
func (m *Memory) Tail(ctx context.Context, n int, f Filter, follow bool) iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		var backlog []*Record
		end := m.Last()
		var failed error
		m.run(ctx, f, span{1, end}, func(r *Record, err error) bool {
			backlog, failed = append(backlog, r), err
			return true
		})
		if failed != nil {
			yield(nil, failed)
			return
		}
		for _, r := range backlog[max(0, len(backlog)-max(0, n)):] {
			if !yield(r, nil) {
				return
			}
		}
		for follow {
			before := end
			if end = m.after(ctx, before); end == before {
				return
			}
			follow = m.run(context.WithoutCancel(ctx), f, span{before + 1, end}, yield)
		}
	}
}

// after waits for entries after a position and returns the last one, or the
// position itself when the context ends first.
func (m *Memory) after(ctx context.Context, p Position) Position {
	m.mu.Lock()
	if m.last > p {
		defer m.mu.Unlock()
		return m.last
	}
	if m.changed == nil {
		m.changed = make(chan struct{})
	}
	changed := m.changed
	m.mu.Unlock()
	select {
	case <-changed:
		return m.after(ctx, p)
	case <-ctx.Done():
		return p
	}
}

// run yields what the filter chooses of a span of positions, as far as they
// are still kept, and reports whether more is wanted.
func (m *Memory) run(ctx context.Context, f Filter, s span, yield func(*Record, error) bool) bool {
	for p := s.from; p <= s.to; p++ {
		if err := ctx.Err(); err != nil {
			yield(nil, err)
			return false
		}
		line, oldest := m.at(p)
		if line == nil {
			p = oldest - 1
			continue
		}
		e, err := entry.Decode(line)
		if err != nil {
			yield(nil, err)
			return false
		}
		r := &Record{Position: p, Entry: e, JSON: bytes.TrimSuffix(line, []byte("\n"))}
		if f.matches(r) && !yield(r, nil) {
			return false
		}
	}
	return true
}

// at returns the JSON of a position, or nil and the oldest that is kept.
func (m *Memory) at(p Position) ([]byte, Position) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := min(uint64(m.last), uint64(len(m.ring)))
	if oldest := m.last - Position(kept) + 1; p < oldest {
		return nil, oldest
	}
	return bytes.Clone(m.ring[uint64(p-1)%uint64(len(m.ring))]), 0
}
