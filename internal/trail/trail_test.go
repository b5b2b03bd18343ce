package trail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/trail"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const home = "eu-central-1"

// format writes a record as its position and operation.
type format struct{}

func (format) Event(r *audit.Record) trail.Event {
	e := &r.Entry
	return trail.Event{
		ID: "id-" + strconv.FormatUint(uint64(r.Position), 10), Time: e.Time, Name: e.Operation, Source: e.API, Region: e.Region,
		ReadOnly: strings.HasPrefix(e.Operation, "Get"), Data: e.Operation == "Invoke", Global: e.API == "iam", ThingType: "function",
		Thing: e.Resource, Principal: e.Principal, Type: "call",
	}
}

func (f format) Document(r *audit.Record) []byte { return []byte(r.Entry.Operation) }

func (format) Position(id string) (audit.Position, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(id, "id-"), 10, 64)
	return audit.Position(n), err == nil
}

func (format) NewFile(w io.Writer) trail.File { return file{w} }

type file struct{ io.Writer }

func (f file) Write(r *audit.Record) error {
	_, err := fmt.Fprintf(f.Writer, "%s ", r.Entry.Operation)
	return err
}

func (f file) Close() error { return nil }

func (format) FileName(realm key.RealmID, region string, _ time.Time, unique string) string {
	return string(realm) + "/" + region + "/" + unique
}

// sink keeps files by their names, and fails as it is told.
type sink struct {
	files map[string]string
	fail  error
	puts  int
}

func (s *sink) Put(_ context.Context, bucket, name, _ string, content io.Reader) error {
	s.puts++
	if s.fail != nil {
		return s.fail
	}
	text, err := io.ReadAll(content)
	s.files[bucket+"/"+name] = string(text)
	return err
}

// delivered returns what the files of a region have, in order of delivery.
func (s *sink) delivered(region string) string {
	var all []string
	for name, text := range s.files {
		if strings.Contains(name, "/"+region+"/") {
			all = append(all, text)
		}
	}
	slices.Sort(all)
	return strings.Join(all, "| ")
}

type everybody struct{ policies []*policy.Policy }

func (e everybody) Policies(*key.Caller) []*policy.Policy { return e.policies }

// world is trails over a log in memory, and a clock that is set by hand.
type world struct {
	t     *testing.T
	log   *audit.Memory
	store store.Store
	sink  *sink
	out   bytes.Buffer
	now   time.Time
	*trail.Service
}

func facets(e *entry.Entry, put func(string, string)) { put("name", e.Operation) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, log: audit.NewMemory(100_000), store: mem.New(), sink: &sink{files: map[string]string{}},
		now: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
	}
	w.open("*")
	return w
}

// open begins anew over the same log and store, as a restart does, with who
// calls allowed an action.
func (w *world) open(action string) {
	w.t.Helper()
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"`+action+`","Resource":"*"}]}`), policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		w.t.Fatal(err)
	}
	w.Service = trail.New(trail.Config{
		Guard: guard.New(w.log, everybody{[]*policy.Policy{all}}), Store: w.store, Format: format{}, Sink: w.sink, Interval: 5 * time.Minute,
		Log: struct {
			index.Source
			*last
		}{index.Over(w.log, facets), &last{w.log}},
		Out: slog.New(slog.NewTextHandler(&w.out, nil)), Now: func() time.Time { return w.now },
	})
}

type last struct{ log *audit.Memory }

func (l *last) Last() audit.Position { return l.log.Last() }

func (w *world) call() *key.Call {
	return &key.Call{
		Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "alice"}}, Region: home, Operation: "Trail",
		API: "trails", Time: w.now,
	}
}

// happen records calls of others: "region api operation".
func (w *world) happen(calls ...string) {
	w.t.Helper()
	for _, c := range calls {
		f := strings.Fields(c)
		realm := key.DefaultRealm
		if f[0] == "other" {
			realm, f[0] = "999999999999", home
		}
		if _, err := w.log.Enqueue(&audit.Entry{Time: w.now, Realm: realm, Region: f[0], API: f[1], Operation: f[2], Result: "ok"}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// tick does what is due, after some time.
func (w *world) tick(after time.Duration) {
	w.t.Helper()
	w.now = w.now.Add(after)
	for more := true; more; {
		var err error
		if more, err = w.Tick(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

var ref = trail.Ref{Region: home, Name: "audit"}

// begin makes the trail, and starts it.
func (w *world) begin(c trail.Create) {
	w.t.Helper()
	c.Name, c.Bucket = "audit", "logs"
	_, err := w.Create(w.t.Context(), w.call(), &c)
	w.must(err)
	w.must(w.Start(w.t.Context(), w.call(), ref))
}

func (w *world) get() *trail.Trail {
	w.t.Helper()
	t, err := w.Get(w.t.Context(), w.call(), key.GetTrailStatus, ref)
	w.must(err)
	return t
}

// TestDelivery: what happens between start and stop, in the trail's region
// and realm, is in the files, once.
func TestDelivery(t *testing.T) {
	w := newWorld(t)
	w.happen("eu-central-1 kms Before")
	w.begin(trail.Create{Global: true, Prefix: "p/q"})
	w.happen("eu-central-1 kms Sign", "us-east-1 kms Elsewhere", "us-east-1 iam CreateUser", "other kms Theirs", "eu-central-1 lambda Invoke")
	w.tick(0)
	if got, want := w.sink.delivered(home), "Trail Sign "; got != want {
		t.Errorf("delivered %q, want %q", got, want)
	}
	if got, want := w.sink.delivered("us-east-1"), "CreateUser "; got != want {
		t.Errorf("delivered of another region %q, want %q", got, want)
	}
	for name := range w.sink.files {
		if !strings.HasPrefix(name, "logs/p/q/123456789012/") {
			t.Errorf("a file %q", name)
		}
	}
	if got := w.get(); !got.Logging || !got.DeliveredAt.Equal(w.now) || got.Failure != "" {
		t.Errorf("the status is %+v", got)
	}
	w.happen("eu-central-1 kms Soon")
	w.tick(4 * time.Minute)
	if strings.Contains(w.sink.delivered(home), "Soon") {
		t.Error("delivered before the interval was over")
	}
	w.tick(time.Minute)
	w.must(w.Stop(t.Context(), w.call(), ref))
	w.happen("eu-central-1 kms Never")
	w.open("*")
	w.tick(time.Hour)
	w.must(w.Start(t.Context(), w.call(), ref))
	w.happen("eu-central-1 kms Again")
	w.tick(time.Hour)
	got := w.sink.delivered(home)
	for _, want := range []string{"Soon", "Again"} {
		if strings.Count(got, want) != 1 {
			t.Errorf("%s is %d times in %q", want, strings.Count(got, want), got)
		}
	}
	if strings.Contains(got, "Never") || strings.Contains(got, "Before") {
		t.Errorf("what happened while it was stopped was delivered: %q", got)
	}
}

// TestFailedDelivery: while the bucket cannot be written nothing is lost, the
// status says why, and it is tried again at the interval.
func TestFailedDelivery(t *testing.T) {
	w := newWorld(t)
	w.begin(trail.Create{Global: true})
	w.sink.fail = fault.New(fault.NotFound, "the bucket does not exist")
	w.happen("eu-central-1 kms First")
	w.tick(0)
	w.tick(time.Minute)
	if got := w.get(); got.Failure != "the bucket does not exist" || !got.DeliveredAt.IsZero() || got.AttemptedAt.IsZero() || w.sink.puts != 1 {
		t.Errorf("after %d attempts the status is %+v", w.sink.puts, got)
	}
	w.sink.fail = errors.New("the cause, which is for the log")
	w.tick(5 * time.Minute)
	if got := w.get(); got.Failure != "the file could not be delivered" || !strings.Contains(w.out.String(), "the cause") {
		t.Errorf("the status is %+v, the log says %s", got, &w.out)
	}
	w.happen("eu-central-1 kms Second")
	w.sink.fail = nil
	w.tick(5 * time.Minute)
	if got := w.sink.delivered(home); strings.Count(got, "First") != 1 || strings.Count(got, "Second") != 1 || w.get().Failure != "" {
		t.Errorf("delivered %q; %+v", got, w.get())
	}
}

// TestAtLeastOnce: a file whose delivery could not be remembered comes again
// under its name, so that the bucket has it once.
func TestAtLeastOnce(t *testing.T) {
	w := newWorld(t)
	w.begin(trail.Create{Global: true})
	w.happen("eu-central-1 kms Sign")
	broken := &forgetful{Store: w.store, fail: true}
	w.store = broken
	w.open("*")
	if _, err := w.Tick(t.Context()); err == nil || len(w.sink.files) != 1 {
		t.Fatalf("%v after %d files", err, len(w.sink.files))
	}
	broken.fail = false
	w.tick(0)
	if got := w.sink.delivered(home); strings.Count(got, "Sign") != 1 || len(w.sink.files) != 1 || w.sink.puts != 2 {
		t.Errorf("%d deliveries made %d files: %q", w.sink.puts, len(w.sink.files), got)
	}
}

// forgetful is a store whose changes fail.
type forgetful struct {
	store.Store
	fail bool
}

func (f *forgetful) Update(ctx context.Context, do func(store.Tx) error) error {
	if f.fail {
		return fault.New(fault.Unavailable, "the disk is full")
	}
	return f.Store.Update(ctx, do)
}

// TestManyEvents: a backlog comes in several files at once.
func TestManyEvents(t *testing.T) {
	w := newWorld(t)
	w.begin(trail.Create{Global: true})
	for range 25_000 {
		w.happen("eu-central-1 kms Sign")
	}
	w.tick(0)
	if got := strings.Count(w.sink.delivered(home), "Sign"); got != 25_000 || len(w.sink.files) != 3 {
		t.Errorf("%d events in %d files", got, len(w.sink.files))
	}
}

// TestChangedMeanwhile: what becomes of a trail while a file is under way.
func TestChangedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.begin(trail.Create{Global: true})
	w.happen("eu-central-1 kms Sign")
	w.tick(0)
	before := w.get()
	w.must(w.Delete(t.Context(), w.call(), ref))
	w.now = w.now.Add(time.Second)
	w.begin(trail.Create{Global: true})
	w.tick(0)
	if got := w.get(); got.CreatedAt.Equal(before.CreatedAt) || strings.Count(w.sink.delivered(home), "Sign") != 1 {
		t.Errorf("the new trail of the name: %+v, delivered %q", got, w.sink.delivered(home))
	}
}

// TestSelectors has events that trails have, and others that they do not.
func TestSelectors(t *testing.T) {
	condition := func(field string, set func(*trail.Condition)) trail.Condition {
		c := trail.Condition{Field: field}
		set(&c)
		return c
	}
	management := trail.Condition{Field: "eventCategory", Equals: []string{"Management"}}
	for name, tt := range map[string]struct {
		selectors trail.Selectors
		want      string
	}{
		"none":   {trail.Selectors{}, "Trail Sign GetKey "},
		"reads":  {trail.Selectors{Basic: []trail.Basic{{Access: trail.Reads, Management: true}}}, "GetKey "},
		"writes": {trail.Selectors{Basic: []trail.Basic{{Access: trail.Writes, Management: true}}}, "Trail Sign "},
		"without a source": {
			trail.Selectors{Basic: []trail.Basic{{Access: trail.Everything, Management: true, Without: []string{"kms"}}}}, "Trail ",
		},
		"no management": {trail.Selectors{Basic: []trail.Basic{{Access: trail.Everything}}}, ""},
		"data": {
			trail.Selectors{Basic: []trail.Basic{{Access: trail.Everything, Data: []trail.Data{{Type: "function", Values: []string{""}}}}}}, "Invoke ",
		},
		"two": {
			trail.Selectors{Basic: []trail.Basic{{Access: trail.Reads, Management: true}, {Access: trail.Writes, Management: true, Without: []string{"trails"}}}},
			"Sign GetKey ",
		},
		"a field": {
			trail.Selectors{Fields: []trail.Fields{{Conditions: []trail.Condition{management, condition("eventName", func(c *trail.Condition) { c.StartsWith = []string{"Si", "X"} })}}}},
			"Sign ",
		},
		"not a field": {
			trail.Selectors{Fields: []trail.Fields{{Conditions: []trail.Condition{management, condition("eventName", func(c *trail.Condition) { c.NotEndsWith = []string{"Key"} })}}}},
			"Trail Sign ",
		},
		"read only, by field": {
			trail.Selectors{Fields: []trail.Fields{{Conditions: []trail.Condition{management, condition("readOnly", func(c *trail.Condition) { c.Equals = []string{"true"} })}}}},
			"GetKey ",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			_, err := w.Create(t.Context(), w.call(), &trail.Create{Name: "audit", Bucket: "logs"})
			w.must(err)
			if name != "none" {
				_, err = w.PutSelectors(t.Context(), w.call(), ref, tt.selectors)
				w.must(err)
			}
			w.must(w.Start(t.Context(), w.call(), ref))
			w.happen("eu-central-1 kms Sign", "eu-central-1 kms GetKey", "eu-central-1 lambda Invoke")
			w.tick(0)
			if got := w.sink.delivered(home); got != tt.want {
				t.Errorf("delivered %q, want %q", got, tt.want)
			}
		})
	}
}

// TestBadSelectors has selectors that no trail can have.
func TestBadSelectors(t *testing.T) {
	w := newWorld(t)
	w.begin(trail.Create{})
	management := trail.Condition{Field: "eventCategory", Equals: []string{"Management"}}
	fields := func(c ...trail.Condition) trail.Selectors {
		return trail.Selectors{Fields: []trail.Fields{{Conditions: c}}}
	}
	for want, s := range map[string]trail.Selectors{
		"not both":            {Basic: []trail.Basic{{}}, Fields: []trail.Fields{{}}},
		"at most 5":           {Basic: make([]trail.Basic, 6)},
		"no field \"x\"":      fields(management, trail.Condition{Field: "x", Equals: []string{"a"}}),
		"no operator":         fields(management, trail.Condition{Field: "readOnly"}),
		"there twice":         fields(management, management),
		"eventCategory equal": fields(trail.Condition{Field: "readOnly", Equals: []string{"true"}}),
		"at most 500":         fields(management, trail.Condition{Field: "eventName", Equals: make([]string, 501)}),
	} {
		_, err := w.PutSelectors(t.Context(), w.call(), ref, s)
		if err == nil || fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestLife leads trails through all that can be asked of them.
func TestLife(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	list, err := w.Describe(ctx, w.call(), nil, true)
	w.must(err)
	if len(list) != 0 {
		t.Errorf("a realm without trails has %v", list)
	}
	w.begin(trail.Create{Tags: []key.Tag{{Key: "a", Value: "1"}}})
	_, err = w.Create(ctx, w.call(), &trail.Create{Name: "audit", Bucket: "logs"})
	kind(t, err, fault.AlreadyExists)
	for i := range trail.MaxTrails - 1 {
		_, err := w.Create(ctx, w.call(), &trail.Create{Name: fmt.Sprint("more", i), Bucket: "logs", AllRegions: i == 0, Global: true})
		w.must(err)
	}
	_, err = w.Create(ctx, w.call(), &trail.Create{Name: "toomany", Bucket: "logs"})
	kind(t, err, fault.LimitExceeded)

	bucket, everywhere, local := "other", true, false
	changed, err := w.Update(ctx, w.call(), ref, &trail.Update{Bucket: &bucket})
	w.must(err)
	if changed.Bucket != "other" || !changed.Logging {
		t.Errorf("changed: %+v", changed)
	}
	_, err = w.Update(ctx, w.call(), ref, &trail.Update{AllRegions: &everywhere, Global: &local})
	kind(t, err, fault.InvalidArgument)
	w.must(w.Tag(ctx, w.call(), ref, []key.Tag{{Key: "b", Value: "2"}}))
	w.must(w.Untag(ctx, w.call(), ref, []string{"a", "none"}))
	if diff := cmp.Diff([]key.Tag{{Key: "b", Value: "2"}}, w.get().Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}

	abroad := w.call()
	abroad.Region = "us-east-1"
	err = w.Stop(ctx, abroad, ref)
	if kind(t, err, fault.InvalidArgument); fault.ReasonOf(err) != fault.ForeignRegion {
		t.Errorf("stopped from abroad: %v", err)
	}
	seen, err := w.Describe(ctx, abroad, nil, true)
	w.must(err)
	alone, err := w.Describe(ctx, abroad, nil, false)
	w.must(err)
	if len(seen) != 1 || seen[0].Name != "more0" || len(alone) != 0 {
		t.Errorf("seen from abroad: %d and %d", len(seen), len(alone))
	}
	page, next, err := w.List(ctx, abroad, kms.Page{Limit: 3})
	w.must(err)
	rest, end, err := w.List(ctx, abroad, kms.Page{After: next, Limit: 3})
	w.must(err)
	if len(page) != 3 || len(rest) != 2 || end != "" {
		t.Errorf("%d and %d trails, then %q", len(page), len(rest), end)
	}

	w.must(w.Delete(ctx, w.call(), ref))
	_, err = w.Get(ctx, w.call(), key.GetTrail, ref)
	kind(t, err, fault.NotFound)
	kind(t, w.Delete(ctx, w.call(), ref), fault.NotFound)
}

func kind(t *testing.T, err error, want fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestDenied: every operation asks the policies.
func TestDenied(t *testing.T) {
	w := newWorld(t)
	w.begin(trail.Create{})
	w.open("kms:Sign")
	ctx, call := t.Context(), w.call()
	for name, err := range map[string]error{
		"create": second(w.Create(ctx, call, &trail.Create{Name: "x", Bucket: "b"})), "update": second(w.Update(ctx, call, ref, &trail.Update{})),
		"delete": w.Delete(ctx, call, ref), "start": w.Start(ctx, call, ref), "stop": w.Stop(ctx, call, ref),
		"get": second(w.Get(ctx, call, key.GetTrail, ref)), "describe": second(w.Describe(ctx, call, nil, true)),
		"selectors": second(w.PutSelectors(ctx, call, ref, trail.Selectors{})), "tag": w.Tag(ctx, call, ref, nil), "untag": w.Untag(ctx, call, ref, nil),
		"list": third(w.List(ctx, call, kms.Page{Limit: 1})), "lookup": third(w.Lookup(ctx, call, &trail.Lookup{Limit: 1})),
	} {
		if err == nil || fault.KindOf(err) != fault.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func third[T, U any](_ T, _ U, err error) error { return err }

// TestLookup finds the realm's events, the newest first, page by page.
func TestLookup(t *testing.T) {
	w := newWorld(t)
	w.now = w.now.Add(-91 * 24 * time.Hour)
	w.happen("eu-central-1 kms Ancient")
	w.now = w.now.Add(91 * 24 * time.Hour)
	w.happen("eu-central-1 kms Sign", "us-east-1 kms Elsewhere", "us-east-1 iam CreateUser", "other kms Theirs", "eu-central-1 lambda Invoke", "eu-central-1 kms Sign")
	find := func(l trail.Lookup) (names string, next trail.Position) {
		t.Helper()
		if l.Limit == 0 {
			l.Limit = 50
		}
		call := w.call()
		call.Operation = "LookupEvents"
		list, next, err := w.Lookup(t.Context(), call, &l)
		w.must(err)
		for _, e := range list {
			names += e.Name + " "
		}
		return names, next
	}
	if got, _ := find(trail.Lookup{}); got != "Sign CreateUser Sign " {
		t.Errorf("all: %q", got)
	}
	if got, _ := find(trail.Lookup{Terms: []trail.Term{{Facet: "name", Value: "CreateUser"}}}); got != "CreateUser " {
		t.Errorf("by name: %q", got)
	}
	if got, _ := find(trail.Lookup{ID: "id-4"}); got != "CreateUser " {
		t.Errorf("by id: %q", got)
	}
	for _, id := range []string{"id-5", "id-0", "nonsense"} {
		if got, _ := find(trail.Lookup{ID: id}); got != "" {
			t.Errorf("by the id %s: %q", id, got)
		}
	}
	if got, _ := find(trail.Lookup{Until: w.now}); got != "" {
		t.Errorf("before now: %q", got)
	}
	terms := []trail.Term{{Facet: "name", Value: "Sign"}}
	first, next := find(trail.Lookup{Terms: terms, Limit: 1})
	rest, end := find(trail.Lookup{Terms: terms, Limit: 1, Before: next})
	if first != "Sign " || next == 0 || rest != "Sign " || end != 0 {
		t.Errorf("two pages: %q until %d, %q until %d", first, next, rest, end)
	}
}
