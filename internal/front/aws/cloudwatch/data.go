package cloudwatch

import (
	"context"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

// metricStat is a MetricStat.
type metricStat struct {
	metric     *metricRequest
	period     int
	stat, unit string
}

// Members declares the structure.
func (s *metricStat) Members(m *aws.Members) {
	aws.Struct(m, "Metric", &s.metric).Required()
	m.Int("Period", &s.period, 1, 0).Required()
	m.Text("Stat", &s.stat, 1, maxText).Required()
	m.Enum("Unit", &s.unit, units)
}

// dataQuery is a MetricDataQuery.
type dataQuery struct {
	id, label, account string
	stat               *metricStat
	returns            *bool
}

// maxLabel bounds a label, for which AWS has no bound.
const maxLabel = 2048

// Members declares the structure.
func (q *dataQuery) Members(m *aws.Members) {
	m.Text("Id", &q.id, 1, maxText).Required()
	aws.Struct(m, "MetricStat", &q.stat)
	m.Unsupported("Expression")
	m.Text("Label", &q.label, 0, maxLabel)
	m.Flag("ReturnData", &q.returns)
	m.Unsupported("Period") // of expressions
	m.Text("AccountId", &q.account, 1, maxText)
}

type dataRequest struct {
	queries     []dataQuery
	start, end  time.Time
	token, scan string
	most        int
}

// The orders of an answer.
const (
	newestFirst = "TimestampDescending"
	oldestFirst = "TimestampAscending"
)

var scans = []string{newestFirst, oldestFirst}

// Members declares GetMetricData's request.
func (r *dataRequest) Members(m *aws.Members) {
	aws.Structs(m, "MetricDataQueries", &r.queries, maxQuestions).Required()
	m.Time("StartTime", &r.start).Required()
	m.Time("EndTime", &r.end).Required()
	m.Text("NextToken", &r.token, 0, maxToken)
	m.Enum("ScanBy", &r.scan, scans)
	m.Int("MaxDatapoints", &r.most, 1, 0)
	m.Unsupported("LabelOptions")
}

// queryID is what the id of a query is made of.
var queryID = regexp.MustCompile(`\A[a-z][a-zA-Z0-9_]*\z`)

// questions checks the queries and returns what they ask.
func (f *front) questions(x *aws.Exchange, in *dataRequest) ([]*metric.Question, error) {
	seen := map[string]bool{}
	list := make([]*metric.Question, 0, len(in.queries))
	for i := range in.queries {
		q := &in.queries[i]
		switch {
		case !queryID.MatchString(q.id) || seen[q.id]:
			return nil, invalid("The id " + q.id + " is not one that begins with a small letter and is there once.")
		case q.stat == nil:
			return nil, combination("The query " + q.id + " must have a MetricStat.")
		case q.account != "" && q.account != string(x.Call.Caller.Principal.Realm):
			return nil, unsupported("the parameter AccountId of another account")
		case strings.Contains(q.label, "${"):
			return nil, unsupported("dynamic labels, as in the parameter Label of " + q.id)
		case statistics[q.stat.stat] == "":
			return nil, unsupported("the statistic " + q.stat.stat + ": it has " + strings.Join(statisticNames, ", ") +
				", and keeps no distributions")
		}
		seen[q.id] = true
		question, err := f.question(x, q.stat.metric, in.start, in.end, q.stat.period, q.stat.unit)
		if err != nil {
			return nil, err
		}
		list = append(list, question)
	}
	return list, nil
}

// place is where a page of an answer begins: at a query, and a point of it.
type place struct{ query, point int }

// readPlace reads the token of a page.
func readPlace(text string, queries int) (place, bool) {
	query, point, ok := strings.Cut(text, "/")
	q, err := strconv.Atoi(query)
	p, wrong := strconv.Atoi(point)
	return place{q, p}, ok && err == nil && wrong == nil && q >= 0 && q < queries && p >= 0
}

func (p place) String() string { return strconv.Itoa(p.query) + "/" + strconv.Itoa(p.point) }

func (f *front) getMetricData(ctx context.Context, x *aws.Exchange, in *dataRequest) error {
	questions, err := f.questions(x, in)
	if err != nil {
		return err
	}
	page, err := x.Page(aws.PageRequest{Marker: in.token}, metric.MaxPoints, strayToken)
	if err != nil {
		return err
	}
	var from place
	if page.After != "" {
		var ok bool
		if from, ok = readPlace(page.After, len(questions)); !ok {
			return invalid(strayToken)
		}
	}
	most := metric.MaxPoints
	if in.most > 0 {
		most = min(in.most, most)
	}
	answers, err := f.metrics.Data(ctx, &x.Call, questions[from.query:], from.point+most)
	if err != nil {
		return err
	}
	next := writeData(x.Writer(), in, answers, from, most)
	x.Writer().Array("Messages", func() {})
	writeNext(x, next)
	return nil
}

// writeData writes at most so many points from a place on, and returns where
// the next page begins, "" at the end.
func writeData(w aws.Writer, in *dataRequest, answers [][]metric.Point, from place, most int) (next string) {
	w.Array("MetricDataResults", func() {
		for i, points := range answers {
			q, begin := &in.queries[from.query+i], 0
			if i == 0 {
				begin = min(from.point, len(points))
			}
			if most == 0 {
				next = place{from.query + i, 0}.String()
				return
			}
			if q.returns != nil && !*q.returns {
				continue
			}
			end := min(len(points), begin+most)
			most -= end - begin
			w.Object("", func() { q.write(w, in.scan, points, begin, end) })
			if end < len(points) {
				next = place{from.query + i, end}.String()
				return
			}
		}
		if last := from.query + len(answers); last < len(in.queries) {
			next = place{last, 0}.String()
		}
	})
	return next
}

// write writes a MetricDataResult with the points from begin to end.
func (q *dataQuery) write(w aws.Writer, scan string, points []metric.Point, begin, end int) {
	at := func(i int) *metric.Point {
		if scan == oldestFirst {
			return &points[i]
		}
		return &points[len(points)-1-i]
	}
	w.Text("Id", q.id)
	label := q.label
	if label == "" {
		label = q.stat.metric.name
	}
	w.Text("Label", label)
	w.Array("Timestamps", func() {
		for i := begin; i < end; i++ {
			w.Time("", at(i).Time)
		}
	})
	w.Array("Values", func() {
		for i := begin; i < end; i++ {
			w.Float("", at(i).Value(statistics[q.stat.stat]))
		}
	})
	status := "Complete"
	if end < len(points) {
		status = "PartialData"
	}
	w.Text("StatusCode", status)
}
