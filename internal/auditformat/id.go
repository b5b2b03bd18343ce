package auditformat

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// positionBytes is how much of an event's id is its position.
const positionBytes = 6

// EventID returns the id of the entry at a position of a log: a UUID of
// version 8 (RFC 9562 section 5.8) that is the same whenever the entry is
// written, and that leads back to the position.
//
// The first six bytes are the position, big-endian, XOR the first six of
// SHA-256 of the log's id; the rest, but for version and variant, are of
// SHA-256 of the log's id and the position in eight bytes.
func EventID(log string, p audit.Position) uuid.UUID {
	mask := sha256.Sum256([]byte(log))
	var number [8]byte
	binary.BigEndian.PutUint64(number[:], uint64(p))
	own := sha256.Sum256(append([]byte(log), number[:]...))
	var id uuid.UUID
	for i := range positionBytes {
		id[i] = number[i+2] ^ mask[i]
	}
	copy(id[positionBytes:], own[:])
	id[6], id[8] = id[6]&0x0F|0x80, id[8]&0x3F|0x80
	return id
}

// ParseEventID returns the position of an event of a log. It is false for an
// id that is no event's of this log.
func ParseEventID(log, text string) (audit.Position, bool) {
	id, err := uuid.Parse(text)
	if err != nil {
		return 0, false
	}
	mask := sha256.Sum256([]byte(log))
	var number [8]byte
	for i := range positionBytes {
		number[i+2] = id[i] ^ mask[i]
	}
	p := audit.Position(binary.BigEndian.Uint64(number[:]))
	return p, EventID(log, p) == id
}
