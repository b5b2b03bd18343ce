package server

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/server/gauges"
	"github.com/holdfast-kms/holdfast/internal/server/providers"
	"github.com/holdfast-kms/holdfast/internal/server/tokens"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// metrics are the server's figures for Prometheus. Every label has a bounded
// number of values: nothing that a caller chooses is one.
type metrics struct {
	registry *prometheus.Registry
	gauges   *gauges.Gauges
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec

	mu    sync.RWMutex      // guards known
	known map[labels]series // as many as there are sets of labels
}

// labels are what tells the series of requests apart.
type labels struct{ api, operation, code string }

// series is what one request adds to. Finding it by its labels in a vector
// takes longer than adding to it.
type series struct {
	requests prometheus.Counter
	seconds  prometheus.Observer
}

func newMetrics(keys func() float64, hsms func() []hsm.Health, services func() []remote.Health) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(), gauges: gauges.New(), known: map[labels]series{},
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_requests_total", Help: "Requests answered, by API, operation and result code (ok, or the API's error code).",
		}, []string{"api", "operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_request_duration_seconds", Help: "Time from a request's arrival to its answer, by API and operation.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"api", "operation"}),
	}
	v := Version()
	m.registry.MustRegister(
		m.requests, m.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		tokens.Figures(hsms), providers.Figures(services), m.gauges,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "holdfast_keys", Help: "Keys that exist, in any state."}, keys),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "holdfast_build_info", Help: "Always 1; the labels say what is running.",
			ConstLabels: prometheus.Labels{"version": v.Version, "go": v.Go},
		}, func() float64 { return 1 }))
	return m
}

// observe counts an answered request, and tells its trace what it was.
func (m *metrics) observe(ctx context.Context, api, operation, code string, elapsed time.Duration) {
	if span := trace.Root(ctx); span != nil {
		span.Set(trace.API, api)
		span.Set(trace.Operation, operation)
		span.Set(trace.Code, code)
	}
	found := m.series(labels{api, operation, code})
	found.requests.Inc()
	found.seconds.Observe(elapsed.Seconds())
}

func (m *metrics) series(l labels) series {
	m.mu.RLock()
	found, ok := m.known[l]
	m.mu.RUnlock()
	if ok {
		return found
	}
	found = series{m.requests.WithLabelValues(l.api, l.operation, l.code), m.seconds.WithLabelValues(l.api, l.operation)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.known[l] = found
	return found
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}
