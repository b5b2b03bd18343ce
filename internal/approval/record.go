package approval

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// The table store.Approvals holds, beside the requests by id, two rows without a
// realm for each that is open: "at/digest", whose body is the request's id, so
// that one request has one record; and "of/person/id", so that a person's are
// counted.

// record is the stored form of a Request, as JSON.
type record struct {
	V         int              `json:"v"`
	State     State            `json:"state"`
	Realm     key.RealmID      `json:"realm"`
	Region    string           `json:"region,omitempty"`
	Requester string           `json:"requester"`
	Person    string           `json:"person"`
	Action    string           `json:"action"`
	Resource  string           `json:"resource,omitempty"`
	API       string           `json:"api"`
	Operation string           `json:"operation"`
	Digest    string           `json:"digest"`
	Text      string           `json:"text,omitempty"`
	Rules     []string         `json:"rules"`
	Reason    string           `json:"reason,omitempty"`
	CreatedAt time.Time        `json:"created"`
	ExpiresAt time.Time        `json:"expires"`
	FiledAt   time.Time        `json:"filed,omitzero"`
	EndedAt   time.Time        `json:"ended,omitzero"`
	Decisions []decisionRecord `json:"decisions,omitempty"`
	UsedBy    string           `json:"used_by,omitempty"`
}

type decisionRecord struct {
	By       string    `json:"by"`
	Person   string    `json:"person"`
	Approved bool      `json:"approved"`
	Comment  string    `json:"comment,omitempty"`
	At       time.Time `json:"at"`
	MFA      bool      `json:"mfa,omitempty"`
}

const recordVersion = 1

func (r *Request) row() (store.Row, error) {
	rec := record{
		V: recordVersion, State: r.State, Realm: r.Realm, Region: r.Region, Requester: r.Requester.String(), Person: r.Person,
		Action: r.Action.String(), Resource: r.Resource, API: r.API, Operation: r.Operation, Digest: r.Digest, Text: r.Text,
		Rules: r.Rules, Reason: r.Reason, CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, FiledAt: r.FiledAt, EndedAt: r.EndedAt,
		UsedBy: r.UsedBy,
	}
	for _, d := range r.Decisions {
		rec.Decisions = append(rec.Decisions, decisionRecord{d.By.String(), d.Person, d.Approved, d.Comment, d.At, d.MFA})
	}
	body, err := json.Marshal(rec)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding request %s: %w", r.ID, err)
	}
	due := r.ExpiresAt
	if !r.State.open() {
		due = r.EndedAt.Add(keep)
	}
	return store.Row{ID: r.ID, Columns: []string{string(r.Realm), due.UTC().Format(store.TimeFormat)}, Body: body}, nil
}

// parse reads what row wrote.
func parse(row store.Row) (*Request, error) {
	var rec record
	if err := json.Unmarshal(row.Body, &rec); err != nil {
		return nil, fmt.Errorf("reading request %s: %w", row.ID, err)
	}
	if rec.V != recordVersion {
		return nil, fault.New(fault.Unsupported, "request %s has format version %d, which this Holdfast does not read", row.ID, rec.V)
	}
	r := &Request{
		ID: row.ID, State: rec.State, Realm: rec.Realm, Region: rec.Region, Person: rec.Person, Resource: rec.Resource,
		API: rec.API, Operation: rec.Operation, Digest: rec.Digest, Text: rec.Text, Rules: rec.Rules, Reason: rec.Reason,
		CreatedAt: rec.CreatedAt, ExpiresAt: rec.ExpiresAt, FiledAt: rec.FiledAt, EndedAt: rec.EndedAt, UsedBy: rec.UsedBy,
	}
	var ok bool
	if r.Requester, ok = key.ParsePrincipal(rec.Requester); !ok {
		return nil, fmt.Errorf("reading request %s: %q is no principal", row.ID, rec.Requester)
	}
	for _, a := range key.Actions() {
		if a.String() == rec.Action {
			r.Action = a
		}
	}
	if r.Action == key.NoAction {
		return nil, fmt.Errorf("reading request %s: there is no action %q", row.ID, rec.Action)
	}
	for _, d := range rec.Decisions {
		by, ok := key.ParsePrincipal(d.By)
		if !ok {
			return nil, fmt.Errorf("reading request %s: %q is no principal", row.ID, d.By)
		}
		r.Decisions = append(r.Decisions, Decision{by, d.Person, d.Approved, d.Comment, d.At, d.MFA})
	}
	return r, nil
}

// read returns a request, or a NotFound error.
func read(tx store.Reader, id string) (*Request, error) {
	if !validID(id) {
		return nil, missing(id)
	}
	row, err := tx.Get(store.Approvals, id)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, missing(id)
	}
	if err != nil {
		return nil, err
	}
	return parse(row)
}

// current returns the open request with a digest, nil if there is none.
func current(tx store.Reader, digest string) (*Request, error) {
	row, err := tx.Get(store.Approvals, atRow(digest))
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, nil //nolint:nilnil // nobody has tried this
	}
	if err != nil {
		return nil, err
	}
	return read(tx, string(row.Body))
}

// openOf returns the open requests of a person: there are few.
func openOf(tx store.Reader, person string) (list []*Request, err error) {
	prefix := "of/" + personRow(person) + "/"
	for row, err := range tx.Scan(store.Approvals, store.Query{From: prefix, To: prefix + "~"}) {
		if err != nil {
			return nil, err
		}
		r, err := read(tx, row.ID[len(prefix):])
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

func atRow(digest string) string { return "at/" + digest }

func (r *Request) ofRow() string { return "of/" + personRow(r.Person) + "/" + r.ID }

// insert stores a new request.
func (r *Request) insert(tx store.Tx) error {
	row, err := r.row()
	if err != nil {
		return err
	}
	if err := tx.Insert(store.Approvals, row); err != nil {
		return err
	}
	return r.index(tx)
}

// index stores the rows of an open request that are beside its own.
func (r *Request) index(tx store.Tx) error {
	none := []string{"", ""}
	if err := tx.Put(store.Approvals, store.Row{ID: atRow(r.Digest), Columns: none, Body: []byte(r.ID)}); err != nil {
		return err
	}
	return tx.Put(store.Approvals, store.Row{ID: r.ofRow(), Columns: none})
}

// unindex removes the rows that are beside a request's own.
func (r *Request) unindex(tx store.Tx) error {
	if at, err := current(tx, r.Digest); err != nil {
		return err
	} else if at != nil && at.ID == r.ID {
		if err := tx.Delete(store.Approvals, atRow(r.Digest)); err != nil {
			return err
		}
	}
	if err := tx.Delete(store.Approvals, r.ofRow()); err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	return nil
}

// put stores a changed request. One that has ended makes room for another of the
// same kind.
func (r *Request) put(tx store.Tx) error {
	if !r.State.open() {
		if err := r.unindex(tx); err != nil {
			return err
		}
	}
	row, err := r.row()
	if err != nil {
		return err
	}
	return tx.Put(store.Approvals, row)
}

// reopen makes a used request an approved one again, unless somebody was asked
// for another one of the same digest meanwhile.
func (r *Request) reopen(tx store.Tx) error {
	other, err := current(tx, r.Digest)
	switch {
	case err != nil || other != nil && other.State != Draft:
		return err
	case other != nil:
		if err := other.remove(tx); err != nil {
			return err
		}
	}
	r.State, r.EndedAt, r.UsedBy = Approved, time.Time{}, ""
	if err := r.index(tx); err != nil {
		return err
	}
	return r.put(tx)
}

// remove forgets a request.
func (r *Request) remove(tx store.Tx) error {
	if err := r.unindex(tx); err != nil {
		return err
	}
	return tx.Delete(store.Approvals, r.ID)
}
