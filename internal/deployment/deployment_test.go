package deployment_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/deployment"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

// nobody has no policies: only roots may do anything.
type nobody struct{}

func (nobody) Policies(*key.Caller) []*policy.Policy { return nil }

type fixture struct {
	*deployment.Service
	t     *testing.T
	store store.Store
	at    time.Time
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, store: mem.New(), at: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)}
	f.Service = deployment.New(guard.New(audit.NewMemory(1000), nobody{}), f.store, func() time.Time { return f.at })
	return f
}

func by(realm key.RealmID, kind key.PrincipalKind) *key.Call {
	return &key.Call{Caller: key.Caller{Principal: key.Principal{Realm: realm, Kind: kind, Name: "x"}}, Region: "us-east-1", Time: time.Now()}
}

func root() *key.Call { return by(key.DefaultRealm, key.Root) }

func (f *fixture) report(call *key.Call, r deployment.Report) error {
	f.t.Helper()
	return f.Report(f.t.Context(), call, &r)
}

func good() deployment.Report {
	return deployment.Report{
		Host: "web-1", Name: "web", Managed: "m", Serial: "0a", SHA256: "ff", Serving: "0a", Subject: "CN=web", Outcome: deployment.Served,
		NotAfter: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), Places: []string{"/x"}, Check: "localhost:443", At: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC),
	}
}

func (f *fixture) list(filter deployment.Filter, limit int) string {
	f.t.Helper()
	var all []string
	page := kms.Page{Limit: limit}
	for {
		l, next, err := f.List(f.t.Context(), root(), filter, page)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, d := range l {
			all = append(all, fmt.Sprintf("%s/%s=%s", d.Host, d.Name, d.Outcome))
		}
		if page.After = next; next == "" {
			return strings.Join(all, " ")
		}
	}
}

func (f *fixture) events() (list []*event.Event) {
	f.t.Helper()
	err := f.store.Update(f.t.Context(), func(tx store.Tx) (err error) {
		list, err = event.Due(tx, f.at.Add(time.Hour), 100)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return list
}

// TestReports holds that the latest report of each principal is kept and
// found, and that of failures people are told once.
func TestReports(t *testing.T) {
	f := newFixture(t)
	r := good()
	must(t, f.report(root(), r))
	list, _, err := f.List(t.Context(), root(), deployment.Filter{}, kms.Page{})
	must(t, err)
	want := &deployment.Deployment{Report: r, Realm: key.DefaultRealm, Reporter: string(key.DefaultRealm) + ":root:x", ReportedAt: f.at}
	if diff := cmp.Diff([]*deployment.Deployment{want}, list); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, change := range []func(){
		func() { r.Outcome, r.Failure, r.Serial = deployment.RolledBack, "nginx refused it", "0b" },
		func() { r.At = r.At.Add(time.Hour) }, // the same again
		func() { r.Host, r.Managed = "web-10", "n" },
		func() { r.Host, r.Outcome = "web-2", deployment.Unconfirmed },
	} {
		change()
		must(t, f.report(root(), r))
	}
	must(t, f.report(by("999999999999", key.Root), r))
	for filter, want := range map[deployment.Filter]string{
		{}:                                 "web-1/web=rolled-back web-10/web=rolled-back web-2/web=unconfirmed",
		{Host: "web-1"}:                    "web-1/web=rolled-back",
		{Managed: "n"}:                     "web-10/web=rolled-back web-2/web=unconfirmed",
		{Outcome: deployment.Unconfirmed}:  "web-2/web=unconfirmed",
		{Host: "web"}:                      "",
		{Host: "web-1", Outcome: "served"}: "",
	} {
		for limit := range 4 {
			if got := f.list(filter, limit); got != want {
				t.Errorf("%+v in pages of %d: %s, want %s", filter, limit, got, want)
			}
		}
	}
	var told []string
	for _, e := range f.events() {
		told = append(told, string(e.Kind)+" "+e.Subject)
	}
	if diff := cmp.Diff([]string{
		"certificate.deployment-failed 123456789012/us-east-1/managed/m", "certificate.deployment-failed 123456789012/us-east-1/managed/n",
	}, told); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// TestReportRefused holds what no agent says.
func TestReportRefused(t *testing.T) {
	f := newFixture(t)
	for name, spoil := range map[string]func(*deployment.Report){
		"a host with a slash":         func(r *deployment.Report) { r.Host = "a/b" },
		"no host":                     func(r *deployment.Report) { r.Host = "" },
		"a name with a slash":         func(r *deployment.Report) { r.Name = "a/b" },
		"a managed id with a slash":   func(r *deployment.Report) { r.Managed = "a/b" },
		"a serial number not in hex":  func(r *deployment.Report) { r.Serial = "0A" },
		"an unknown outcome":          func(r *deployment.Report) { r.Outcome = "fine" },
		"a failure of a success":      func(r *deployment.Report) { r.Failure = "x" },
		"a failure without its cause": func(r *deployment.Report) { r.Outcome = deployment.Failed },
		"no time":                     func(r *deployment.Report) { r.At = time.Time{} },
		"many places":                 func(r *deployment.Report) { r.Places = make([]string, deployment.MaxPlaces+1) },
		"a long text":                 func(r *deployment.Report) { r.Subject = strings.Repeat("x", 5000) },
	} {
		r := good()
		spoil(&r)
		if err := f.report(root(), r); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := f.report(by(key.DefaultRealm, key.User), good()); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("a user without rights reports: %v", err)
	}
	if _, _, err := f.List(t.Context(), by(key.DefaultRealm, key.User), deployment.Filter{}, kms.Page{}); fault.KindOf(err) != fault.PermissionDenied {
		t.Errorf("a user without rights lists: %v", err)
	}
	if got := f.list(deployment.Filter{}, 0); got != "" {
		t.Errorf("kept: %s", got)
	}
}

// TestTick holds that what nobody reports any more is forgotten, in its time.
func TestTick(t *testing.T) {
	f := newFixture(t)
	must(t, f.report(root(), good()))
	sweep := func() {
		for more := true; more; {
			var err error
			more, err = f.Tick(context.Background())
			must(t, err)
		}
	}
	f.at = f.at.Add(20 * 24 * time.Hour)
	r := good()
	r.Host = "web-2"
	must(t, f.report(root(), r))
	sweep()
	if got := f.list(deployment.Filter{}, 0); got != "web-1/web=served web-2/web=served" {
		t.Errorf("after 20 days: %s", got)
	}
	f.at = f.at.Add(26 * 24 * time.Hour)
	sweep()
	if got := f.list(deployment.Filter{}, 0); got != "web-2/web=served" {
		t.Errorf("after 46 days: %s", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
