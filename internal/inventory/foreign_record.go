package inventory

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// foundVersion is the version of foundRecord. A reader refuses others.
const foundVersion = 1

// foundRecord is the body of a row in store.Found, in JSON. The row's id is
// "realm/SHA-256 of the DER in hex", its column "realm/time of expiry". What
// the certificate itself tells is read from it.
type foundRecord struct {
	V         int       `json:"v"`
	DER       []byte    `json:"der"`
	Source    string    `json:"source"`
	Places    []Place   `json:"places,omitempty"`
	FirstSeen time.Time `json:"first_seen"`
	LastSeen  time.Time `json:"last_seen"`
}

// foundID returns the id of a foreign certificate's row.
func foundID(realm key.RealmID, fingerprint string) string { return string(realm) + "/" + fingerprint }

// row returns the row of a foreign entry.
func (e *Entry) row(realm key.RealmID) (store.Row, error) {
	f := e.Foreign
	body, err := json.Marshal(foundRecord{
		V: foundVersion, DER: e.DER, Source: f.Source, Places: f.Places, FirstSeen: f.FirstSeen, LastSeen: f.LastSeen,
	})
	return store.Row{
		ID: foundID(realm, f.Fingerprint), Columns: []string{ca.ExpiresColumn(string(realm), e.NotAfter)}, Body: body,
	}, err
}

// readFound returns the entry of a row of store.Found.
func readFound(row store.Row) (*Entry, error) {
	var r foundRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("record %s: %w", row.ID, err)
	}
	if r.V != foundVersion {
		return nil, fmt.Errorf("record %s has version %d; this program knows version %d", row.ID, r.V, foundVersion)
	}
	e, err := foreignEntry(r.DER)
	if err != nil {
		return nil, fmt.Errorf("record %s: %w", row.ID, err)
	}
	e.Foreign.Source, e.Foreign.Places, e.Foreign.FirstSeen, e.Foreign.LastSeen = r.Source, r.Places, r.FirstSeen, r.LastSeen
	return e, nil
}

// foreignTerms returns the rows of store.Terms for a foreign certificate.
func foreignTerms(realm key.RealmID, e *Entry) []store.Row {
	var rows []store.Row
	for _, t := range term.Names(realm, e.Certificate) {
		rows = append(rows, store.Row{ID: t + e.ID})
	}
	rows = append(rows,
		store.Row{ID: term.Prefix(realm, term.Key) + term.KeyHash(e.DER)[:term.KeyDigits] + "/" + e.ID},
		store.Row{ID: term.Prefix(realm, term.Serial) + e.Serial + "/" + e.ID})
	if e.Foreign.CA {
		rows = append(rows, store.Row{ID: term.Prefix(realm, term.Subject) + term.SubjectHash(e.Foreign.subject) + "/" + e.ID})
	}
	return rows
}
