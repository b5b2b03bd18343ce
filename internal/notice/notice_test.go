package notice

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
)

var errAway = errors.New("connection refused")

// TestReceiverDownForADay: the receiver of one channel is away for a day. It
// gets every event exactly once afterwards; the other channel waits for nobody.
func TestReceiverDownForADay(t *testing.T) {
	away, there := new(receiver), new(receiver)
	random := rand.New(rand.NewPCG(1, 2))
	f := newFixture(t, Config{
		Channels: []Channel{{Name: "away", Sender: away}, {Name: "there", Sender: there}}, Random: random.Float64,
	})
	attempts := 0
	away.failing(func(*Message) error { attempts++; return Down(errAway) })
	var want []string
	for hour := range 24 {
		for n := range 5 {
			e := f.expiring(fmt.Sprintf("host-%d-%d.example.com", hour, n), 7)
			want = append(want, e.ID)
			f.emit(e, e)
		}
		for range 30 { // every 2 min
			f.tick()
			f.pass(2 * time.Minute)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, there.events()); diff != "" {
		t.Errorf("the channel that is there (-want +got):\n%s", diff)
	}
	if got := f.states(); got != "0 failed, 120 waiting, 0 collecting, 120 delivered" {
		t.Error(got)
	}
	if attempts > 40 {
		t.Errorf("%d attempts to reach a receiver that is away for a day", attempts)
	}
	away.failing(nil)
	for range 40 {
		f.tick()
		f.pass(2 * time.Minute)
	}
	if diff := cmp.Diff(want, away.events()); diff != "" {
		t.Errorf("the channel that was away (-want +got):\n%s", diff)
	}
	if got := f.states(); got != "0 failed, 0 waiting, 0 collecting, 240 delivered" {
		t.Error(got)
	}
	f.pass(31 * 24 * time.Hour)
	f.tick()
	if got := f.states(); got != "0 failed, 0 waiting, 0 collecting, 0 delivered" {
		t.Errorf("a month later: %s", got)
	}
}

// TestKilled: the process ends at every step between handing over and marking.
// Whoever starts again has each event once in its deliveries, and sends what it
// does not know to have arrived again under the same id.
func TestKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	arrived := new(receiver)
	life := func(now time.Time, run func(f *fixture)) {
		t.Helper()
		s, err := embedded.Open(path, embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		f := newFixture(t, Config{Store: s, Channels: []Channel{{Name: "hook", Sender: arrived}}})
		f.now = now
		run(f)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	now := start()
	life(now, func(f *fixture) { // ends after the event
		f.emit(f.expiring("web.example.com", 7))
	})
	life(now, func(f *fixture) { // ends after the event was taken over
		f.emit(f.expiring("web.example.com", 7))
		if _, err := f.handOver(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	life(now, func(f *fixture) { // ends while it is sent: it has arrived, and nobody knows
		f.emit(f.expiring("web.example.com", 7))
		if _, err := f.handOver(t.Context()); err != nil {
			t.Fatal(err)
		}
		claims, _, err := f.claim(t.Context())
		if err != nil || len(claims) != 1 {
			t.Fatalf("%d deliveries are due, %v", len(claims), err)
		}
		f.sendAll(t.Context(), claims)
	})
	life(now.Add(claimFor-time.Minute), func(f *fixture) { // a claim keeps others away
		if f.tick(); len(arrived.got) != 1 {
			t.Fatalf("%d messages came", len(arrived.got))
		}
	})
	life(now.Add(claimFor+time.Minute), func(f *fixture) {
		if f.tick(); len(arrived.got) != 2 {
			t.Fatalf("%d messages came", len(arrived.got))
		}
		f.emit(f.expiring("web.example.com", 7))
		f.tick()
		if got := f.states(); got != "0 failed, 0 waiting, 0 collecting, 1 delivered" {
			t.Error(got)
		}
	})
	if a, b := arrived.got[0], arrived.got[1]; a.ID != b.ID || len(arrived.got) != 2 {
		t.Errorf("%d messages came, with the ids %s and %s", len(arrived.got), a.ID, b.ID)
	}
}

// TestLateOutcome: a claim has ended, and another server has delivered, before
// this one's attempt is over. What it did stays.
func TestLateOutcome(t *testing.T) {
	r := new(receiver)
	f := newFixture(t, Config{Channels: []Channel{{Name: "hook", Sender: r}}})
	f.emit(f.expiring("web.example.com", 7))
	if _, err := f.handOver(t.Context()); err != nil {
		t.Fatal(err)
	}
	claims, _, err := f.claim(t.Context())
	if err != nil || len(claims) != 1 {
		t.Fatalf("%d deliveries are due, %v", len(claims), err)
	}
	f.pass(claimFor + time.Minute)
	f.tick()
	claims[0].err = errAway
	if err := f.settle(t.Context(), claims); err != nil {
		t.Fatal(err)
	}
	if got := f.states(); got != "0 failed, 0 waiting, 0 collecting, 1 delivered" {
		t.Error(got)
	}
}

// TestOutcomes: what each kind of failure does to the message and to others of
// its channel.
func TestOutcomes(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		at     time.Duration // when it is looked at
		states string
		tried  int // of two messages
	}{
		"refused":               {Refused(errAway), 0, "2 failed, 0 waiting, 0 collecting, 0 delivered", 2},
		"not now":               {errAway, 0, "0 failed, 2 waiting, 0 collecting, 0 delivered", 2},
		"not now, a bit later":  {errAway, 30 * time.Second, "0 failed, 2 waiting, 0 collecting, 0 delivered", 2},
		"not now, again":        {errAway, 90 * time.Second, "0 failed, 2 waiting, 0 collecting, 0 delivered", 4},
		"away":                  {Down(errAway), 0, "0 failed, 2 waiting, 0 collecting, 0 delivered", 1},
		"away, again":           {Down(errAway), 2 * time.Minute, "0 failed, 2 waiting, 0 collecting, 0 delivered", 2},
		"given up":              {errAway, 73 * time.Hour, "2 failed, 0 waiting, 0 collecting, 0 delivered", 4},
		"away until given up":   {Down(errAway), 73 * time.Hour, "2 failed, 0 waiting, 0 collecting, 0 delivered", 2},
		"the server is stopped": {context.Canceled, 0, "0 failed, 2 waiting, 0 collecting, 0 delivered", 2},
	} {
		t.Run(name, func(t *testing.T) {
			r, tried := new(receiver), 0
			f := newFixture(t, Config{Channels: []Channel{{Name: "hook", Sender: r}}})
			r.failing(func(*Message) error { tried++; return tt.err })
			f.emit(f.expiring("a.example.com", 7), f.expiring("b.example.com", 7))
			step := func() {
				if _, err := f.Tick(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			step()
			if f.pass(tt.at); tt.at > 0 {
				step()
			}
			if got := f.states(); got != tt.states || tried != tt.tried {
				t.Errorf("%s after %d attempts, want %s after %d", got, tried, tt.states, tt.tried)
			}
		})
	}
}

// TestTargets: who refuses does not keep the others from being told.
func TestTargets(t *testing.T) {
	r := new(receiver)
	f := newFixture(t, Config{Channels: []Channel{{Name: "mail", Targets: []string{"a@example.com", "gone@example.com", "c@example.com"}, Sender: r}}})
	r.failing(func(m *Message) error {
		if m.Target == "gone@example.com" {
			return Refused(errors.New("550 no such user"))
		}
		return nil
	})
	f.emit(f.expiring("web.example.com", 1))
	f.tick()
	if got := f.states(); got != "1 failed, 0 waiting, 0 collecting, 2 delivered" {
		t.Error(got)
	}
}

// TestChannelGone: what waits for a channel that the configuration has no more
// is not lost.
func TestChannelGone(t *testing.T) {
	r := new(receiver)
	f := newFixture(t, Config{Channels: []Channel{{Name: "old", Sender: r}}})
	r.failing(func(*Message) error { return errAway })
	f.emit(f.expiring("web.example.com", 1))
	f.tick()
	g := newFixture(t, Config{Store: f.store, Channels: []Channel{{Name: "new", Sender: new(receiver)}}})
	g.pass(time.Hour)
	g.tick()
	list, _, err := g.List(t.Context(), g.as("admin"), []State{Failed}, kms.Page{Limit: 10})
	if err != nil || len(list) != 1 || !strings.Contains(list[0].Error, `no channel "old"`) {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestRules is the table of which channels are told.
func TestRules(t *testing.T) {
	channels := []Channel{{Name: "all", Sender: new(receiver)}, {Name: "some", Sender: new(receiver)}}
	for name, tt := range map[string]struct {
		rule Rule
		e    event.Event
		want bool
	}{
		"everything":               {Rule{}, event.Event{Kind: event.KeyRotated}, true},
		"the kind":                 {Rule{Kinds: []string{"key.rotated"}}, event.Event{Kind: event.KeyRotated}, true},
		"another kind":             {Rule{Kinds: []string{"key.rotation-due"}}, event.Event{Kind: event.KeyRotated}, false},
		"kinds":                    {Rule{Kinds: []string{"certificate.*", "key.*"}}, event.Event{Kind: event.KeyRotated}, true},
		"the realm":                {Rule{Realm: "1"}, event.Event{Kind: event.KeyRotated, Realm: "1"}, true},
		"another realm":            {Rule{Realm: "1"}, event.Event{Kind: event.KeyRotated, Realm: "2"}, false},
		"severe enough":            {Rule{Severity: Warning}, event.Event{Kind: event.CertificateExpired}, true},
		"not severe enough":        {Rule{Severity: Warning}, event.Event{Kind: event.CertificateRenewed}, false},
		"the name":                 {Rule{Names: []string{"*.example.com"}}, event.Event{Kind: event.KeyRotated, Name: "web.example.com"}, true},
		"another name":             {Rule{Names: []string{"*.example.com"}}, event.Event{Kind: event.KeyRotated, Name: "example.com"}, false},
		"the resource":             {Rule{Names: []string{"*/alias/pki*"}}, event.Event{Kind: event.KeyRotated, Subject: "1/eu/alias/pki-root"}, true},
		"a pattern with two stars": {Rule{Names: []string{"a*b*c"}}, event.Event{Kind: event.KeyRotated, Name: "a-b-b-c"}, true},
		"the end is missing":       {Rule{Names: []string{"a*b*c"}}, event.Event{Kind: event.KeyRotated, Name: "a-b-b-c-d"}, false},
		"two parts that overlap":   {Rule{Names: []string{"ab*ba"}}, event.Event{Kind: event.KeyRotated, Name: "aba"}, false},
	} {
		tt.rule.Channels = []string{"some"}
		f := newFixture(t, Config{Channels: channels, Rules: []Rule{tt.rule, {Kinds: []string{"approval.*"}, Channels: []string{"all"}}}})
		if got := len(f.route(&tt.e)) == 1; got != tt.want {
			t.Errorf("%s: told is %v", name, got)
		}
	}
	for name, c := range map[string]Config{
		"a rule without channels": {Channels: channels, Rules: []Rule{{}}},
		"an unknown channel":      {Channels: channels, Rules: []Rule{{Channels: []string{"none"}}}},
		"an unknown kind":         {Channels: channels, Rules: []Rule{{Kinds: []string{"certificates.*"}, Channels: []string{"all"}}}},
		"two of a name":           {Channels: []Channel{{Name: "a"}, {Name: "a"}}},
		"too many receivers":      {Channels: []Channel{{Name: "a", Targets: make([]string, MaxTargets+1)}}},
		"too many channels":       {Channels: make([]Channel, MaxChannels+1)},
	} {
		if _, err := New(c); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	f := newFixture(t, Config{Channels: channels})
	if got := len(f.route(&event.Event{Kind: event.KeyRotated})); got != 2 {
		t.Errorf("without rules %d channels are told", got)
	}
}

// TestSeverities is the table of how severe each event is.
func TestSeverities(t *testing.T) {
	days := func(n string) []event.Detail { return []event.Detail{{Name: "days", Value: n}} }
	for _, tt := range []struct {
		kind event.Kind
		days string
		want Severity
	}{
		{event.CertificateExpiring, "30", Info},
		{event.CertificateExpiring, "14", Info},
		{event.CertificateExpiring, "7", Warning},
		{event.CertificateExpiring, "1", Critical},
		{event.CertificateExpired, "", Critical},
		{event.CertificateRenewed, "", Info},
		{event.RenewalFailed, "", Warning},
		{event.DeploymentFailed, "", Warning},
		{event.AuthorityExpiring, "90", Info},
		{event.AuthorityExpiring, "30", Warning},
		{event.AuthorityExpiring, "7", Critical},
		{event.AuthorityExpiring, "0", Critical},
		{event.KeyRotationDue, "", Info},
		{event.KeyRotated, "", Info},
		{event.DeletionPending, "30", Warning},
		{event.DeletionPending, "1", Critical},
		{event.DeniedBurst, "", Warning},
		{event.ApprovalRequested, "", Info},
		{event.ApprovalDecided, "", Info},
		{event.SinkBehind, "", Warning},
	} {
		if got := SeverityOf(&event.Event{Kind: tt.kind, Details: days(tt.days)}); got != tt.want {
			t.Errorf("%s, %s days: %s, want %s", tt.kind, tt.days, got, tt.want)
		}
	}
	for _, s := range []Severity{Info, Warning, Critical} {
		if got, ok := ParseSeverity(s.String()); !ok || got != s {
			t.Errorf("%s comes back as %s", s, got)
		}
	}
	if _, ok := ParseSeverity("loud"); ok {
		t.Error("a severity that is none is taken")
	}
}

// TestCallers: what callers see, and what only those may do who are allowed.
func TestCallers(t *testing.T) {
	r := new(receiver)
	f := newFixture(t, Config{
		Channels: []Channel{{Name: "hook", Kind: "webhook", Sender: r}, {Name: "theirs", Kind: "slack", Sender: r}},
		Rules:    []Rule{{Channels: []string{"hook"}}, {Channels: []string{"theirs"}, Realm: "210987654321"}},
	})
	ctx, admin := t.Context(), f.as("admin")
	r.failing(func(m *Message) error {
		if m.Events[0].Name == "bad.example.com" {
			return Refused(errors.New("422"))
		}
		return nil
	})
	other := f.expiring("other.example.com", 7)
	other.Realm = "210987654321"
	f.emit(f.expiring("good.example.com", 7), f.expiring("bad.example.com", 7), other)
	f.tick()

	first, next, err := f.List(ctx, admin, nil, kms.Page{Limit: 1})
	if err != nil || len(first) != 1 || first[0].State != Failed || next == "" {
		t.Fatalf("the first page is %+v, next %q, %v", first, next, err)
	}
	second, next, err := f.List(ctx, admin, nil, kms.Page{Limit: 1, After: next})
	if err != nil || len(second) != 1 || second[0].State != Delivered || next != "" {
		t.Fatalf("the second page is %+v, next %q, %v", second, next, err)
	}
	if _, _, err := f.List(ctx, admin, []State{"lost"}, kms.Page{Limit: 1}); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("an unknown state: %v", err)
	}
	failed := first[0].ID
	if d, err := f.Show(ctx, admin, failed); err != nil || d.Error != "422" || d.Events[0].Name != "bad.example.com" {
		t.Errorf("%+v, %v", d, err)
	}
	for _, id := range []string{"x", "", "0198c0de-7b1e-7000-8000-000000000001"} {
		if _, err := f.Show(ctx, admin, id); fault.KindOf(err) != fault.NotFound {
			t.Errorf("notice %q: %v", id, err)
		}
	}
	if _, err := f.Retry(ctx, admin, second[0].ID); fault.KindOf(err) != fault.WrongState {
		t.Errorf("one that was delivered is tried again: %v", err)
	}
	r.failing(nil)
	if d, err := f.Retry(ctx, admin, failed); err != nil || d.State != Waiting {
		t.Fatalf("%+v, %v", d, err)
	}
	f.tick()
	if d, err := f.Show(ctx, admin, failed); err != nil || d.State != Delivered || d.ID != failed || d.Attempts != 2 {
		t.Errorf("%+v, %v", d, err)
	}

	theirs := *admin
	theirs.Caller.Principal.Realm = "210987654321"
	if _, err := f.Show(ctx, &theirs, failed); fault.KindOf(err) != fault.NotFound {
		t.Errorf("another realm sees it: %v", err)
	}
	if list, err := f.Channels(ctx, admin); err != nil || len(list) != 1 || list[0].Name != "hook" || list[0].Delivered != 3 {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err := f.Channels(ctx, &theirs); err != nil || len(list) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
	before := len(r.got)
	if trials, err := f.Test(ctx, admin, "hook"); err != nil || len(trials) != 1 || trials[0].Err != nil || len(r.got) != before+1 {
		t.Errorf("%+v, %v", trials, err)
	}
	if _, err := f.Test(ctx, admin, "theirs"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a channel of another realm is tested: %v", err)
	}
	denied(t, f, failed)
}

// denied wants everything refused to who may nothing.
func denied(t *testing.T, f *fixture, id string) {
	t.Helper()
	ctx, guest := t.Context(), f.as("guest")
	_, _, list := f.List(ctx, guest, nil, kms.Page{Limit: 1})
	_, show := f.Show(ctx, guest, id)
	_, retry := f.Retry(ctx, guest, id)
	_, channels := f.Channels(ctx, guest)
	_, test := f.Test(ctx, guest, "hook")
	for name, err := range map[string]error{"list": list, "show": show, "retry": retry, "channels": channels, "test": test} {
		if fault.KindOf(err) != fault.PermissionDenied {
			t.Errorf("%s by who may not: %v", name, err)
		}
	}
}

// TestHealth: what waits, and since when.
func TestHealth(t *testing.T) {
	r := new(receiver)
	f := newFixture(t, Config{Channels: []Channel{{Name: "hook", Sender: r}}})
	r.failing(func(*Message) error { return Down(errAway) })
	f.emit(f.expiring("a.example.com", 7), f.expiring("b.example.com", 7))
	f.tick()
	h, err := f.Health(t.Context())
	if err != nil || len(h) != 1 || h[0].Waiting != 2 || !h[0].Oldest.Equal(start()) || !errors.Is(h[0].Down, errAway) || h[0].Failed != 1 {
		t.Errorf("%+v, %v", h, err)
	}
}

// FuzzRecord: what is read as a delivery is written back the same.
func FuzzRecord(f *testing.F) {
	e := &event.Event{ID: "x", Kind: event.KeyRotated, Realm: realm, Time: start(), Summary: "s"}
	for _, d := range []*Delivery{
		{ID: "1", Channel: "a", Realm: realm, State: Waiting, Events: []*event.Event{e}, Created: start(), Since: start(), Due: start()},
		{ID: "1", Channel: "a", Target: "t", Realm: realm, State: Failed, Events: []*event.Event{e, e}, Digest: true, Attempts: 3, Ended: start(), Error: "no"},
		{ID: "1", Channel: "a", Realm: realm, State: Collecting, Events: []*event.Event{e}, Digest: true, Due: start()},
	} {
		row, err := d.row()
		if err != nil {
			f.Fatal(err)
		}
		if err := store.Notices.Check(row); err != nil {
			f.Error(err)
		}
		f.Add(row.Body)
	}
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"channel":"a","state":"waiting","events":[null]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		d, err := readDelivery(store.Row{ID: "1", Body: body})
		if err != nil {
			return
		}
		row, err := d.row()
		if err != nil {
			return // a time that JSON has no form for
		}
		again, err := readDelivery(row)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Errorf("it comes back changed:\n%s", diff)
		}
	})
}
