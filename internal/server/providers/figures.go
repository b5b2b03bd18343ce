package providers

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// Figures returns the figures of providers. Their only label is the provider's
// configured name.
func Figures(read func() []remote.Health) *figure.Table[remote.Health] {
	type health = remote.Health
	return &figure.Table[health]{
		Label: "provider", Of: func(h *health) string { return h.Name }, Read: read,
		Figures: []figure.Figure[health]{
			figure.Flag("holdfast_provider_up", "1 while the key service answers, or was not asked yet.", func(h *health) bool { return h.State == remote.StateOK }),
			figure.Flag("holdfast_provider_refusing", "1 while the key service does not accept the server's credential.", func(h *health) bool { return h.State == remote.StateRefusing }),
			figure.Flag("holdfast_provider_circuit_open", "1 while the key service is left alone for a moment.", func(h *health) bool { return h.State == remote.StateOpen }),
			figure.Counter("holdfast_provider_requests_total", "Requests that were sent to the key service.", func(h *health) int64 { return h.Calls }),
			figure.Seconds("holdfast_provider_request_seconds_total", "Time that the requests to the key service took.", func(h *health) time.Duration { return h.Took }),
			figure.Counter("holdfast_provider_failures_total", "Requests that got no answer: failed, refused for the server's credential, or turned away.", func(h *health) int64 { return h.Failures }),
			figure.Counter("holdfast_provider_throttled_total", "Requests that the key service turned away by its limit.", func(h *health) int64 { return h.Throttled }),
			figure.Counter("holdfast_provider_retries_total", "Requests that were repetitions.", func(h *health) int64 { return h.Retries }),
		},
	}
}
