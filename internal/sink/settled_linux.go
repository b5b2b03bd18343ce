package sink

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// States of a TCP connection (include/net/tcp_states.h of Linux).
const (
	tcpFinWait1 = 4
	tcpClosing  = 11
)

// settled returns nil when the other side has taken everything, up to the end
// of the connection, which both sides have ended. A receiver that ended its
// side before our last bytes came to it answers those with a reset, a moment
// after its end is seen here: until our own end is acknowledged, nothing is
// certain.
func settled(ctx context.Context, c *net.TCPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		waits, err := look(raw.Control)
		if err != nil || !waits {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("the receiver has not acknowledged everything: %w", ctx.Err())
		}
	}
}

// look reports whether the other side has yet to acknowledge our end.
func look(control func(func(fd uintptr)) error) (waits bool, err error) {
	outer := control(func(fd uintptr) {
		var code int
		if code, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR); err != nil {
			return
		}
		if code != 0 {
			err = fmt.Errorf("the receiver has not read everything: %w", unix.Errno(code))
			return
		}
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			waits = info.State == tcpFinWait1 || info.State == tcpClosing
		}
	})
	return waits, errors.Join(outer, err)
}
