package tokens

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/internal/hsm"
)

// Figures returns the figures of tokens. Their only label is the token's
// configured name.
func Figures(read func() []hsm.Health) *figure.Table[hsm.Health] {
	type health = hsm.Health
	return &figure.Table[health]{
		Label: "token", Of: func(h *health) string { return h.Name }, Read: read,
		Figures: []figure.Figure[health]{
			figure.Flag("holdfast_hsm_up", "1 while the token serves calls, 0 while its circuit is open.", func(h *health) bool { return h.State == hsm.StateOK }),
			figure.Gauge("holdfast_hsm_workers", "Processes that have the token's module loaded.", func(h *health) int { return h.Workers }),
			figure.Gauge("holdfast_hsm_sessions", "Sessions that are open with the token.", func(h *health) int { return h.Sessions }),
			figure.Gauge("holdfast_hsm_sessions_busy", "Sessions in use.", func(h *health) int { return h.Busy }),
			figure.Gauge("holdfast_hsm_waiting", "Calls that wait for a session.", func(h *health) int { return h.Waiting }),
			figure.Counter("holdfast_hsm_calls_total", "Calls of the token's module.", func(h *health) uint64 { return h.Calls }),
			figure.Seconds("holdfast_hsm_call_seconds_total", "Time that the calls of the token's module took.", func(h *health) time.Duration { return h.Took }),
			figure.Counter("holdfast_hsm_failures_total", "Calls of the token's module that failed for more than their request.", func(h *health) uint64 { return h.Failures }),
			figure.Counter("holdfast_hsm_restarts_total", "Processes of the token's module that were given up.", func(h *health) uint64 { return h.Restarts }),
		},
	}
}
