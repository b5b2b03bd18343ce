package socket

import (
	"bytes"
	"net"
	"strconv"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// TestFrames reads messages however the bytes of them arrive, and keeps none of
// the bytes.
func TestFrames(t *testing.T) {
	want := [][]byte{[]byte("a call's"), bytes.Repeat([]byte("a long one's "), 10_000), []byte("the last"), []byte("one more")}
	var stream []byte
	for i, body := range want {
		options := bytes.Repeat([]byte{'o'}, 5*i)
		stream = p11kit.Header{Code: uint32(i + 1), Options: uint32(len(options)), Body: uint32(len(body))}.Append(stream)
		stream = append(append(stream, options...), body...)
	}
	for _, size := range []int{1, p11kit.HeaderSize, 100, 4 << 10, 4<<10 + 1, len(stream)} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			here, there := net.Pipe()
			defer func() { _ = here.Close() }()
			go func() {
				for rest, more := stream, 0; len(rest) > 0; more++ {
					n := min(size+more, len(rest)) // so that any part of a message comes alone
					if _, err := there.Write(rest[:n]); err != nil {
						return // the test has ended before
					}
					rest = rest[n:]
				}
			}()
			f := frames{conn: here, patience: 10 * time.Second}
			var body []byte
			for i := range want {
				h, b, err := f.next(body)
				if err != nil || h.Code != uint32(i+1) || !bytes.Equal(b, want[i]) {
					t.Fatalf("message %d: %+v, %d bytes, %v", i+1, h, len(b), err)
				}
				body = b
			}
			if err := there.Close(); err != nil {
				t.Fatal(err)
			}
			if _, _, err := f.next(body); err == nil {
				t.Error("a message after the last one")
			}
			if f.buf != [len(f.buf)]byte{} {
				t.Errorf("the buffer still has %q", f.buf)
			}
		})
	}
}
