package alarm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/metric"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm  = "123456789012"
	region = "eu-central-1"
	keyID  = "11111111-2222-3333-4444-555555555555"
)

// fixture is a service over a store in memory, with a clock, figures and a
// publisher of the test's.
type fixture struct {
	*Service
	config Config
	store  store.Store
	log    *audit.Memory
	meter  *metric.Meter
	// figures are the real ones.
	figures *metric.Service
	at      time.Time
	// published are the messages, failing is what the publisher fails with.
	published []string
	failing   error
}

// identities lets root do everything, and others nothing.
type identities struct{ root *policy.Policy }

func (i identities) Policies(c *key.Caller) []*policy.Policy {
	if c.Principal.Name != "root" {
		return nil
	}
	return []*policy.Policy{i.root}
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	allowed, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`),
		policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{store: mem.New(), log: audit.NewMemory(1000), meter: new(metric.Meter), at: noon}
	g := guard.New(f.log, identities{allowed})
	now := func() time.Time { return f.at }
	f.figures = metric.New(metric.Config{Meter: f.meter, Guard: g, Store: f.store, Now: now})
	f.config = Config{
		Guard: g, Store: f.store, Figures: f.figures, Publisher: f, Style: f, Principal: "alarms.example", Now: now,
		Log: slog.New(slog.DiscardHandler),
	}
	f.Service = New(f.config)
	t.Cleanup(func() { _ = f.store.Close() })
	return f
}

// PublishAs implements Publisher.
func (f *fixture) PublishAs(_ context.Context, service string, r key.RealmID, region, topic, subject, message string) error {
	if f.failing != nil {
		return f.failing
	}
	f.published = append(f.published, strings.Join([]string{service, string(r), region, topic, subject, message}, " "))
	return nil
}

// Message implements Style.
func (f *fixture) Message(a *Alarm, from State) (subject, text string) {
	return a.Name, string(from) + ">" + string(a.State)
}

// Details implements Style.
func (f *fixture) Details(_ *Alarm, j *Judgement) string {
	return fmt.Sprintf(`{"points":%d}`, len(j.Points))
}

func (f *fixture) as(name string) *key.Call {
	return &key.Call{
		Caller: key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: name}}, Region: region,
		Time: f.at, RequestID: "r", API: "test",
	}
}

// fail has a call on the key fail, or succeed.
func (f *fixture) call(result string) {
	f.meter.Observe(&audit.Entry{
		Time: f.at, Realm: realm, Region: region, Action: key.Sign, Resource: realm + "/" + region + "/" + keyID,
		Decision: audit.Allowed, Result: result, RequestID: "1",
	})
}

// pass lets time pass, with a tick every ten seconds.
func (f *fixture) pass(t *testing.T, d time.Duration) {
	t.Helper()
	f.leap(t, d, 10*time.Second)
}

// leap lets time pass in steps.
func (f *fixture) leap(t *testing.T, d, step time.Duration) {
	t.Helper()
	for end := f.at.Add(d); f.at.Before(end); {
		f.at = f.at.Add(step)
		if _, err := f.figures.Tick(t.Context()); err != nil {
			t.Fatal(err)
		}
		for {
			more, err := f.Tick(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !more {
				break
			}
		}
	}
}

// errorsOf is an alarm on the errors of the key.
func errorsOf(name string) *Alarm {
	return &Alarm{
		Name: name, ActionsEnabled: true, Actions: map[State][]string{OK: {"calm"}, Alarming: {"alerts", "pager"}},
		Rule: Rule{
			Metric:    metric.Metric{Series: metric.Series{Kind: metric.Calls, ID: keyID}, Name: metric.Errors},
			Statistic: metric.Sum, Period: 10 * time.Second, Evaluations: 1, Threshold: 1, Comparison: GreaterOrEqual, Missing: NotBreaching,
		},
		Tags: []key.Tag{{Key: "team", Value: "pki"}},
	}
}

func (f *fixture) put(t *testing.T, a *Alarm) {
	t.Helper()
	if err := f.Put(t.Context(), f.as("root"), a); err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) get(t *testing.T, name string) *Alarm {
	t.Helper()
	list, _, err := f.List(t.Context(), f.as("root"), &List{Names: []string{name}, Limit: 1})
	if err != nil || len(list) != 1 {
		t.Fatalf("%s: %v, %v", name, list, err)
	}
	return list[0]
}

func (f *fixture) history(t *testing.T, name string) (events []string) {
	t.Helper()
	list, _, err := f.History(t.Context(), f.as("root"), &History{Name: name, OldestFirst: true, Limit: MaxPage})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		events = append(events, strings.Join(strings.Fields(fmt.Sprint(c.Event, " ", c.From, " ", c.To, " ", c.Topic, " ", c.Failure)), " "))
	}
	return events
}

// TestLife leads an alarm from its making through errors and quiet: its
// messages, its history, what is on record.
func TestLife(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("kms/errors"))
	if a := f.get(t, "kms/errors"); a.State != Insufficient || a.Reason != unchecked || !a.ConfiguredAt.Equal(noon) {
		t.Errorf("new: %+v", a)
	}
	f.call("ok")
	f.pass(t, 20*time.Second)
	f.call("wrong state")
	f.pass(t, 10*time.Second)
	if a := f.get(t, "kms/errors"); a.State != Alarming || !strings.HasPrefix(a.Reason, "Threshold Crossed: 1 out of the last 1 datapoint [1.0 ") || a.Details != `{"points":1}` {
		t.Errorf("after an error: %+v", a)
	}
	f.pass(t, time.Minute)
	if a := f.get(t, "kms/errors"); a.State != OK || !a.ChangedAt.After(noon) {
		t.Errorf("after a minute of quiet: %+v", a)
	}
	want := []string{
		"alarms.example 123456789012 eu-central-1 calm kms/errors insufficient-data>ok",
		"alarms.example 123456789012 eu-central-1 alerts kms/errors ok>alarm",
		"alarms.example 123456789012 eu-central-1 pager kms/errors ok>alarm",
		"alarms.example 123456789012 eu-central-1 calm kms/errors alarm>ok",
	}
	if diff := cmp.Diff(want, f.published); diff != "" {
		t.Error(diff)
	}
	wantHistory := []string{
		"created", "state insufficient-data ok", "published calm", "state ok alarm", "published alerts", "published pager",
		"state alarm ok", "published calm",
	}
	if diff := cmp.Diff(wantHistory, f.history(t, "kms/errors")); diff != "" {
		t.Error(diff)
	}
	recorded := 0
	for r, err := range f.log.Read(t.Context(), audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		if e := &r.Entry; e.Action == key.SetAlarmState && e.Principal == realm+":service:alarms" && e.Result == "ok" {
			recorded++
		}
	}
	if recorded != 3 {
		t.Errorf("%d changes of state are on record, want 3", recorded)
	}
}

// TestSetState holds that a state that somebody gives has its actions, and
// that the next judgement gives the alarm its own.
func TestSetState(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("drill"))
	set := Setting{State: Alarming, Reason: "a drill", Details: "{}"}
	if err := f.SetState(t.Context(), f.as("root"), "drill", set); err != nil {
		t.Fatal(err)
	}
	if a := f.get(t, "drill"); a.State != Alarming || a.Reason != "a drill" || a.Details != "{}" {
		t.Errorf("set: %+v", a)
	}
	f.pass(t, 10*time.Second)
	if a := f.get(t, "drill"); a.State != OK {
		t.Errorf("judged: %+v", a)
	}
	f.pass(t, 10*time.Second)
	if len(f.published) != 3 {
		t.Errorf("published %q", f.published)
	}
	if err := f.SetState(t.Context(), f.as("root"), "none", set); fault.KindOf(err) != fault.NotFound {
		t.Errorf("an alarm that does not exist: %v", err)
	}
}

// TestPublishing holds what becomes of messages that cannot be published, and
// that a restart forgets none.
func TestPublishing(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("a"))
	f.failing = errors.New("the network is away")
	f.call("unavailable")
	f.pass(t, 5*time.Minute)
	if a := f.get(t, "a"); len(a.pending) != 3 || a.pending[0].Attempts < 3 || a.pending[0].Attempts > 8 {
		t.Fatalf("pending: %+v", a.pending)
	}
	f.Service = New(f.config) // like a server that starts again
	f.failing = nil
	f.pass(t, 10*time.Minute)
	if len(f.published) != 3 || len(f.get(t, "a").pending) != 0 {
		t.Errorf("published %q, pending %v", f.published, f.get(t, "a").pending)
	}
	f.failing = fault.New(fault.NotFound, "the topic does not exist")
	if err := f.SetState(t.Context(), f.as("root"), "a", Setting{State: Alarming, Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	f.pass(t, 10*time.Second)
	if got := f.history(t, "a"); !slices.Contains(got, "not-published alerts the topic does not exist") || len(f.get(t, "a").pending) != 0 {
		t.Errorf("final: %q", got)
	}
	f.failing = errors.New("the network is away")
	if err := f.SetState(t.Context(), f.as("root"), "a", Setting{State: Alarming, Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	f.leap(t, giveUp+maxWait+time.Minute, maxWait)
	if a := f.get(t, "a"); len(a.pending) != 0 {
		t.Errorf("after a day: %v", a.pending)
	}
}

// TestActionsOff holds that an alarm whose actions are off changes its state
// and says nothing.
func TestActionsOff(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("quiet"))
	if err := f.TurnActions(t.Context(), f.as("root"), []string{"quiet", "none"}, false); err != nil {
		t.Fatal(err)
	}
	f.call("unavailable")
	f.pass(t, 20*time.Second)
	if a := f.get(t, "quiet"); a.State != Alarming || len(f.published) != 0 {
		t.Errorf("%s, published %q", a.State, f.published)
	}
	if err := f.TurnActions(t.Context(), f.as("root"), []string{"quiet"}, true); err != nil {
		t.Fatal(err)
	}
	if a := f.get(t, "quiet"); !a.ActionsEnabled {
		t.Error("the actions are off")
	}
}

// TestPut holds what new settings change, and what they leave.
func TestPut(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("a"))
	if err := f.SetState(t.Context(), f.as("root"), "a", Setting{State: Alarming, Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	before := f.get(t, "a")
	f.at = f.at.Add(time.Second)
	other := errorsOf("a")
	other.Description, other.Tags, other.Rule.Metric.Operation = "new", []key.Tag{{Key: "x", Value: "y"}}, key.Sign
	f.put(t, other)
	want := *before
	want.Description, want.ConfiguredAt = "new", f.at
	want.Rule.Metric.Operation = key.Sign
	if diff := cmp.Diff(&want, f.get(t, "a"), cmpopts.IgnoreUnexported(Alarm{})); diff != "" {
		t.Error(diff)
	}
	for name, edit := range map[string]func(*Alarm){
		"no name":              func(a *Alarm) { a.Name = "" },
		"a control character":  func(a *Alarm) { a.Name = "a\nb" },
		"a long name":          func(a *Alarm) { a.Name = strings.Repeat("n", 256) },
		"six actions":          func(a *Alarm) { a.Actions[OK] = make([]string, 6) },
		"a reserved tag":       func(a *Alarm) { a.Tags = []key.Tag{{Key: "aws:x"}} },
		"a period of a second": func(a *Alarm) { a.Rule.Period = time.Second },
	} {
		a := errorsOf("bad")
		edit(a)
		if err := f.Put(t.Context(), f.as("root"), a); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestList holds what is listed, page by page.
func TestList(t *testing.T) {
	f := newFixture(t)
	for _, name := range []string{"b", "a/2", "a", "c", "a/1", "%2F"} {
		f.put(t, errorsOf(name))
	}
	if err := f.SetState(t.Context(), f.as("root"), "c", Setting{State: OK, Reason: "r"}); err != nil {
		t.Fatal(err)
	}
	for want, l := range map[string]*List{
		"%2F a a/1 a/2 b c": {},
		"a a/1 a/2":         {Prefix: "a"},
		"a b":               {Names: []string{"b", "a", "none"}},
		"c":                 {State: OK},
		"a/2":               {Fits: func(a *Alarm) bool { return a.Name == "a/2" }},
	} {
		var got []string
		for l.Limit = 2; ; {
			list, next, err := f.List(t.Context(), f.as("root"), l)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range list {
				got = append(got, a.Name)
			}
			if l.After = next; next == "" {
				break
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestHistory holds what a history has, and that it outlives its alarm and
// ends.
func TestHistory(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("a"))
	f.at = f.at.Add(time.Second)
	f.put(t, errorsOf("a/b"))
	f.at = f.at.Add(time.Second)
	if err := f.Delete(t.Context(), f.as("root"), []string{"a", "a"}); err != nil {
		t.Fatal(err)
	}
	f.at = f.at.Add(time.Second)
	f.put(t, errorsOf("a"))
	if got := f.history(t, "a"); strings.Join(got, " ") != "created deleted created" {
		t.Errorf("got %q", got)
	}
	var all []string
	h := &History{Limit: 2}
	for {
		list, next, err := f.History(t.Context(), f.as("root"), h)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range list {
			all = append(all, c.Name+" "+string(c.Event))
		}
		if h.After = next; next == "" {
			break
		}
	}
	if got := strings.Join(all, ", "); got != "a created, a deleted, a/b created, a created" {
		t.Errorf("got %q", got)
	}
	some, _, err := f.History(t.Context(), f.as("root"), &History{Events: []Event{Created}, From: noon.Add(time.Second), To: noon.Add(2 * time.Second), Limit: 10})
	if err != nil || len(some) != 1 || some[0].Name != "a/b" {
		t.Errorf("got %v, %v", some, err)
	}
	f.at = f.at.Add(31 * 24 * time.Hour)
	f.pass(t, 10*time.Second)
	if n := f.count(t, store.AlarmChanges); n > 6 {
		t.Errorf("%d entries are left after a month", n)
	}
	if got := f.history(t, "a/b"); slices.Contains(got, "created") {
		t.Errorf("after a month: %q", got)
	}
}

func (f *fixture) count(t *testing.T, table *store.Table) (n int) {
	t.Helper()
	err := f.store.View(t.Context(), func(r store.Reader) (err error) {
		n, err = r.Count(table, store.Query{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestHistoryBound holds that an alarm that flaps fills no disk.
func TestHistoryBound(t *testing.T) {
	f := newFixture(t)
	a := errorsOf("flaps")
	a.Actions = nil
	f.put(t, a)
	for i := range maxHistory + 50 {
		if err := f.SetState(t.Context(), f.as("root"), "flaps", Setting{State: States()[i%2], Reason: "r"}); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.count(t, store.AlarmChanges); n != maxHistory {
		t.Errorf("%d entries, want %d", n, maxHistory)
	}
}

// TestTags holds the tags of an alarm.
func TestTags(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("a"))
	if err := f.Tag(t.Context(), f.as("root"), "a", []key.Tag{{Key: "b", Value: "1"}, {Key: "team", Value: "2"}}); err != nil {
		t.Fatal(err)
	}
	if err := f.Untag(t.Context(), f.as("root"), "a", []string{"team", "none"}); err != nil {
		t.Fatal(err)
	}
	got, err := f.Tags(t.Context(), f.as("root"), "a")
	if diff := cmp.Diff([]key.Tag{{Key: "b", Value: "1"}}, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestAuthority holds that nobody does anything without leave, and that a
// delete is of all or of none.
func TestAuthority(t *testing.T) {
	f := newFixture(t)
	f.put(t, errorsOf("a"))
	ctx, nobody := t.Context(), f.as("nobody")
	for name, ask := range map[string]func() error{
		"put":     func() error { return f.Put(ctx, nobody, errorsOf("b")) },
		"delete":  func() error { return f.Delete(ctx, nobody, []string{"a"}) },
		"set":     func() error { return f.SetState(ctx, nobody, "a", Setting{State: OK}) },
		"turn":    func() error { return f.TurnActions(ctx, nobody, []string{"a"}, true) },
		"tag":     func() error { return f.Tag(ctx, nobody, "a", nil) },
		"untag":   func() error { return f.Untag(ctx, nobody, "a", nil) },
		"tags":    func() error { _, err := f.Tags(ctx, nobody, "a"); return err },
		"list":    func() error { _, _, err := f.List(ctx, nobody, &List{Limit: 1}); return err },
		"history": func() error { _, _, err := f.History(ctx, nobody, &History{Limit: 1}); return err },
	} {
		if err := ask(); fault.KindOf(err) != fault.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.Delete(ctx, f.as("root"), []string{"a", "none"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("one of two: %v", err)
	}
	f.get(t, "a")
}

// TestMany holds that all alarms are judged, however many.
func TestMany(t *testing.T) {
	f := newFixture(t)
	const n = 2*batch + 1
	for i := range n {
		a := errorsOf(fmt.Sprintf("alarm-%04d", i))
		a.Actions = nil
		if i%2 == 0 {
			a.Rule.Period, a.Rule.Evaluations = time.Hour, 2 // judged once a minute
		}
		f.put(t, a)
	}
	f.call("unavailable")
	f.pass(t, time.Minute)
	list, _, err := f.List(t.Context(), f.as("root"), &List{State: Insufficient, Limit: MaxAlarms})
	if err != nil || len(list) != 0 {
		t.Errorf("%d were not judged: %v", len(list), err)
	}
}

// FuzzRecord holds that an alarm that is read is written the same.
func FuzzRecord(f *testing.F) {
	a := errorsOf("a/b")
	a.Realm, a.Region, a.State, a.Rule.Metric.Operation = realm, region, OK, key.Sign
	a.pending = []message{{ID: 1, Topic: "t", Since: noon}}
	row, err := a.row()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(row.Body)
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := readAlarm(store.Row{Body: body})
		if err != nil {
			return
		}
		first, err := a.row()
		if err != nil {
			return // a time beyond the year 9999
		}
		b, err := readAlarm(first)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := b.row(); err != nil || string(second.Body) != string(first.Body) {
			t.Fatalf("%s became %s: %v", first.Body, second.Body, err)
		}
	})
}
