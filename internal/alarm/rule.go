package alarm

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

// Comparison is how a value stands to the threshold when it breaches the rule:
// a closed set.
type Comparison string

// The comparisons.
const (
	Greater        Comparison = "greater"
	GreaterOrEqual Comparison = "greater-or-equal"
	Less           Comparison = "less"
	LessOrEqual    Comparison = "less-or-equal"
)

// breaches reports whether a value breaches.
func (c Comparison) breaches(value, threshold float64) bool {
	switch c {
	case Greater:
		return value > threshold
	case GreaterOrEqual:
		return value >= threshold
	case Less:
		return value < threshold
	case LessOrEqual:
		return value <= threshold
	}
	return false
}

// String returns the words for it.
func (c Comparison) String() string {
	switch c {
	case Greater:
		return "greater than"
	case GreaterOrEqual:
		return "greater than or equal to"
	case Less:
		return "less than"
	case LessOrEqual:
		return "less than or equal to"
	}
	return string(c)
}

// Missing says what a period without samples is taken for: a closed set.
type Missing string

// What periods without samples are taken for.
const (
	AsMissing    Missing = "missing" // nothing: an alarm without any sample has insufficient data
	Ignored      Missing = "ignore"  // the state stays
	Breaching    Missing = "breaching"
	NotBreaching Missing = "not-breaching"
)

// Rule says when an alarm alarms: when of the last Evaluations periods
// Datapoints breach the threshold.
type Rule struct {
	Metric    metric.Metric
	Statistic metric.Statistic
	// Unit is "" for any. A metric has no figures in another unit than its own.
	Unit        string
	Period      time.Duration
	Evaluations int
	// Datapoints is 0 for all.
	Datapoints int
	Threshold  float64
	Comparison Comparison
	Missing    Missing
}

// Needed returns how many periods have to breach.
func (r *Rule) Needed() int {
	if r.Datapoints == 0 {
		return r.Evaluations
	}
	return r.Datapoints
}

// The bounds on how far back a rule looks: a day, or a week in periods of an
// hour or more.
const (
	longest     = 24 * time.Hour
	longestLong = 7 * 24 * time.Hour
)

// check refuses rules that cannot be judged by.
func (r *Rule) check() error {
	whole := r.Period == 10*time.Second || r.Period == 20*time.Second || r.Period == 30*time.Second ||
		r.Period >= time.Minute && r.Period%time.Minute == 0
	limit := longest
	if r.Period >= time.Hour {
		limit = longestLong
	}
	switch {
	case !whole:
		return bad("a period is 10, 20, 30 or a multiple of 60 seconds")
	case r.Evaluations < 1 || r.Period > limit || time.Duration(r.Evaluations) > limit/r.Period:
		return bad("an alarm looks back one period or more, and at most a day, or a week in periods of an hour or more")
	case r.Datapoints < 0 || r.Datapoints > r.Evaluations:
		return bad("the number of datapoints that alarm is at most that of the periods")
	case math.IsNaN(r.Threshold) || math.IsInf(r.Threshold, 0):
		return bad("a threshold is a finite number")
	}
	return nil
}

func bad(format string, args ...any) error { return fault.New(fault.InvalidArgument, format, args...) }

// more is how many periods beyond those of the rule are looked at, so that one
// without samples can be replaced by an older one with (Amazon CloudWatch User
// Guide, "How alarm state is evaluated when data is missing": the evaluation
// range).
const more = 2

// step is how often the rule is judged: every ten seconds while figures that
// fine reach back far enough, or else every minute.
func (r *Rule) step() time.Duration {
	if time.Duration(r.Evaluations+more)*r.Period <= time.Hour {
		return 10 * time.Second
	}
	return time.Minute
}

// question asks for the figures that the rule is judged by at a time.
func (r *Rule) question(now time.Time) *metric.Question {
	to := now.Truncate(r.step())
	return &metric.Question{
		Metric: r.Metric, From: to.Add(-time.Duration(r.Evaluations+more) * r.Period), To: to, Period: r.Period,
	}
}

// Judgement is what a rule finds.
type Judgement struct {
	// State is "" where there is no reason to leave the one that is.
	State  State
	Reason string
	At     time.Time
	// Points are those that were judged, the newest first.
	Points []metric.Point
}

// judge judges points, which are those of the question in their order.
func (r *Rule) judge(points []metric.Point, now time.Time) *Judgement {
	j := &Judgement{At: now}
	if r.Unit != "" && r.Unit != r.Metric.Name.Unit() {
		points = nil
	}
	breaching := 0
	for i := len(points) - 1; i >= 0 && len(j.Points) < r.Evaluations; i-- {
		j.Points = append(j.Points, points[i])
		if r.breaches(&points[i]) {
			breaching++
		}
	}
	gaps := r.Evaluations - len(j.Points)
	taken := 0 // of the gaps, for breaches
	if r.Missing == Breaching {
		taken = gaps
	}
	switch {
	case breaching+taken >= r.Needed():
		j.State = Alarming
	case gaps == 0 || r.Missing == Breaching || r.Missing == NotBreaching || breaching < len(j.Points):
		j.State = OK
	case r.Missing == Ignored:
		return j
	case len(j.Points) == 0:
		j.State, j.Reason = Insufficient, unknown(r.Evaluations)
		return j
	case r.old(&j.Points[len(j.Points)-1], now):
		j.State = Alarming
	default: // it may be the beginning of something
		return j
	}
	j.Reason = r.reason(j, breaching, gaps)
	return j
}

func (r *Rule) breaches(p *metric.Point) bool {
	return r.Comparison.breaches(p.Value(r.Statistic), r.Threshold)
}

// old reports whether a point is so far back that as many periods have begun
// since as have to breach. All points breach, and the others are missing: then
// the alarm does not wait for samples that may never come.
func (r *Rule) old(p *metric.Point, now time.Time) bool {
	to := now.Truncate(r.step())
	return int(to.Sub(p.Time)/r.Period) >= r.Needed()
}

func unknown(n int) string {
	if n == 1 {
		return "Insufficient Data: 1 datapoint was unknown."
	}
	return fmt.Sprintf("Insufficient Data: %d datapoints were unknown.", n)
}

// reason says why the state is what it is.
func (r *Rule) reason(j *Judgement, breaching, gaps int) string {
	var b strings.Builder
	b.WriteString("Threshold Crossed: ")
	treated := ""
	if gaps > 0 && (r.Missing == Breaching || r.Missing == NotBreaching) {
		as := map[Missing]string{Breaching: "Breaching", NotBreaching: "NonBreaching"}[r.Missing]
		treated = fmt.Sprintf("%s treated as [%s]", count(gaps, "missing datapoint"), as)
	}
	if len(j.Points) == 0 {
		fmt.Fprintf(&b, "no datapoints were received for %s and %s.", plural(r.Evaluations, "period"), treated)
		return b.String()
	}
	values := make([]string, 0, maxShown)
	for i := range j.Points[:min(len(j.Points), maxShown)] {
		p := &j.Points[i]
		values = append(values, Number(p.Value(r.Statistic))+" ("+p.Time.UTC().Format("02/01/06 15:04:05")+")")
	}
	n, verb := breaching, "was"
	if j.State == OK {
		n, verb = len(j.Points)-breaching, "was not"
	}
	if n != 1 {
		verb = strings.Replace(verb, "was", "were", 1)
	}
	fmt.Fprintf(&b, "%d out of the last %s [%s] %s %s the threshold (%s)", n, plural(r.Evaluations, "datapoint"),
		strings.Join(values, ", "), verb, r.Comparison, Number(r.Threshold))
	if treated != "" {
		b.WriteString(" and " + treated)
	}
	change := "OK -> ALARM"
	least := r.Needed()
	if j.State == OK {
		change, least = "ALARM -> OK", r.Evaluations-least+1
	}
	fmt.Fprintf(&b, " (minimum %s for %s transition).", plural(least, "datapoint"), change)
	return b.String()
}

// maxShown is how many values a reason repeats.
const maxShown = 20

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

func count(n int, what string) string {
	if n == 1 {
		return plural(n, what) + " was"
	}
	return plural(n, what) + " were"
}

// Number returns a number as alarms show it: with a decimal point.
func Number(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if !strings.ContainsRune(text, '.') {
		text += ".0"
	}
	return text
}
