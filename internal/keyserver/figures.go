package keyserver

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	front "github.com/holdfast-kms/holdfast/internal/front/keyless"
	"github.com/holdfast-kms/holdfast/internal/server/keyless"
)

// figures are what Prometheus is shown, by the names that a server's have
// (docs/observability.md).
type figures struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	known    sync.Map // of [2]string, operation and code, to outcome
}

// outcome is what a request adds to.
type outcome struct {
	count   prometheus.Counter
	seconds prometheus.Observer
}

func newFigures() *figures {
	f := &figures{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_requests_total", Help: "Requests answered, by API, operation and result code.",
		}, []string{"api", "operation", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_request_duration_seconds", Help: "Time from a request's arrival to its answer, by API and operation.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5},
		}, []string{"api", "operation"}),
	}
	f.registry.MustRegister(f.requests, f.seconds, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return f
}

// observe counts an answered request.
func (f *figures) observe(_ context.Context, api, operation, code string, elapsed time.Duration) {
	name := [2]string{operation, code}
	found, ok := f.known.Load(name)
	if !ok {
		found, _ = f.known.LoadOrStore(name, outcome{f.requests.WithLabelValues(api, operation, code), f.seconds.WithLabelValues(api, operation)})
	}
	o := found.(outcome) //nolint:forcetypeassert // nothing else is stored
	o.count.Inc()
	o.seconds.Observe(elapsed.Seconds())
}

// server shows the figures, with those of an engine.
func (f *figures) server(stats func() front.Stats) *http.Server {
	f.registry.MustRegister(keyless.Figures(func() *front.Stats {
		now := stats()
		return &now
	})...)
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(f.registry, promhttp.HandlerOpts{Registry: f.registry, MaxRequestsInFlight: 4}))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
}
