package gauges_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/lifecycle"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/server/gauges"
	"github.com/holdfast-kms/holdfast/internal/status"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// shown returns the series of g whose names begin with a prefix.
func shown(t *testing.T, g *gauges.Gauges, prefix string) (list []string) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(g)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), prefix) {
			continue
		}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetValue())
			}
			value := m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			list = append(list, strings.TrimSpace(fmt.Sprintf("%s %s %v", strings.TrimPrefix(f.GetName(), prefix), strings.Join(labels, ","), value)))
		}
	}
	return list
}

// TestOperations counts entries, without an allocation for any.
func TestOperations(t *testing.T) {
	g := gauges.New()
	entries := []audit.Entry{
		{Action: key.Sign, Decision: audit.Allowed, Result: "ok"},
		{Action: key.Sign, Decision: audit.Allowed, Result: "ok"},
		{Action: key.Sign, Decision: audit.Denied, Result: fault.PermissionDenied.String()},
		{Result: fault.Unauthenticated.String()},
		{Action: key.Sign, Result: "a stranger's words"}, // is none of the results
		{Action: 255, Decision: audit.Allowed, Result: "ok"},
	}
	for n := range entries {
		g.Observe(&entries[n])
	}
	want := []string{" key:Sign,allow,ok 2", " key:Sign,deny,permission denied 1", " none,none,unauthenticated 1"}
	for n := range want {
		want[n] = strings.TrimSpace(want[n])
	}
	got := shown(t, g, "holdfast_operations_total")
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if n := testing.AllocsPerRun(100, func() { g.Observe(&entries[0]) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// failing is a store that cannot.
type failing struct{ store.Store }

func (failing) View(context.Context, func(store.Reader) error) error {
	return fault.New(fault.Unavailable, "the disk is away")
}

// TestStore counts transactions, and as failures only what the store could not
// do.
func TestStore(t *testing.T) {
	g := gauges.New()
	s := g.Store(mem.New())
	if err := s.Update(t.Context(), func(tx store.Tx) error { return tx.Insert(store.Settings, store.Row{ID: "a"}) }); err != nil {
		t.Fatal(err)
	}
	none := s.View(t.Context(), func(r store.Reader) error {
		_, err := r.Get(store.Settings, "b")
		return err
	})
	own := errors.New("f's own")
	if err := s.View(t.Context(), func(store.Reader) error { return own }); !errors.Is(err, own) || fault.KindOf(none) != fault.NotFound {
		t.Fatalf("%v, %v", err, none)
	}
	if err := g.Store(failing{}).View(t.Context(), nil); fault.KindOf(err) != fault.Unavailable {
		t.Fatal(err)
	}
	want := []string{"duration_seconds update 1", "duration_seconds view 3", "failures_total update 0", "failures_total view 1"}
	if diff := cmp.Diff(want, shown(t, g, "holdfast_store_")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestAudit shows how the log's groups went.
func TestAudit(t *testing.T) {
	g := gauges.New()
	failure := errors.New("the disk is full")
	g.Committed(time.Millisecond, nil)
	g.Committed(time.Millisecond, failure)
	g.Signed(audit.Checkpoint{Time: time.Unix(1_800_000_000, 0)})
	want := []string{"checkpoint_timestamp_seconds  1.8e+09", "commit_duration_seconds  1", "failures_total  1", "up  0"}
	if diff := cmp.Diff(want, shown(t, g, "holdfast_audit_")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	up := "up  1"
	subject := &gauges.Subject{Audit: func() error { return nil }, Judged: time.Now}
	g.Watch(subject)
	if got := shown(t, g, "holdfast_audit_"); got[3] != up {
		t.Error(got[3])
	}
	subject.Audit = func() error { return failure }
	if got := shown(t, g, "holdfast_audit_"); got[3] == up {
		t.Error("the log is up while it cannot be written")
	}
}

// TestClock shows what the clock's tasks did.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		runs := 0 // belongs to the task
		runner := lifecycle.Start(time.Minute, slog.New(slog.DiscardHandler), lifecycle.Task{Name: "renewals", Tick: func(context.Context) (bool, error) {
			time.Sleep(2 * time.Second)
			if runs++; runs > 1 {
				return false, errors.New("away")
			}
			return false, nil
		}})
		defer runner.Stop()
		g, began := gauges.New(), time.Now()
		g.Watch(&gauges.Subject{Clocks: []*lifecycle.Runner{runner}, Audit: func() error { return nil }, Judged: time.Now})
		time.Sleep(90 * time.Second)
		synctest.Wait()
		unix := func(after time.Duration) string { return fmt.Sprint(float64(began.Add(after).Unix())) }
		want := []string{
			"began_timestamp_seconds renewals " + unix(time.Minute), "failures_total renewals 1", "interval_seconds renewals 60", "run_seconds_total renewals 4", "runs_total renewals 2",
			"succeeded_timestamp_seconds renewals " + unix(2*time.Second),
		}
		if diff := cmp.Diff(want, shown(t, g, "holdfast_clock_")); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	})
}

// world is what a census counts in TestCensus.
type world struct {
	now   time.Time
	walks int
}

func (w *world) Outlook() status.Outlook {
	return status.Outlook{Lists: 3, Stale: 1, Next: w.now.Add(time.Hour), Oldest: w.now.Add(-time.Hour)}
}

func (w *world) Waiting(context.Context) (int, time.Time, error) {
	return 2, w.now.Add(-time.Hour), nil
}

func (w *world) All() []*ca.Authority {
	return []*ca.Authority{
		{State: ca.Active, NotAfter: w.now.AddDate(0, 0, 20)},
		{State: ca.Active, NotAfter: w.now.AddDate(10, 0, 0)},
		{State: ca.Disabled, NotAfter: w.now.AddDate(0, 0, 1)},
	}
}

// Walk returns the certificates in two pages.
func (w *world) Walk(_ context.Context, after string, _ int) ([]*managed.Certificate, string, error) {
	der := []byte{1}
	ends := func(days int) time.Time { return w.now.AddDate(0, 0, days).Add(-time.Minute) }
	due := managed.Outlook{Due: w.now.Add(time.Hour)}
	late := managed.Outlook{Due: w.now.Add(-25 * time.Hour)}
	if after == "" {
		w.walks++
		return []*managed.Certificate{
			{DER: der, NotAfter: ends(1), Outlook: due}, // short-lived, and renewed in time
			{DER: der, NotAfter: ends(7)},               // imported
			{DER: der, NotAfter: ends(14), Outlook: due, Renewal: &managed.Renewal{Outcome: managed.Refused}},
		}, "next", nil
	}
	return []*managed.Certificate{
		{DER: der, NotAfter: ends(30), Outlook: late},
		{DER: der, NotAfter: ends(300), Outlook: due},
		{DER: der, NotAfter: ends(-1)},
		{DER: der, NotAfter: ends(1), RevokedAt: w.now},
		{},
	}, "", nil
}

// TestCensus counts a world, and again only when it is time.
func TestCensus(t *testing.T) {
	w, g, s := &world{now: time.Unix(1_800_000_000, 0)}, gauges.New(), mem.New()
	err := s.Update(t.Context(), func(tx store.Tx) error {
		for n, due := range []time.Duration{-time.Minute, -time.Second, time.Hour} {
			row := store.Row{ID: fmt.Sprint("event", n), Columns: []string{w.now.Add(due).UTC().Format(store.TimeFormat)}}
			if err := tx.Insert(store.Events, row); err != nil {
				return err
			}
		}
		return tx.Insert(store.Messages, store.Row{ID: "to/a", Columns: []string{w.now.UTC().Format(store.TimeFormat), "realm/region"}})
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := shown(t, g, "holdfast_managed_"); len(got) > 0 {
		t.Errorf("figures before anybody counted: %v", got)
	}
	counter := &gauges.Counter{Gauges: g, Store: s, Managed: w, Authorities: w, Status: w, Approvals: w, Now: func() time.Time { return w.now }}
	tick := func() {
		if more, err := counter.Tick(t.Context()); more || err != nil {
			t.Fatal(more, err)
		}
	}
	tick()
	w.now = w.now.Add(59 * time.Second)
	tick()
	if w.walks != 1 {
		t.Errorf("counted %d times within a minute", w.walks)
	}
	var got []string
	for _, prefix := range []string{"holdfast_managed_", "holdfast_authorities", "holdfast_crl", "holdfast_events_", "holdfast_topic_", "holdfast_approvals_"} {
		got = append(got, shown(t, g, prefix)...)
	}
	want := []string{
		"certificate_first_end_timestamp_seconds  1.80008634e+09",
		"certificates expired 1", "certificates failed 1", "certificates issued 5", "certificates revoked 1",
		"certificates_expiring 1 1", "certificates_expiring 14 3", "certificates_expiring 30 4", "certificates_expiring 7 2",
		"certificates_overdue  2",
		"certificates_unattended 1 0", "certificates_unattended 14 2", "certificates_unattended 30 3", "certificates_unattended 7 1",
		"active 2", "creating 0", "deleted 0", "disabled 1", "expired 0", "failed 0", "pending 0", "revoked 0",
		"_expiring 30 1", "_expiring 365 1", "_expiring 7 0", "_expiring 90 1",
		"_first_next_update_timestamp_seconds  1.8000036e+09", "_oldest_this_update_timestamp_seconds  1.7999964e+09", "s  3", "s_stale  1",
		"waiting  2", "deliveries_given_up  1", "first_asked_timestamp_seconds  1.7999964e+09", "waiting  2",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	w.now = w.now.Add(time.Minute)
	if tick(); w.walks != 2 {
		t.Errorf("counted %d times after two minutes", w.walks)
	}
}
