package socket

import "log/slog"

// Peer is who is at the other end of a connection, as the kernel tells it. It is
// zero where the kernel does not.
type Peer struct {
	UID uint32
	PID int32
}

// Attr returns the peer as the log has it: uid and pid.
func (p Peer) Attr() slog.Attr {
	return slog.Group("", slog.Uint64("uid", uint64(p.UID)), slog.Int("pid", int(p.PID)))
}
