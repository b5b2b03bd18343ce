package secret

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Stage is a label of a version. A secret has each at most once.
type Stage string

// The stages that mean something here. Callers move others as they like.
const (
	Current  Stage = "current"  // what is read by who does not say which
	Previous Stage = "previous" // what was current before
	Pending  Stage = "pending"  // what is about to be current, by who makes it so
)

// Secret is a secret without its values. It is never changed once handed out.
type Secret struct {
	Realm  key.RealmID
	Region string
	Name   string
	// Suffix tells the secret from those that had its name before.
	Suffix      string
	Description string
	// Key is the key that seals new versions, the zero Ref for the provided one;
	// KeyText is how the caller named it.
	Key     kms.Ref
	KeyText string
	Tags    []key.Tag // sorted by their keys
	Policy  key.Document
	// Versions are in the order of their making.
	Versions  []Version
	CreatedAt time.Time
	ChangedAt time.Time
	// AccessedAt is the day, in UTC, on which a value was last read; zero before
	// the first time.
	AccessedAt time.Time
	// DeletedAt is when the deletion was asked for, DeleteAt when the clock
	// destroys the secret; both are zero unless it waits for its end.
	DeletedAt, DeleteAt time.Time
	// Revision grows by one with each change.
	Revision uint64
}

// Version is a value that a secret has or had, without the value.
type Version struct {
	ID         string    `json:"id"`
	Stages     []Stage   `json:"stages,omitempty"`
	CreatedAt  time.Time `json:"created"`
	AccessedAt time.Time `json:"accessed,omitzero"` // a day, as Secret's
	// Key is the name of the key that sealed it, "" for the provided one.
	Key string `json:"key,omitempty"`
}

// ID returns the name with the suffix.
func (x *Secret) ID() string { return x.Name + "-" + x.Suffix }

// Resource returns the secret as the object of a decision.
func (x *Secret) Resource() key.Resource {
	return key.Resource{Kind: key.KindSecret, Realm: x.Realm, Region: x.Region, ID: x.ID()}
}

// At returns the version with a stage.
func (x *Secret) At(stage Stage) (*Version, bool) {
	for i := range x.Versions {
		if slices.Contains(x.Versions[i].Stages, stage) {
			return &x.Versions[i], true
		}
	}
	return nil, false
}

// Version returns the version with an id.
func (x *Secret) Version(id string) (*Version, bool) {
	for i := range x.Versions {
		if x.Versions[i].ID == id {
			return &x.Versions[i], true
		}
	}
	return nil, false
}

// deleted reports whether the secret waits for its end.
func (x *Secret) deleted() bool { return !x.DeleteAt.IsZero() }

func (x *Secret) refuseDeleted() error {
	return &fault.Error{
		Kind: fault.WrongState, Reason: fault.SecretDeleted, Resource: x.Resource().String(), Public: "the secret is marked for deletion",
	}
}

// clone returns a copy to change and store.
func (x *Secret) clone() *Secret {
	out := *x
	out.Tags, out.Versions = slices.Clone(x.Tags), slices.Clone(x.Versions)
	for i := range out.Versions {
		out.Versions[i].Stages = slices.Clone(out.Versions[i].Stages)
	}
	return &out
}

// recordVersion is the version of record's format.
const recordVersion = 1

// record is the JSON body of a row of store.Secrets, whose id is
// "realm/region/name" and whose columns are "realm/region" and the time when
// the secret is destroyed, or "".
type record struct {
	V           int         `json:"v"`
	Realm       key.RealmID `json:"realm"`
	Region      string      `json:"region"`
	Name        string      `json:"name"`
	Suffix      string      `json:"suffix"`
	Description string      `json:"description,omitempty"`
	Key         *keyRecord  `json:"key,omitempty"`
	Tags        [][2]string `json:"tags,omitempty"`
	Dialect     string      `json:"policyDialect,omitempty"`
	Policy      string      `json:"policy,omitempty"`
	Versions    []Version   `json:"versions,omitempty"`
	CreatedAt   time.Time   `json:"created"`
	ChangedAt   time.Time   `json:"changed"`
	AccessedAt  time.Time   `json:"accessed,omitzero"`
	DeletedAt   time.Time   `json:"deleted,omitzero"`
	DeleteAt    time.Time   `json:"deleteAt,omitzero"`
	Revision    uint64      `json:"revision"`
}

// keyRecord is a kms.Ref, and what its caller called it.
type keyRecord struct {
	Realm  key.RealmID `json:"realm"`
	Region string      `json:"region"`
	ID     key.ID      `json:"id,omitempty"`
	Alias  string      `json:"alias,omitempty"`
	Text   string      `json:"text"`
}

// scopeOf is the value of the scope column: the secrets of one listing.
func scopeOf(realm key.RealmID, region string) string { return string(realm) + "/" + region }

// rowID is the id of a secret's row.
func rowID(realm key.RealmID, region, name string) string {
	return scopeOf(realm, region) + "/" + name
}

func (x *Secret) row() string { return rowID(x.Realm, x.Region, x.Name) }

// versions is the value of the column by which the values of a secret are
// found.
func (x *Secret) versions() string { return rowID(x.Realm, x.Region, x.ID()) }

// encode returns the stored form of a secret.
func (x *Secret) encode() (store.Row, error) {
	r := record{
		V: recordVersion, Realm: x.Realm, Region: x.Region, Name: x.Name, Suffix: x.Suffix, Description: x.Description,
		Dialect: x.Policy.Dialect, Policy: x.Policy.Text, Versions: x.Versions, CreatedAt: x.CreatedAt, ChangedAt: x.ChangedAt,
		AccessedAt: x.AccessedAt, DeletedAt: x.DeletedAt, DeleteAt: x.DeleteAt, Revision: x.Revision,
	}
	if x.Key != (kms.Ref{}) {
		r.Key = &keyRecord{x.Key.Realm, x.Key.Region, x.Key.ID, x.Key.Alias, x.KeyText}
	}
	for _, t := range x.Tags {
		r.Tags = append(r.Tags, [2]string{t.Key, t.Value})
	}
	body, err := json.Marshal(r)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding secret %s: %w", x.row(), err)
	}
	due := ""
	if x.deleted() {
		due = x.DeleteAt.UTC().Format(store.TimeFormat)
	}
	return store.Row{ID: x.row(), Columns: []string{scopeOf(x.Realm, x.Region), due}, Body: body}, nil
}

// readSecret reads what encode wrote.
func readSecret(row store.Row) (*Secret, error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading secret %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading secret %s: record version %d is not known to this program", row.ID, r.V)
	}
	x := &Secret{
		Realm: r.Realm, Region: r.Region, Name: r.Name, Suffix: r.Suffix, Description: r.Description,
		Policy: key.Document{Dialect: r.Dialect, Text: r.Policy}, Versions: r.Versions, CreatedAt: r.CreatedAt,
		ChangedAt: r.ChangedAt, AccessedAt: r.AccessedAt, DeletedAt: r.DeletedAt, DeleteAt: r.DeleteAt, Revision: r.Revision,
	}
	if len(x.Suffix) != suffixLength || x.row() != row.ID {
		return nil, fmt.Errorf("reading secret %s: the record is of %s-%s", row.ID, x.row(), x.Suffix)
	}
	if k := r.Key; k != nil {
		x.Key, x.KeyText = kms.Ref{Realm: k.Realm, Region: k.Region, ID: k.ID, Alias: k.Alias}, k.Text
	}
	for _, t := range r.Tags {
		x.Tags = append(x.Tags, key.Tag{Key: t[0], Value: t[1]})
	}
	return x, nil
}

// put records the call and stores a changed secret, with what also writes in
// the same transaction; also may be nil. Another server that was faster is a
// Conflict error.
func (s *Service) put(ctx context.Context, v *guard.Visit, x *Secret, also func(store.Tx) error) error {
	return v.Commit(ctx, func() error { return s.update(ctx, x, also) })
}

func (s *Service) update(ctx context.Context, x *Secret, also func(store.Tx) error) error {
	x.Revision++
	row, err := x.encode()
	if err != nil {
		return err
	}
	return s.Store.Update(ctx, func(tx store.Tx) error {
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		if x.Revision == 1 {
			return tx.Insert(store.Secrets, row)
		}
		have, err := s.read(tx, x.Realm, x.Region, x.Name)
		if err != nil {
			return err
		}
		if have == nil || have.Suffix != x.Suffix || have.Revision != x.Revision-1 {
			return fault.New(fault.Conflict, "the secret was changed meanwhile")
		}
		return tx.Put(store.Secrets, row)
	})
}
