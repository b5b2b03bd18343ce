package keyless

import "sync/atomic"

// figures are what a Server counts.
type figures struct {
	connections, inFlight              atomic.Int64
	refused, handshakes, cuts, batches atomic.Uint64
}

// Stats are the figures of a server.
type Stats struct {
	// Connections are those that are open, InFlight the requests that are not
	// answered, Queued those of them that no worker has taken.
	Connections, InFlight int
	QueuedRSA, Queued     int
	// Refused counts connections above the limit, Handshakes those whose TLS
	// handshake failed, Cut those whose client did not read, Batches the writes of
	// answers, and Blocked how often a lane was full.
	Refused, Handshakes, Cut, Batches uint64
	BlockedRSA, Blocked               uint64
}

// Stats returns the figures as they are now.
func (s *Server) Stats() Stats {
	return Stats{
		Connections: int(s.connections.Load()), InFlight: int(s.inFlight.Load()),
		QueuedRSA: len(s.rsa.queue), Queued: len(s.rest.queue),
		Refused: s.refused.Load(), Handshakes: s.handshakes.Load(), Cut: s.cuts.Load(), Batches: s.batches.Load(),
		BlockedRSA: s.rsa.blocked.Load(), Blocked: s.rest.blocked.Load(),
	}
}
