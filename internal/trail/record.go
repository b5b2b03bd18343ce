package trail

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of record's format.
const recordVersion = 1

// record is the JSON body of a row of store.Trails, whose id is
// "realm/region/name".
type record struct {
	V          int         `json:"v"`
	Realm      key.RealmID `json:"realm"`
	Region     string      `json:"region"`
	Name       string      `json:"name"`
	CreatedAt  time.Time   `json:"created"`
	Bucket     string      `json:"bucket"`
	Prefix     string      `json:"prefix,omitempty"`
	AllRegions bool        `json:"allRegions,omitempty"`
	Global     bool        `json:"global,omitempty"`
	Tags       [][2]string `json:"tags,omitempty"`
	Basic      []Basic     `json:"basic,omitempty"`
	Fields     []Fields    `json:"fields,omitempty"`
	Logging    bool        `json:"logging,omitempty"`
	StartedAt  time.Time   `json:"started,omitzero"`
	StoppedAt  time.Time   `json:"stopped,omitzero"`
	// Spans are what is still to be delivered.
	Spans       []span    `json:"spans,omitempty"`
	DeliveredAt time.Time `json:"delivered,omitzero"`
	AttemptedAt time.Time `json:"attempted,omitzero"`
	Failure     string    `json:"failure,omitempty"`
}

// idOf is the id of a trail's row.
func idOf(realm key.RealmID, region, name string) string {
	return string(realm) + "/" + region + "/" + name
}

func rowOf(t *Trail) (store.Row, error) {
	r := record{
		V: recordVersion, Realm: t.Realm, Region: t.Region, Name: t.Name, CreatedAt: t.CreatedAt, Bucket: t.Bucket, Prefix: t.Prefix,
		AllRegions: t.AllRegions, Global: t.Global, Basic: t.Selectors.Basic, Fields: t.Selectors.Fields, Logging: t.Logging,
		StartedAt: t.StartedAt, StoppedAt: t.StoppedAt, Spans: t.spans, DeliveredAt: t.DeliveredAt, AttemptedAt: t.AttemptedAt, Failure: t.Failure,
	}
	for _, tag := range t.Tags {
		r.Tags = append(r.Tags, [2]string{tag.Key, tag.Value})
	}
	body, err := json.Marshal(&r)
	return store.Row{ID: idOf(t.Realm, t.Region, t.Name), Columns: []string{string(t.Realm) + "/" + t.Region}, Body: body}, err
}

func readTrail(row store.Row) (*Trail, error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading trail %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fault.New(fault.Unsupported, "trail %s has format version %d, which this Holdfast does not read", row.ID, r.V)
	}
	t := &Trail{
		Realm: r.Realm, Region: r.Region, Name: r.Name, CreatedAt: r.CreatedAt, Bucket: r.Bucket, Prefix: r.Prefix, AllRegions: r.AllRegions,
		Global: r.Global, Selectors: Selectors{Basic: r.Basic, Fields: r.Fields}, Logging: r.Logging, StartedAt: r.StartedAt,
		StoppedAt: r.StoppedAt, spans: r.Spans, DeliveredAt: r.DeliveredAt, AttemptedAt: r.AttemptedAt, Failure: r.Failure,
	}
	for _, tag := range r.Tags {
		t.Tags = append(t.Tags, key.Tag{Key: tag[0], Value: tag[1]})
	}
	return t, nil
}

// clone returns a copy that may be changed.
func (t *Trail) clone() *Trail {
	c := *t
	c.Tags, c.spans = slices.Clone(t.Tags), slices.Clone(t.spans)
	return &c
}

func put(tx store.Tx, t *Trail) error {
	row, err := rowOf(t)
	if err != nil {
		return err
	}
	return tx.Put(store.Trails, row)
}
