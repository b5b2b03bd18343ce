package audit

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// The sizes of segments in bytes.
const (
	DefaultSegmentSize = 64 << 20
	MinSegmentSize     = 64 << 10
	MaxSegmentSize     = 1 << 30
	// firstSegmentSize is what a new log begins with, so that it is ready at
	// once; each following segment is four times as large up to the full size.
	firstSegmentSize = 1 << 20
	segmentGrowth    = 4
)

const (
	lockName      = "lock"
	nextName      = "next"
	segmentPrefix = "audit-"
	segmentSuffix = ".seg"
)

// segmentName returns the file name of a segment.
func segmentName(number uint64) string {
	return fmt.Sprintf("%s%010d%s", segmentPrefix, number, segmentSuffix)
}

// segmentNumbers returns the numbers of the segments in a directory, in order.
func segmentNumbers(dir string) ([]uint64, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), segmentSuffix)
		if !ok {
			continue
		}
		digits = strings.TrimPrefix(digits, segmentPrefix) // the name is checked whole below
		n, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || n == 0 || e.Name() != segmentName(n) {
			return nil, fault.New(fault.InvalidArgument, "%s is not the name of an audit segment", e.Name())
		}
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	return numbers, nil
}

// openSegment opens a segment for reading.
func openSegment(dir string, number uint64) (*os.File, error) {
	return os.Open(filepath.Join(dir, segmentName(number))) //nolint:gosec // the directory is the operator's choice
}

// prepare makes the file of the next segment, all zeros and synced. It gives
// up when stop is set. A file that it cannot complete it removes, so that a
// full disk is not filled further.
func prepare(dir string, size int64, stop *atomic.Bool) (*os.File, error) {
	path := filepath.Join(dir, nextName)
	file, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600) //nolint:gosec // the directory is the operator's choice
	if err != nil {
		return nil, err
	}
	if err = zero(file, 0, size, stop); err == nil {
		err = file.Sync() // with its size
	}
	if err != nil {
		return nil, errors.Join(err, file.Close(), os.Remove(path))
	}
	return file, nil
}

// zero writes zeros to the file from one offset to another.
func zero(file *os.File, from, to int64, stop *atomic.Bool) error {
	zeros := make([]byte, min(to-from, 256<<10))
	for from < to {
		if stop != nil && stop.Load() {
			return errors.New("the log is being closed")
		}
		n, err := file.WriteAt(zeros[:min(to-from, int64(len(zeros)))], from)
		if err != nil {
			return err
		}
		from += int64(n)
	}
	return nil
}

// segmentExists reports whether a segment's file is there.
func segmentExists(dir string, number uint64) (bool, error) {
	_, err := os.Stat(filepath.Join(dir, segmentName(number)))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
