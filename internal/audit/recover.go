package audit

import (
	"crypto/ed25519"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/disk"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Recovery is what Open found.
type Recovery struct {
	// Last is the last position in the log, 0 if the log is new.
	Last Position
	// Torn is the size in bytes of a half-written end that was cut off.
	Torn int64
	// Unsigned counts the entries that no checkpoint vouched for: after a
	// clean Close none.
	Unsigned int
}

// resume brings the writer to the end of the log in the directory.
func (l *Log) resume() error {
	if err := os.Remove(filepath.Join(l.dir, nextName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	numbers, err := segmentNumbers(l.dir)
	if err != nil {
		return err
	}
	if len(numbers) == 0 {
		return l.create()
	}
	last := numbers[len(numbers)-1]
	if missing := last - numbers[0] + 1 - uint64(len(numbers)); missing > 0 {
		return &CorruptError{l.dir, []Problem{{Kind: Missing, Segment: last, Text: "a segment before this one is missing"}}}
	}
	file, err := os.OpenFile(filepath.Join(l.dir, segmentName(last)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if err := l.resumeIn(file, last); err != nil {
		return errors.Join(err, file.Close())
	}
	return nil
}

// create begins a new log.
func (l *Log) create() error {
	if l.w.id = l.id; l.id == "" {
		l.w.id = uuid.NewString()
	}
	return l.w.rotate()
}

// resumeIn checks the last segment and goes on at its end.
func (l *Log) resumeIn(file *os.File, number uint64) error {
	pub, _ := l.o.Signer.Public().(ed25519.PublicKey)
	k := &checker{dir: l.dir, pub: pub, saw: func(Position, Hash) {}}
	if err := k.segment(file, number); err != nil {
		return err
	}
	if !k.report.OK() {
		return &CorruptError{l.dir, k.report.Problems}
	}
	if l.id != "" && l.id != k.head.Log {
		return fault.New(fault.WrongState, "the audit log in %s is that of %s, not of %s", l.dir, k.head.Log, l.id)
	}
	l.found = Recovery{Last: k.next - 1, Torn: k.report.Torn, Unsigned: k.unsigned}
	w := l.w
	w.id, w.file, w.number, w.size, w.every = k.head.Log, file, number, k.head.Size, min(k.head.Every, l.o.CheckpointEvery)
	w.off, w.chain, w.position, w.unsigned = k.off, k.chain, k.next-1, k.unsigned
	w.sealed, w.last = k.sealed, k.report.Checkpoint
	if k.report.Torn > 0 {
		if err := zero(file, k.off, k.off+k.report.Torn, nil); err != nil {
			return err
		}
	}
	// What a killed process wrote may be only in the page cache.
	if err := disk.Sync(file); err != nil {
		return err
	}
	if w.sealed { // the crash came between a segment and the next
		return w.rotate()
	}
	return nil
}
