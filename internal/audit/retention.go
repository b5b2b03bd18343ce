package audit

import (
	"crypto"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The beginning of a log may be removed once it is old enough: whole sealed
// segments, the oldest first. What remains is as verifiable as before, because
// the removal leaves a Mark that is signed as checkpoints are. There is one
// mark, the newest, in the file markName; each removal replaces it before the
// first file goes, so that a crash leaves files that the mark covers and never
// a hole that it does not.
const markName = "retention.json"

// Mark is a signed statement that a log begins with a certain segment, and
// that what was before was removed on purpose.
//
// The signature is Ed25519 (RFC 8032) over this text, its lines ended by line
// feeds, the time in UTC as RFC 3339 with nanoseconds:
//
//	holdfast audit retention v1
//	log ID
//	segment NUMBER
//	first NUMBER
//	previous HEX
//	time TIME
type Mark struct {
	Version int `json:"v"`
	// Log is the id of the log.
	Log string `json:"log"`
	// Segment is the number of the first segment that is kept.
	Segment uint64 `json:"segment"`
	// First is the position of the first record that is kept: those before it
	// were removed.
	First Position `json:"first"`
	// Previous is the chain's value before that segment.
	Previous Hash      `json:"previous"`
	Time     time.Time `json:"time"`
	// Key names the public key: the first 8 bytes of its SHA-256, in hex.
	Key       string `json:"key"`
	Signature []byte `json:"signature"`
}

func (m *Mark) text() []byte {
	return fmt.Appendf(nil, "holdfast audit retention v1\nlog %s\nsegment %d\nfirst %d\nprevious %s\ntime %s\n",
		m.Log, m.Segment, m.First, m.Previous, m.Time.UTC().Format(time.RFC3339Nano))
}

// Verify returns nil if the owner of the key signed the mark.
func (m *Mark) Verify(pub ed25519.PublicKey) error {
	if m.Version != 1 {
		return fmt.Errorf("a retention mark of version %d", m.Version)
	}
	return verifyText(pub, m.Key, m.text(), m.Signature)
}

func (m *Mark) sign(signer crypto.Signer) (err error) {
	m.Version = 1
	m.Key, m.Signature, err = signText(signer, m.text())
	return err
}

// parseMark reads the file of a mark.
func parseMark(text []byte) (*Mark, error) {
	m := new(Mark)
	if err := entry.DecodeJSON(text, m); err != nil {
		return nil, err
	}
	if m.Version != 1 || m.Segment == 0 || m.First == 0 {
		return nil, errors.New("it names no segment or no position")
	}
	return m, nil
}

// ReadMark returns the mark of the log in a directory as it stands there, nil
// for none. Verify says whether it is the log's own.
func ReadMark(dir string) (*Mark, error) {
	text, err := os.ReadFile(filepath.Join(dir, markName)) //nolint:gosec // the directory is the operator's choice
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // no mark: nothing was removed
	}
	if err != nil {
		return nil, err
	}
	m, err := parseMark(text)
	if err != nil {
		return nil, fmt.Errorf("reading the audit log's retention mark: %w", err)
	}
	return m, nil
}

// write makes the mark the log's, durably.
func (m *Mark) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(dir, markName), append(text, '\n'), 0o600)
}

// Beginning is where a segment of a log begins, as its header says.
type Beginning struct {
	Segment uint64
	// First is the position of its first record.
	First Position
	// Time is when it was begun, and the segment before it ended.
	Time time.Time
}

// Beginning returns where a segment begins.
func (l *Log) Beginning(number uint64) (Beginning, error) {
	h, err := l.header(number)
	return Beginning{h.Segment, h.First, h.Time}, err
}

// Retire removes all segments before one of the log's, which becomes its
// first, and returns the mark that says so, nil for a log of which nothing was
// removed. The mark is durable before a file is removed. It may be called
// again, with the same segment or a later one: what an earlier call left is
// removed.
//
// What is to be removed is verified before it is: a log that was changed there,
// or of which somebody else has removed something, stays as it is, and the
// error is a *CorruptError.
func (l *Log) Retire(first uint64) (*Mark, error) {
	numbers, err := l.segments()
	if err != nil {
		return nil, err
	}
	if last := numbers[len(numbers)-1]; first > last {
		return nil, fault.New(fault.InvalidArgument, "audit segment %d is not in the log, whose last one is %d", first, last)
	}
	pub, _ := l.o.Signer.Public().(ed25519.PublicKey)
	k := &checker{dir: l.dir, pub: pub, patience: l.patience, saw: func(Position, Hash) {}}
	k.checkBeginning(numbers[0], numbers[len(numbers)-1])
	m := k.report.Retention
	if m == nil && first <= 1 {
		return nil, k.damage()
	}
	if m == nil || m.Segment < first {
		if m, err = l.mark(k, first); err != nil {
			return nil, err
		}
	}
	if err := k.damage(); err != nil {
		return nil, err
	}
	for _, number := range numbers { // the oldest first: what is left has no holes
		if number >= m.Segment {
			break
		}
		if err := os.Remove(filepath.Join(l.dir, segmentName(number))); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("removing audit segment %d: %w", number, err)
		}
	}
	return m, durable.SyncDir(l.dir)
}

// mark makes and writes the mark of a first segment, when what is before it is
// as it was written.
func (l *Log) mark(k *checker, first uint64) (*Mark, error) {
	from := uint64(1)
	if k.report.Retention != nil {
		from = k.report.Retention.Segment
	}
	for n := from; n <= first && k.report.OK(); n++ {
		check := k.segment
		if n == first {
			check = k.beginning
		}
		file, err := openSegment(l.dir, n)
		if err != nil {
			return nil, err
		}
		if err := errors.Join(check(file, n), file.Close()); err != nil {
			return nil, err
		}
	}
	if err := k.damage(); err != nil {
		return nil, err
	}
	m := &Mark{Log: l.id, Segment: first, First: k.head.First, Previous: k.head.Previous, Time: l.o.Now().UTC()}
	if err := m.sign(l.o.Signer); err != nil {
		return nil, fmt.Errorf("signing an audit retention mark: %w", err)
	}
	if err := m.write(l.dir); err != nil {
		return nil, fmt.Errorf("writing the audit retention mark: %w", err)
	}
	return m, nil
}

// beginning checks the header of a segment.
func (k *checker) beginning(file *os.File, number uint64) error {
	c, err := newCursor(file)
	if err != nil {
		return err
	}
	k.number, k.off = number, 0
	return k.header(c)
}

// damage returns what was found as an error, nil for nothing.
func (k *checker) damage() error {
	if k.report.OK() {
		return nil
	}
	return &CorruptError{k.dir, k.report.Problems}
}

// retired reports whether a segment need not be there, because the log's mark
// says that it was removed. The mark is read anew: the log may be in use.
func (k *checker) retired(number uint64) bool {
	if m := k.report.Retention; m != nil && number < m.Segment {
		return true
	}
	m, err := ReadMark(k.dir)
	if err == nil && m != nil {
		err = m.Verify(k.pub)
	}
	if err != nil {
		if !k.unmarked {
			k.number, k.unmarked = number, true
			k.problem(Forged, 0, 0, 0, "the retention mark is not the log's own: %v", err)
		}
		return false
	}
	k.report.Retention = m
	return m != nil && number < m.Segment
}

// checkBeginning checks that the segments from first to last begin where the
// log does.
func (k *checker) checkBeginning(first, last uint64) {
	k.retired(last) // has the mark read
	begin := uint64(1)
	if m := k.report.Retention; m != nil {
		if begin = m.Segment; begin > last {
			k.number = last
			k.problem(Cut, 0, m.First, m.First, "the retention mark says that the log begins with segment %d, which is missing", m.Segment)
		}
	}
	if first > begin {
		k.number = begin
		k.problem(Missing, 0, 0, 0, "segments %d to %d are missing", begin, first-1)
	}
}

// checkMark compares the header of the segment that a mark names with the mark.
func (k *checker) checkMark(h *header) {
	m := k.report.Retention
	if m == nil || m.Segment != k.number {
		return
	}
	if m.Log != h.Log || m.First != h.First || m.Previous != h.Previous {
		k.problem(Changed, k.off, 0, 0,
			"the retention mark says that the log %s begins here with entry %d; the segment is of the log %s and begins with entry %d, or follows on something else",
			m.Log, m.First, h.Log, h.First)
	}
}
