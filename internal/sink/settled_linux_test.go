package sink

import (
	"context"
	"net"
	"testing"
	"time"
)

// TestSettled: an end after which a reset came is none.
func TestSettled(t *testing.T) {
	for _, reset := range []bool{false, true} {
		l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.Dial("tcp", l.Addr().String()) //nolint:noctx // a test's
		if err != nil {
			t.Fatal(err)
		}
		other, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		tcp := c.(*net.TCPConn)
		if reset {
			_ = other.(*net.TCPConn).SetLinger(0)
		} else if err := tcp.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_ = other.Close()
		time.Sleep(10 * time.Millisecond)
		if err := settled(context.Background(), tcp); (err != nil) != reset {
			t.Errorf("reset %t: %v", reset, err)
		}
		_, _ = c.Close(), l.Close()
	}
}
