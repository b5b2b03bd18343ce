package cloudwatch_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alarm"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/cloudwatch"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/metric"
)

const keyID = "1234abcd-12ab-34cd-56ef-1234567890ab"

// at is when everything was.
var at = time.Date(2026, 11, 23, 11, 0, 0, 500_000_000, time.UTC)

// errorsOf are the errors of signing with the key.
var errorsOf = metric.Metric{
	Series: metric.Series{Realm: key.DefaultRealm, Region: "us-east-1", Kind: metric.Calls, ID: keyID, Operation: key.Sign}, Name: metric.Errors,
}

// anAlarm is the alarm that is listed.
func anAlarm() *alarm.Alarm {
	return &alarm.Alarm{
		Realm: key.DefaultRealm, Region: "us-east-1", Name: "one <& two>", Description: "a text",
		Rule: alarm.Rule{
			Metric: errorsOf, Statistic: metric.Sum, Unit: "Count", Period: 5 * time.Minute, Evaluations: 3, Datapoints: 2,
			Threshold: 1.5, Comparison: alarm.GreaterOrEqual, Missing: alarm.NotBreaching,
		},
		Actions: map[alarm.State][]string{alarm.Alarming: {"alerts"}}, ActionsEnabled: true, State: alarm.Alarming,
		Reason: "a reason", Details: `{"version":"1.0"}`, ConfiguredAt: at, ReasonAt: at.Add(time.Minute), ChangedAt: at.Add(time.Second),
	}
}

// door is figures and alarms that note what they are asked.
type door struct {
	awstest.Door
	series []metric.Series
	points []metric.Point
}

func newDoor() *door {
	return &door{
		series: []metric.Series{errorsOf.Series, {Realm: key.DefaultRealm, Region: "us-east-1", Kind: metric.Issues}},
		points: []metric.Point{
			{Time: at.Truncate(time.Minute), Samples: 4, Sum: 1, Max: 1}, {Time: at.Add(time.Minute).Truncate(time.Minute), Samples: 2, Sum: 0},
		},
	}
}

func asked(q *metric.Question) string {
	m := q.Metric
	return fmt.Sprintf("%s %s %q %s %s..%s by %s", m.Kind, m.Name, m.ID, m.Operation, q.From.Format(time.RFC3339Nano), q.To.Format(time.RFC3339Nano), q.Period)
}

// metricsDoor and alarmsDoor are the two sides of a door, whose methods have
// the same names.
type (
	metricsDoor struct{ *door }
	alarmsDoor  struct{ *door }
)

func (d metricsDoor) List(_ context.Context, c *key.Call, l *metric.List) ([]metric.Series, string, error) {
	var list []metric.Series
	for _, s := range d.series {
		if l.Wants(&s) {
			list = append(list, s)
		}
	}
	return list, d.Next, d.NoteJSON(c, "List", string(l.Kind), l.After, l.Limit)
}

func (d metricsDoor) Statistics(_ context.Context, c *key.Call, q *metric.Question) ([]metric.Point, error) {
	return d.points, d.NoteJSON(c, "Statistics", asked(q))
}

func (d metricsDoor) Data(_ context.Context, c *key.Call, questions []*metric.Question, most int) ([][]metric.Point, error) {
	var answers [][]metric.Point
	list := []string{}
	for _, q := range questions {
		list = append(list, asked(q))
		answers = append(answers, d.points)
	}
	return answers, d.NoteJSON(c, "Data", list, most)
}

func (d alarmsDoor) Put(_ context.Context, c *key.Call, a *alarm.Alarm) error {
	operation := a.Rule.Metric.Operation.String() // by name: the number is nobody's business
	a.Rule.Metric.Operation = key.NoAction
	return d.NoteJSON(c, "Put", operation, a)
}

func (d alarmsDoor) Delete(_ context.Context, c *key.Call, names []string) error {
	return d.NoteJSON(c, "Delete", names)
}

func (d alarmsDoor) SetState(_ context.Context, c *key.Call, name string, set alarm.Setting) error {
	return d.NoteJSON(c, "SetState", name, set)
}

func (d alarmsDoor) TurnActions(_ context.Context, c *key.Call, names []string, on bool) error {
	return d.NoteJSON(c, "TurnActions", names, on)
}

func (d alarmsDoor) Tag(_ context.Context, c *key.Call, name string, tags []key.Tag) error {
	return d.NoteJSON(c, "Tag", name, tags)
}

func (d alarmsDoor) Untag(_ context.Context, c *key.Call, name string, keys []string) error {
	return d.NoteJSON(c, "Untag", name, keys)
}

func (d alarmsDoor) Tags(_ context.Context, c *key.Call, name string) ([]key.Tag, error) {
	return []key.Tag{{Key: "empty"}, {Key: "team", Value: "pki"}}, d.NoteJSON(c, "Tags", name)
}

func (d alarmsDoor) List(_ context.Context, c *key.Call, l *alarm.List) ([]*alarm.Alarm, string, error) {
	a := anAlarm()
	var list []*alarm.Alarm
	if l.Fits == nil || l.Fits(a) {
		list = append(list, a)
	}
	return list, d.Next, d.NoteJSON(c, "List", l.Names, l.Prefix, string(l.State), l.After, l.Limit)
}

func (d alarmsDoor) History(_ context.Context, c *key.Call, h *alarm.History) ([]*alarm.Change, string, error) {
	list := []*alarm.Change{
		{Name: "one", At: at, Event: alarm.Created},
		{Name: "one", At: at, Event: alarm.ActionsTurned, Enabled: true},
		{
			Name: "one", At: at, Event: alarm.StateChanged, From: alarm.OK, To: alarm.Alarming, FromReason: "was fine", ToReason: "2 > 1",
			ToDetails: `{"version":"1.0"}`,
		},
		{Name: "one", At: at, Event: alarm.Published, Topic: "alerts"},
		{Name: "one", At: at, Event: alarm.NotPublished, Topic: "gone", Failure: "the topic does not exist"},
		{Name: "one", At: at, Event: alarm.Deleted},
	}
	return list, d.Next, d.NoteJSON(c, "History", h)
}

// fake returns the API over a new door.
func fake(t testing.TB) (front.Service, *awstest.Door) {
	t.Helper()
	d := newDoor()
	return cloudwatch.New(metricsDoor{d}, alarmsDoor{d}), &d.Door
}

// send sends a request to the API over a door.
func send(t testing.TB, d *door, operation, body string) awstest.Answer {
	t.Helper()
	return awstest.NewClient(cloudwatch.New(metricsDoor{d}, alarmsDoor{d}), d).Send(t, operation, body)
}

// normal returns JSON with its members in order.
func normal(t testing.TB, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	out, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}
