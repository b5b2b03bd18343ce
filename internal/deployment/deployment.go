// Package deployment keeps what agents say of the certificates on their
// hosts: which one is in place, whether it was seen to be served, and what
// could not be put in place. It believes nobody about a certificate's
// validity: it is what hosts say, beside what authorities know.
//
// Start with Service. record.go has the stored format.
package deployment

import (
	"context"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Outcome is what came of putting a certificate in place.
type Outcome string

// The outcomes.
const (
	Served      Outcome = "served"      // it is in place, and a check met it
	Installed   Outcome = "installed"   // it is in place; no check was asked for
	Unconfirmed Outcome = "unconfirmed" // it is in place, the first one, and was not met yet
	RolledBack  Outcome = "rolled-back" // it did not do, and what was there before is back
	Refused     Outcome = "refused"     // it would not do, and nothing was changed
	Failed      Outcome = "failed"      // nor could what was there before be brought back whole
)

// Outcomes returns every outcome.
func Outcomes() []Outcome {
	return []Outcome{Served, Installed, Unconfirmed, RolledBack, Refused, Failed}
}

// Good reports whether the certificate is in place as it should be.
func (o Outcome) Good() bool { return o == Served || o == Installed }

// alarming reports whether people are to be told. A host's first certificate
// often comes before the program that serves it is started.
func (o Outcome) alarming() bool { return o == RolledBack || o == Refused || o == Failed }

// Report is what an agent says of a certificate on its host.
type Report struct {
	Host, Name string
	// Managed is the id of the managed certificate that it is, "" for another.
	Managed string
	// Serial and SHA256, in lower-case hex, are of the certificate that the
	// report is about; Serving is the serial number of the one in place.
	Serial, SHA256, Serving string
	Subject                 string
	NotAfter                time.Time
	Outcome                 Outcome
	Failure                 string // of an outcome that is not good
	Places                  []string
	Check                   string
	At                      time.Time // by the host's clock
}

// Deployment is the latest report of a certificate on a host.
type Deployment struct {
	Report
	Realm      key.RealmID
	Reporter   string // key.Principal.String
	ReportedAt time.Time
}

// Limits of reports.
const (
	MaxPlaces  = 32
	MaxPerUser = 100_000 // deployments that one principal reports
	maxText    = 4 << 10 // bytes of a subject, a failure or a path
	// keep is how long a deployment is known that is not reported any more. Agents
	// report twice a day.
	keep = 45 * 24 * time.Hour
	// sweepEvery is how often old ones are looked for, sweepPage how many rows are
	// looked at in one transaction.
	sweepEvery = time.Hour
	sweepPage  = 1000
)

// Service keeps deployments. All methods may be called at the same time.
type Service struct {
	guard *guard.Guard
	store store.Store
	now   func() time.Time

	mu    sync.Mutex // guards swept and at
	swept time.Time
	at    string // the row that the sweep has come to
}

// New returns a Service; now is the clock, nil for time.Now.
func New(g *guard.Guard, s store.Store, now func() time.Time) *Service {
	if now == nil {
		now = time.Now
	}
	return &Service{guard: g, store: s, now: now}
}

// Report keeps what an agent says, in the place of what the same principal
// said of that certificate before. One that tells of a failure is an event.
func (s *Service) Report(ctx context.Context, call *key.Call, r *Report) error {
	_, err := guard.Do(ctx, s.guard, call, key.ReportDeployment, func(v *guard.Visit) (none struct{}, err error) {
		if err := v.Authorize(realmTarget(call, key.ReportDeployment)); err != nil {
			return none, err
		}
		if err := r.check(); err != nil {
			return none, err
		}
		v.Note("host", r.Host)
		v.Note("certificate", r.Name)
		v.Note("outcome", string(r.Outcome))
		d := &Deployment{
			Report: *r, Realm: call.Caller.Principal.Realm, Reporter: reporter(call.Caller.Principal), ReportedAt: s.now().UTC(),
		}
		row, err := d.row()
		if err != nil {
			return none, err
		}
		return none, v.Commit(ctx, func() error {
			return s.store.Update(ctx, func(tx store.Tx) error { return put(tx, d, row, call.Region) })
		})
	})
	return err
}

// put stores a deployment, and the event of one that failed.
func put(tx store.Tx, d *Deployment, row store.Row, region string) error {
	_, err := tx.Get(store.Deployments, row.ID)
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if err != nil {
		n, err := tx.Count(store.Deployments, store.Query{Column: "scope", Equal: row.Columns[0]})
		if err != nil {
			return err
		}
		if n >= MaxPerUser {
			return fault.New(fault.LimitExceeded, "one principal reports at most %d deployments", MaxPerUser)
		}
	}
	if err := tx.Put(store.Deployments, row); err != nil || !d.Outcome.alarming() {
		return err
	}
	return event.Emit(tx, d.event(region))
}

// event tells of a deployment that failed. The same certificate failing in the
// same way on the same host again is the same event.
func (d *Deployment) event(region string) *event.Event {
	e := &event.Event{
		ID: string(event.DeploymentFailed) + "/" + d.id() + "/" + d.Serial + "/" + string(d.Outcome), Kind: event.DeploymentFailed,
		Realm: d.Realm, Region: region, Time: d.ReportedAt, Subject: string(d.Realm) + "/host/" + d.Host, Name: d.Name,
		Summary: "The certificate " + d.Name + " could not be put in place on " + d.Host + " (" + string(d.Outcome) + ").",
		Details: []event.Detail{{Name: "host", Value: d.Host}, {Name: "serial", Value: d.Serial}, {Name: "outcome", Value: string(d.Outcome)}, {Name: "failure", Value: d.Failure}},
	}
	if d.Managed != "" {
		e.Subject = key.Resource{Kind: key.KindManaged, Realm: d.Realm, Region: region, ID: d.Managed}.String()
		e.Details = append(e.Details, event.Detail{Name: "managed", Value: d.Managed})
	}
	return e
}

var (
	hostName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$`)
	plain    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
	hexText  = regexp.MustCompile(`^[0-9a-f]{0,64}$`)
)

// check refuses reports that no agent makes.
func (r *Report) check() error {
	refuse := func(member, format string, args ...any) error {
		return fault.New(fault.InvalidArgument, "the report's "+member+" "+format, args...)
	}
	switch {
	case !hostName.MatchString(r.Host):
		return refuse("host", "is no host's name")
	case !plain.MatchString(r.Name):
		return refuse("name", "is not 1 to 64 letters, digits, dots, hyphens and underscores")
	case r.Managed != "" && !plain.MatchString(r.Managed):
		return refuse("managed certificate", "is no id")
	case !hexText.MatchString(r.Serial) || !hexText.MatchString(r.Serving) || !hexText.MatchString(r.SHA256):
		return refuse("serial numbers and hash", "are in lower-case hex")
	case !known(r.Outcome):
		return refuse("outcome", "%q is none of %v", r.Outcome, Outcomes())
	case r.Outcome.Good() != (r.Failure == ""):
		return refuse("failure", "goes with an outcome that is none of served and installed")
	case r.At.IsZero():
		return refuse("time", "is missing")
	case len(r.Places) > MaxPlaces:
		return refuse("places", "are at most %d", MaxPlaces)
	}
	for _, text := range append([]string{r.Subject, r.Failure, r.Check}, r.Places...) {
		if len(text) > maxText {
			return refuse("texts", "have at most %d bytes each", maxText)
		}
	}
	return nil
}

func known(o Outcome) bool {
	return slices.Contains(Outcomes(), o)
}

// realmTarget is what to authorise: no single thing is concerned.
func realmTarget(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}
