package factor

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of record.
const recordVersion = 1

// record is the JSON body of a row of store.Factors whose id begins with rows.
// Secret is what seal.Root made of the secret, bound to the row's id.
type record struct {
	V           int         `json:"v"`
	Realm       key.RealmID `json:"realm"`
	User        string      `json:"user"`
	Name        string      `json:"name"`
	CreatedAt   time.Time   `json:"created"`
	Confirmed   bool        `json:"confirmed,omitempty"`
	Secret      []byte      `json:"secret"`
	Step        int64       `json:"step,omitempty"` // of the last code taken
	UsedAt      time.Time   `json:"used,omitzero"`
	Failures    int         `json:"failures,omitempty"` // since then
	LockedUntil time.Time   `json:"locked,omitzero"`
}

const (
	rows    = "totp/"
	purpose = "second factor"
)

func row(realm key.RealmID, name string) string { return rows + userRow(realm, name) }

// userRow is a user's value of the column: "realm/name".
func userRow(realm key.RealmID, name string) string { return string(realm) + "/" + name }

func (r *record) factor() Factor {
	return Factor{r.Realm, r.User, r.Name, r.CreatedAt, r.Confirmed, r.UsedAt, r.LockedUntil}
}

func (b *Book) secretOf(r *record) (string, error) {
	secret, err := b.Root.Unseal(purpose, r.Secret, []byte(row(r.Realm, r.Name)))
	if err != nil {
		return "", fmt.Errorf("second factor %s: %w", r.Name, err)
	}
	return string(secret), nil
}

func put(tx store.Tx, r *record) error {
	body, err := json.Marshal(r) //nolint:gosec // the secret is encrypted
	if err != nil {
		return fmt.Errorf("encoding second factor %s: %w", r.Name, err)
	}
	return tx.Put(store.Factors, store.Row{ID: row(r.Realm, r.Name), Columns: []string{userRow(r.Realm, r.User)}, Body: body})
}

func read(r store.Reader, realm key.RealmID, name string) (*record, error) {
	found, err := r.Get(store.Factors, row(realm, name))
	if err != nil {
		return nil, err
	}
	return parse(found)
}

func parse(found store.Row) (*record, error) {
	var r record
	if err := json.Unmarshal(found.Body, &r); err != nil {
		return nil, fmt.Errorf("reading second factor %s: %w", found.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading second factor %s: record version %d is not known to this program", found.ID, r.V)
	}
	return &r, nil
}

// own returns a user's factor by its name.
func own(r store.Reader, realm key.RealmID, user, name string) (*record, error) {
	f, err := read(r, realm, name)
	if fault.KindOf(err) == fault.NotFound || err == nil && f.User != user {
		return nil, fault.New(fault.NotFound, "user %s has no second factor %s", user, name)
	}
	return f, err
}

// ofUser returns a user's factors by name.
func ofUser(r store.Reader, realm key.RealmID, user string) (list []*record, err error) {
	for found, err := range r.Scan(store.Factors, store.Query{Column: "user", Equal: userRow(realm, user)}) {
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(found.ID, rows) {
			continue
		}
		f, err := parse(found)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

// List returns a user's factors by name.
func List(r store.Reader, realm key.RealmID, user string) ([]Factor, error) {
	records, err := ofUser(r, realm, user)
	var list []Factor
	for _, f := range records {
		list = append(list, f.factor())
	}
	return list, err
}

// Owns returns a NotFound error unless a user has a factor.
func Owns(r store.Reader, realm key.RealmID, user, name string) error {
	_, err := own(r, realm, user, name)
	return err
}

// Delete removes a factor.
func Delete(tx store.Tx, realm key.RealmID, name string) error {
	return tx.Delete(store.Factors, row(realm, name))
}

// DeleteAll removes whatever proves a user beside access keys, certificates
// too: the next one of that name is somebody else.
func DeleteAll(tx store.Tx, realm key.RealmID, user string) error {
	var ids []string
	for found, err := range tx.Scan(store.Factors, store.Query{Column: "user", Equal: userRow(realm, user)}) {
		if err != nil {
			return err
		}
		ids = append(ids, found.ID)
	}
	for _, id := range ids {
		if err := tx.Delete(store.Factors, id); err != nil {
			return err
		}
	}
	return nil
}

// Reseal re-encrypts all secrets under another root key.
func Reseal(tx store.Tx, from, to *seal.Root) error {
	err := seal.ResealRows(tx, from, to, seal.Rows[record]{
		Table: store.Factors, Prefix: rows, Purpose: purpose, Version: recordVersion,
		Parts: func(r *record) (int, *[]byte) { return r.V, &r.Secret },
	})
	if err != nil {
		return fmt.Errorf("second factor %w", err)
	}
	return nil
}
