package server

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the server's figures for Prometheus. Every label has a bounded
// number of values: nothing that a caller chooses is one.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
}

func newMetrics(keys func() float64) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
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
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "holdfast_keys", Help: "Keys that exist, in any state."}, keys),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "holdfast_build_info", Help: "Always 1; the labels say what is running.",
			ConstLabels: prometheus.Labels{"version": v.Version, "go": v.Go},
		}, func() float64 { return 1 }))
	return m
}

// observe counts an answered request.
func (m *metrics) observe(api, operation, code string, elapsed time.Duration) {
	m.requests.WithLabelValues(api, operation, code).Inc()
	m.seconds.WithLabelValues(api, operation).Observe(elapsed.Seconds())
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}
