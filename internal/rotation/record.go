package rotation

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of record's format.
const recordVersion = 1

// record is the JSON body of a row of store.Rotations, whose id is
// "realm/name". Specs and usages have their names.
type record struct {
	V           int              `json:"v"`
	Realm       key.RealmID      `json:"realm"`
	Name        string           `json:"name"`
	Description string           `json:"description,omitempty"`
	Keys        []string         `json:"keys,omitempty"`
	Tags        [][2]string      `json:"tags,omitempty"`
	Specs       []string         `json:"specs,omitempty"`
	Usages      []string         `json:"usages,omitempty"`
	Protections []key.Protection `json:"protections,omitempty"`
	Mode        Mode             `json:"mode"`
	PeriodDays  int              `json:"period,omitempty"`
	OverlapDays int              `json:"overlap,omitempty"`
	After       After            `json:"after,omitempty"`
	NoticeDays  int              `json:"notice,omitempty"`
	Since       time.Time        `json:"since"`
}

// idOf is the id of a rule's row.
func idOf(realm key.RealmID, name string) string { return string(realm) + "/" + name }

// ofRealm asks for a realm's rules.
func ofRealm(realm key.RealmID) store.Query {
	return store.Query{Column: "realm", Equal: string(realm)}
}

func rowOf(r *Rule) (store.Row, error) {
	x := record{
		V: recordVersion, Realm: r.Realm, Name: r.Name, Description: r.Description, Keys: r.Select.Keys, Protections: r.Select.Protections,
		Mode: r.Mode, PeriodDays: r.PeriodDays, OverlapDays: r.OverlapDays, After: r.After, NoticeDays: r.NoticeDays, Since: r.Since,
	}
	for _, t := range r.Select.Tags {
		x.Tags = append(x.Tags, [2]string{t.Key, t.Value})
	}
	for _, s := range r.Select.Specs {
		x.Specs = append(x.Specs, s.String())
	}
	for _, u := range r.Select.Usages {
		x.Usages = append(x.Usages, u.String())
	}
	body, err := json.Marshal(&x)
	return store.Row{ID: idOf(r.Realm, r.Name), Columns: []string{string(r.Realm)}, Body: body}, err
}

func readRule(row store.Row) (*Rule, error) {
	var x record
	if err := json.Unmarshal(row.Body, &x); err != nil {
		return nil, fmt.Errorf("reading rotation rule %s: %w", row.ID, err)
	}
	if x.V != recordVersion {
		return nil, fault.New(fault.Unsupported, "rotation rule %s has format version %d, which this Holdfast does not read", row.ID, x.V)
	}
	r := &Rule{
		Realm: x.Realm, Name: x.Name, Description: x.Description, Select: Selector{Keys: x.Keys, Protections: x.Protections},
		Mode: x.Mode, PeriodDays: x.PeriodDays, OverlapDays: x.OverlapDays, After: x.After, NoticeDays: x.NoticeDays, Since: x.Since,
	}
	for _, t := range x.Tags {
		r.Select.Tags = append(r.Select.Tags, key.Tag{Key: t[0], Value: t[1]})
	}
	for _, name := range x.Specs {
		s := alg.ParseSpec(name)
		if s == alg.NoSpec {
			return nil, fmt.Errorf("reading rotation rule %s: key spec %q is not known", row.ID, name)
		}
		r.Select.Specs = append(r.Select.Specs, s)
	}
	for _, name := range x.Usages {
		u := alg.ParseUsage(name)
		if u == alg.NoUsage {
			return nil, fmt.Errorf("reading rotation rule %s: usage %q is not known", row.ID, name)
		}
		r.Select.Usages = append(r.Select.Usages, u)
	}
	return r, nil
}

// read returns rules in the order of their names.
func read(r store.Reader, q store.Query) ([]*Rule, error) {
	var list []*Rule
	for row, err := range r.Scan(store.Rotations, q) {
		if err != nil {
			return nil, err
		}
		rule, err := readRule(row)
		if err != nil {
			return nil, err
		}
		list = append(list, rule)
	}
	return list, nil
}
