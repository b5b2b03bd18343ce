package server

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/internal/lifecycle"
	"github.com/holdfast-kms/holdfast/internal/server/gauges"
	"github.com/holdfast-kms/holdfast/internal/server/keyless"
	"github.com/holdfast-kms/holdfast/internal/server/notices"
	"github.com/holdfast-kms/holdfast/internal/sink"
)

// openMetrics has /metrics show all that there is to show of the server.
func (s *server) openMetrics() {
	s.metrics = newMetrics(s.keys, s.tokens, s.providers)
	s.metrics.registry.MustRegister(notices.Figures(s.notices), sink.Figures(s.sinks), s.identityFigures())
	s.metrics.registry.MustRegister(s.tracer.Figures()...)
	s.metrics.registry.MustRegister(keyless.Figures(s.keylessStats)...)
	s.watch()
}

// counter returns what counts certificates, authorities and what waits.
func (i *instance) counter() *gauges.Counter {
	return &gauges.Counter{
		Gauges: i.gauges, Store: i.store, Managed: i.managed, Authorities: i.ca, Status: i.status, Approvals: i.approvals, Now: time.Now,
	}
}

// showFigures has the server's figures be those of this instance, until it is
// closed.
func (i *instance) showFigures(clocks ...*lifecycle.Runner) {
	i.gauges.Watch(&gauges.Subject{Clocks: clocks, Judged: i.alarms.Judged, Audit: i.auditFails})
	i.closers = append(i.closers, func() error { i.gauges.Watch(nil); return nil })
}

// auditFails returns why the audit log cannot be written, nil when it can.
func (i *instance) auditFails() error {
	if h, ok := i.audit.(interface{ Err() error }); ok {
		return h.Err()
	}
	return nil
}

// identityFigures returns the figure of the server's own certificate.
func (s *server) identityFigures() prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "holdfast_tls_certificate_end_timestamp_seconds", Help: "When the certificate ends that the server's listener presents.",
	}, func() float64 { return figure.Unix(s.tls.End()) })
}
