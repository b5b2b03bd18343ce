//go:build !linux

package socket

import "net"

// waiting says yes: a call is then waited for no longer than the least time.
func waiting(net.Conn) bool { return true }
