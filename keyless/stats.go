package keyless

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Outcome is how an operation on one server ended.
type Outcome uint8

// The outcomes.
const (
	Done      Outcome = iota // answered with a result
	NotFound                 // the server does not have the key
	Refused                  // answered with another error
	Failed                   // the server's own failure
	TimedOut                 // not answered in time
	Lost                     // the connection ended before
	Cancelled                // the caller's context ended before
	outcomes
)

// Outcomes returns every outcome.
func Outcomes() []Outcome {
	return []Outcome{Done, NotFound, Refused, Failed, TimedOut, Lost, Cancelled}
}

// String returns the outcome as a label, such as "not-found".
func (o Outcome) String() string {
	switch o {
	case Done:
		return "ok"
	case NotFound:
		return "not-found"
	case Refused:
		return "refused"
	case Failed:
		return "failed"
	case TimedOut:
		return "timeout"
	case Lost:
		return "lost"
	case Cancelled:
		return "cancelled"
	case outcomes:
	}
	return "unknown"
}

// outcomeOf returns how an operation ended.
func outcomeOf(err error) Outcome {
	if e, ok := errors.AsType[*Error](err); ok {
		switch e.Code {
		case KeyNotFound, CertificateNotFound:
			return NotFound
		case Internal, Read, RemoteConfiguration:
			return Failed
		case Crypto, Version, BadOpcode, UnexpectedOpcode, Format, Expired:
			return Refused
		}
		return Refused
	}
	switch {
	case err == nil:
		return Done
	case errors.Is(err, context.DeadlineExceeded):
		return TimedOut
	case errors.Is(err, context.Canceled):
		return Cancelled
	}
	return Lost
}

// Stats is what a Client has done, and how its servers are.
type Stats struct {
	// Servers are in the order of Config.Servers.
	Servers []ServerStats
	// Unavailable counts operations for which there was no server to try.
	Unavailable uint64
}

// ServerStats is what was done on one server since the Client was made.
type ServerStats struct {
	// Server is its name in Config.Servers.
	Server string
	// Connections are open now, InFlight operations sent and not yet answered.
	Connections, InFlight int
	// Dials counts attempts to connect, DialFailures those that failed.
	Dials, DialFailures uint64
	// LastFailure is why the server was last away; nil before that.
	LastFailure error
	// Operations counts operations by how they ended. One that was tried on
	// several servers counts for each.
	Operations map[Outcome]uint64
	// Latency is of the operations that were answered.
	Latency Histogram
}

// Histogram counts durations.
type Histogram struct {
	// Bounds are the upper bounds of Counts, which has one more, for what is
	// above all of them.
	Bounds []time.Duration
	Counts []uint64
	// Sum is the sum of all durations.
	Sum time.Duration
}

// bounds are those of latencies: a software P-256 signature on the same host
// is at their beginning, an HSM under load at their end.
var bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 250 * time.Microsecond, 500 * time.Microsecond,
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond,
	50 * time.Millisecond, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond,
}

// counters are a server's.
type counters struct {
	dials, dialFailures atomic.Uint64
	operations          [outcomes]atomic.Uint64
	latency             [len(bounds) + 1]atomic.Uint64
	took                atomic.Int64 // nanoseconds
}

// count counts an operation that ended with err.
func (c *counters) count(err error, took time.Duration) {
	o := outcomeOf(err)
	c.operations[o].Add(1)
	if o == TimedOut || o == Lost || o == Cancelled {
		return
	}
	i := 0
	for i < len(bounds) && took > bounds[i] {
		i++
	}
	c.latency[i].Add(1)
	c.took.Add(int64(took))
}

// read writes the counts into s.
func (c *counters) read(s *ServerStats) {
	s.Dials, s.DialFailures = c.dials.Load(), c.dialFailures.Load()
	s.Operations = make(map[Outcome]uint64, outcomes)
	for _, o := range Outcomes() {
		s.Operations[o] = c.operations[o].Load()
	}
	s.Latency = Histogram{Bounds: append([]time.Duration(nil), bounds[:]...), Sum: time.Duration(c.took.Load())}
	for i := range c.latency {
		s.Latency.Counts = append(s.Latency.Counts, c.latency[i].Load())
	}
}
