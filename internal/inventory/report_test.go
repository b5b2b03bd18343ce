package inventory

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// ended waits until a report is no longer being made.
func (f *fixture) ended(t testing.TB, p *Report) *Report {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		got, err := f.DescribeReport(t.Context(), f.as("admin"), p.Authority, p.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.State != ReportCreating {
			return got
		}
		if time.Now().After(deadline) {
			t.Fatal("the report is not made")
		}
	}
}

func request(f Format) *ReportRequest {
	return &ReportRequest{Authority: "alpha", Style: "plain", Format: f, Bucket: "reports"}
}

func TestReports(t *testing.T) {
	f := newFixture(t)
	beta := f.authority(t, key.DefaultRealm, "beta")
	f.issue(t, beta, spec{common: "not in it"})
	one := f.issue(t, f.house.list[0], spec{common: "one"})
	f.pass(time.Second)
	two := f.issue(t, f.house.list[0], spec{common: "two", revoked: ca.Superseded})
	for format, want := range map[Format]string{
		CSV: "authority,serial,revoked\nalpha," + one.Serial + ",\nalpha," + two.Serial + ",2026-11-22T12:00:01Z\n",
		JSON: "[\n{\"authority\":\"alpha\",\"serial\":\"" + one.Serial + "\"},\n{\"authority\":\"alpha\",\"serial\":\"" + two.Serial +
			"\",\"revoked\":\"2026-11-22T12:00:01Z\"}\n]\n",
	} {
		p, err := f.CreateReport(t.Context(), f.as("admin"), request(format))
		if err != nil || p.State != ReportCreating || p.Name != "reports/alpha/"+p.ID+"."+string(format) {
			t.Fatalf("%+v, %v", p, err)
		}
		got := f.ended(t, p)
		if got.State != ReportDone || got.Certificates != 2 || !got.FinishedAt.Equal(f.clock) || got.Failure != "" {
			t.Errorf("the report is %+v", got)
		}
		if diff := cmp.Diff(want, f.sink.files["reports/"+p.Name+" "+format.ContentType()]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
		for f.reports.reserve(p.Authority+"/x") != nil { // its place is free again soon
			time.Sleep(time.Millisecond)
		}
		f.reports.release(p.Authority + "/x")
	}
}

func TestReportsAreRefused(t *testing.T) {
	f := newFixture(t)
	pending := f.authority(t, key.DefaultRealm, "pending")
	pending.Certificate = nil
	deleted := f.authority(t, key.DefaultRealm, "deleted")
	deleted.State = "deleted"
	for name, c := range map[string]struct {
		change func(*ReportRequest)
		kind   fault.Kind
	}{
		"authority": {func(r *ReportRequest) { r.Authority = "nobody" }, fault.NotFound},
		"pending":   {func(r *ReportRequest) { r.Authority = "pending" }, fault.WrongState},
		"deleted":   {func(r *ReportRequest) { r.Authority = "deleted" }, fault.WrongState},
		"style":     {func(r *ReportRequest) { r.Style = "odd" }, fault.InvalidArgument},
		"format":    {func(r *ReportRequest) { r.Format = PEM }, fault.InvalidArgument},
		"bucket":    {func(r *ReportRequest) { r.Bucket = "" }, fault.InvalidArgument},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(CSV)
			c.change(r)
			_, err := f.CreateReport(t.Context(), f.as("admin"), r)
			wantFault(t, err, c.kind, "")
		})
	}
	r := request(CSV)
	r.Authority = f.house.list[0].ID
	_, err := f.CreateReport(t.Context(), f.foreigner(), r)
	wantFault(t, err, fault.PermissionDenied, "")
	if e := f.log.last(); e.Decision != audit.Denied || e.Action != key.CreateAuditReport {
		t.Errorf("the entry is %+v", e)
	}
	_, err = f.DescribeReport(t.Context(), f.as("admin"), "alpha", "none")
	wantFault(t, err, fault.NotFound, "report")
	f.sink, f.Service.sink = nil, nil
	_, err = f.CreateReport(t.Context(), f.as("admin"), request(CSV))
	wantFault(t, err, fault.Unsupported, "buckets")
}

// TestReportFails: why is told where it is for the caller.
func TestReportFails(t *testing.T) {
	for want, cause := range map[string]error{
		"the bucket does not exist":    fault.New(fault.NotFound, "the bucket does not exist"),
		"the report could not be made": errBroken,
	} {
		f := newFixture(t)
		f.sink.err = cause
		p, err := f.CreateReport(t.Context(), f.as("admin"), request(CSV))
		if err != nil {
			t.Fatal(err)
		}
		if got := f.ended(t, p); got.State != ReportFailed || got.Failure != want {
			t.Errorf("the report is %+v", got)
		}
	}
}

// TestReportsOneAtATime: one of an authority is made at a time, and a report
// that a stop has interrupted is made after the next start.
func TestReportsOneAtATime(t *testing.T) {
	f := newFixture(t)
	f.authority(t, key.DefaultRealm, "beta")
	f.sink.hold = make(chan struct{})
	p, err := f.CreateReport(t.Context(), f.as("admin"), request(CSV))
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.CreateReport(t.Context(), f.as("admin"), request(JSON))
	wantFault(t, err, fault.Conflict, "being made")
	other := request(CSV)
	other.Authority = "beta"
	q, err := f.CreateReport(t.Context(), f.as("admin"), other)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if len(f.sink.files) != 0 {
		t.Error("a report was made")
	}
	f.sink.hold = nil
	f.open(t)
	for _, waiting := range []*Report{p, q} {
		if got := f.ended(t, waiting); got.State != ReportDone {
			t.Errorf("after the restart the report is %+v", got)
		}
	}
}

// TestReportWithoutAnEntry: what cannot be recorded is not made.
func TestReportWithoutAnEntry(t *testing.T) {
	f := newFixture(t)
	if err := f.store.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := f.CreateReport(t.Context(), f.as("admin"), request(CSV))
	wantFault(t, err, fault.Unavailable, "")
	if err := f.reports.reserve(f.house.list[0].ID + "/x"); err != nil {
		t.Errorf("a report that was not stored keeps its place: %v", err)
	}
}

func TestOtherRecords(t *testing.T) {
	for _, body := range []string{"", "{}", `{"v":2}`, "x"} {
		if _, err := readReport(store.Row{ID: "a/b", Body: []byte(body)}); err == nil || !strings.Contains(err.Error(), "a/b") {
			t.Errorf("%q is read as a report (%v)", body, err)
		}
		if _, err := readFound(store.Row{ID: "a/b", Body: []byte(body)}); err == nil || !strings.Contains(err.Error(), "a/b") {
			t.Errorf("%q is read as a foreign certificate (%v)", body, err)
		}
	}
}

// TestSinkThatEndsEarly: a sink that says that all went well without reading
// leaves nothing running.
func TestSinkThatEndsEarly(t *testing.T) {
	f := newFixture(t)
	f.Service.sink = idle{}
	f.issue(t, f.house.list[0], spec{common: "a"})
	p, err := f.CreateReport(context.Background(), f.as("admin"), request(CSV))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.ended(t, p); got.State != ReportFailed {
		t.Errorf("the report is %+v", got)
	}
}
