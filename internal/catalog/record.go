package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of keyRecord's and aliasRecord's formats.
const recordVersion = 1

// keyRecord is the body of a row of store.Keys: one line of JSON with its line
// feed, and behind it the policy's text as its author wrote it, which as a part
// of the JSON would take as long to decode as all the rest. Names instead of
// numbers stand for specs, usages and states, so that the order of the
// constants is free to change. Wrapped material is in store.Materials.
type keyRecord struct {
	V           int              `json:"v"`
	Realm       key.RealmID      `json:"realm"`
	Region      string           `json:"region"`
	Spec        string           `json:"spec"`
	Usage       string           `json:"usage"`
	Origin      key.Origin       `json:"origin"`
	Protection  key.Protection   `json:"protection"`
	Engine      string           `json:"engine"`
	Store       string           `json:"store,omitempty"`
	Exportable  bool             `json:"exportable,omitempty"`
	Provided    bool             `json:"provided,omitempty"`
	State       string           `json:"state"`
	Description string           `json:"description,omitempty"`
	CreatedAt   time.Time        `json:"created"`
	DeleteAt    time.Time        `json:"delete,omitzero"`
	Versions    []versionRecord  `json:"versions"`
	Pending     *versionRecord   `json:"pending,omitempty"`
	Rotation    rotationRecord   `json:"rotation,omitzero"`
	Succession  successionRecord `json:"succession,omitzero"`
	Dialect     string           `json:"dialect"`
	Tags        [][2]string      `json:"tags,omitempty"`
	Grants      []grantRecord    `json:"grants,omitempty"`
	Revision    uint64           `json:"revision"`
}

type versionRecord struct {
	Number      key.VersionNumber `json:"n"`
	CreatedAt   time.Time         `json:"created"`
	RotatedBy   key.RotationCause `json:"by,omitempty"`
	MaterialID  string            `json:"material"`
	Description string            `json:"description,omitempty"`
	Public      []byte            `json:"public,omitempty"`
	ExpiresAt   time.Time         `json:"expires,omitzero"`
	Missing     bool              `json:"missing,omitempty"`
}

type rotationRecord struct {
	Enabled       bool      `json:"enabled,omitempty"`
	PeriodDays    int       `json:"days,omitempty"`
	Next          time.Time `json:"next,omitzero"`
	OnDemandCount int       `json:"demanded,omitempty"`
}

type successionRecord struct {
	From  key.ID    `json:"from,omitempty"`
	To    key.ID    `json:"to,omitempty"`
	At    time.Time `json:"at,omitzero"`
	Until time.Time `json:"until,omitzero"`
}

type grantRecord struct {
	ID        string        `json:"id"`
	Grantee   key.Principal `json:"grantee"`
	Actions   []string      `json:"actions"`
	CreatedAt time.Time     `json:"created"`
}

// scopeOf is the value of the scope columns: all keys of one listing.
func scopeOf(realm key.RealmID, region string) string { return string(realm) + "/" + region }

// dueOf is when the clock next has something to do with the key, or "".
func dueOf(k *key.Key) string {
	due := firstExpiry(k.Materials())
	var step time.Time
	switch {
	case k.State == key.PendingDeletion:
		step = k.DeleteAt
	case k.State == key.Enabled && k.Succession.To != "": // whatever is set, it gets no new material
		step = k.Succession.Until
	case k.State == key.Enabled && k.Rotation.Enabled:
		step = k.Rotation.Next
	}
	if due.IsZero() || !step.IsZero() && step.Before(due) {
		due = step
	}
	if due.IsZero() {
		return ""
	}
	return due.UTC().Format(store.TimeFormat)
}

// keyRow returns the stored form of a key.
func keyRow(k *key.Key) (store.Row, error) {
	r := keyRecord{
		V: recordVersion, Realm: k.Name.Realm, Region: k.Name.Region, Spec: k.Spec.String(), Usage: k.Usage.String(),
		Origin: k.Origin, Protection: k.Protection, Engine: k.Engine, Store: k.Store, State: k.State.String(), Exportable: k.Exportable, Provided: k.Provided,
		Description: k.Description, CreatedAt: k.CreatedAt, DeleteAt: k.DeleteAt, Rotation: rotationRecord(k.Rotation),
		Succession: successionRecord(k.Succession),
		Dialect:    k.Policy.Dialect, Revision: k.Revision,
	}
	for _, v := range k.Versions {
		r.Versions = append(r.Versions, versionRecord(v))
	}
	if k.Pending != nil {
		pending := versionRecord(*k.Pending)
		r.Pending = &pending
	}
	for _, t := range k.Tags {
		r.Tags = append(r.Tags, [2]string{t.Key, t.Value})
	}
	for _, g := range k.Grants {
		r.Grants = append(r.Grants, grantRecord{g.ID, g.Grantee, actionNames(g.Actions), g.CreatedAt})
	}
	body, err := json.Marshal(r)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding key %s: %w", k.Name.ID, err)
	}
	body = append(append(body, '\n'), k.Policy.Text...)
	return store.Row{ID: string(k.Name.ID), Columns: []string{scopeOf(k.Name.Realm, k.Name.Region), dueOf(k)}, Body: body}, nil
}

// keyOf reads what keyRow wrote.
func keyOf(row store.Row) (*key.Key, error) {
	var r keyRecord
	line, text, _ := bytes.Cut(row.Body, []byte{'\n'})
	if err := json.Unmarshal(line, &r); err != nil {
		return nil, fmt.Errorf("reading key %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading key %s: record version %d is not known to this program", row.ID, r.V)
	}
	k := &key.Key{
		Name: key.Name{Realm: r.Realm, Region: r.Region, ID: key.ID(row.ID)},
		Spec: alg.ParseSpec(r.Spec), Usage: alg.ParseUsage(r.Usage), Origin: r.Origin, Protection: r.Protection,
		Engine: r.Engine, Store: r.Store, Exportable: r.Exportable, Provided: r.Provided, State: key.ParseState(r.State), Description: r.Description, CreatedAt: r.CreatedAt,
		DeleteAt: r.DeleteAt, Rotation: key.Rotation(r.Rotation), Succession: key.Succession(r.Succession),
		Policy: key.Document{Dialect: r.Dialect, Text: string(text)}, Revision: r.Revision,
	}
	if k.Spec == alg.NoSpec || k.Usage == alg.NoUsage || k.State == 0 || len(r.Versions) == 0 {
		return nil, fmt.Errorf("reading key %s: spec %q, usage %q, state %q and %d versions make no key",
			row.ID, r.Spec, r.Usage, r.State, len(r.Versions))
	}
	for _, v := range r.Versions {
		k.Versions = append(k.Versions, key.Version(v))
	}
	if r.Pending != nil {
		pending := key.Version(*r.Pending)
		k.Pending = &pending
	}
	for _, t := range r.Tags {
		k.Tags = append(k.Tags, key.Tag{Key: t[0], Value: t[1]})
	}
	for _, g := range r.Grants {
		k.Grants = append(k.Grants, key.Grant{ID: g.ID, Grantee: g.Grantee, Actions: parseActions(g.Actions), CreatedAt: g.CreatedAt})
	}
	return k, nil
}

// texts makes equal texts share their memory.
type texts map[string]string

func (t texts) shared(s string) string {
	if had, ok := t[s]; ok {
		return had
	}
	t[s] = s
	return s
}

// share makes a key share what most keys have in common, its policy above all.
func (t texts) share(k *key.Key) {
	k.Name.Realm = key.RealmID(t.shared(string(k.Name.Realm)))
	k.Name.Region = t.shared(k.Name.Region)
	k.Origin = key.Origin(t.shared(string(k.Origin)))
	k.Protection = key.Protection(t.shared(string(k.Protection)))
	k.Engine = t.shared(k.Engine)
	k.Policy = key.Document{Dialect: t.shared(k.Policy.Dialect), Text: t.shared(k.Policy.Text)}
}

func actionNames(actions []key.Action) []string {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.String()
	}
	return names
}

func parseActions(names []string) []key.Action {
	var actions []key.Action
	for _, a := range key.Actions() {
		for _, n := range names {
			if a.String() == n {
				actions = append(actions, a)
			}
		}
	}
	return actions
}

// aliasRecord is the JSON body of a row of store.Aliases.
type aliasRecord struct {
	V         int         `json:"v"`
	Realm     key.RealmID `json:"realm"`
	Region    string      `json:"region"`
	Name      string      `json:"name"`
	Target    key.ID      `json:"target"`
	CreatedAt time.Time   `json:"created"`
	UpdatedAt time.Time   `json:"updated"`
}

// aliasID is an alias's row id and its place in memory.
func aliasID(realm key.RealmID, region, name string) string {
	return scopeOf(realm, region) + "/" + name
}

func aliasRow(a *key.Alias) (store.Row, error) {
	body, err := json.Marshal(aliasRecord{recordVersion, a.Realm, a.Region, a.Name, a.Target, a.CreatedAt, a.UpdatedAt})
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding alias %s: %w", a.Name, err)
	}
	return store.Row{
		ID: aliasID(a.Realm, a.Region, a.Name), Columns: []string{scopeOf(a.Realm, a.Region), string(a.Target)}, Body: body,
	}, nil
}

func aliasOf(row store.Row) (*key.Alias, error) {
	var r aliasRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading alias %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading alias %s: record version %d is not known to this program", row.ID, r.V)
	}
	return &key.Alias{
		Realm: r.Realm, Region: r.Region, Name: r.Name, Target: r.Target, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt,
	}, nil
}

// materialID is the row id of a version's wrapped material in store.Materials,
// whose body is the engine's own.
func materialID(id key.ID, n key.VersionNumber) string { return fmt.Sprintf("%s/%d", id, n) }
