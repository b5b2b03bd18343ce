package audit

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Options are how a log is written.
type Options struct {
	// Signer signs the checkpoints: an Ed25519 key of the installation. It is
	// required.
	Signer crypto.Signer
	// ID names the log in every segment and checkpoint. A log that has
	// another id is refused. Empty: a new log gets a random UUID.
	ID string
	// SegmentSize is the size of a full-grown segment in bytes. Default 64 MiB.
	SegmentSize int64
	// CheckpointEvery is how many records may stand between two checkpoints.
	// Default 1000.
	CheckpointEvery int
	// CheckpointInterval is how long a record stays without a checkpoint.
	// Default 5 s.
	CheckpointInterval time.Duration
	// RetryInterval is how often a log on a full disk looks for space.
	// Default 1 s.
	RetryInterval time.Duration
	// OnCheckpoint, if set, is called with each new checkpoint. It must not
	// block and must not call the log. What keeps checkpoints out of reach of
	// whoever can write the log makes cutting the log's end detectable.
	OnCheckpoint func(Checkpoint)
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() (Options, error) {
	if o.Signer == nil {
		return o, fault.New(fault.InvalidArgument, "an audit log needs a key to sign its checkpoints")
	}
	if _, ok := o.Signer.Public().(ed25519.PublicKey); !ok {
		return o, fault.New(fault.InvalidArgument, "an audit log is signed with Ed25519, not with a %T", o.Signer.Public())
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.SegmentSize < MinSegmentSize || o.SegmentSize > MaxSegmentSize {
		return o, fault.New(fault.InvalidArgument, "audit segments of %d bytes: from %d to %d", o.SegmentSize, MinSegmentSize, MaxSegmentSize)
	}
	if o.CheckpointEvery <= 0 {
		o.CheckpointEvery = 1000
	}
	if o.CheckpointInterval <= 0 {
		o.CheckpointInterval = 5 * time.Second
	}
	if o.RetryInterval <= 0 {
		o.RetryInterval = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o, nil
}

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
	dir   string
	o     Options
	id    string
	limit int // of one record's JSON, in bytes
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
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	l := &Log{
		dir: dir, o: o, id: o.ID, lock: lock,
		limit: int(min(maxPayload, o.SegmentSize/2)),
		wake:  make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
	}
	l.scratch.New = func() any { return new([]byte) }
	l.w = &writer{dir: dir, o: &l.o, sync: syncData, durable: func(p Position) { l.durable.Store(uint64(p)) }}
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
	*scratch = appendEntry((*scratch)[:0], e, at, l.limit)

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

// run is the goroutine that writes.
func (l *Log) run() {
	defer close(l.done)
	timer := time.NewTicker(l.o.CheckpointInterval)
	defer timer.Stop()
	var retry <-chan time.Time // while the disk is full
	for {
		var err error
		select {
		case <-l.wake:
			runtime.Gosched() // lets those who are ready join the batch
			err = l.commit()
		case <-timer.C:
			err = l.sign()
		case <-retry:
			retry = nil
			err = l.revive()
		case <-l.stop:
			l.ended = l.finish()
			return
		}
		if err != nil && diskFull(err) {
			retry = time.After(l.o.RetryInterval)
		}
	}
}

// commit writes what waits.
func (l *Log) commit() error {
	l.mu.Lock()
	b := l.waiting
	if b.first == 0 || l.failed != nil {
		l.mu.Unlock()
		return nil
	}
	l.flying, l.waiting = b, l.newBatch()
	l.mu.Unlock()

	if err := l.w.commit(b.frames); err != nil {
		l.fail(err)
		return err
	}
	l.mu.Lock()
	l.flying, l.signed = nil, l.w.last
	if cap(b.frames) <= 4<<20 {
		l.spare = b.frames
	}
	l.mu.Unlock()
	close(b.done)
	return nil
}

// sign writes the checkpoint that is due by the clock.
func (l *Log) sign() error {
	l.mu.Lock()
	failed := l.failed != nil
	l.mu.Unlock()
	if failed || l.w.unsigned == 0 {
		return nil
	}
	if err := l.w.checkpoint(false); err != nil {
		l.fail(err)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signed = l.w.last
	return nil
}

// fail refuses everything that waits and everything to come.
func (l *Log) fail(err error) {
	cause := &fault.Error{Kind: fault.Unavailable, Op: "audit", Public: "the audit log cannot be written", Err: err}
	l.mu.Lock()
	l.failed = cause
	if l.last > l.w.position {
		l.refused = append(l.refused, span{l.w.position + 1, l.last})
		l.holed.Store(true)
	}
	over := []*batch{l.waiting}
	if l.flying != nil {
		over = append(over, l.flying)
	}
	l.flying, l.waiting = nil, l.newBatch()
	l.mu.Unlock()
	for _, b := range over {
		b.err = cause
		close(b.done)
	}
}

// revive takes entries again if there is space. While the log has failed no
// position is given out, so the gap is as fail left it.
func (l *Log) revive() error {
	l.mu.Lock()
	failed, last := l.failed, l.last
	l.mu.Unlock()
	if err := l.w.recover(last, failed.Err); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed, l.signed = nil, l.w.last
	return nil
}

// finish writes what waits and lets go of everything.
func (l *Log) finish() error {
	err := l.commit()
	l.mu.Lock()
	failed := l.failed
	l.mu.Unlock()
	if failed != nil {
		err = failed
	}
	err = errors.Join(err, l.w.close(failed == nil), l.lock.Close())
	l.mu.Lock()
	defer l.mu.Unlock()
	l.signed = l.w.last
	return err
}
