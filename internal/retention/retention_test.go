package retention

import (
	"context"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const day = 24 * time.Hour

// world is a service over a log whose files are each a day's.
type world struct {
	*Service

	dir    string
	log    *audit.Log
	signer ed25519.PrivateKey
	now    time.Time
	begin  time.Time
	done   audit.Position // what sinks have
}

type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// newWorld makes a log of some days.
func newWorld(t *testing.T, days int) *world {
	t.Helper()
	w := &world{
		dir: t.TempDir(), signer: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), done: ^audit.Position(0),
		begin: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	w.now = w.begin
	var err error
	w.log, err = audit.Open(w.dir, audit.Options{
		Signer: w.signer, ID: "log", SegmentSize: audit.MinSegmentSize, CheckpointInterval: time.Hour, Now: func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.log.Close() })
	for range days {
		w.fill(t)
		w.now = w.now.Add(day)
	}
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	w.Service = New(Config{
		Log: w.log, Guard: guard.New(w.log, people{"alice": {all}}), Store: mem.New(), Age: 365 * day,
		Delivered: func() audit.Position { return w.done }, Now: func() time.Time { return w.now },
	})
	return w
}

// fill writes entries up to where the next file begins.
func (w *world) fill(t *testing.T) {
	t.Helper()
	before := w.segments(t)
	for {
		p, err := w.log.Enqueue(&audit.Entry{Realm: key.DefaultRealm, Action: key.Sign, Result: "ok", Why: strings.Repeat("x", 4000), Time: w.now})
		if err == nil {
			err = w.log.Wait(context.Background(), p)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(before, w.segments(t)) {
			return
		}
	}
}

func (w *world) segments(t *testing.T) []uint64 {
	t.Helper()
	numbers, err := w.log.Segments()
	if err != nil {
		t.Fatal(err)
	}
	return numbers
}

// run has the clock do everything, and returns the first file that is left.
func (w *world) run(t *testing.T) uint64 {
	t.Helper()
	w.now = w.now.Add(time.Hour)
	for {
		more, err := w.Tick(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return w.segments(t)[0]
		}
	}
}

func (w *world) verify(t *testing.T) audit.Report {
	t.Helper()
	pub, _ := w.signer.Public().(ed25519.PublicKey)
	r, err := audit.Verify(w.dir, pub)
	if err != nil || !r.OK() {
		t.Errorf("the log is not intact: %v, %v", r.Problems, err)
	}
	return r
}

func callOf(name string) *key.Call {
	return &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: name}}, Time: time.Now()}
}

// TestRetention: a year of files is kept, by their newest entries; what is
// older goes, once every sink has it, and the log proves itself and says so.
func TestRetention(t *testing.T) {
	w := newWorld(t, 12) // file N ends N-1 days after the beginning, and the newest is begun
	if first := w.run(t); first != 1 {
		t.Fatalf("a young log begins with %d", first)
	}
	w.now = w.begin.Add(365*day + 8*day)
	fourth, err := w.log.Beginning(4)
	if err != nil {
		t.Fatal(err)
	}
	w.done = fourth.First - 1
	if first := w.run(t); first != 4 {
		t.Errorf("a sink has no more than 3 files, and the log begins with %d", first)
	}
	w.done = ^audit.Position(0)
	if first := w.run(t); first != 10 {
		t.Errorf("9 files are old, and the log begins with %d", first)
	}
	r := w.verify(t)
	if r.Retention == nil || r.Retention.Segment != 10 || r.Retention.First != r.First {
		t.Errorf("the mark is %+v", r.Retention)
	}
	var removed []string
	for e, err := range w.log.Read(context.Background(), audit.Filter{Action: "audit:Retire"}) {
		if err != nil {
			t.Fatal(err)
		}
		removed = append(removed, e.Entry.Details[1].Value)
	}
	if diff := cmp.Diff([]string{"4", "8", "10"}, removed); diff != "" {
		t.Errorf("recorded removals before files (-want +got)\n%s", diff)
	}
	w.Age = 0
	w.now = w.now.Add(1000 * day)
	if first := w.run(t); first != 10 {
		t.Errorf("with no age the log begins with %d", first)
	}
}

// TestHolds: what is under a hold stays, and with it all that is newer; it goes
// when the hold is gone, also after a restart.
func TestHolds(t *testing.T) {
	w, ctx := newWorld(t, 10), context.Background()
	if _, err := w.Add(ctx, callOf("mallory"), Hold{Name: "case-1", Reason: "x"}); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("mallory adds a hold: %v", err)
	}
	h, err := w.Add(ctx, callOf("alice"), Hold{Name: "case-1", From: w.begin.Add(4*day + 12*time.Hour), Until: w.begin.Add(5 * day), Reason: "case 1"})
	if err != nil || h.CreatedBy != "123456789012:user:alice" {
		t.Fatalf("%+v, %v", h, err)
	}
	w.now = w.begin.Add(3 * 365 * day)
	if first := w.run(t); first != 6 {
		t.Errorf("file 6 is under hold, and the log begins with %d", first)
	}
	again := New(w.Config) // a restart
	list, err := again.Holds(ctx, callOf("alice"))
	if diff := cmp.Diff([]Hold{*h}, list); err != nil || diff != "" {
		t.Errorf("the holds: %v (-want +got)\n%s", err, diff)
	}
	w.Service = again
	if first := w.run(t); first != 6 {
		t.Errorf("after a restart the log begins with %d", first)
	}
	if err := w.Remove(ctx, callOf("mallory"), "case-1"); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("mallory removes a hold: %v", err)
	}
	if err := w.Remove(ctx, callOf("alice"), "case-1"); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(ctx, callOf("alice"), "case-1"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("removing it again: %v", err)
	}
	if first := w.run(t); first != 11 {
		t.Errorf("without the hold the log begins with %d", first)
	}
	w.verify(t)
}

// TestHeld: a hold is about files whose time it touches.
func TestHeld(t *testing.T) {
	at := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, time.UTC) }
	tests := []struct {
		from, until, begin, end time.Time
		want                    bool
	}{
		{time.Time{}, time.Time{}, at(5), at(6), true},
		{at(5), at(6), at(5), at(6), true},
		{at(1), at(4), at(5), at(6), false},
		{at(7), at(8), at(5), at(6), false},
		{at(7), time.Time{}, at(5), at(6), false},
		{time.Time{}, at(3), at(5), at(6), false},
		{time.Time{}, at(8), at(5), at(6), true},
		{at(6).Add(time.Minute), at(8), at(5), at(6), true}, // an entry may be older than its file
	}
	for _, test := range tests {
		if got := held([]Hold{{From: test.from, Until: test.until}}, test.begin, test.end); got != test.want {
			t.Errorf("%v to %v holds %v to %v: %t", test.from, test.until, test.begin, test.end, got)
		}
	}
}

// TestWrongHolds: what is no hold is refused.
func TestWrongHolds(t *testing.T) {
	w := newWorld(t, 1)
	tests := map[string]Hold{
		"no name":    {Reason: "x"},
		"a path":     {Name: "a/b", Reason: "x"},
		"no reason":  {Name: "a", Reason: " "},
		"two lines":  {Name: "a", Reason: "x\ny"},
		"long":       {Name: "a", Reason: strings.Repeat("x", 513)},
		"turned":     {Name: "a", Reason: "x", From: w.now, Until: w.now.Add(-time.Hour)},
		"empty time": {Name: "a", Reason: "x", From: w.now, Until: w.now},
	}
	for name, h := range tests {
		if _, err := w.Add(context.Background(), callOf("alice"), h); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	for range 2 {
		_, err := w.Add(context.Background(), callOf("alice"), Hold{Name: "a", Reason: "x"})
		if err != nil && fault.KindOf(err) != fault.AlreadyExists {
			t.Error(err)
		}
	}
}

// TestTampered: what somebody changed is not removed, for as long as it proves
// that.
func TestTampered(t *testing.T) {
	w := newWorld(t, 6)
	path := filepath.Join(w.dir, "audit-0000000002.seg")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[10_000] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	w.now = w.begin.Add(3 * 365 * day)
	if _, err := w.Tick(context.Background()); err == nil || w.segments(t)[0] != 1 {
		t.Errorf("removed: %v, %v", err, w.segments(t))
	}
}

// FuzzHold: what is read of a stored hold is written as the same again.
func FuzzHold(f *testing.F) {
	row, err := rowOf(&Hold{key.DefaultRealm, "a", time.Unix(1, 0).UTC(), time.Time{}, "r", time.Unix(2, 0).UTC(), "me"})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(row.ID, row.Body)
	f.Add("hold/x", []byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, id string, body []byte) {
		h, err := readHold(store.Row{ID: id, Body: body})
		if err != nil {
			return
		}
		row, err := rowOf(&h)
		if err != nil {
			return // a time that JSON cannot have
		}
		again, err := readHold(row)
		if err != nil || cmp.Diff(h, again) != "" {
			t.Fatalf("%+v was read again as %+v, %v", h, again, err)
		}
	})
}
