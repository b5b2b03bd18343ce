package keyless

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/figure"
	front "github.com/holdfast-kms/holdfast/internal/front/keyless"
)

// laneFigures are what is shown of each lane.
type laneFigures struct {
	name   string
	queued int
	full   uint64
}

// Figures returns the figures of a key server; read returns nil while there is
// none.
func Figures(read func() *front.Stats) []prometheus.Collector {
	type stats = front.Stats
	return []prometheus.Collector{
		&figure.Table[stats]{
			Label: "api", Of: func(*stats) string { return front.API },
			Read: func() []stats {
				if s := read(); s != nil {
					return []stats{*s}
				}
				return nil
			},
			Figures: []figure.Figure[stats]{
				figure.Gauge("holdfast_keyless_connections", "Connections of Keyless SSL that are open.", func(s *stats) int { return s.Connections }),
				figure.Gauge("holdfast_keyless_in_flight", "Requests of Keyless SSL that are not answered yet.", func(s *stats) int { return s.InFlight }),
				figure.Counter("holdfast_keyless_connections_refused_total", "Connections that were closed at once, because there were too many.", func(s *stats) uint64 { return s.Refused }),
				figure.Counter("holdfast_keyless_handshakes_failed_total", "Connections whose TLS handshake failed.", func(s *stats) uint64 { return s.Handshakes }),
				figure.Counter("holdfast_keyless_connections_cut_total", "Connections that were cut because the client did not read.", func(s *stats) uint64 { return s.Cut }),
				figure.Counter("holdfast_keyless_writes_total", "Writes of answers, of one or several.", func(s *stats) uint64 { return s.Batches }),
			},
		},
		&figure.Table[laneFigures]{
			Label: "lane", Of: func(l *laneFigures) string { return l.name },
			Read: func() []laneFigures {
				s := read()
				if s == nil {
					return nil
				}
				return []laneFigures{{"rsa", s.QueuedRSA, s.BlockedRSA}, {"rest", s.Queued, s.Blocked}}
			},
			Figures: []figure.Figure[laneFigures]{
				figure.Gauge("holdfast_keyless_queued", "Requests of Keyless SSL that wait for a worker.", func(l *laneFigures) int { return l.queued }),
				figure.Counter("holdfast_keyless_lane_full_total", "How often a connection had to wait for room in a lane.", func(l *laneFigures) uint64 { return l.full }),
			},
		},
	}
}
