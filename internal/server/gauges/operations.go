package gauges

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// operations counts the entries of the audit log, which is told of everything
// that is done: by requests, within them, and by the clock. There is a place
// for each action, decision and result: counting takes no lock.
type operations struct {
	results []string       // ok, and the kinds of failures
	number  map[string]int // in results
	counts  []atomic.Int64
}

// decisions are those of an entry, in the order of their places.
var decisions = [...]string{"none", "allow", "deny"}

func newOperations() *operations {
	o := &operations{results: []string{"ok"}, number: map[string]int{}}
	for _, k := range fault.Kinds() {
		o.results = append(o.results, k.String())
	}
	for n, result := range o.results {
		o.number[result] = n
	}
	o.counts = make([]atomic.Int64, (len(key.Actions())+1)*len(decisions)*len(o.results)) // and NoAction
	return o
}

// Observe implements tap.Observer.
func (o *operations) Observe(e *audit.Entry) {
	n, ok := o.number[e.Result]
	if !ok {
		return
	}
	decided := 0
	switch e.Decision {
	case audit.Allowed:
		decided = 1
	case audit.Denied:
		decided = 2
	case audit.Undecided:
	}
	if at := (int(e.Action)*len(decisions)+decided)*len(o.results) + n; at < len(o.counts) {
		o.counts[at].Add(1)
	}
}

// Observe implements tap.Observer: what goes into the audit log is counted.
func (g *Gauges) Observe(e *audit.Entry) { g.operations.Observe(e) }

func (*operations) desc() *prometheus.Desc {
	return prometheus.NewDesc("holdfast_operations_total",
		"Entries of the audit log: what was done, by requests and by the clock, with the policies' decision and the result (ok, or the kind of the failure).",
		[]string{"action", "decision", "result"}, nil)
}

// Describe implements prometheus.Collector.
func (o *operations) Describe(to chan<- *prometheus.Desc) { to <- o.desc() }

// Collect implements prometheus.Collector.
func (o *operations) Collect(to chan<- prometheus.Metric) {
	for at := range o.counts {
		n := o.counts[at].Load()
		if n == 0 {
			continue
		}
		action := "none"
		if a := key.Action(at / len(o.results) / len(decisions)); a != key.NoAction { //nolint:gosec // as many as there are actions
			action = a.String()
		}
		to <- prometheus.MustNewConstMetric(o.desc(), prometheus.CounterValue, float64(n),
			action, decisions[at/len(o.results)%len(decisions)], o.results[at%len(o.results)])
	}
}
