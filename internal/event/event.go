// Package event keeps what happened that people are to be told of, from the
// moment it happens until somebody has taken it over: an outbox. Whoever
// changes something emits the event in the same transaction, so that neither
// can be without the other; an event has an id of its emitter's making, and
// emitting one twice is emitting it once.
//
// Start with Event and Emit. Package notice takes events with Due and Handled.
package event

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Kind says what happened: a closed set.
type Kind string

// The kinds.
const (
	CertificateExpiring Kind = "certificate.expiring" // detail "days": 30, 14, 7 or 1
	CertificateExpired  Kind = "certificate.expired"
	CertificateRenewed  Kind = "certificate.renewed"
	RenewalFailed       Kind = "certificate.renewal-failed"
	DeploymentFailed    Kind = "certificate.deployment-failed" // an agent rolled back
	AuthorityExpiring   Kind = "authority.expiring"
	KeyRotationDue      Kind = "key.rotation-due"
	KeyRotated          Kind = "key.rotated"
	DeletionPending     Kind = "key.deletion-pending"
	DeniedBurst         Kind = "access.denied-burst"
	ApprovalRequested   Kind = "approval.requested"
	ApprovalDecided     Kind = "approval.decided"
	SinkBehind          Kind = "audit.sink-behind"
)

// Kinds returns every kind.
func Kinds() []Kind {
	return []Kind{
		CertificateExpiring, CertificateExpired, CertificateRenewed, RenewalFailed, DeploymentFailed, AuthorityExpiring,
		KeyRotationDue, KeyRotated, DeletionPending, DeniedBurst, ApprovalRequested, ApprovalDecided, SinkBehind,
	}
}

// Event is one thing that happened. It holds no secret.
type Event struct {
	// ID makes the event happen once: its kind, what it is about, and what
	// tells this time from the next, such as
	// "certificate.expiring/4f…/2027-01-01T00:00:00Z/30".
	ID     string      `json:"id"`
	Kind   Kind        `json:"kind"`
	Realm  key.RealmID `json:"realm"`
	Region string      `json:"region,omitempty"`
	// Time is when it happens: one in the future is told of then, unless it is
	// withdrawn before.
	Time time.Time `json:"time"`
	// Subject is key.Resource.String of what it is about, Name how people call
	// that ("web.example.com", "alias/pki").
	Subject string `json:"subject"`
	Name    string `json:"name,omitempty"`
	// Summary is one sentence for people.
	Summary string   `json:"summary"`
	Details []Detail `json:"details,omitempty"`
}

// Detail is a named fact of an event.
type Detail struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// keep is how long a handled event is remembered, so that it is not told
// again: longer than anything stays in sight of what emits it.
const keep = 400 * 24 * time.Hour

// record is the stored form, as JSON.
type record struct {
	V       int   `json:"v"`
	Handled bool  `json:"handled,omitempty"`
	Event   Event `json:"event"`
}

const recordVersion = 1

// Emit stores an event to be told of. One that was emitted before, with this
// ID, is left as it is.
func Emit(tx store.Tx, e *Event) error {
	row, err := rowOf(&record{V: recordVersion, Event: *e}, e.Time)
	if err != nil {
		return err
	}
	if err := tx.Insert(store.Events, row); err != nil && fault.KindOf(err) != fault.AlreadyExists {
		return fmt.Errorf("emitting %s: %w", e.ID, err)
	}
	return nil
}

// Withdraw takes back an event that nobody has taken over. One that somebody
// has, or that there is not, is left alone.
func Withdraw(tx store.Tx, id string) error {
	row, err := tx.Get(store.Events, id)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if r, err := readRecord(row); err != nil || r.Handled {
		return err
	}
	return tx.Delete(store.Events, id)
}

// Emitted reports whether an event with this id was emitted.
func Emitted(r store.Reader, id string) (bool, error) {
	_, err := r.Get(store.Events, id)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return false, nil
	}
	return err == nil, err
}

// Due returns events that nobody has taken over yet, the oldest first, and
// forgets handled ones whose time has come: at most limit of both.
func Due(tx store.Tx, now time.Time, limit int) ([]*Event, error) {
	var list []*Event
	q := store.Query{Column: "due", From: "0", To: now.Add(1).UTC().Format(store.TimeFormat), Limit: limit}
	for row, err := range tx.Scan(store.Events, q) {
		if err != nil {
			return nil, err
		}
		r, err := readRecord(row)
		if err != nil {
			return nil, err
		}
		if !r.Handled {
			list = append(list, &r.Event)
		} else if err := tx.Delete(store.Events, row.ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// Handled marks an event as taken over, in the transaction that takes it over.
func Handled(tx store.Tx, e *Event, now time.Time) error {
	row, err := rowOf(&record{V: recordVersion, Handled: true, Event: *e}, now.Add(keep))
	if err != nil {
		return err
	}
	return tx.Put(store.Events, row)
}

func rowOf(r *record, due time.Time) (store.Row, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return store.Row{}, err
	}
	return store.Row{ID: r.Event.ID, Columns: []string{due.UTC().Format(store.TimeFormat)}, Body: body}, nil
}

func readRecord(row store.Row) (*record, error) {
	r := new(record)
	if err := json.Unmarshal(row.Body, r); err != nil {
		return nil, fmt.Errorf("reading event %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fault.New(fault.Unsupported, "event %s has format version %d, which this Holdfast does not read", row.ID, r.V)
	}
	return r, nil
}
