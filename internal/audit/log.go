package audit

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/disk"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// maxWaiting limits the bytes that wait to be written, for a disk that hangs.
const maxWaiting = 64 << 20

// Log is the durable Recorder: segment files in a directory that one process
// writes. Its methods may be called from many goroutines.
//
// A write that fails is never taken for done: everybody who waits, and
// whoever comes after, gets fault.Unavailable. From a full disk the log
// recovers by itself once there is space; the positions it had to refuse are
// on record as a gap. After any other failure it must be closed and opened
// again.
type Log struct {
	files // what is durable is read
	o     Options
	id    string
	most  int // of one record's JSON, in bytes
	lock  *os.File
	w     *writer // belongs to the goroutine run
	found Recovery

	scratch sync.Pool     // of *[]byte, for encoding
	wake    chan struct{} // of capacity 1: something waits to be written
	stop    chan struct{} // closed by Close
	done    chan struct{} // closed at the end of run
	ended   error         // of run, after done

	durable atomic.Uint64 // the last durable position
	holed   atomic.Bool   // refused is not empty; set before durable passes it

	mu      sync.Mutex // guards what follows
	waiting *batch     // gathers entries
	flying  *batch     // is being written, or nil
	spare   []byte     // the buffer of the next batch
	last    Position   // the last one given out
	failed  *fault.Error
	refused []span
	closed  bool
	signed  Checkpoint
}

// batch is what one group commit writes.
type batch struct {
	frames []byte
	first  Position      // of its entries
	done   chan struct{} // closed when it is durable, or never will be
	err    error         // after done
}

// span is positions that were given out and refused.
type span struct{ from, to Position }

// Open opens the log in a directory to append to it, and makes both if they
// are missing. It cuts off what a crash left half written, and refuses a log
// that is damaged before that (a *CorruptError), that another process writes
// (fault.Unavailable), or whose id or key is another.
func Open(dir string, o Options) (*Log, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // the directory is the operator's choice
		return nil, err
	}
	lock, err := disk.Lock(filepath.Join(dir, lockName))
	if err != nil {
		return nil, err
	}
	l := &Log{
		files: files{dir: dir, patience: patience}, o: o, id: o.ID, lock: lock,
		most: int(min(entry.MaxSize, o.SegmentSize/2)),
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	l.limit = l.Last
	l.scratch.New = func() any { return new([]byte) }
	l.w = &writer{dir: dir, o: &l.o, sync: disk.Sync, durable: func(p Position) { l.durable.Store(uint64(p)) }}
	if err := l.resume(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	l.id, l.last, l.signed = l.w.id, l.w.position, l.w.last
	l.durable.Store(uint64(l.w.position))
	l.waiting = l.newBatch()
	go l.run()
	return l, nil
}

// ID returns the log's id.
func (l *Log) ID() string { return l.id }

// Recovered says what Open found.
func (l *Log) Recovered() Recovery { return l.found }

// Err returns nil while the log takes entries, else why it does not.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusal()
}

// Checkpoint returns the newest signed checkpoint, the zero value if the log
// has none yet.
func (l *Log) Checkpoint() Checkpoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.signed
}

// Last returns the last durable position, 0 in a new log.
func (l *Log) Last() Position { return Position(l.durable.Load()) }

// refusal returns why the log takes no entries. l.mu is held.
func (l *Log) refusal() error {
	switch {
	case l.closed:
		return fault.New(fault.Unavailable, "the audit log is closed")
	case l.failed != nil:
		return l.failed
	case len(l.waiting.frames) > maxWaiting:
		return fault.New(fault.Unavailable, "too many audit entries wait for the disk")
	}
	return nil
}

// Enqueue implements Recorder. Strings over their limits are cut and end with
// an ellipsis; an entry without a time gets the clock's.
func (l *Log) Enqueue(e *Entry) (Position, error) {
	at := e.Time
	if at.IsZero() {
		at = l.o.Now()
	}
	scratch, _ := l.scratch.Get().(*[]byte)
	defer l.scratch.Put(scratch)
	*scratch = entry.Append((*scratch)[:0], e, at, l.most)

	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refusal(); err != nil {
		return 0, err
	}
	l.last++
	b := l.waiting
	b.frames = appendFrame(b.frames, kindRecord, l.last, *scratch)
	if b.first == 0 {
		b.first = l.last
		select {
		case l.wake <- struct{}{}:
		default: // run is awake
		}
	}
	return l.last, nil
}

// Wait implements Recorder.
func (l *Log) Wait(ctx context.Context, p Position) error {
	if uint64(p) <= l.durable.Load() && !l.holed.Load() {
		return nil
	}
	b, err := l.locate(p)
	if b == nil {
		return err
	}
	select {
	case <-b.done:
	case <-ctx.Done():
		return &fault.Error{Kind: fault.Unavailable, Op: "audit.Wait", Public: "the audit entry is not durable yet", Err: ctx.Err()}
	}
	if b.err != nil { // a part of it may be durable
		_, err = l.locate(p)
	}
	return err
}

// locate returns the batch that has the position, or no batch and what
// became of the position.
func (l *Log) locate(p Position) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, s := range l.refused {
		if s.from <= p && p <= s.to {
			return nil, &fault.Error{Kind: fault.Unavailable, Op: "audit.Wait", Public: "the audit entry could not be written", Err: l.failedOrNil()}
		}
	}
	switch {
	case p == 0 || p > l.last:
		return nil, fault.New(fault.InvalidArgument, "position %d was not given out", p)
	case uint64(p) <= l.durable.Load():
		return nil, nil //nolint:nilnil // durable: there is nothing to wait for
	case l.flying != nil && (l.waiting.first == 0 || p < l.waiting.first):
		return l.flying, nil
	}
	return l.waiting, nil
}

func (l *Log) failedOrNil() error {
	if l.failed == nil {
		return nil
	}
	return l.failed
}

func (l *Log) newBatch() *batch {
	b := &batch{frames: l.spare[:0], done: make(chan struct{})}
	l.spare = nil
	return b
}

// Close writes what waits, ends with a checkpoint, and lets go of the
// directory. It returns nil if all of that is durable.
func (l *Log) Close() error {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.stop)
	}
	l.mu.Unlock()
	<-l.done
	return l.ended
}
