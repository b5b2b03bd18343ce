// Package gauges are the figures that Prometheus is shown of a server's own
// work: what it did, its store, its audit log, its clock, and what there is of
// certificates and of what waits.
//
// Start with New. No label has a value that a caller chooses: each is of a
// closed set, or a name of the configuration's. The table of all metrics is in
// docs/observability.md, which a test compares with what a server shows.
//
// The package is internal and may change with any release.
package gauges

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/figure"
	"github.com/holdfast-kms/holdfast/internal/lifecycle"
)

// Gauges are the figures of a server. They outlive an instance: a development
// server that is emptied goes on counting.
type Gauges struct {
	operations *operations
	store      *prometheus.HistogramVec
	refused    *prometheus.CounterVec
	commits    prometheus.Histogram
	failures   prometheus.Counter
	collectors []prometheus.Collector

	subject atomic.Pointer[Subject]
	census  atomic.Pointer[Census]
	signed  atomic.Pointer[time.Time] // the latest checkpoint
}

// Subject is what the figures are read from when somebody asks for them.
type Subject struct {
	// Clocks are those that have things done.
	Clocks []*lifecycle.Runner
	// Audit returns why the audit log cannot be written, nil when it can.
	Audit func() error
	// Judged returns when the alarms were last judged.
	Judged func() time.Time
}

// New returns the figures of a server in which nothing has happened yet.
func New() *Gauges {
	fast := []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5}
	g := &Gauges{
		operations: newOperations(),
		store: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "holdfast_store_duration_seconds", Help: "Time that a transaction of the store took with its waiting, by its kind.", Buckets: fast,
		}, []string{"kind"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "holdfast_store_failures_total", Help: "Transactions that the store could not do, by their kind.",
		}, []string{"kind"}),
		commits: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "holdfast_audit_commit_duration_seconds", Help: "Time that a group of audit entries took to be written and synced.", Buckets: fast,
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "holdfast_audit_failures_total", Help: "Groups of audit entries that could not be written.",
		}),
	}
	for _, kind := range []string{view, update} {
		g.store.WithLabelValues(kind)
		g.refused.WithLabelValues(kind)
	}
	g.collectors = []prometheus.Collector{
		g.operations, g.store, g.refused, g.commits, g.failures, g.clocks(),
		collector{g},
		g.flag("holdfast_audit_up", "1 while the audit log can be written; without it nothing is done.", func(s *Subject) bool {
			return s.Audit() == nil
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "holdfast_audit_checkpoint_timestamp_seconds", Help: "When the audit log last got a signed checkpoint, which it gets when there is something to sign; 0 before the first.",
		}, func() float64 { return when(&g.signed) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "holdfast_alarms_judged_timestamp_seconds", Help: "When all alarms were last judged without a failure, 0 before the first time.",
		}, func() float64 {
			if s := g.subject.Load(); s != nil {
				return figure.Unix(s.Judged())
			}
			return 0
		}),
	}
	return g
}

// Watch has the figures read from a subject from now on, nil for none.
func (g *Gauges) Watch(s *Subject) { g.subject.Store(s) }

// Committed is for audit.Options.OnCommit.
func (g *Gauges) Committed(took time.Duration, err error) {
	if err != nil {
		g.failures.Inc()
		return
	}
	g.commits.Observe(took.Seconds())
}

// Signed is for audit.Options.OnCheckpoint.
func (g *Gauges) Signed(c audit.Checkpoint) { g.signed.Store(&c.Time) }

// Describe implements prometheus.Collector.
func (g *Gauges) Describe(to chan<- *prometheus.Desc) {
	for _, c := range g.collectors {
		c.Describe(to)
	}
}

// Collect implements prometheus.Collector.
func (g *Gauges) Collect(to chan<- prometheus.Metric) {
	for _, c := range g.collectors {
		c.Collect(to)
	}
}

// flag is a gauge of what is so of the subject; 0 without one.
func (g *Gauges) flag(name, help string, is func(*Subject) bool) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, func() float64 {
		if s := g.subject.Load(); s != nil && is(s) {
			return 1
		}
		return 0
	})
}

func when(at *atomic.Pointer[time.Time]) float64 {
	if t := at.Load(); t != nil {
		return figure.Unix(*t)
	}
	return 0
}

// clocks are the figures of the clock's tasks.
func (g *Gauges) clocks() prometheus.Collector {
	type status = lifecycle.Status
	return &figure.Table[status]{
		Label: "task", Of: func(s *status) string { return s.Task },
		Read: func() (list []status) {
			if s := g.subject.Load(); s != nil {
				for _, c := range s.Clocks {
					list = append(list, c.Status()...)
				}
			}
			return list
		},
		Figures: []figure.Figure[status]{
			figure.When("holdfast_clock_began_timestamp_seconds", "When the task of the clock was last begun, 0 before the first time.", func(s *status) time.Time { return s.Began }),
			figure.When("holdfast_clock_succeeded_timestamp_seconds", "When the task of the clock last came to its end without a failure, 0 before the first time.", func(s *status) time.Time { return s.Succeeded }),
			figure.Gauge("holdfast_clock_interval_seconds", "Time between two runs of the task, as configured.", func(s *status) int { return int(s.Interval.Seconds()) }),
			figure.Counter("holdfast_clock_runs_total", "Runs of the task.", func(s *status) uint64 { return s.Runs }),
			figure.Counter("holdfast_clock_failures_total", "Runs of the task that failed; it is tried again.", func(s *status) uint64 { return s.Failures }),
			figure.Seconds("holdfast_clock_run_seconds_total", "Time that the runs of the task took.", func(s *status) time.Duration { return s.Took }),
		},
	}
}
