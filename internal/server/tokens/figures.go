package tokens

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/hsm"
)

// Figures are the figures of tokens, for Prometheus. They are read when
// somebody asks: the tokens count by themselves.
type Figures func() []hsm.Health

// figure is one of them. Its only label is the token's configured name.
type figure struct {
	name, help string
	kind       prometheus.ValueType
	value      func(h *hsm.Health) float64
}

func table() []figure {
	number := func(of func(h *hsm.Health) int) func(*hsm.Health) float64 {
		return func(h *hsm.Health) float64 { return float64(of(h)) }
	}
	count := func(of func(h *hsm.Health) uint64) func(*hsm.Health) float64 {
		return func(h *hsm.Health) float64 { return float64(of(h)) }
	}
	return []figure{
		{"holdfast_hsm_up", "1 while the token serves calls, 0 while its circuit is open.", prometheus.GaugeValue, func(h *hsm.Health) float64 {
			if h.State == hsm.StateOK {
				return 1
			}
			return 0
		}},
		{"holdfast_hsm_workers", "Processes that have the token's module loaded.", prometheus.GaugeValue, number(func(h *hsm.Health) int { return h.Workers })},
		{"holdfast_hsm_sessions", "Sessions that are open with the token.", prometheus.GaugeValue, number(func(h *hsm.Health) int { return h.Sessions })},
		{"holdfast_hsm_sessions_busy", "Sessions in use.", prometheus.GaugeValue, number(func(h *hsm.Health) int { return h.Busy })},
		{"holdfast_hsm_waiting", "Calls that wait for a session.", prometheus.GaugeValue, number(func(h *hsm.Health) int { return h.Waiting })},
		{"holdfast_hsm_calls_total", "Calls of the token's module.", prometheus.CounterValue, count(func(h *hsm.Health) uint64 { return h.Calls })},
		{
			"holdfast_hsm_failures_total", "Calls of the token's module that failed for more than their request.",
			prometheus.CounterValue, count(func(h *hsm.Health) uint64 { return h.Failures }),
		},
		{"holdfast_hsm_restarts_total", "Processes of the token's module that were given up.", prometheus.CounterValue, count(func(h *hsm.Health) uint64 { return h.Restarts })},
	}
}

func (f figure) desc() *prometheus.Desc {
	return prometheus.NewDesc(f.name, f.help, []string{"token"}, nil)
}

// Describe implements prometheus.Collector.
func (Figures) Describe(to chan<- *prometheus.Desc) {
	for _, f := range table() {
		to <- f.desc()
	}
}

// Collect implements prometheus.Collector.
func (t Figures) Collect(to chan<- prometheus.Metric) {
	for _, h := range t() {
		for _, f := range table() {
			to <- prometheus.MustNewConstMetric(f.desc(), f.kind, f.value(&h), h.Name)
		}
	}
}
