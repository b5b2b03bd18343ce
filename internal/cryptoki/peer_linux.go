package cryptoki

import (
	"errors"
	"net"
	"syscall"
)

// peer is who is at the other end of a connection.
type peer struct {
	uid uint32
	pid int32
}

var errNoPeer = errors.New("the kernel does not tell who is at the other end of this connection")

// peerOf asks the kernel who is at the other end of a Unix socket
// (SO_PEERCRED, unix(7)).
func peerOf(conn net.Conn) (peer, error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return peer{}, errNoPeer
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return peer{}, err
	}
	var cred *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return peer{}, err
	}
	if failed != nil {
		return peer{}, failed
	}
	return peer{cred.Uid, cred.Pid}, nil
}
