package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of all records of this package.
const recordVersion = 1

// record is the JSON body of a row of store.Clusters, whose id is the
// cluster's. Rows with ids of claimPrefix are of the same table.
type record struct {
	V             int         `json:"v"`
	Realm         key.RealmID `json:"realm"`
	Region        string      `json:"region"`
	Model         string      `json:"model"`
	Zones         []Zone      `json:"zones"`
	HSMs          []hsmRecord `json:"hsms,omitempty"`
	Request       []byte      `json:"request,omitempty"`
	Certificate   []byte      `json:"certificate,omitempty"`
	Anchor        []byte      `json:"anchor,omitempty"`
	Lineage       string      `json:"lineage"`
	SourceBackup  string      `json:"sourceBackup,omitempty"`
	Held          []Object    `json:"held,omitempty"`
	RetentionDays int         `json:"retentionDays"`
	CreatedAt     time.Time   `json:"created"`
	ActivatedAt   time.Time   `json:"activated,omitzero"`
	Tags          [][2]string `json:"tags,omitempty"`
}

// hsmRecord is an HSM without what is found out anew each time.
type hsmRecord struct {
	ID        string    `json:"id"`
	Zone      Zone      `json:"zone"`
	Token     string    `json:"token"`
	Serial    string    `json:"serial"`
	CreatedAt time.Time `json:"created"`
	Creating  bool      `json:"creating,omitempty"`
}

// claimPrefix begins the id of a row that says that a token is taken, after
// which comes its name. The row's body is a claim.
const claimPrefix = "token/"

// claimEnd is the first id after those with the prefix.
const claimEnd = "token0"

// claim is the JSON body of such a row.
type claim struct {
	V       int    `json:"v"`
	Cluster string `json:"cluster"`
	HSM     string `json:"hsm"`
}

// row returns the stored form of a cluster.
func (c *Cluster) row() (store.Row, error) {
	r := record{
		V: recordVersion, Realm: c.Realm, Region: c.Region, Model: c.Model, Zones: c.Zones, Request: c.Request,
		Certificate: c.Certificate, Anchor: c.Anchor, Lineage: c.Lineage, SourceBackup: c.SourceBackup, Held: c.Held,
		RetentionDays: c.RetentionDays, CreatedAt: c.CreatedAt, ActivatedAt: c.ActivatedAt, Tags: pairs(c.Tags),
	}
	for _, h := range c.HSMs {
		r.HSMs = append(r.HSMs, hsmRecord{h.ID, h.Zone, h.Token, h.Serial, h.CreatedAt, h.State == HSMCreating})
	}
	body, err := json.Marshal(r)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding cluster %s: %w", c.ID, err)
	}
	return store.Row{ID: c.ID, Columns: []string{scopeOf(c.Realm, c.Region)}, Body: body}, nil
}

// readCluster reads what row wrote. HSMs count as active until they are
// examined.
func readCluster(row store.Row) (*Cluster, error) {
	var r record
	if err := decode(row, "cluster", &r, &r.V); err != nil {
		return nil, err
	}
	c := &Cluster{
		ID: row.ID, Realm: r.Realm, Region: r.Region, Model: r.Model, Zones: r.Zones, Request: r.Request,
		Certificate: r.Certificate, Anchor: r.Anchor, Lineage: r.Lineage, SourceBackup: r.SourceBackup, Held: r.Held,
		RetentionDays: r.RetentionDays, CreatedAt: r.CreatedAt, ActivatedAt: r.ActivatedAt, Tags: tagsOf(r.Tags),
	}
	for _, h := range r.HSMs {
		state := HSMActive
		if h.Creating {
			state = HSMCreating
		}
		c.HSMs = append(c.HSMs, HSM{ID: h.ID, Zone: h.Zone, Token: h.Token, Serial: h.Serial, CreatedAt: h.CreatedAt, State: state})
	}
	return c, nil
}

// decode reads a row's body into a record, whose version is at v.
func decode(row store.Row, what string, into any, v *int) error {
	if err := json.Unmarshal(row.Body, into); err != nil {
		return fmt.Errorf("reading %s %s: %w", what, row.ID, err)
	}
	if *v != recordVersion {
		return fmt.Errorf("reading %s %s: record version %d is not known to this program", what, row.ID, *v)
	}
	return nil
}

// insertClaim says that a token is taken. A token that is taken already is an
// AlreadyExists error.
func insertClaim(tx store.Tx, token, cluster, hsm string) error {
	body, err := json.Marshal(claim{recordVersion, cluster, hsm})
	if err != nil {
		return err
	}
	return tx.Insert(store.Clusters, store.Row{ID: claimPrefix + token, Columns: []string{""}, Body: body})
}

// deleteClaim gives a token back.
func deleteClaim(tx store.Tx, token string) error {
	err := tx.Delete(store.Clusters, claimPrefix+token)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	return err
}

// taken returns the names of the tokens that are taken.
func taken(r store.Reader) (map[string]bool, error) {
	names := map[string]bool{}
	for row, err := range r.Scan(store.Clusters, store.Query{From: claimPrefix, To: claimEnd}) {
		if err != nil {
			return nil, err
		}
		names[row.ID[len(claimPrefix):]] = true
	}
	return names, nil
}

func pairs(tags []key.Tag) [][2]string {
	var list [][2]string
	for _, t := range tags {
		list = append(list, [2]string{t.Key, t.Value})
	}
	return list
}

func tagsOf(list [][2]string) []key.Tag {
	var tags []key.Tag
	for _, t := range list {
		tags = append(tags, key.Tag{Key: t[0], Value: t[1]})
	}
	return tags
}

// publicOf returns what a caller may know of an error.
func publicOf(err error) string {
	if e, ok := errors.AsType[*fault.Error](err); ok {
		return e.Public
	}
	return ""
}
