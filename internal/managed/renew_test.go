package managed_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/renewal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// ruled makes a certificate of so many days with a rule of renewal.
func (f *fixture) ruled(domain string, days int, rule renewal.Rule) *managed.Certificate {
	f.t.Helper()
	c, err := f.Request(f.t.Context(), f.admin(), &managed.Request{
		Authority: f.authority.ID, Domain: domain, Spec: alg.P256, Validity: time.Duration(days) * day, Rule: &rule,
	})
	must(f.t, err)
	return c
}

// until moves the clock to a time and does what is due.
func (f *fixture) until(at time.Time) {
	f.t.Helper()
	f.clock = at
	for {
		more, err := f.Tick(f.t.Context())
		must(f.t, err)
		if !more {
			return
		}
	}
}

// events returns the kinds of events that are to be told of, and forgets them.
func (f *fixture) events() (list []event.Kind) {
	f.t.Helper()
	must(f.t, f.store.Update(f.t.Context(), func(tx store.Tx) error {
		due, err := event.Due(tx, f.clock, 1000)
		if err != nil {
			return err
		}
		for _, e := range due {
			list = append(list, e.Kind)
			if err := event.Handled(tx, e, f.clock); err != nil {
				return err
			}
		}
		return nil
	}))
	return list
}

// leases returns the names of the leases that are held.
func (f *fixture) leases() (list []string) {
	f.t.Helper()
	must(f.t, f.store.View(f.t.Context(), func(r store.Reader) error {
		for row, err := range r.Scan(store.Leases, store.Query{From: "renewal/", To: "renewal0"}) {
			if err != nil {
				return err
			}
			list = append(list, row.ID)
		}
		return nil
	}))
	return list
}

func (f *fixture) stateOf(id key.ID) key.State {
	f.t.Helper()
	k, err := f.keys.DescribeKey(f.t.Context(), f.admin(), kms.Ref{ID: id})
	must(f.t, err)
	return k.State
}

// TestRules: a certificate's own rule stands before its profile's, that before
// the usual one; a rule renews what nobody has; it comes and goes.
func TestRules(t *testing.T) {
	f := newFixture(t)
	f.permit()
	_, err := f.ca.PutProfile(t.Context(), f.admin(), []byte(
		"{version: 1, name: weekly, key_usage: [digitalSignature], extended_key_usage: [serverAuth], names: {dns: {}},"+
			" exportable: true, validity: {default: 28d}, renewal: {before: 7d, jitter: 0s}}"))
	must(t, err)
	none := time.Duration(0)
	c := f.ruled("own.example.com", 90, renewal.Rule{Before: 20 * day, Jitter: &none})
	if c.From != managed.FromCertificate || c.Cause != managed.ByRule || !c.Due.Equal(c.NotAfter.Add(-20*day)) {
		t.Errorf("with a rule of its own: %+v", c.Outlook)
	}
	c, err = f.SetRule(t.Context(), f.admin(), c.ID, &renewal.Rule{Share: 0.5, Jitter: &none})
	if half := c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) / 2); err != nil || !c.Due.Equal(half) {
		t.Errorf("with another rule: %+v, %v", c.Outlook, err)
	}
	c, err = f.SetRule(t.Context(), f.admin(), c.ID, nil)
	if err != nil || !c.Due.IsZero() || c.From != managed.FromDefault || c.Renewable(f.clock) {
		t.Errorf("without a rule, and with nobody who has it: %+v, %v", c.Outlook, err)
	}
	_, err = f.SetRule(t.Context(), f.admin(), c.ID, &renewal.Rule{Share: 2})
	want(t, err, fault.InvalidArgument, 0)

	p, err := f.Request(t.Context(), f.admin(), &managed.Request{
		Authority: f.authority.ID, Domain: "p.example.com", Spec: alg.P256, Profile: "weekly",
	})
	must(t, err)
	if life := p.NotAfter.Sub(f.clock); life != 28*day || p.From != managed.FromProfile || !p.Due.Equal(p.NotAfter.Add(-7*day)) || !p.Exportable {
		t.Errorf("by its profile: for %s, %+v", life, p.Outlook)
	}
	// Another rule of the profile counts without anybody touching the certificate.
	_, err = f.ca.PutProfile(t.Context(), f.admin(), []byte(
		"{version: 1, name: weekly, key_usage: [digitalSignature], extended_key_usage: [serverAuth], names: {dns: {}},"+
			" validity: {default: 28d}, renewal: {before: 14d, key: same, jitter: 0s}}"))
	must(t, err)
	f.until(p.NotAfter.Add(-14*day + time.Second))
	if got := f.describe(p.ID); got.Serial == p.Serial || got.Key != p.Key {
		t.Errorf("after the profile changed: %+v", got)
	}
	if diff := f.events(); !slices.Equal(diff, []event.Kind{event.CertificateRenewed}) {
		t.Errorf("told are %v", diff)
	}
	for name, req := range map[string]managed.Request{
		"no such profile": {Profile: "none"}, "a bad rule": {Rule: &renewal.Rule{Before: 1}}, "half a second": {Validity: time.Second / 2},
	} {
		req.Authority, req.Domain, req.Spec = f.authority.ID, "x.example.com", alg.P256
		_, err := f.Request(t.Context(), f.admin(), &req)
		if fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSameKey: by a rule, the key stays.
func TestSameKey(t *testing.T) {
	f := newFixture(t)
	f.permit()
	c := f.ruled("a.example.com", 90, renewal.Rule{Key: renewal.SameKey})
	got, err := f.Renew(t.Context(), f.admin(), c.ID)
	must(t, err)
	before, err := c.X509()
	must(t, err)
	after, err := got.X509()
	must(t, err)
	if got.Serial == c.Serial || got.Key != c.Key || !bytes.Equal(before.RawSubjectPublicKeyInfo, after.RawSubjectPublicKeyInfo) {
		t.Errorf("the key did not stay: %+v", got)
	}
	if state := f.stateOf(c.Key); state != key.Enabled {
		t.Errorf("the key is %s", state)
	}
}

// TestTwoServers: both look at the same moment, and each certificate is
// renewed by one of them.
func TestTwoServers(t *testing.T) {
	f := newFixture(t)
	f.permit()
	none := time.Duration(0)
	var all []*managed.Certificate
	for range 12 {
		all = append(all, f.ruled("a.example.com", 30, renewal.Rule{Jitter: &none}))
	}
	f.clock = all[len(all)-1].Due
	servers := []*managed.Service{managed.New(f.config), managed.New(f.config), f.Service}
	before := f.log.count()
	var together sync.WaitGroup
	for _, s := range servers {
		together.Go(func() {
			for range 3 {
				if _, err := s.Tick(context.WithoutCancel(t.Context())); err != nil {
					t.Error(err)
				}
			}
		})
	}
	together.Wait()
	issued := 0
	for _, action := range f.log.since(before) {
		if action == "ca:Issue ok" {
			issued++
		}
	}
	if issued != len(all) || len(f.events()) != len(all) || len(f.leases()) != 0 {
		t.Errorf("%d were issued for %d, and there are leases %v", issued, len(all), f.leases())
	}
	for _, c := range all {
		if f.describe(c.ID).Serial == c.Serial {
			t.Errorf("%s was not renewed", c.ID)
		}
	}
}

// TestBound: no more renewals begin in a minute than the bound.
func TestBound(t *testing.T) {
	f := newFixture(t)
	f.permit()
	f.config.PerMinute = 5
	f.Service = managed.New(f.config)
	none := time.Duration(0)
	var last *managed.Certificate
	for range 12 {
		last = f.ruled("a.example.com", 30, renewal.Rule{Jitter: &none})
	}
	f.clock = last.Due
	for minute, want := range []int{5, 5, 2, 0} {
		for range 4 { // another server, and this one after a restart
			f.until(f.clock.Add(10 * time.Second))
			f.Service = managed.New(f.config)
		}
		if got := len(f.events()); got != want {
			t.Errorf("in minute %d there were %d renewals, want %d", minute, got, want)
		}
		f.clock = f.clock.Add(time.Minute)
	}
}

// TestKilled: wherever a server ends in the middle of a renewal, another one
// comes to the end after the lease, and no key is left over.
func TestKilled(t *testing.T) {
	whole := 0
	for left := 0; left <= whole; left++ {
		f := newFixture(t)
		f.permit()
		c := f.ruled("a.example.com", 30, renewal.Rule{})
		f.until(f.clock.Add(time.Second)) // all is looked at
		f.clock = c.Due
		if whole == 0 { // the first time, nothing happens
			must(t, f.killAfter(1000, func() error { _, err := f.Tick(t.Context()); return err }))
			if whole = f.disk.used(); whole < 6 {
				t.Fatalf("a renewal took %d transactions: this test counts others", whole)
			}
			left = -1
			continue
		}
		err := f.killAfter(left, func() error { _, err := f.Tick(t.Context()); return err })
		if (err == nil) != (left == whole) {
			t.Errorf("killed at transaction %d of %d: %v", left, whole, err)
		}
		f.Service = managed.New(f.config)
		for range 3 {
			f.until(f.clock.Add(6 * time.Minute))
		}
		got := f.describe(c.ID)
		if got.Serial == c.Serial || len(f.leases()) != 0 {
			t.Errorf("killed at transaction %d: %+v, leases %v", left, got.Renewal, f.leases())
		}
		if told := f.events(); !slices.Equal(told, []event.Kind{event.CertificateRenewed}) {
			t.Errorf("killed at transaction %d: told are %v", left, told)
		}
		ids, _, err := f.keys.ListKeys(t.Context(), f.admin(), kms.Page{Limit: 100})
		must(t, err)
		for _, id := range ids {
			k, err := f.keys.DescribeKey(t.Context(), f.admin(), kms.Ref{ID: id})
			must(t, err)
			if k.State == key.Enabled && id != got.Key && strings.HasPrefix(k.Description, "managed") {
				t.Errorf("killed at transaction %d: key %s is left over", left, id)
			}
		}
	}
}

// TestOneAtATime: who asks while a server is at it gets a Conflict; when that
// server is gone, its lease runs out.
func TestOneAtATime(t *testing.T) {
	f := newFixture(t)
	f.permit()
	c := f.ruled("a.example.com", 30, renewal.Rule{})
	err := f.killAfter(2, func() error { _, err := f.Renew(t.Context(), f.admin(), c.ID); return err })
	if fault.KindOf(err) != fault.Unavailable {
		t.Fatalf("the disk is broken: %v", err)
	}
	_, err = f.Renew(t.Context(), f.admin(), c.ID)
	want(t, err, fault.Conflict, 0)
	f.clock = f.clock.Add(5 * time.Minute)
	if _, err = f.Renew(t.Context(), f.admin(), c.ID); err != nil || len(f.leases()) != 0 {
		t.Errorf("after the lease: %v, leases %v", err, f.leases())
	}
}

// TestFailures: the next key is made once however often the authority refuses,
// one event a day tells of it, and once the authority lets the service, the
// next attempt does not wait.
func TestFailures(t *testing.T) {
	f := newFixture(t)
	c := f.ruled("a.example.com", 90, renewal.Rule{})
	f.until(c.Due)
	first := f.describe(c.ID)
	if r := first.Renewal; r == nil || r.Failure != managed.AccessDenied || first.Next == "" || first.Cause != managed.AfterFailure {
		t.Fatalf("the first attempt: %+v", first)
	}
	for range 8 {
		f.until(f.describe(c.ID).Due)
	}
	got := f.describe(c.ID)
	if got.Next != first.Next || got.Renewal.Attempts != 9 || f.stateOf(got.Next) != key.Enabled {
		t.Errorf("after nine attempts: %+v", got.Renewal)
	}
	days := int(f.clock.Sub(c.Due)/day) + 1
	if told := f.events(); len(told) < days-1 || len(told) > days+1 || told[0] != event.RenewalFailed {
		t.Errorf("in %d days told are %v", days, told)
	}
	f.permit()
	f.until(f.clock.Add(time.Minute))
	got = f.describe(c.ID)
	if got.Renewal.Outcome != managed.Succeeded || got.Key != first.Next || got.Next != "" || f.stateOf(c.Key) != key.PendingDeletion {
		t.Errorf("after the permission: %+v", got)
	}
}

// TestReplacedIssuer: with a new key of the authority, its successor issues
// for all within a day, and not in one minute.
func TestReplacedIssuer(t *testing.T) {
	f := newFixture(t)
	f.permit()
	var all []*managed.Certificate
	for range 10 {
		all = append(all, f.ruled("a.example.com", 90, renewal.Rule{}))
	}
	f.until(f.clock.Add(day))
	next, err := f.ca.RekeyAuthority(t.Context(), f.admin(), f.authority.ID, &ca.RekeyRequest{})
	must(t, err)
	f.until(f.clock.Add(time.Second))
	renewed := func() (n int) {
		for _, c := range all {
			if f.describe(c.ID).Authority == next.ID {
				n++
			}
		}
		return n
	}
	if n := renewed(); n > 2 {
		t.Errorf("%d of %d were renewed in the first second", n, len(all))
	}
	if got := f.describe(all[0].ID); got.Cause != managed.IssuerReplaced && got.Authority != next.ID {
		t.Errorf("the outlook is %+v", got.Outlook)
	}
	f.until(f.clock.Add(day))
	if n := renewed(); n != len(all) {
		t.Errorf("%d of %d were renewed within a day", n, len(all))
	}
}

// TestRevokedIssuer: at once, as soon as there is another one to issue.
func TestRevokedIssuer(t *testing.T) {
	f := newFixture(t)
	root := f.authority
	sub, err := f.ca.CreateAuthority(t.Context(), f.admin(), &ca.CreateAuthorityRequest{
		Name: "sub", NewKey: alg.P256, Subject: f.subject("sub"), Parent: root.ID,
	})
	must(t, err)
	f.authority = sub
	f.permit()
	c := f.ruled("a.example.com", 90, renewal.Rule{})
	f.until(f.clock.Add(day))
	_, err = f.ca.Revoke(t.Context(), f.admin(), root.ID, sub.Serial, ca.KeyCompromise)
	must(t, err)
	f.until(f.clock.Add(time.Second))
	got := f.describe(c.ID)
	if got.Renewal == nil || got.Renewal.Failure != managed.AuthorityState || got.Next != "" {
		t.Fatalf("under a revoked authority: %+v", got.Renewal)
	}
	next, err := f.ca.RekeyAuthority(t.Context(), f.admin(), sub.ID, &ca.RekeyRequest{})
	must(t, err)
	f.until(f.clock.Add(time.Second))
	if got = f.describe(c.ID); got.Authority != next.ID || got.Renewal.Outcome != managed.Succeeded {
		t.Errorf("under its successor: %+v, %+v", got.Renewal, got.Outlook)
	}
}

// TestRenewedIssuer: an authority's new certificate is in the chain at once,
// and nothing is renewed for it.
func TestRenewedIssuer(t *testing.T) {
	f := newFixture(t)
	f.permit()
	c := f.ruled("a.example.com", 90, renewal.Rule{})
	f.until(f.clock.Add(day))
	a, err := f.ca.RenewAuthority(t.Context(), f.admin(), f.authority.ID, 0)
	must(t, err)
	f.until(f.clock.Add(day))
	got := f.describe(c.ID)
	if got.Serial != c.Serial || len(got.Chain) != 1 || !bytes.Equal(got.Chain[0], a.Certificate) {
		t.Errorf("the chain is not the authority's, or %s was renewed", c.Serial)
	}
}

// TestNothingToGain: a certificate that ends with its authority is not renewed
// again and again, but once the authority was.
func TestNothingToGain(t *testing.T) {
	f := newFixture(t)
	f.authority = f.newAuthority("brief", 60*day)
	f.permit()
	c := f.ruled("a.example.com", 90, renewal.Rule{})
	if !c.NotAfter.Equal(f.authority.NotAfter) {
		t.Fatalf("it ends %s, its authority %s", c.NotAfter, f.authority.NotAfter)
	}
	for f.clock.Before(c.NotAfter.Add(-day)) {
		f.until(f.describe(c.ID).Due)
	}
	got := f.describe(c.ID)
	if got.Serial != c.Serial || got.Renewal.Failure != managed.AuthorityState || got.Next != "" {
		t.Errorf("it was renewed for nothing: %+v", got.Renewal)
	}
	_, err := f.ca.RenewAuthority(t.Context(), f.admin(), f.authority.ID, 365*day)
	must(t, err)
	f.until(f.clock.Add(time.Minute))
	if got = f.describe(c.ID); got.NotAfter.Sub(f.clock) < 89*day {
		t.Errorf("it ends %s", got.NotAfter)
	}
}

// TestPlan: what is renewed, in the order in which it is, page by page.
func TestPlan(t *testing.T) {
	f := newFixture(t)
	f.request("idle.example.com")
	for _, days := range []int{90, 30, 7, 60} {
		f.ruled("a.example.com", days, renewal.Rule{})
	}
	plan := func(until time.Time, limit int) (list []*managed.Certificate) {
		t.Helper()
		p := kms.Page{Limit: limit}
		for {
			page, next, err := f.Plan(t.Context(), f.admin(), until, p)
			must(t, err)
			list = append(list, page...)
			if p.After = next; next == "" {
				return list
			}
		}
	}
	for _, limit := range []int{1, 3, 10} {
		list := plan(time.Time{}, limit)
		if len(list) != 4 || !slices.IsSortedFunc(list, func(a, b *managed.Certificate) int { return a.Due.Compare(b.Due) }) {
			t.Errorf("pages of %d: the plan has %d", limit, len(list))
		}
	}
	if list := plan(f.clock.Add(25*day), 10); len(list) != 2 {
		t.Errorf("within 25 days the plan has %d", len(list))
	}
	_, _, err := f.Plan(t.Context(), f.admin(), time.Time{}, kms.Page{After: "x"})
	want(t, err, fault.InvalidArgument, fault.MalformedMarker)
	_, _, err = f.Plan(t.Context(), f.as("nobody"), time.Time{}, kms.Page{})
	want(t, err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
}

// TestUnreadable: a record that cannot be read does not keep the others
// waiting.
func TestUnreadable(t *testing.T) {
	f := newFixture(t)
	f.permit()
	c := f.ruled("a.example.com", 30, renewal.Rule{})
	must(t, f.store.Update(t.Context(), func(tx store.Tx) error {
		return tx.Put(store.Managed, store.Row{
			ID: "00000000-0000-7000-8000-000000000000", Columns: []string{"x", "2026-01-01"}, Body: []byte(`{"v":9}`),
		})
	}))
	f.clock = c.Due
	if _, err := f.Tick(t.Context()); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Errorf("nobody is told: %v", err)
	}
	if got := f.describe(c.ID); got.Serial == c.Serial {
		t.Error("the other one was not renewed")
	}
	f.until(f.clock.Add(time.Minute)) // without an error: it rests
}

// TestStopped: a server that stops in the middle counts no failure.
func TestStopped(t *testing.T) {
	f := newFixture(t)
	f.permit()
	c := f.ruled("a.example.com", 30, renewal.Rule{})
	f.until(f.clock.Add(time.Second))
	f.clock = c.Due
	ctx, cancel := context.WithCancel(t.Context())
	f.config.Authorities = stopping{f.ca, cancel}
	if _, err := managed.New(f.config).Tick(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("it was stopped: %v", err)
	}
	if r := f.describe(c.ID).Renewal; r != nil {
		t.Errorf("on record is %+v", r)
	}
	f.until(f.clock.Add(6 * time.Minute))
	if f.describe(c.ID).Serial == c.Serial {
		t.Error("it was not renewed afterwards")
	}
}

// stopping is authorities during whose work the server is stopped.
type stopping struct {
	*ca.Service
	stop func()
}

func (s stopping) Issue(ctx context.Context, call *key.Call, req *ca.IssueRequest) (*ca.Issued, error) {
	s.stop()
	return s.Service.Issue(ctx, call, req)
}
