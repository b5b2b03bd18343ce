package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/durable"
)

// sealRoom is kept free at the end of a segment for the checkpoint that seals
// it: its frame has about 500 bytes.
const sealRoom = 1 << 10

// writer puts frames into segments. It belongs to one goroutine, and knows
// only what is durable: a write that fails changes nothing in it but scar.
type writer struct {
	dir  string
	o    *Options
	id   string
	sync func(*os.File) error
	// durable is told the last durable position after each write.
	durable func(Position)

	file     *os.File
	number   uint64
	size     int64
	off      int64 // the end of what is written
	chain    Hash
	position Position // the last one written
	unsigned int      // records since the last checkpoint
	every    int      // how many may be
	sealed   bool
	// scar is the end of what a failed write may have left behind off.
	scar int64
	last Checkpoint
	// ahead is the preparation of the next segment, nil if there is none.
	ahead *preparation
}

// preparation is a segment that is being prepared in the background.
type preparation struct {
	done chan struct{} // closed at the end
	stop atomic.Bool
	file *os.File
	err  error
}

// commit writes the records whose frames stand one after the other in frames,
// in as many writes and segments as it takes, and makes them durable. After
// an error, w.position says how far it came.
func (w *writer) commit(frames []byte) error {
	for len(frames) > 0 {
		n, err := w.commitSome(frames)
		if err != nil {
			return err
		}
		frames = frames[n:]
	}
	if w.off > w.size/4 && w.ahead == nil {
		w.prepareNext()
	}
	return nil
}

// commitSome writes as many records as the segment and the next checkpoint
// have room for, at least one, and returns the size of their frames.
func (w *writer) commitSome(frames []byte) (int, error) {
	if w.unsigned >= w.every {
		if err := w.checkpoint(false); err != nil {
			return 0, err
		}
	}
	if !w.fits(w.off, frameSize(frames)) {
		if err := w.rotate(); err != nil {
			return 0, err
		}
	}
	chain, end, count := w.chain, 0, 0
	for end < len(frames) && w.unsigned+count < w.every {
		n := frameSize(frames[end:])
		if !w.fits(w.off+int64(end), n) {
			break
		}
		link(frames[end:end+n], &chain, w.off)
		end, count = end+n, count+1
	}
	return end, w.write(frames[:end], chain, count)
}

// fits reports whether a frame of n bytes may stand at an offset.
func (w *writer) fits(at int64, n int) bool {
	return !w.sealed && at+int64(n)+sealRoom <= w.size
}

// write puts linked frames at the end of the segment and syncs them. chain is
// its value after them; records is how many of them are records.
func (w *writer) write(frames []byte, chain Hash, records int) error {
	if len(frames) == 0 {
		return nil
	}
	end := w.off + int64(len(frames))
	_, err := w.file.WriteAt(frames, w.off)
	if err == nil {
		err = w.sync(w.file)
	}
	if err != nil {
		w.scar = max(w.scar, end)
		return fmt.Errorf("writing audit segment %d: %w", w.number, err)
	}
	w.off, w.chain = end, chain
	w.position += Position(records) //nolint:gosec // a count
	w.unsigned += records
	if records > 0 {
		w.durable(w.position)
	}
	return nil
}

// append writes one frame that is no record.
func (w *writer) append(kind frameKind, p Position, payload any) error {
	b, err := jsonLine(payload)
	if err != nil {
		return err
	}
	b = appendFrame(nil, kind, p, b)
	chain := w.chain
	link(b, &chain, w.off)
	return w.write(b, chain, 0)
}

// checkpoint signs and writes a checkpoint, as the segment's end if it seals.
func (w *writer) checkpoint(seal bool) error {
	c := Checkpoint{
		Log: w.id, Segment: w.number, Position: w.position, Hash: w.chain, Sealed: seal,
		Time: w.o.Now().UTC(),
	}
	if err := c.sign(w.o.Signer); err != nil {
		return fmt.Errorf("signing an audit checkpoint: %w", err)
	}
	if !seal && !w.fits(w.off, sealRoom) {
		return w.rotate()
	}
	if err := w.append(kindCheckpoint, w.position, &c); err != nil {
		return err
	}
	w.unsigned, w.last = 0, c
	if w.o.OnCheckpoint != nil {
		w.o.OnCheckpoint(c)
	}
	return nil
}

// rotate seals the segment, if there is one, and begins the next one. Nothing is changed before
// the next one's space is there. It may be called again after an error.
func (w *writer) rotate() error {
	next, err := w.takeNext()
	if err != nil {
		return fmt.Errorf("preparing audit segment %d: %w", w.number+1, err)
	}
	if w.file != nil && !w.sealed {
		if err := w.checkpoint(true); err != nil {
			return errors.Join(err, w.dropNext(next))
		}
		w.sealed = true
	}
	return w.begin(next)
}

// begin makes a prepared file the current segment.
func (w *writer) begin(next *os.File) error {
	info, err := next.Stat()
	if err != nil {
		return errors.Join(err, w.dropNext(next))
	}
	size, number, chain := info.Size(), w.number+1, w.chain
	payload, err := jsonLine(&header{
		Version: 1, Log: w.id, Segment: number, First: w.position + 1, Previous: w.chain,
		Size: size, Every: w.o.CheckpointEvery, Time: w.o.Now().UTC(),
	})
	if err != nil {
		return errors.Join(err, w.dropNext(next))
	}
	b := appendFrame([]byte(magic), kindHeader, w.position, payload)
	link(b[len(magic):], &chain, 0)
	if _, err = next.WriteAt(b, 0); err == nil {
		err = w.sync(next)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("beginning audit segment %d: %w", number, err), w.dropNext(next))
	}
	if err := os.Rename(next.Name(), filepath.Join(w.dir, segmentName(number))); err != nil {
		return errors.Join(err, w.dropNext(next))
	}
	if err := durable.SyncDir(w.dir); err != nil {
		return errors.Join(err, next.Close())
	}
	if w.file != nil {
		err = w.file.Close()
	}
	w.file, w.number, w.size, w.off, w.scar = next, number, size, int64(len(b)), 0
	w.chain, w.sealed, w.every = chain, false, w.o.CheckpointEvery
	return err
}

// nextSize returns the size of the next segment.
func (w *writer) nextSize() int64 {
	if w.file == nil {
		return min(firstSegmentSize, w.o.SegmentSize)
	}
	return min(max(w.size, firstSegmentSize)*segmentGrowth, w.o.SegmentSize)
}

// prepareNext begins to prepare the next segment in the background.
func (w *writer) prepareNext() {
	p, size := &preparation{done: make(chan struct{})}, w.nextSize()
	w.ahead = p
	go func() {
		defer close(p.done)
		p.file, p.err = prepare(w.dir, size, &p.stop)
	}()
}

// takeNext returns the prepared next segment.
func (w *writer) takeNext() (*os.File, error) {
	if w.ahead == nil {
		w.prepareNext()
	}
	p := w.ahead
	<-p.done
	w.ahead = nil
	return p.file, p.err
}

// dropNext removes a prepared segment that could not be begun.
func (w *writer) dropNext(next *os.File) error {
	return errors.Join(next.Close(), os.Remove(next.Name()))
}

// recover goes on after a full disk, when there is space again: it wipes what
// failed writes left, and records that the positions up to last were refused.
func (w *writer) recover(last Position, why error) error {
	if w.scar > w.off {
		// Each page that a failed write touched is written anew: after a
		// failed sync the kernel may take it for clean.
		if err := zero(w.file, w.off, w.scar, nil); err != nil {
			return err
		}
		if err := w.sync(w.file); err != nil {
			return err
		}
		w.scar = 0
	}
	if !w.fits(w.off, sealRoom) {
		if err := w.rotate(); err != nil {
			return err
		}
	}
	if last == w.position {
		return nil
	}
	g := gap{Version: 1, From: w.position + 1, To: last, Why: why.Error(), Time: w.o.Now().UTC()}
	if err := w.append(kindGap, last, &g); err != nil {
		return err
	}
	w.position = last
	w.durable(last)
	return nil
}

// close ends with a checkpoint, if the writer may still write, and lets go of
// the files.
func (w *writer) close(write bool) error {
	var err error
	if write && w.unsigned > 0 {
		err = w.checkpoint(false)
	}
	if w.ahead != nil {
		w.ahead.stop.Store(true)
		if next, failed := w.takeNext(); failed == nil {
			err = errors.Join(err, w.dropNext(next))
		}
	}
	return errors.Join(err, w.file.Close())
}
