package metric

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strconv"
	"sync"
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
)

const (
	realm  = "123456789012"
	region = "eu-central-1"
	keyA   = "11111111-2222-3333-4444-555555555555"
	keyB   = "mrk-0123456789abcdef0123456789abcdef"
)

// noon is when the tests begin.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// fixture is a service over a store in memory, with a clock of the test's.
type fixture struct {
	*Service
	meter *Meter
	store store.Store
	at    time.Time
	calls int
}

// nobody has no policies.
type nobody struct{}

func (nobody) Policies(*key.Caller) []*policy.Policy { return nil }

func newFixture(t *testing.T, gauges ...Gauge) *fixture {
	t.Helper()
	f := &fixture{meter: new(Meter), store: mem.New(), at: noon}
	f.start(gauges...)
	t.Cleanup(func() { _ = f.store.Close() })
	return f
}

// start makes a service, like a server that starts.
func (f *fixture) start(gauges ...Gauge) {
	f.Service = New(Config{
		Meter: f.meter, Guard: guard.New(audit.NewMemory(10), nobody{}), Store: f.store, Gauges: gauges,
		Now: func() time.Time { return f.at },
	})
}

// call has the meter see a call of Encrypt on a key.
func (f *fixture) call(id, result string) { f.see(key.Encrypt, realm+"/"+region+"/"+id, result) }

func (f *fixture) see(a key.Action, resource, result string) {
	f.calls++
	e := &audit.Entry{
		Time: f.at, Realm: realm, Region: region, RequestID: strconv.Itoa(f.calls), Action: a, Resource: resource,
		Result: result, Decision: audit.Allowed,
	}
	if result == resultDenied {
		e.Decision = audit.Denied
	}
	f.meter.Observe(e)
}

// tick lets the clock do all that is due.
func (f *fixture) tick(t *testing.T) {
	t.Helper()
	for {
		more, err := f.Tick(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

func (f *fixture) points(t *testing.T, of Series, n Name, from, to time.Time, period time.Duration) []Point {
	t.Helper()
	of.Realm, of.Region = realm, region
	list, err := f.Points(t.Context(), &Question{Metric{of, n}, from, to, period})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestCalls holds what calls are counted as, in memory, stored, and after a
// restart.
func TestCalls(t *testing.T) {
	f := newFixture(t)
	for range 3 {
		f.call(keyA, "ok")
	}
	f.call(keyA, resultDenied)
	f.call(keyA, resultLimit)
	f.call(keyB, "wrong state")
	f.see(key.Decrypt, realm+"/"+region+"/"+keyA, "ok")
	f.see(key.ListKeys, "", "ok")
	f.see(key.ListUsers, "", "ok")                                                         // none of ours
	f.see(key.IssueCertificate, realm+"/"+region+"/authority/"+keyA, "ok")                 // of an authority
	f.see(key.IssueCertificate, realm+"/"+region+"/authority/"+keyA, "invalid argument")   //
	f.see(key.CreateAlias, realm+"/"+region+"/alias/alias/x", "ok")                        // no key
	f.meter.Observe(&audit.Entry{Time: f.at, Action: key.Sign, Result: "unauthenticated"}) // nobody's
	unknown := &audit.Entry{Time: f.at, Realm: realm, Region: region, Action: key.Sign, Resource: realm + "/" + region + "/" + keyB, Result: "not found"}
	f.meter.Observe(unknown)

	type row struct {
		of    Series
		n     Name
		point Point
	}
	rows := []row{
		{Series{Kind: Calls, ID: keyA}, Requests, Point{Samples: 6, Sum: 6, Min: 1, Max: 1}},
		{Series{Kind: Calls, ID: keyA}, Errors, Point{Samples: 6, Sum: 2, Min: 0, Max: 1}},
		{Series{Kind: Calls, ID: keyA}, Denied, Point{Samples: 6, Sum: 1, Min: 0, Max: 1}},
		{Series{Kind: Calls, ID: keyA}, Throttled, Point{Samples: 6, Sum: 1, Min: 0, Max: 1}},
		{Series{Kind: Calls, ID: keyA, Operation: key.Encrypt}, Requests, Point{Samples: 5, Sum: 5, Min: 1, Max: 1}},
		{Series{Kind: Calls, ID: keyA, Operation: key.Decrypt}, Errors, Point{Samples: 1, Sum: 0, Min: 0, Max: 0}},
		{Series{Kind: Calls, ID: keyB}, Errors, Point{Samples: 1, Sum: 1, Min: 1, Max: 1}},
		{Series{Kind: Calls, Operation: key.Encrypt}, Errors, Point{Samples: 6, Sum: 3, Min: 0, Max: 1}},
		{Series{Kind: Calls, Operation: key.Sign}, Errors, Point{Samples: 1, Sum: 1, Min: 1, Max: 1}},
		{Series{Kind: Calls, Operation: key.ListKeys}, Requests, Point{Samples: 1, Sum: 1, Min: 1, Max: 1}},
		{Series{Kind: Calls}, Requests, Point{Samples: 10, Sum: 10, Min: 1, Max: 1}},
		{Series{Kind: Issues, ID: keyA}, Issued, Point{Samples: 2, Sum: 1, Min: 0, Max: 1}},
		{Series{Kind: Issues}, NotIssued, Point{Samples: 2, Sum: 1, Min: 0, Max: 1}},
	}
	check := func(when string) {
		t.Helper()
		for _, r := range rows {
			for _, period := range []time.Duration{slot, time.Minute, 5 * time.Minute, time.Hour, day} {
				from := noon.Truncate(period)
				r.point.Time = from
				got := f.points(t, r.of, r.n, from, noon.Add(time.Minute), period)
				if diff := cmp.Diff([]Point{r.point}, got); diff != "" {
					t.Errorf("%s: %v %s by %s: %s", when, r.of, r.n, period, diff)
				}
			}
		}
	}
	check("in memory")
	f.at = noon.Add(time.Minute)
	f.tick(t)
	if len(f.pending) != 0 || f.held != 0 {
		t.Errorf("%d series are pending, %d bins", len(f.pending), f.held)
	}
	check("stored")
	f.start()
	check("after a restart")
}

// TestTiers holds that every fineness keeps the same figures, for as long as
// it says.
func TestTiers(t *testing.T) {
	f := newFixture(t)
	total := 0
	for i := range 36 { // six hours of a call every ten minutes, and then more
		f.at = noon.Add(time.Duration(i) * 10 * time.Minute)
		for range i % 3 {
			f.call(keyA, "ok")
			total++
		}
		f.tick(t)
	}
	f.at = f.at.Add(time.Minute)
	f.tick(t)
	sum := func(from, to time.Time, period time.Duration) (n int) {
		for _, p := range f.points(t, Series{Kind: Calls, ID: keyA}, Requests, from, to, period) {
			n += int(p.Sum)
		}
		return n
	}
	end := noon.Add(7 * time.Hour)
	for _, period := range []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 6 * time.Hour} {
		if got := sum(noon, end, period); got != total {
			t.Errorf("by %s: %d, want %d", period, got, total)
		}
	}
	if got := sum(noon.Add(time.Minute), end, 7*time.Minute); got != total {
		t.Errorf("by 7 minutes, from another minute: %d, want %d", got, total)
	}
	rows := func() (n [len(tiers)]int) {
		t.Helper()
		err := f.store.View(t.Context(), func(r store.Reader) error {
			for row, err := range r.Scan(store.Metrics, store.Query{}) {
				if err != nil {
					return err
				}
				for i := range tiers {
					if bytes.Contains([]byte(row.ID), []byte("/*/*/"+tiers[i].name+"/")) {
						n[i]++
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	steps := []struct {
		after time.Duration
		want  [len(tiers)]int
	}{
		{0, [...]int{4, 6, 1, 1}},
		{3 * time.Hour, [...]int{1, 6, 1, 1}},
		{16 * day, [...]int{0, 0, 1, 1}},
		{65 * day, [...]int{0, 0, 0, 1}},
		{470 * day, [...]int{0, 0, 0, 0}},
	}
	last := f.at
	for _, step := range steps {
		f.at = last.Add(step.after)
		f.tick(t)
		if got := rows(); got != step.want {
			t.Errorf("after %s: %v rows, want %v", step.after, got, step.want)
		}
	}
}

// TestBegin holds how the beginning of a question is rounded.
func TestBegin(t *testing.T) {
	for _, row := range []struct {
		ago, period, want time.Duration
	}{
		{time.Hour + 7*time.Second, 10 * time.Second, time.Hour + 10*time.Second},
		{time.Hour + 7*time.Second, time.Minute, time.Hour + time.Minute},
		{4*time.Hour + 7*time.Second, 10 * time.Second, 4*time.Hour + time.Minute},
		{16*day + 61*time.Second, time.Minute, 16*day + 5*time.Minute},
		{64*day + 61*time.Second, time.Minute, 64*day + time.Hour},
		{999*day + 61*time.Second, time.Minute, 999*day + time.Hour},
	} {
		if got := noon.Sub(Begin(noon.Add(-row.ago), noon, row.period)); got != row.want {
			t.Errorf("%s ago by %s begins %s ago, want %s", row.ago, row.period, got, row.want)
		}
	}
}

// TestGauges holds that what is looked at is looked at once a minute.
func TestGauges(t *testing.T) {
	left := 3600.0
	f := newFixture(t, Gauge{Material, time.Minute, func(_ context.Context, _ time.Time) ([]Reading, error) {
		left -= 60
		return []Reading{{realm, region, keyA, left}}, nil
	}})
	for range 60 {
		f.at = f.at.Add(10 * time.Second)
		f.tick(t)
	}
	got := f.points(t, Series{Kind: Material, ID: keyA}, Seconds, noon, f.at.Add(time.Minute), 10*time.Minute)
	want := []Point{{noon, 10, 32700, 3000, 3540}} // the first is at the start
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBounds holds that neither callers nor a store that fails make memory
// grow without end.
func TestBounds(t *testing.T) {
	f := newFixture(t)
	const many = 2 * maxSpots
	for i := range many { // of one request id, and so for one of the shards
		resource := fmt.Sprintf("%s/%s/%08x-0000-0000-0000-000000000000", realm, region, i)
		f.meter.Observe(&audit.Entry{
			Time: noon, Realm: realm, Region: region, RequestID: "1", Action: key.Sign, Resource: resource, Decision: audit.Allowed, Result: "ok",
		})
	}
	held := 0
	for i := range f.meter.shards {
		held += len(f.meter.shards[i].counts)
	}
	if most := maxSpots + maxSpots/8; held > most {
		t.Errorf("%d counters, want at most %d", held, most)
	}
	got := f.points(t, Series{Kind: Calls}, Requests, noon, noon.Add(time.Minute), time.Minute)
	if len(got) != 1 || got[0].Sum != many {
		t.Errorf("calls in all: %v, want %d", got, many)
	}
}

// TestFlush holds that figures are written once, whatever else happens.
func TestFlush(t *testing.T) {
	f := newFixture(t)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			for i := range 500 {
				f.meter.Observe(&audit.Entry{
					Time: noon, Action: key.Sign, RequestID: strconv.Itoa(i), Resource: realm + "/" + region + "/" + keyA,
					Decision: audit.Allowed, Result: "ok",
				})
			}
		})
	}
	for range 20 {
		if err := f.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	wait.Wait()
	if err := f.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.start()
	if got := f.points(t, Series{Kind: Calls, ID: keyA}, Requests, noon, noon.Add(time.Minute), time.Minute); len(got) != 1 || got[0].Sum != 2000 {
		t.Errorf("got %v, want 2000", got)
	}
}

// TestList holds that series are listed in order, page by page, stored or not.
func TestList(t *testing.T) {
	f := newFixture(t)
	for i := range 7 {
		f.call(fmt.Sprintf("%d0000000-0000-0000-0000-000000000000", i), "ok")
		if i == 3 {
			if err := f.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	whole, err := f.list(t.Context(), Series{Realm: realm, Region: region}, &List{Since: noon.Add(-day), Limit: 100})
	if err != nil || len(whole) != 16 {
		t.Fatalf("%d series, %v: %v", len(whole), whole, err)
	}
	var paged []Series
	l := &List{Kind: Calls, Since: noon.Add(-time.Hour), Limit: 3}
	for {
		page, err := f.list(t.Context(), Series{Realm: realm, Region: region, Kind: Calls}, l)
		if err != nil {
			t.Fatal(err)
		}
		paged = append(paged, page...)
		if len(page) < l.Limit {
			break
		}
		l.After = page[len(page)-1].name()
	}
	if diff := cmp.Diff(whole, paged); diff != "" {
		t.Error(diff)
	}
	f.at = noon.Add(20 * day)
	f.tick(t)
	old, err := f.list(t.Context(), Series{Realm: realm, Region: region}, &List{Since: f.at.Add(-14 * day), Limit: 100})
	if err != nil || len(old) != 0 {
		t.Errorf("after 20 days: %v, %v", old, err)
	}
}

// TestAuthority holds that nobody asks without leave.
func TestAuthority(t *testing.T) {
	f := newFixture(t)
	call := &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: "nobody"}}, Region: region}
	q := &Question{Metric{Series{Kind: Calls}, Requests}, noon, noon, time.Minute}
	for name, ask := range map[string]func() error{
		"statistics": func() error { _, err := f.Statistics(t.Context(), call, q); return err },
		"data":       func() error { _, err := f.Data(t.Context(), call, []*Question{q}, 1); return err },
		"list":       func() error { _, _, err := f.List(t.Context(), call, &List{Limit: 1}); return err },
	} {
		if err := ask(); fault.KindOf(err) != fault.PermissionDenied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzBlock holds that a block that is read is written the same.
func FuzzBlock(f *testing.F) {
	f.Add(block{0: {Samples: 3, Errors: 1}, 59: {Samples: 1 << 40, Denied: 2, Throttled: 1}}.encode(Calls, &tiers[1]))
	f.Add(block{7: {Samples: 3, Sum: math.Pi, Min: -1, Max: math.Inf(1)}}.encode(Expiry, &tiers[1]))
	f.Add([]byte{formatCalls})
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := readBlock(body, &tiers[1])
		if err != nil {
			return
		}
		kind := Calls
		if body[0] == formatReadings {
			kind = Expiry
		}
		again := b.encode(kind, &tiers[1])
		second, err := readBlock(again, &tiers[1])
		if err != nil || !bytes.Equal(again, second.encode(kind, &tiers[1])) {
			t.Fatalf("%x became %x: %v", body, again, err)
		}
	})
}

// FuzzName holds that a series' name that is read is written the same.
func FuzzName(f *testing.F) {
	s := Series{Realm: realm, Region: region, Kind: Calls, ID: keyA, Operation: key.Sign}
	f.Add(s.name())
	f.Add("123/x/issues/*/*")
	f.Fuzz(func(t *testing.T, name string) {
		s, err := parseName(name)
		if err == nil && s.name() != name && s.ID != "" {
			t.Fatalf("%q became %q", name, s.name())
		}
	})
}

func BenchmarkObserve(b *testing.B) {
	entries := make([]*audit.Entry, 64)
	for i := range entries {
		entries[i] = &audit.Entry{
			Time: noon, Realm: realm, Region: region, RequestID: fmt.Sprintf("%016x", i*7), Action: key.Sign,
			Resource: fmt.Sprintf("%s/%s/%08x-0000-0000-0000-000000000000", realm, region, i%16), Decision: audit.Allowed, Result: "ok",
		}
	}
	var m Meter
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			m.Observe(entries[i%len(entries)])
		}
	})
}
