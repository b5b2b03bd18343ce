package customstore

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// State is how a key store and its cluster stand to each other.
type State string

// The states.
const (
	Disconnected State = "disconnected"
	Connecting   State = "connecting"
	Connected    State = "connected"
	// Failed: it was to be connected, and Failure says why it is not. It has to be
	// disconnected before it can be connected again.
	Failed State = "failed"
)

// Failure is why a key store could not be connected.
type Failure string

// The failures.
const (
	NoFailure          Failure = ""
	InvalidCredentials Failure = "invalid credentials" //nolint:gosec // the name of a failure
	UserLockedOut      Failure = "user locked out"
	UserNotFound       Failure = "user not found" // the tokens have no user's PIN
	ClusterNotFound    Failure = "cluster not found"
	InsufficientHSMs   Failure = "insufficient HSMs" // none of the cluster's works
	NetworkErrors      Failure = "network errors"    // no token can be reached
	InternalError      Failure = "internal error"
)

// Store is a custom key store.
type Store struct {
	ID     string
	Realm  key.RealmID
	Region string
	Name   string
	// Cluster is the id of its cluster, Lineage the cluster's: key stores of one
	// lineage would have the same keys, so there is one at most.
	Cluster, Lineage string
	// Anchor is the cluster's trust anchor in PEM, as the owner gave it.
	Anchor    string
	CreatedAt time.Time
	// Wanted says that it is to be connected, also after a restart.
	Wanted bool
	// State and Failure are as of the time of the call.
	State   State
	Failure Failure

	password []byte // wrapped
}

// Resource returns the key store as the audit log names it.
func (st *Store) Resource() key.Resource { return resource(st.Realm, st.Region, st.ID) }

// recordVersion is the version of record.
const recordVersion = 1

// record is the JSON body of a row of store.KeyStores, whose id is the key
// store's. Sealed is the password, wrapped under the realm's key and bound to the id, see
// bound.
type record struct {
	V         int         `json:"v"`
	Realm     key.RealmID `json:"realm"`
	Region    string      `json:"region"`
	Name      string      `json:"name"`
	Cluster   string      `json:"cluster"`
	Lineage   string      `json:"lineage"`
	Anchor    string      `json:"anchor"`
	CreatedAt time.Time   `json:"created"`
	Wanted    bool        `json:"wanted,omitempty"`
	Sealed    []byte      `json:"sealed"`
}

// bound is what a key store's wrapped password is bound to.
func bound(id string) []byte { return []byte("password of key store " + id) }

// row returns the stored form of a key store.
func (st *Store) row() (store.Row, error) {
	body, err := json.Marshal(record{
		recordVersion, st.Realm, st.Region, st.Name, st.Cluster, st.Lineage, st.Anchor, st.CreatedAt, st.Wanted, st.password,
	})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding key store %s: %w", st.ID, err)
	}
	return store.Row{ID: st.ID, Columns: []string{string(st.Realm) + "/" + st.Region}, Body: body}, nil
}

// readStore reads what row wrote.
func readStore(row store.Row) (*Store, error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading key store %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading key store %s: record version %d is not known to this program", row.ID, r.V)
	}
	return &Store{
		ID: row.ID, Realm: r.Realm, Region: r.Region, Name: r.Name, Cluster: r.Cluster, Lineage: r.Lineage, Anchor: r.Anchor,
		CreatedAt: r.CreatedAt, Wanted: r.Wanted, password: r.Sealed, State: Disconnected,
	}, nil
}
