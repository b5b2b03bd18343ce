package socket

import (
	"net"
	"syscall"
)

// waiting reports whether something came that is yet to be read (recv(2),
// MSG_PEEK). Of a connection that cannot tell, it says yes.
func waiting(conn net.Conn) bool {
	c, ok := conn.(syscall.Conn)
	if !ok {
		return true
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return true
	}
	came := false
	err = raw.Control(func(fd uintptr) {
		var one [1]byte
		n, _, failed := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		came = failed == nil && n > 0
	})
	return came || err != nil
}
