package cert

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// serialSize is the length of the serial numbers made here, in bytes. RFC
// 5280 section 4.1.2.2 allows 20.
const serialSize = 16

// NewSerial returns a serial number: the time in milliseconds since 1970 in 6
// bytes, then 80 random bits. The time prefix keeps the serials of one
// authority in the order of their making, so that they are stored at the
// right edge of the index and expire from its left; the random bits are what
// an attacker on the hash cannot foresee (64 are asked for). The first byte
// stays below 0x80 until the year 6429, so the INTEGER is positive as it
// stands.
func NewSerial(now time.Time, random io.Reader) (*big.Int, error) {
	var b [serialSize]byte
	binary.BigEndian.PutUint64(b[:8], uint64(max(now.UnixMilli(), 1))<<16)
	if _, err := io.ReadFull(random, b[6:]); err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	return new(big.Int).SetBytes(b[:]), nil
}

// SerialText returns the hexadecimal form of a serial number by which
// certificates are known: two lower-case digits a byte.
func SerialText(serial *big.Int) string {
	return fmt.Sprintf("%0*x", 2*serialSize, serial)
}

// ParseSerial reads a serial number as people and tools write it: hexadecimal
// digits of either case, with or without colons between the bytes.
func ParseSerial(text string) (string, error) {
	digits := strings.ToLower(strings.ReplaceAll(text, ":", ""))
	if len(digits)%2 == 1 {
		digits = "0" + digits
	}
	b, err := hex.DecodeString(digits)
	if err != nil || len(b) == 0 || len(b) > 20 {
		return "", fault.New(fault.InvalidArgument, "a serial number is at most 20 bytes in hexadecimal")
	}
	return SerialText(new(big.Int).SetBytes(b)), nil
}
