package gcp

import (
	"hash/crc32"

	"google.golang.org/protobuf/types/known/wrapperspb"
)

// castagnoli makes CRC32C (RFC 3720 section 12.1). MakeTable returns the one
// table of the standard library.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// CRC32C returns the checksum of data, as requests and answers carry it: as a
// number of 64 bits that is never negative.
func CRC32C(data []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(data, castagnoli())))
}

// Intact reports whether a checksum is there and that of data.
func Intact(data []byte, sum *wrapperspb.Int64Value) bool {
	return sum != nil && sum.GetValue() == int64(crc32.Checksum(data, castagnoli()))
}
