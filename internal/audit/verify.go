package audit

import (
	"crypto/ed25519"
	"errors"
	"io/fs"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Verify checks the whole log in a directory against the public key of its
// installation: every frame, the hash chain through all segments, that no
// position and no segment is missing, and every checkpoint's signature. The
// report says what is wrong and where; an error means that the log could not
// be read. The log may be in use, and may be a copy.
//
// What it finds: any entry, gap, header or checkpoint that was changed,
// removed, added, repeated or moved, any segment that is missing from the
// middle or the beginning, exchanged, cut short or from another log, also
// when whoever did it computed checksums and hash chain anew, as far as a
// checkpoint follows. A log whose beginning was removed by Log.Retire is
// intact: its signed mark says where it begins, and Report.Retention that it
// was so.
//
// What it cannot find from the directory alone: (1) that the entries behind
// the last checkpoint (Report.Unsigned: at most CheckpointEvery, and what
// came within CheckpointInterval) were rewritten with a new chain; (2) that
// everything behind some point was removed, as if the log had ended there.
// For (2) give it checkpoints that were kept elsewhere (Options.OnCheckpoint,
// Log.Checkpoint): a log that does not hold all of them was cut or replaced.
func Verify(dir string, pub ed25519.PublicKey, kept ...Checkpoint) (Report, error) {
	return verify(dir, pub, patience, kept)
}

func verify(dir string, pub ed25519.PublicKey, looks int, kept []Checkpoint) (Report, error) {
	if len(pub) != ed25519.PublicKeySize {
		return Report{}, fault.New(fault.InvalidArgument, "an Ed25519 public key has %d bytes, not %d", ed25519.PublicKeySize, len(pub))
	}
	numbers, err := segmentNumbers(dir)
	if err != nil {
		return Report{}, err
	}
	if len(numbers) == 0 {
		return Report{}, fault.New(fault.NotFound, "there is no audit log in %s", dir)
	}
	open := make(map[Hash]Position, len(kept))
	for _, c := range kept {
		open[c.Hash] = c.Position
	}
	k := &checker{dir: dir, pub: pub, patience: looks, saw: func(p Position, h Hash) {
		if want, ok := open[h]; ok && want == p {
			delete(open, h)
		}
	}}
	if err := k.segments(numbers); err != nil {
		return Report{}, err
	}
	k.kept(kept, open)
	r := k.report
	r.Last = k.next - 1
	if r.Last > r.Checkpoint.Position {
		r.Unsigned = uint64(r.Last - r.Checkpoint.Position)
	}
	return r, nil
}

// segments checks all segments: those listed, and those that a writer adds
// meanwhile.
func (k *checker) segments(listed []uint64) error {
	first, last := listed[0], listed[len(listed)-1]
	k.checkBeginning(first, last)
	for n := first; ; n++ {
		file, err := openSegment(k.dir, n)
		switch {
		case errors.Is(err, fs.ErrNotExist) && n > last:
			return nil
		case errors.Is(err, fs.ErrNotExist):
			if k.number, k.adrift = n, true; k.retired(n) {
				continue
			}
			k.problem(Missing, 0, k.next, k.next, "the segment is missing; it began with entry %d", k.next)
			continue
		case err != nil:
			return err
		}
		if err := errors.Join(k.segment(file, n), file.Close()); err != nil {
			return err
		}
		if k.open && n >= last { // what a writer has begun since follows on what it has written since
			return nil
		}
	}
}

// kept reports the checkpoints that the log should hold and does not: those
// of missing.
func (k *checker) kept(all []Checkpoint, missing map[Hash]Position) {
	for _, c := range all {
		if err := c.Verify(k.pub); err != nil {
			k.problem(Forged, 0, 0, 0, "the checkpoint of entry %d that was kept elsewhere: %v", c.Position, err)
			continue
		}
		if m := k.report.Retention; m != nil && c.Log == m.Log && c.Segment < m.Segment {
			continue // removed on purpose, and the chain goes on from there
		}
		if _, ok := missing[c.Hash]; ok || c.Log != k.report.Log {
			k.problem(Cut, k.off, c.Position, c.Position,
				"the log does not hold the checkpoint of entry %d that was kept elsewhere: it was cut or replaced", c.Position)
		}
	}
}
