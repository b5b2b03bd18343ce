package identity

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// factorRecord is the JSON body of a row of store.Factors whose id begins with
// factorRows. Secret is what seal.Root made of the secret, bound to the row's
// id. The store alone keeps it: what a code was taken for is never decided by
// what some server remembers.
type factorRecord struct {
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
	factorRows    = "totp/"
	factorPurpose = "second factor"
)

func factorRow(realm key.RealmID, name string) string { return factorRows + userRow(realm, name) }

func (r *factorRecord) factor() Factor {
	return Factor{r.Realm, r.User, r.Name, r.CreatedAt, r.Confirmed, r.UsedAt, r.LockedUntil}
}

func (d *Directory) secretOf(r *factorRecord) (string, error) {
	secret, err := d.root.Unseal(factorPurpose, r.Secret, []byte(factorRow(r.Realm, r.Name)))
	if err != nil {
		return "", fmt.Errorf("second factor %s: %w", r.Name, err)
	}
	return string(secret), nil
}

func putFactor(tx store.Tx, r *factorRecord) error {
	body, err := json.Marshal(r) //nolint:gosec // the secret is encrypted
	if err != nil {
		return fmt.Errorf("encoding second factor %s: %w", r.Name, err)
	}
	return tx.Put(store.Factors, store.Row{ID: factorRow(r.Realm, r.Name), Columns: []string{userRow(r.Realm, r.User)}, Body: body})
}

func readFactor(tx store.Reader, realm key.RealmID, name string) (*factorRecord, error) {
	row, err := tx.Get(store.Factors, factorRow(realm, name))
	if err != nil {
		return nil, err
	}
	return factorFrom(row)
}

func factorFrom(row store.Row) (*factorRecord, error) {
	var r factorRecord
	if err := readRecord("second factor", row, &r, &r.V); err != nil {
		return nil, err
	}
	return &r, nil
}

// ownFactor returns a user's factor by its name.
func ownFactor(tx store.Reader, realm key.RealmID, user, name string) (*factorRecord, error) {
	r, err := readFactor(tx, realm, name)
	if fault.KindOf(err) == fault.NotFound || err == nil && r.User != user {
		return nil, fault.New(fault.NotFound, "user %s has no second factor %s", user, name)
	}
	return r, err
}

// factorsOf returns a user's factors by name.
func factorsOf(tx store.Reader, realm key.RealmID, user string) (list []*factorRecord, err error) {
	for row, err := range tx.Scan(store.Factors, store.Query{Column: "user", Equal: userRow(realm, user)}) {
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(row.ID, factorRows) {
			continue
		}
		r, err := factorFrom(row)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, nil
}

// deleteFactors removes whatever else proves a user: the next one of that name
// is somebody else.
func deleteFactors(tx store.Tx, user string) error {
	var ids []string
	for row, err := range tx.Scan(store.Factors, store.Query{Column: "user", Equal: user}) {
		if err != nil {
			return err
		}
		ids = append(ids, row.ID)
	}
	for _, id := range ids {
		if err := tx.Delete(store.Factors, id); err != nil {
			return err
		}
	}
	return nil
}
