package alarm

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// pointsOf returns the points of a row of periods, the oldest first: 0 does
// not breach, X does, - is missing.
func pointsOf(row string, period time.Duration) (points []metric.Point) {
	marks := strings.Fields(row)
	for i, mark := range marks {
		at := noon.Add(-time.Duration(len(marks)-i) * period)
		switch mark {
		case "0":
			points = append(points, metric.Point{Time: at, Samples: 1, Sum: 1, Min: 1, Max: 1})
		case "X":
			points = append(points, metric.Point{Time: at, Samples: 1, Sum: 9, Min: 9, Max: 9})
		}
	}
	return points
}

// TestJudge holds the tables of the Amazon CloudWatch User Guide ("How alarm
// state is evaluated when data is missing", and for M of N), and what is not
// in them. keep is where the state stays.
func TestJudge(t *testing.T) {
	const keep = State("")
	for _, row := range []struct {
		points                           string
		of, needed                       int
		missing, ignore, breaching, fine State
	}{
		{"0 - X - X", 3, 3, OK, OK, OK, OK},
		{"- - - - 0", 3, 3, OK, OK, OK, OK},
		{"- - - - -", 3, 3, Insufficient, keep, Alarming, OK},
		{"0 X X - X", 3, 3, Alarming, Alarming, Alarming, Alarming},
		{"- - X - -", 3, 3, Alarming, keep, Alarming, OK},
		{"0 - X - X", 3, 2, Alarming, Alarming, Alarming, Alarming},
		{"0 0 X 0 X", 3, 2, Alarming, Alarming, Alarming, Alarming},
		{"0 - X - -", 3, 2, OK, OK, Alarming, OK},
		{"- - - - 0", 3, 2, OK, OK, Alarming, OK},
		{"- - - X -", 3, 2, Alarming, keep, Alarming, OK},
		{"- - - - X", 3, 3, keep, keep, Alarming, OK},
		{"- - - - X", 3, 1, Alarming, Alarming, Alarming, Alarming},
		{"- - X", 1, 1, Alarming, Alarming, Alarming, Alarming},
		{"X - -", 1, 1, Alarming, Alarming, Alarming, Alarming},
		{"X - 0", 1, 1, OK, OK, OK, OK},
	} {
		for missing, want := range map[Missing]State{
			AsMissing: row.missing, Ignored: row.ignore, Breaching: row.breaching, NotBreaching: row.fine,
		} {
			r := Rule{
				Metric: metric.Metric{Name: metric.Errors}, Statistic: metric.Sum, Period: time.Minute,
				Evaluations: row.of, Datapoints: row.needed, Threshold: 5, Comparison: Greater, Missing: missing,
			}
			if j := r.judge(pointsOf(row.points, r.Period), noon); j.State != want || (j.Reason == "") != (want == keep) {
				t.Errorf("%s, %d of %d, %s: got %q (%s), want %q", row.points, row.needed, row.of, missing, j.State, j.Reason, want)
			}
		}
	}
}

// TestReason holds the sentences.
func TestReason(t *testing.T) {
	r := Rule{Metric: metric.Metric{Name: metric.Errors}, Statistic: metric.Sum, Period: time.Minute, Evaluations: 1, Threshold: 1, Comparison: GreaterOrEqual}
	three := r
	three.Evaluations, three.Datapoints, three.Missing, three.Threshold, three.Comparison = 3, 2, Breaching, 2.5, Less
	for _, row := range []struct {
		r            Rule
		points, want string
	}{
		{r, "X", "Threshold Crossed: 1 out of the last 1 datapoint [9.0 (23/11/26 11:59:00)] was greater than or equal to the threshold (1.0) (minimum 1 datapoint for OK -> ALARM transition)."},
		{three, "0 X X", "Threshold Crossed: 2 out of the last 3 datapoints [9.0 (23/11/26 11:59:00), 9.0 (23/11/26 11:58:00), 1.0 (23/11/26 11:57:00)] were not less than the threshold (2.5) (minimum 2 datapoints for ALARM -> OK transition)."},
		{three, "- - 0", "Threshold Crossed: 1 out of the last 3 datapoints [1.0 (23/11/26 11:59:00)] was less than the threshold (2.5) and 2 missing datapoints were treated as [Breaching] (minimum 2 datapoints for OK -> ALARM transition)."},
		{three, "- - -", "Threshold Crossed: no datapoints were received for 3 periods and 3 missing datapoints were treated as [Breaching]."},
		{Rule{Period: time.Minute, Evaluations: 2, Missing: AsMissing}, "- -", "Insufficient Data: 2 datapoints were unknown."},
	} {
		if got := row.r.judge(pointsOf(row.points, time.Minute), noon).Reason; got != row.want {
			t.Errorf("got  %s\nwant %s", got, row.want)
		}
	}
}

// TestUnit holds that a metric has no figures in another unit.
func TestUnit(t *testing.T) {
	r := Rule{
		Metric: metric.Metric{Name: metric.Errors}, Statistic: metric.Sum, Period: time.Minute, Evaluations: 1,
		Comparison: Greater, Missing: AsMissing, Unit: "Bytes",
	}
	if j := r.judge(pointsOf("X", time.Minute), noon); j.State != Insufficient {
		t.Errorf("in bytes: %v", j)
	}
	r.Unit = "Count"
	if j := r.judge(pointsOf("X", time.Minute), noon); j.State != Alarming {
		t.Errorf("as a count: %v", j)
	}
}

// TestCompare holds every comparison below, at and above the threshold.
func TestCompare(t *testing.T) {
	for c, want := range map[Comparison]string{Greater: "..X", GreaterOrEqual: ".XX", Less: "X..", LessOrEqual: "XX."} {
		var got strings.Builder
		for _, v := range []float64{1, 2, 3} {
			if c.breaches(v, 2) {
				got.WriteString("X")
			} else {
				got.WriteString(".")
			}
		}
		if got.String() != want {
			t.Errorf("%s: %s, want %s", c, got.String(), want)
		}
	}
}

// TestCheck holds which rules are refused.
func TestCheck(t *testing.T) {
	good := Rule{Period: time.Minute, Evaluations: 1}
	for name, edit := range map[string]func(*Rule){
		"a period of 15 s":         func(r *Rule) { r.Period = 15 * time.Second },
		"a period of 90 s":         func(r *Rule) { r.Period = 90 * time.Second },
		"no period":                func(r *Rule) { r.Period = 0 },
		"no evaluation":            func(r *Rule) { r.Evaluations = 0 },
		"more than a day":          func(r *Rule) { r.Evaluations = 1441 },
		"more than a week":         func(r *Rule) { r.Period, r.Evaluations = time.Hour, 169 },
		"a period of eight days":   func(r *Rule) { r.Period = 8 * 24 * time.Hour },
		"more than the whole":      func(r *Rule) { r.Datapoints = 2 },
		"numbers beyond all bound": func(r *Rule) { r.Evaluations = 1 << 62 },
	} {
		r := good
		edit(&r)
		if err := r.check(); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	week := Rule{Period: time.Hour, Evaluations: 168, Datapoints: 1}
	for _, r := range []Rule{good, week, {Period: 10 * time.Second, Evaluations: 8640}} {
		if err := r.check(); err != nil {
			t.Errorf("%v: %v", r, err)
		}
	}
}
