package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

// The lengths in AWS's model, in characters.
const (
	maxText       = 255
	maxValue      = 1024
	maxDimensions = 30
)

var namespacePattern = aws.Regexp("[^:].*")

// dimension is a Dimension or a DimensionFilter.
type dimension struct{ name, value string }

// Members declares the structure.
func (d *dimension) Members(m *aws.Members) {
	m.Text("Name", &d.name, 1, maxText).Required()
	m.Text("Value", &d.value, 1, maxValue).Required()
}

func writeDimensions(w aws.Writer, list []dimension) {
	w.Array("Dimensions", func() {
		for _, d := range list {
			w.Object("", func() {
				w.Text("Name", d.name)
				w.Text("Value", d.value)
			})
		}
	})
}

// metricRequest is what names a metric.
type metricRequest struct {
	namespace, name string
	dimensions      []dimension
}

// Members declares the structure, or the part of a request.
func (r *metricRequest) Members(m *aws.Members) {
	m.Text("Namespace", &r.namespace, 1, maxText).Matching(namespacePattern).Required()
	m.Text("MetricName", &r.name, 1, maxText).Required()
	aws.Structs(m, "Dimensions", &r.dimensions, maxDimensions)
}

// dimensionFilter is a DimensionFilter, whose value may be any.
type dimensionFilter struct{ name, value string }

// Members declares the structure.
func (d *dimensionFilter) Members(m *aws.Members) {
	m.Text("Name", &d.name, 1, maxText).Required()
	m.Text("Value", &d.value, 1, maxValue)
}

type listMetricsRequest struct {
	namespace, name, active string
	filters                 []dimensionFilter
	token                   string
}

// maxFilters is how many dimensions a listing is filtered by at most.
const maxFilters = 10

// Members declares ListMetrics's request.
func (r *listMetricsRequest) Members(m *aws.Members) {
	m.Text("Namespace", &r.namespace, 1, maxText).Matching(namespacePattern)
	m.Text("MetricName", &r.name, 1, maxText)
	aws.Structs(m, "Dimensions", &r.filters, maxFilters)
	m.Text("NextToken", &r.token, 0, maxToken)
	m.Enum("RecentlyActive", &r.active, []string{"PT3H"})
	m.Unsupported("IncludeLinkedAccounts")
	m.Unsupported("OwningAccount")
}

// Series have at most four metrics, and a page of AWS's 500 metrics.
const (
	seriesPage = 125
	// listedFor is how long a metric is listed without samples.
	listedFor    = 14 * 24 * time.Hour
	activeFor    = 3 * time.Hour
	maxToken     = 4096
	strayToken   = "The token is not of a page of this listing."
	maxQuestions = 500
)

// wants returns the metrics of a series that the request is about.
func (r *listMetricsRequest) wants(s *metric.Series) (list []metric.Metric) {
	dimensions := dimensionsOf(s)
	for _, f := range r.filters {
		if !slices.ContainsFunc(dimensions, func(d dimension) bool { return d.name == f.name && (f.value == "" || d.value == f.value) }) {
			return nil
		}
	}
	for _, n := range s.Kind.Names() {
		m := metric.Metric{Series: *s, Name: n}
		if name := nameOf(&m); (r.namespace == "" || name.namespace == r.namespace) && (r.name == "" || name.name == r.name) {
			list = append(list, m)
		}
	}
	return list
}

func (f *front) listMetrics(ctx context.Context, x *aws.Exchange, in *listMetricsRequest) error {
	page, err := x.Page(aws.PageRequest{Marker: in.token}, seriesPage, strayToken)
	if err != nil {
		return err
	}
	l := &metric.List{Since: f.now().Add(-listedFor), After: page.After, Limit: page.Limit}
	if in.active != "" {
		l.Since = f.now().Add(-activeFor)
	}
	l.Wants = func(s *metric.Series) bool { return len(in.wants(s)) > 0 }
	list, next, err := f.metrics.List(ctx, &x.Call, l)
	if err != nil {
		return err
	}
	w := x.Writer()
	w.Array("Metrics", func() {
		for i := range list {
			for _, m := range in.wants(&list[i]) {
				w.Object("", func() { writeMetric(w, &m) })
			}
		}
	})
	writeNext(x, next)
	return nil
}

func writeMetric(w aws.Writer, m *metric.Metric) {
	name := nameOf(m)
	w.Text("Namespace", name.namespace)
	w.Text("MetricName", name.name)
	writeDimensions(w, dimensionsOf(&m.Series))
}

func writeNext(x *aws.Exchange, next string) {
	if next != "" {
		x.Writer().Text("NextToken", x.NextMarker(next))
	}
}

type statisticsRequest struct {
	metricRequest
	start, end time.Time
	period     int
	statistics []string
	unit       string
}

// Members declares GetMetricStatistics's request.
func (r *statisticsRequest) Members(m *aws.Members) {
	r.metricRequest.Members(m)
	m.Time("StartTime", &r.start).Required()
	m.Time("EndTime", &r.end).Required()
	m.Int("Period", &r.period, 1, 0).Required()
	m.List("Statistics", &r.statistics, len(statisticNames), 1, maxText).OneOf(statisticNames).AtLeast(1)
	m.Unsupported("ExtendedStatistics")
	m.Enum("Unit", &r.unit, units)
}

// maxDatapoints is how many an answer of GetMetricStatistics has at most.
const maxDatapoints = 1440

func (f *front) getMetricStatistics(ctx context.Context, x *aws.Exchange, in *statisticsRequest) error {
	if len(in.statistics) == 0 {
		return combination("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
	}
	q, err := f.question(x, &in.metricRequest, in.start, in.end, in.period, in.unit)
	if err != nil {
		return err
	}
	if n := q.To.Sub(q.From) / q.Period; n > maxDatapoints {
		return combination(fmt.Sprintf("You have requested up to %d datapoints, which exceeds the limit of %d. You may reduce the "+
			"datapoints requested by increasing Period, or decreasing the time range.", n, maxDatapoints))
	}
	points, err := f.metrics.Statistics(ctx, &x.Call, q)
	if err != nil {
		return err
	}
	w := x.Writer()
	w.Text("Label", in.name)
	w.Array("Datapoints", func() {
		for i := range points {
			w.Object("", func() {
				w.Time("Timestamp", points[i].Time)
				for _, s := range in.statistics {
					w.Float(s, points[i].Value(statistics[s]))
				}
				w.Text("Unit", q.Name.Unit())
			})
		}
	})
	return nil
}

// The periods that are no multiples of a minute; AWS has those of one second
// and of five as well.
var fine = []int{10, 20, 30}

// question returns what a request asks. A metric that is not there, or has no
// figures in the unit, has an empty answer: that of a time that is over.
func (f *front) question(x *aws.Exchange, r *metricRequest, start, end time.Time, period int, unit string) (*metric.Question, error) {
	switch {
	case !start.Before(end):
		return nil, invalid("The parameter StartTime must be less than the parameter EndTime.")
	case !slices.Contains(fine, period) && period%60 != 0:
		return nil, invalid("The parameter Period must be 10, 20, 30 or a multiple of 60: Holdfast has no figures finer than of ten seconds.")
	}
	m, err := metricOf(x, r.namespace, r.name, r.dimensions)
	length := time.Duration(period) * time.Second
	q := &metric.Question{Metric: m, From: metric.Begin(start, f.now(), length), To: end, Period: length}
	if err != nil || unit != "" && unit != m.Name.Unit() {
		q.Metric = metric.Metric{Series: metric.Series{Kind: metric.Calls, ID: nothing}, Name: metric.Requests}
	}
	return q, nil
}

// nothing is the id of a key that cannot be.
const nothing = "none"
