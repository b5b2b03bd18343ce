// Package year lives through a year in a moment: the parts of a server that
// the clock moves, on a store on disk, with real keys, certificates and
// signatures and a clock that jumps to whatever is due next. Things go wrong on
// the way: authorities refuse, the store fails, the process is killed, nobody
// takes notices.
//
// It is for tests. Start with Plan and Run. incidents.go has what may go wrong,
// audience.go is who is told, report.go judges the end.
package year

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/lifecycle"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/renewal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

const day = 24 * time.Hour

// begin is when every year begins.
var begin = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)

// step is how often the clock looks for what is due, as the server's does.
const step = 30 * time.Second

// Plan says what year it is to be.
type Plan struct {
	// Groups are the certificates that are issued at the beginning, Unrenewed
	// those that nobody renews: their Rule says nothing.
	Groups, Unrenewed []Group
	// For is how long the year is.
	For time.Duration
	// PerMinute is the bound of renewals.
	PerMinute int
	// Rest is how late the clock is for what is due next, unless something is due
	// already: so more is done together, which is faster.
	Rest time.Duration
	// Servers is how many of them renew on the one store.
	Servers int
	// Incidents happen in the order of their times.
	Incidents []Incident
	// Dir is an empty directory for the servers' files.
	Dir string
}

// Group is certificates of one kind.
type Group struct {
	Number   int
	Validity time.Duration
	Rule     renewal.Rule
}

// Report is what a year came to.
type Report struct {
	Certificates int
	// Renewed are the renewals that people would be told of, Failed the failures.
	Renewed, Failed int
	// Issued counts what the authorities issued, Unused what of that no
	// certificate ever had: a server was killed, or the store failed, between
	// the authority's transaction and the certificate's.
	Issued, Unused int
	// MostPerMinute is the largest number of renewals that began within any
	// minute.
	MostPerMinute int
	// Stops is how often the clock stood still, Restarts how often all was
	// closed or killed and opened again.
	Stops, Restarts int
	// Messages is how many notices arrived, Repeated how many of them once more,
	// by the same id, after a kill; Refused is how many attempts found nobody.
	Messages, Repeated, Refused int
	// Ending are the events of certificates that end, or have ended.
	Ending int
	// Least is the shortest time that any certificate had left when it was
	// renewed, as a share of its lifetime.
	Least float64
	Took  time.Duration
}

// String returns the report as one line.
func (r *Report) String() string {
	return fmt.Sprintf("%d certificates: %d renewals and %d failures told of, at most %d a minute; %d issued, %d of them unused; "+
		"%d notices, %d of them again after a kill, %d attempts in vain, %d events of ends; "+
		"%d stops of the clock, %d restarts; at the least %.1f%% of a lifetime was left; %s",
		r.Certificates, r.Renewed, r.Failed, r.MostPerMinute, r.Issued, r.Unused, r.Messages, r.Repeated, r.Refused, r.Ending,
		r.Stops, r.Restarts, 100*r.Least, r.Took.Round(time.Millisecond))
}

// Run lives through the year and fails the test if a certificate expires that
// is to be renewed, if more renewals begin in a minute than the bound, if a
// renewal or an end is told of twice or not at all, or if a key is left over at
// the end.
func Run(tb testing.TB, p *Plan) *Report {
	tb.Helper()
	began := time.Now()
	w, err := newWorld(tb.Context(), filepath.Join(p.Dir, "0"), p)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() {
		if err := w.close(); err != nil {
			tb.Error(err)
		}
	}()
	if err := w.live(tb.Context()); err != nil {
		tb.Fatalf("%s: %v", w.Now().Format(time.RFC3339), err)
	}
	r, err := w.report(tb.Context())
	if err != nil {
		tb.Fatal(err)
	}
	r.Took = time.Since(began)
	return r
}

// live issues the certificates and lets the year pass.
func (w *World) live(ctx context.Context) error {
	if err := w.found(ctx); err != nil {
		return err
	}
	incidents := slices.SortedStableFunc(slices.Values(w.plan.Incidents), func(a, b Incident) int { return int(a.At - b.At) })
	end, daily := begin.Add(w.plan.For), begin
	for w.Now().Before(end) {
		for len(incidents) > 0 && !begin.Add(incidents[0].At).After(w.Now()) {
			if err := incidents[0].Do(ctx, w); err != nil {
				return fmt.Errorf("%s: %w", incidents[0].Name, err)
			}
			incidents = incidents[1:]
		}
		tasks := w.tasks()
		if !w.Now().Before(daily) { // what is not about renewals has time
			daily = daily.Add(day)
			tasks = append(tasks, lifecycle.Task{Name: "keys", Tick: w.Keys.Tick}, lifecycle.Task{Name: "authorities", Tick: w.CA.Tick})
		}
		if err := w.stop(ctx, tasks); err != nil {
			return err
		}
		until := daily
		if len(incidents) > 0 {
			until = earlier(until, begin.Add(incidents[0].At))
		}
		if err := w.wait(ctx, until); err != nil {
			return err
		}
	}
	return w.drain(ctx)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// wait lets the clock jump to what is due next, and no further than a time.
func (w *World) wait(ctx context.Context, until time.Time) error {
	next, err := w.next(ctx)
	if err != nil {
		return err
	}
	if next.After(w.Now()) {
		next = next.Add(w.plan.Rest)
	}
	w.clock.Store(max(earlier(next, until).UnixNano(), w.Now().Add(step).UnixNano()))
	return nil
}

// found makes the authority and the certificates, within minutes.
func (w *World) found(ctx context.Context) error {
	root, err := w.CA.CreateAuthority(ctx, w.Admin(), &ca.CreateAuthorityRequest{
		Name: "root", NewKey: alg.P256, Subject: profile.Subject{CommonName: "Root"}, Validity: 20 * 365 * day,
	})
	if err != nil {
		return err
	}
	issuing, err := w.CA.CreateAuthority(ctx, w.Admin(), &ca.CreateAuthorityRequest{
		Name: Issuing, NewKey: alg.P256, Subject: profile.Subject{CommonName: "Issuing"}, Parent: root.ID, Validity: 5 * 365 * day,
	})
	if err != nil {
		return err
	}
	if err := w.permit(ctx, issuing.ID); err != nil {
		return err
	}
	n := 0
	for _, g := range w.plan.Groups {
		for range g.Number {
			n++
			c, err := w.Managed[0].Request(ctx, w.Admin(), &managed.Request{
				Authority: issuing.ID, Domain: fmt.Sprintf("host-%05d.example.com", n), Spec: alg.P256, Validity: g.Validity, Rule: &g.Rule,
			})
			if err != nil {
				return err
			}
			if c.DER == nil {
				return fmt.Errorf("%s is not issued: %s", c.Domain, c.Failure)
			}
			w.known[c.ID] = &seen{serial: c.Serial, end: c.NotAfter, life: c.NotAfter.Sub(c.NotBefore)}
			w.clock.Add(int64(20 * time.Millisecond)) // 3,000 a minute
		}
	}
	return w.issueUnrenewed(ctx)
}

// issueUnrenewed issues the certificates that nobody renews, whose keys are
// elsewhere.
func (w *World) issueUnrenewed(ctx context.Context) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, private)
	if err != nil {
		return err
	}
	for _, g := range w.plan.Unrenewed {
		for range g.Number {
			c, err := w.CA.Issue(ctx, w.Admin(), &ca.IssueRequest{
				Authority: Issuing, Profile: "tls-server", CSR: csr, Validity: profile.Validity{For: g.Validity},
				Names: profile.Names{DNS: []string{fmt.Sprintf("bare-%05d.example.com", len(w.unrenewed)+1)}},
			})
			if err != nil {
				return err
			}
			w.unrenewed = append(w.unrenewed, c.Certificate)
		}
	}
	return nil
}

// stop does all that is due at one moment, as package lifecycle would. After a
// kill the next look is the new
// server's.
func (w *World) stop(ctx context.Context, tasks []lifecycle.Task) error {
	w.made.Stops++
	for _, task := range tasks {
		if err := w.run(ctx, task); err != nil {
			return err
		}
		if w.killed() {
			return w.reopen(ctx)
		}
	}
	return nil
}

// run runs a task until nothing more is due.
func (w *World) run(ctx context.Context, task lifecycle.Task) error {
	for {
		more, err := task.Tick(ctx)
		if err != nil && w.expected() {
			return nil // it is tried again
		}
		if err != nil {
			return fmt.Errorf("%s: %w", task.Name, err)
		}
		if !more {
			return nil
		}
	}
}

// next returns when something is due next.
func (w *World) next(ctx context.Context) (at time.Time, err error) {
	at = w.Now().Add(365 * day)
	err = w.Store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Managed, store.Query{Column: "due", From: "0", Limit: 1}) {
			if err != nil {
				return err
			}
			if at, err = time.Parse(store.TimeFormat, row.Columns[1]); err != nil {
				return err
			}
		}
		return nil
	})
	return at, err
}

// drain lets the servers come to rest after the end of the year: no renewal is
// under way any more, and no notice waits.
func (w *World) drain(ctx context.Context) error {
	for range 8 {
		w.clock.Add(int64(10 * time.Minute))
		if err := w.stop(ctx, append(w.tasks(), lifecycle.Task{Name: "keys", Tick: w.Keys.Tick})); err != nil {
			return err
		}
	}
	return nil
}
