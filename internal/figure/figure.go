// Package figure shows Prometheus what counts by itself: tokens, providers. The
// figures are read when somebody asks for them.
//
// Start with Table. The package is internal and may change with any release.
package figure

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Figure is one figure of a thing.
type Figure[T any] struct {
	Name, Help string
	Kind       prometheus.ValueType
	Value      func(t *T) float64
}

// Table is a prometheus.Collector of the same figures of several things.
type Table[T any] struct {
	// Label is the figures' only label, and Of its value: the name that the
	// configuration gives to a thing, so that there are no more than that has.
	Label string
	Of    func(t *T) string
	// Figures are those of each thing that Read returns.
	Figures []Figure[T]
	Read    func() []T
}

// Flag returns a gauge that is 1 while something is so, and 0 otherwise.
func Flag[T any](name, help string, is func(t *T) bool) Figure[T] {
	return Figure[T]{name, help, prometheus.GaugeValue, func(t *T) float64 {
		if is(t) {
			return 1
		}
		return 0
	}}
}

// Gauge returns a figure that goes up and down.
func Gauge[T any](name, help string, of func(t *T) int) Figure[T] {
	return Figure[T]{name, help, prometheus.GaugeValue, func(t *T) float64 { return float64(of(t)) }}
}

// Counter returns a figure that only goes up.
func Counter[T any, N int64 | uint64](name, help string, of func(t *T) N) Figure[T] {
	return Figure[T]{name, help, prometheus.CounterValue, func(t *T) float64 { return float64(of(t)) }}
}

// Seconds returns a counter of the time that something took, all in all.
func Seconds[T any](name, help string, of func(t *T) time.Duration) Figure[T] {
	return Figure[T]{name, help, prometheus.CounterValue, func(t *T) float64 { return of(t).Seconds() }}
}

// When returns a gauge that is a time, in seconds since 1970; 0 for none.
func When[T any](name, help string, of func(t *T) time.Time) Figure[T] {
	return Figure[T]{name, help, prometheus.GaugeValue, func(t *T) float64 { return Unix(of(t)) }}
}

// Unix returns a time in seconds since 1970, and 0 for the zero time.
func Unix(at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return float64(at.UnixMilli()) / 1e3
}

func (t *Table[T]) desc(f *Figure[T]) *prometheus.Desc {
	return prometheus.NewDesc(f.Name, f.Help, []string{t.Label}, nil)
}

// Describe implements prometheus.Collector.
func (t *Table[T]) Describe(to chan<- *prometheus.Desc) {
	for i := range t.Figures {
		to <- t.desc(&t.Figures[i])
	}
}

// Collect implements prometheus.Collector.
func (t *Table[T]) Collect(to chan<- prometheus.Metric) {
	things := t.Read()
	for i := range things {
		for n := range t.Figures {
			f := &t.Figures[n]
			to <- prometheus.MustNewConstMetric(t.desc(f), f.Kind, f.Value(&things[i]), t.Of(&things[i]))
		}
	}
}
