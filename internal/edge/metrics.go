package edge

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/keyless"
)

// metrics are the edge's figures for Prometheus. Every label has as many values
// as the configuration gives it: nothing that a client chooses is one.
type metrics struct {
	registry   *prometheus.Registry
	handshakes *prometheus.CounterVec
	shaking    *prometheus.HistogramVec
	requests   *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
}

func newMetrics() *metrics {
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		handshakes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_edge_handshakes_total", Help: "TLS handshakes, by result, version and whether a session was resumed.",
		}, []string{"result", "version", "resumed"}),
		shaking: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_edge_handshake_duration_seconds", Help: "Time that TLS handshakes took that came to their end.", Buckets: buckets,
		}, []string{"resumed"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_edge_requests_total", Help: "Requests answered, by site and status code.",
		}, []string{"site", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_edge_request_duration_seconds", Help: "Time from a request's header to the end of its answer, by site.", Buckets: buckets,
		}, []string{"site"}),
	}
	m.registry.MustRegister(m.handshakes, m.shaking, m.requests, m.seconds,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// handshake counts a handshake.
func (m *metrics) handshake(r result, version string, resumed bool, took time.Duration) {
	m.handshakes.WithLabelValues(string(r), version, strconv.FormatBool(resumed)).Inc()
	if r == resultOK {
		m.shaking.WithLabelValues(strconv.FormatBool(resumed)).Observe(took.Seconds())
	}
}

// request counts a request. Codes that no standard has count as their class.
func (m *metrics) request(site string, status int, took time.Duration) {
	code := strconv.Itoa(status)
	if http.StatusText(status) == "" && status != statusClientGone {
		code = strconv.Itoa(status/100) + "xx"
		if status < 100 || status > 599 {
			code = "other"
		}
	}
	m.requests.WithLabelValues(site, code).Inc()
	m.seconds.WithLabelValues(site).Observe(took.Seconds())
}

// gauge returns a figure without labels.
func gauge(name, help string, read func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, read)
}

// watch has the figures of an edge read.
func (m *metrics) watch(e *Edge) {
	m.registry.MustRegister(
		gauge("holdfast_edge_connections", "Connections that are open.", func() float64 { return float64(e.front.connections()) }),
		gauge("holdfast_edge_ticket_key_timestamp_seconds", "When the key of session tickets was last changed.",
			func() float64 { return float64(e.tickets.rotated.Load()) }),
		gauge("holdfast_edge_access_log_lost", "Lines of the access log that could not be written.", e.journal.losses),
		gauge("holdfast_edge_keys_unavailable", "Signatures for which no key server could be reached.",
			func() float64 { return float64(e.keyStats().Unavailable) }),
		certificateFigures(e.certificates), upstreamFigures(e.upstreams), keyServerFigures(e.keyStats), &answers{e.keyStats})
}

// certificateFigures are those of each certificate, by its file or id.
func certificateFigures(read func() []*certificate.Kept) prometheus.Collector {
	type entry = *certificate.Kept
	when := func(of func(*certificate.Served) time.Time) func(*entry) time.Time {
		return func(c *entry) time.Time {
			if s := (*c).Now(); s != nil {
				return of(s)
			}
			return time.Time{}
		}
	}
	return &figure.Table[entry]{
		Label: "certificate", Of: func(c *entry) string { return (*c).Name() }, Read: read,
		Figures: []figure.Figure[entry]{
			figure.When("holdfast_edge_certificate_end_timestamp_seconds", "When the certificate in use ends, 0 for none.",
				when(func(s *certificate.Served) time.Time { return s.Leaf.NotAfter })),
			figure.When("holdfast_edge_staple_timestamp_seconds", "When the responder said what is stapled, 0 for no staple.",
				when(func(s *certificate.Served) time.Time { from, _ := s.Staple(); return from })),
			figure.When("holdfast_edge_staple_end_timestamp_seconds", "Until when the staple holds, 0 for no staple.",
				when(func(s *certificate.Served) time.Time { _, until := s.Staple(); return until })),
			figure.Counter("holdfast_edge_certificate_failures_total", "Attempts to load another certificate that failed.",
				func(c *entry) uint64 { return (*c).Failures() }),
			figure.Counter("holdfast_edge_staple_failures_total", "Attempts to get a staple that failed.",
				func(c *entry) uint64 { return (*c).Unstapled() }),
		},
	}
}

// upstreamFigures are those of each upstream, by its address.
func upstreamFigures(read func() []*upstream) prometheus.Collector {
	type entry = *upstream
	return &figure.Table[entry]{
		Label: "upstream", Of: func(u *entry) string { return (*u).url.String() }, Read: read,
		Figures: []figure.Figure[entry]{
			figure.Flag("holdfast_edge_upstream_up", "0 while the upstream is left alone, because it could not be reached.",
				func(u *entry) bool { return (*u).downUntil.Load() <= time.Now().UnixNano() }),
			figure.Counter("holdfast_edge_upstream_failures_total", "Requests for which the upstream could not be reached.",
				func(u *entry) uint64 { return (*u).failures.Load() }),
		},
	}
}

// keyServerFigures are those of each key server.
func keyServerFigures(read func() keyless.Stats) prometheus.Collector {
	type entry = keyless.ServerStats
	return &figure.Table[entry]{
		Label: "server", Of: func(s *entry) string { return s.Server }, Read: func() []entry { return read().Servers },
		Figures: []figure.Figure[entry]{
			figure.Gauge("holdfast_edge_key_server_connections", "Connections that are open to the key server.", func(s *entry) int { return s.Connections }),
			figure.Gauge("holdfast_edge_key_server_in_flight", "Operations that the key server has not answered.", func(s *entry) int { return s.InFlight }),
			figure.Counter("holdfast_edge_key_server_dials_total", "Attempts to connect to the key server.", func(s *entry) uint64 { return s.Dials }),
			figure.Counter("holdfast_edge_key_server_dial_failures_total", "Attempts to connect to the key server that failed.",
				func(s *entry) uint64 { return s.DialFailures }),
		},
	}
}

// answers are the operations of each key server by how they ended, and how long
// they took.
type answers struct{ read func() keyless.Stats }

func (a *answers) operations() *prometheus.Desc {
	return prometheus.NewDesc("holdfast_edge_key_server_operations_total", "Operations on the key server, by how they ended.", []string{"server", "outcome"}, nil)
}

func (a *answers) latency() *prometheus.Desc {
	return prometheus.NewDesc("holdfast_edge_key_server_operation_duration_seconds", "Time until the key server answered.", []string{"server"}, nil)
}

// Describe implements prometheus.Collector.
func (a *answers) Describe(to chan<- *prometheus.Desc) {
	to <- a.operations()
	to <- a.latency()
}

// Collect implements prometheus.Collector.
func (a *answers) Collect(to chan<- prometheus.Metric) {
	for _, s := range a.read().Servers {
		for _, o := range keyless.Outcomes() {
			to <- prometheus.MustNewConstMetric(a.operations(), prometheus.CounterValue, float64(s.Operations[o]), s.Server, o.String())
		}
		buckets, total := make(map[float64]uint64, len(s.Latency.Bounds)), uint64(0)
		for i, bound := range s.Latency.Bounds {
			total += s.Latency.Counts[i]
			buckets[bound.Seconds()] = total
		}
		total += s.Latency.Counts[len(s.Latency.Bounds)]
		to <- prometheus.MustNewConstHistogram(a.latency(), total, s.Latency.Sum.Seconds(), buckets, s.Server)
	}
}

// handler serves the metrics, and how the edge is.
func (m *metrics) handler(e *Edge) http.Handler {
	figures := promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", figures)
	say := func(status func() (int, string)) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			code, text := status()
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.WriteHeader(code)
			_, _ = w.Write([]byte(text + "\n")) // the client is gone if this fails
		}
	}
	mux.HandleFunc("GET /healthz", say(func() (int, string) { return http.StatusOK, "ok" }))
	mux.HandleFunc("GET /readyz", say(e.ready))
	return mux
}
