package socket

import (
	"errors"
	"net"
	"syscall"
)

var errNoPeer = errors.New("the kernel does not tell who is at the other end of this connection")

// peerOf asks the kernel who is at the other end of a Unix socket
// (SO_PEERCRED, unix(7)).
func peerOf(conn net.Conn) (Peer, error) {
	c, ok := conn.(*net.UnixConn)
	if !ok {
		return Peer{}, errNoPeer
	}
	raw, err := c.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *syscall.Ucred
	var failed error
	if err := raw.Control(func(fd uintptr) {
		cred, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return Peer{}, err
	}
	if failed != nil {
		return Peer{}, failed
	}
	return Peer{cred.Uid, cred.Pid}, nil
}
