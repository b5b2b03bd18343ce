package audit

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/holdfast-kms/holdfast/internal/entry"
)

// checker walks through segments and compares every frame with what must
// stand there. Verify and Open share it.
type checker struct {
	dir    string
	pub    ed25519.PublicKey
	report Report
	// patience is how often it may still look again at a place that a writer
	// at work may be about to complete.
	patience int
	// saw is told every frame's position and hash.
	saw func(Position, Hash)

	head     header
	number   uint64
	off      int64 // the end of the last good frame
	looked   int64 // where grown has looked last in this segment
	open     bool  // the segment was the log's last one when its end was found
	chain    Hash
	next     Position // the position of the next record
	adrift   bool     // what came before is unknown: the next frame is taken as it is
	sealed   bool
	unsigned int
	long     bool // the run without a checkpoint is reported
	unmarked bool // the retention mark is bad, which is reported
	payload  []byte
}

// lookAgain is the time between two looks at a live log's end.
const lookAgain = 25 * time.Millisecond

func (k *checker) problem(kind ProblemKind, off int64, first, last Position, format string, args ...any) {
	k.report.add(Problem{
		Kind: kind, Segment: k.number, Offset: off, First: first, Last: last, Text: fmt.Sprintf(format, args...),
	})
}

// segment checks one segment from its header to its end.
func (k *checker) segment(file *os.File, number uint64) error {
	c, err := newCursor(file)
	if err != nil {
		return err
	}
	k.number, k.sealed, k.off, k.looked = number, false, 0, 0
	if err := k.header(c); err != nil {
		return err
	}
	for off := k.off; off >= 0; {
		f, err := c.frame(off)
		switch {
		case errors.Is(err, errNoFrame):
			if off, err = k.stuck(c, off); err == nil && off < 0 {
				off, err = k.grown(c)
			}
			if err != nil {
				return err
			}
			continue
		case err != nil:
			return err
		}
		k.frame(&f, off)
		off += int64(len(f.raw))
		k.off = off
	}
	k.report.Segments++
	k.report.Bytes += k.off
	return k.lastTime()
}

// header checks the segment's first frame.
func (k *checker) header(c *cursor) error {
	k.off = int64(len(magic))
	b, err := c.bytes(0, len(magic))
	if err != nil {
		return err
	}
	if string(b) != magic {
		k.problem(Damaged, 0, 0, 0, "the file does not begin as an audit segment of version 1")
	}
	f, err := c.frame(k.off)
	switch {
	case errors.Is(err, errNoFrame):
		return nil // segment finds it damaged
	case err != nil:
		return err
	}
	var h header
	readable := entry.DecodeJSON(f.payload, &h) == nil
	if f.kind != kindHeader || !readable {
		k.problem(Changed, k.off, 0, 0, "the segment does not begin with a header")
		return nil
	}
	k.checkHeader(&f, &h, c.size)
	k.checkMark(&h)
	k.head, k.chain, k.adrift = h, f.hash, false
	k.next = max(k.next, h.First)
	k.off += int64(len(f.raw))
	k.saw(f.position, f.hash)
	return nil
}

func (k *checker) checkHeader(f *frame, h *header, size int64) {
	started := k.report.Log != ""
	if !started {
		k.next, k.report.Log = h.First, h.Log
	}
	switch {
	case h.Version != 1:
		k.problem(Changed, k.off, 0, 0, "a header of version %d", h.Version)
	case started && h.Log != k.report.Log:
		k.problem(Moved, k.off, 0, 0, "the segment belongs to the log %s, not to %s", h.Log, k.report.Log)
	case h.Segment != k.number:
		k.problem(Moved, k.off, 0, 0, "the file holds segment %d", h.Segment)
	case !f.follows(h.Previous) || f.position+1 != h.First:
		k.problem(Changed, k.off, 0, 0, "the segment's header was changed")
	case k.number == 1 && (h.Previous != Hash{} || h.First != 1):
		k.problem(Changed, k.off, 0, 0, "the first segment does not begin the chain")
	case started && !k.adrift && h.First != k.next:
		k.problem(Missing, k.off, k.next, h.First-1, "the segment begins with entry %d, where %d should follow", h.First, k.next)
	case started && !k.adrift && h.Previous != k.chain:
		k.problem(Changed, k.off, 0, 0, "the segment does not continue the one before it")
	}
	if h.Size != size {
		k.problem(Cut, min(size, h.Size), 0, 0, "the file has %d bytes; it was made with %d", size, h.Size)
	}
}

// frame checks a frame that stands after the header.
func (k *checker) frame(f *frame, off int64) {
	linked := k.adrift || f.follows(k.chain)
	if k.sealed {
		k.problem(Moved, off, 0, 0, "something follows the checkpoint that sealed the segment")
	}
	switch f.kind {
	case kindRecord:
		k.record(f, off, linked)
	case kindCheckpoint:
		k.checkpoint(f, off, linked)
	case kindGap:
		k.gap(f, off, linked)
	case kindHeader:
		k.problem(Moved, off, 0, 0, "a second header")
	}
	k.chain, k.adrift = f.hash, false
	k.saw(f.position, f.hash)
}

func (k *checker) record(f *frame, off int64, linked bool) {
	p := f.position
	switch {
	case p > k.next:
		k.problem(Missing, off, k.next, p-1, "%s should stand here, before entry %d", entries(k.next, p-1), p)
	case p < k.next:
		k.problem(Moved, off, p, p, "entry %d stands where entry %d should", p, k.next)
	case !linked && p > 1:
		k.problem(Changed, off, p, p, "entry %d was changed, or entry %d before it", p, p-1)
	case !linked:
		k.problem(Changed, off, p, p, "entry %d was changed", p)
	}
	r := &k.report
	if r.Entries++; r.Entries == 1 {
		r.First = p
		if e, err := entry.Decode(f.payload); err == nil {
			r.FirstTime = e.Time
		}
	}
	k.payload = append(k.payload[:0], f.payload...)
	k.next = max(k.next, p+1)
	if k.unsigned++; k.unsigned > k.head.Every && !k.long {
		k.long = true
		k.problem(Unsigned, off, p, p, "entry %d and more than %d before it have no checkpoint", p, k.head.Every)
	}
}

func (k *checker) gap(f *frame, off int64, linked bool) {
	var g gap
	err := entry.DecodeJSON(f.payload, &g)
	switch {
	case err != nil || !linked:
		k.problem(Changed, off, 0, 0, "the gap after entry %d was changed", k.next-1)
	case g.Version != 1 || g.From != k.next || g.To < g.From || f.position != g.To:
		k.problem(Moved, off, 0, 0, "a gap of %s stands after entry %d", entries(g.From, g.To), k.next-1)
	default:
		k.report.Refused += uint64(g.To - g.From + 1)
		k.next = g.To + 1
	}
}

func (k *checker) checkpoint(f *frame, off int64, linked bool) {
	var c Checkpoint
	last, signed := k.next-1, k.report.Checkpoint.Position
	err := entry.DecodeJSON(f.payload, &c)
	forged := err
	if forged == nil {
		forged = c.Verify(k.pub)
	}
	switch {
	case err != nil || !linked:
		k.problem(Changed, off, 0, 0, "the checkpoint after entry %d was changed, or what is before it", last)
	case forged != nil:
		k.problem(Forged, off, 0, 0, "the checkpoint after entry %d is not the log's own: %v", last, forged)
	case c.Log != k.report.Log || c.Segment != k.number || c.Position != last || f.position != last:
		k.problem(Moved, off, 0, 0, "the checkpoint of entry %d of segment %d of the log %s stands after entry %d",
			c.Position, c.Segment, c.Log, last)
	case !k.adrift && c.Hash != k.chain:
		k.problem(Rewrote, off, signed+1, last, "%s are not what was signed: the hash chain was computed anew", entries(signed+1, last))
	default:
		k.report.Checkpoints++
		k.report.Checkpoint = c
	}
	k.unsigned, k.long = 0, false
	k.sealed = k.sealed || c.Sealed
}

// grown returns where a segment goes on whose end was found, -1 where that
// was its end: one that was not sealed and has a successor now was ended by a
// writer in between.
func (k *checker) grown(c *cursor) (int64, error) {
	followed, err := segmentExists(k.dir, k.number+1)
	k.open = !k.sealed && !followed
	if err != nil || k.sealed || !followed || k.patience == 0 {
		return -1, err
	}
	if k.patience--; k.looked == k.off { // the writer that began the next one has yet to end this one
		time.Sleep(lookAgain)
	}
	k.looked = k.off
	c.forget()
	return k.off, nil
}

// stuck decides where to go on from an offset at which no frame stands; -1 is
// the segment's end.
func (k *checker) stuck(c *cursor, off int64) (int64, error) {
	for {
		what, end, err := c.assess(off)
		if err != nil {
			return -1, err
		}
		followed, err := segmentExists(k.dir, k.number+1)
		if err != nil || what == clean && (k.sealed || !followed) {
			return -1, err
		}
		if k.patience > 0 { // a writer may be at work just here
			k.patience--
			c.forget()
			if _, err := c.frame(off); err == nil {
				return off, nil
			}
			time.Sleep(lookAgain)
			continue
		}
		return k.broken(c, off, end, what, followed)
	}
}

// broken reports what stands at an offset and is no frame, and returns where
// to go on.
func (k *checker) broken(c *cursor, off, end int64, what ending, followed bool) (int64, error) {
	switch {
	case what == clean:
		k.problem(Cut, off, k.next, k.next, "the end of the segment is missing, from entry %d on: it has a successor and is not sealed", k.next)
		return -1, nil
	case k.sealed:
		k.problem(Damaged, off, 0, 0, "something follows the checkpoint that sealed the segment")
		return -1, nil
	case what == torn && !followed:
		k.report.Torn = end - off
		return -1, nil
	}
	next, err := c.search(off+1, func(frame) bool { return true })
	if err != nil || next < 0 {
		k.problem(Damaged, off, k.next, k.next, "entry %d, or what else stands there, is damaged, and nothing can be read after it", k.next)
		k.adrift = true
		return -1, err
	}
	f, err := c.frame(next)
	if err != nil {
		return -1, err
	}
	first, last := k.next, f.position
	if f.kind == kindRecord {
		last--
	}
	if last >= first {
		k.problem(Damaged, off, first, last, "%s: damaged", entries(first, last))
		k.next = last + 1
	} else {
		k.problem(Damaged, off, 0, 0, "what stands after entry %d is damaged", first-1)
	}
	k.adrift = true
	return next, nil
}

// lastTime takes the time of the last record so far.
func (k *checker) lastTime() error {
	if len(k.payload) == 0 {
		return nil
	}
	e, err := entry.Decode(k.payload)
	if err != nil {
		k.problem(Damaged, k.off, k.next-1, k.next-1, "entry %d cannot be read: %v", k.next-1, err)
	}
	k.report.LastTime = e.Time
	return nil
}
