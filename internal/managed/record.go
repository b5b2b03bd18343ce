package managed

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/renewal"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of record's format.
const recordVersion = 1

// record is the JSON body of a row of store.Managed. Its id is the
// certificate's, a UUID of version 7. A realm's settings are a row of the same
// table, see settingsRow.
type record struct {
	V          int            `json:"v"`
	Realm      key.RealmID    `json:"realm"`
	Region     string         `json:"region"`
	Kind       Kind           `json:"kind"`
	Authority  string         `json:"authority,omitempty"`
	Domain     string         `json:"domain"`
	Names      []string       `json:"names"`
	Spec       string         `json:"spec"`
	Key        key.ID         `json:"key,omitempty"`
	DER        []byte         `json:"certificate,omitempty"`
	Chain      [][]byte       `json:"chain,omitempty"`
	Serial     string         `json:"serial,omitempty"`
	NotBefore  time.Time      `json:"notBefore,omitzero"`
	NotAfter   time.Time      `json:"notAfter,omitzero"`
	Failure    Failure        `json:"failure,omitempty"`
	CreatedAt  time.Time      `json:"created"`
	IssuedAt   time.Time      `json:"issued,omitzero"`
	ImportedAt time.Time      `json:"imported,omitzero"`
	RevokedAt  time.Time      `json:"revoked,omitzero"`
	Reason     ca.Reason      `json:"reason,omitempty"`
	Exportable bool           `json:"exportable,omitempty"`
	ExportedAt time.Time      `json:"exported,omitzero"`
	UsedBy     []string       `json:"usedBy,omitempty"`
	Logged     bool           `json:"logged,omitempty"`
	Tags       [][2]string    `json:"tags,omitempty"`
	Renewal    *renewalRecord `json:"renewal,omitempty"`
	Profile    string         `json:"profile,omitempty"`
	Validity   time.Duration  `json:"validity,omitempty"` // nanoseconds
	Rule       *ruleRecord    `json:"rule,omitempty"`
	Next       key.ID         `json:"next,omitempty"`
	Revision   uint64         `json:"revision"`
}

// ruleRecord is renewal.Rule, its times in nanoseconds.
type ruleRecord struct {
	Before time.Duration     `json:"before,omitempty"`
	Share  float64           `json:"share,omitempty"`
	Key    renewal.KeyChoice `json:"key,omitempty"`
	Jitter *time.Duration    `json:"jitter,omitempty"`
}

type renewalRecord struct {
	Outcome  Outcome   `json:"outcome"`
	At       time.Time `json:"at"`
	Failure  Failure   `json:"failure,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
	Issuer   string    `json:"issuer,omitempty"`
}

// scopeOf is the value of the scope column: the certificates of one listing.
func scopeOf(realm key.RealmID, region string) string { return string(realm) + "/" + region }

// row returns the stored form of a certificate whose Outlook is set.
func (c *Certificate) row() (store.Row, error) {
	r := record{
		V: recordVersion, Realm: c.Realm, Region: c.Region, Kind: c.Kind, Authority: c.Authority, Domain: c.Domain,
		Names: c.Names, Spec: c.Spec.String(), Key: c.Key, DER: c.DER, Chain: c.Chain, Serial: c.Serial,
		NotBefore: c.NotBefore, NotAfter: c.NotAfter, Failure: c.Failure, CreatedAt: c.CreatedAt, IssuedAt: c.IssuedAt,
		ImportedAt: c.ImportedAt, RevokedAt: c.RevokedAt, Reason: c.Reason, Exportable: c.Exportable,
		ExportedAt: c.ExportedAt, UsedBy: c.UsedBy, Logged: c.Logged, Profile: c.Profile, Validity: c.Validity, Next: c.Next,
		Revision: c.Revision,
	}
	if c.Renewal != nil {
		latest := renewalRecord(*c.Renewal)
		r.Renewal = &latest
	}
	if c.Rule != nil {
		rule := ruleRecord(*c.Rule)
		r.Rule = &rule
	}
	for _, t := range c.Tags {
		r.Tags = append(r.Tags, [2]string{t.Key, t.Value})
	}
	body, err := json.Marshal(r)
	if err != nil {
		return store.Row{}, fmt.Errorf("encoding managed certificate %s: %w", c.ID, err)
	}
	return store.Row{ID: c.ID, Columns: []string{scopeOf(c.Realm, c.Region), dueColumn(c.Due)}, Body: body}, nil
}

// dueColumn returns the value of the column due.
func dueColumn(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(store.TimeFormat)
}

// readCertificate reads what row wrote.
func readCertificate(row store.Row) (*Certificate, error) {
	var r record
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("reading managed certificate %s: %w", row.ID, err)
	}
	if r.V != recordVersion {
		return nil, fmt.Errorf("reading managed certificate %s: record version %d is not known to this program", row.ID, r.V)
	}
	c := &Certificate{
		ID: row.ID, Realm: r.Realm, Region: r.Region, Kind: r.Kind, Authority: r.Authority, Domain: r.Domain,
		Names: r.Names, Spec: alg.ParseSpec(r.Spec), Key: r.Key, DER: r.DER, Chain: r.Chain, Serial: r.Serial,
		NotBefore: r.NotBefore, NotAfter: r.NotAfter, Failure: r.Failure, CreatedAt: r.CreatedAt, IssuedAt: r.IssuedAt,
		ImportedAt: r.ImportedAt, RevokedAt: r.RevokedAt, Reason: r.Reason, Exportable: r.Exportable,
		ExportedAt: r.ExportedAt, UsedBy: r.UsedBy, Logged: r.Logged, Profile: r.Profile, Validity: r.Validity, Next: r.Next,
		Revision: r.Revision,
	}
	if r.Kind != Private && r.Kind != Imported || c.Spec == alg.NoSpec || (len(c.DER) == 0) != (c.Failure != NoFailure) {
		return nil, fmt.Errorf("reading managed certificate %s: kind %q, spec %q and failure %q make none", row.ID, r.Kind, r.Spec, r.Failure)
	}
	if len(c.DER) == 0 {
		c.DER = nil // which is what says that there is none
	}
	for _, t := range r.Tags {
		c.Tags = append(c.Tags, key.Tag{Key: t[0], Value: t[1]})
	}
	return c, r.renewal(c)
}

// renewal reads what a record says of renewals.
func (r *record) renewal(c *Certificate) error {
	if r.Renewal != nil {
		if (r.Renewal.Attempts > 0) != (r.Renewal.Outcome == Refused) {
			return fmt.Errorf("reading managed certificate %s: %d attempts go with no renewal that %s", c.ID, r.Renewal.Attempts, r.Renewal.Outcome)
		}
		latest := Renewal(*r.Renewal)
		c.Renewal = &latest
	}
	if r.Rule != nil {
		rule := renewal.Rule(*r.Rule)
		if err := rule.Check(); err != nil {
			return fmt.Errorf("reading managed certificate %s: %w", c.ID, err)
		}
		c.Rule = &rule
	}
	return nil
}

// put records the call and stores a certificate, with what also writes in the
// same transaction; also may be nil. A certificate that was changed since it
// was read, by another server, is a Conflict error.
func (s *Service) put(ctx context.Context, v *guard.Visit, c *Certificate, also func(store.Tx) error) error {
	c.Revision++
	s.look(c)
	row, err := c.row()
	if err != nil {
		return err
	}
	return v.Commit(ctx, func() error {
		return s.store.Update(ctx, func(tx store.Tx) error {
			if also != nil {
				if err := also(tx); err != nil {
					return err
				}
			}
			if c.Revision == 1 {
				return tx.Insert(store.Managed, row)
			}
			if err := unchanged(tx, c); err != nil {
				return err
			}
			return tx.Put(store.Managed, row)
		})
	})
}

// unchanged returns nil if a certificate is the next revision of what is
// stored.
func unchanged(r store.Reader, c *Certificate) error {
	var have struct {
		Revision uint64 `json:"revision"`
	}
	row, err := r.Get(store.Managed, c.ID)
	if err == nil {
		err = json.Unmarshal(row.Body, &have)
	}
	if err != nil {
		return fmt.Errorf("reading managed certificate %s before it is changed: %w", c.ID, err)
	}
	if have.Revision+1 != c.Revision {
		return fault.New(fault.Conflict, "the managed certificate was changed meanwhile")
	}
	return nil
}
