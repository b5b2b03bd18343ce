package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"

	"github.com/holdfast-kms/holdfast/internal/entry"
)

// The format on disk, version 1.
//
// A log is a directory of segment files, numbered from 1 without a gap, and a
// file "lock" that the one writer holds (flock). "next" is a segment being
// prepared; it is no part of the log.
//
// A segment is the 8 bytes "HFAUDIT1" and frames, one after the other, in a
// file that was filled with zeros and synced before the first of them was
// written. It has the size that its header names for as long as it exists,
// and zeros after its last frame. Frames never span segments. Numbers are
// little-endian:
//
//	offset  bytes
//	     0      1  0xA7: never zero, so zeros are the end
//	     1      4  length of the payload
//	     5      4  CRC-32C of all other bytes of the frame
//	     9     32  hash
//	    41      1  kind: 'H' header, 'R' record, 'C' checkpoint, 'G' gap
//	    42      4  write: the offset in the segment where the write began that
//	               put the frame there
//	    46      8  position: of a record its own, else the last one before the
//	               frame; of a gap the last one that is missing
//	    54         payload: one line of JSON, with its line feed
//
// The hash of a frame is SHA-256(hash of the frame before it ‖ the frame's
// bytes from offset 41 on). The chain runs through all frames of all
// segments; before the first frame of segment 1 it is 32 zero bytes. It is in
// the frame so that Verify can tell which frame was changed and not only that
// one was.
//
// The first frame of a segment is its header, the last frame of a sealed
// segment a checkpoint with "sealed". A segment with a successor is sealed. A
// checkpoint is signed (see Checkpoint) over the hash of the frame before it,
// which stands for all frames up to there. A gap says which positions were
// given out and refused, because the disk was full; the calls were refused
// too.
//
// The write field tells a torn write from damage. A write is begun only when
// all before it is durable. So where a frame is broken and a valid frame
// behind it comes from a later write, the broken one was once whole. And a
// disk writes whole sectors of 512 bytes or a multiple of that: of a write
// torn by a crash, some sectors are still zero; a broken frame without such a
// sector was changed after it was written.
const (
	magic = "HFAUDIT1"

	frameMark  = 0xA7
	lengthAt   = 1
	crcAt      = 5
	hashAt     = 9
	kindAt     = 41
	writeAt    = 42
	positionAt = 46
	payloadAt  = 54

	sector = 512
)

// frameKind says what a frame's payload is.
type frameKind byte

const (
	kindHeader     frameKind = 'H'
	kindRecord     frameKind = 'R'
	kindCheckpoint frameKind = 'C'
	kindGap        frameKind = 'G'
)

func (k frameKind) known() bool {
	return k == kindHeader || k == kindRecord || k == kindCheckpoint || k == kindGap
}

// Hash is the hash chain's value after a frame: SHA-256.
type Hash [sha256.Size]byte

// String returns the hash in lower-case hex.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText returns the hash in lower-case hex.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads 64 hex digits.
func (h *Hash) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("a hash of %d digits, not %d", len(text), hex.EncodedLen(len(h)))
	}
	_, err := hex.Decode(h[:], text)
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame appends a frame that link has yet to complete.
func appendFrame(buf []byte, kind frameKind, p Position, payload []byte) []byte {
	at := len(buf)
	buf = append(buf, make([]byte, payloadAt)...)
	b := buf[at:]
	b[0] = frameMark
	binary.LittleEndian.PutUint32(b[lengthAt:], uint32(len(payload))) //nolint:gosec // at most entry.MaxSize
	b[kindAt] = byte(kind)
	binary.LittleEndian.PutUint64(b[positionAt:], uint64(p))
	return append(buf, payload...)
}

// frameSize returns the size in bytes of the frame that b begins with.
func frameSize(b []byte) int {
	return payloadAt + int(binary.LittleEndian.Uint32(b[lengthAt:]))
}

// link completes the frame that fills b as the next one of the chain, whose
// value it moves on. The write that puts it on disk begins at offset write.
func link(b []byte, chain *Hash, write int64) {
	binary.LittleEndian.PutUint32(b[writeAt:], uint32(write)) //nolint:gosec // at most MaxSegmentSize
	copy(b[hashAt:], chain[:])
	*chain = sha256.Sum256(b[hashAt:])
	copy(b[hashAt:], chain[:])
	binary.LittleEndian.PutUint32(b[crcAt:], checksum(b))
}

func checksum(b []byte) uint32 {
	return crc32.Update(crc32.Checksum(b[:crcAt], castagnoli), castagnoli, b[hashAt:])
}

// frame is a frame that was read: its checksum is right. It refers to the
// bytes that it was read from.
type frame struct {
	raw      []byte
	kind     frameKind
	write    int64
	position Position
	hash     Hash
	payload  []byte
}

// parseFrame reads the frame that b begins with. It reports false if there is
// no whole, undamaged frame.
func parseFrame(b []byte) (frame, bool) {
	if len(b) < payloadAt || b[0] != frameMark {
		return frame{}, false
	}
	length := binary.LittleEndian.Uint32(b[lengthAt:])
	if length > entry.MaxSize || len(b) < payloadAt+int(length) {
		return frame{}, false
	}
	b = b[:payloadAt+int(length)]
	f := frame{
		raw: b, kind: frameKind(b[kindAt]),
		write:    int64(binary.LittleEndian.Uint32(b[writeAt:])),
		position: Position(binary.LittleEndian.Uint64(b[positionAt:])),
		hash:     Hash(b[hashAt:kindAt]),
		payload:  b[payloadAt:],
	}
	return f, f.kind.known() && binary.LittleEndian.Uint32(b[crcAt:]) == checksum(b)
}

// follows reports whether the frame's hash is the chain's next value. It uses
// the frame's bytes for a moment.
func (f *frame) follows(chain Hash) bool {
	copy(f.raw[hashAt:], chain[:])
	sum := Hash(sha256.Sum256(f.raw[hashAt:]))
	copy(f.raw[hashAt:], f.hash[:])
	return sum == f.hash
}
