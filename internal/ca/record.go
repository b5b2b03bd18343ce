package ca

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of the bodies below. A reader refuses others.
const recordVersion = 1

// crlSuffix, after an authority's id, is the id of the row with its CRL.
const crlSuffix = "/crl"

// authorityRecord is the body of an authority's row in store.Authorities. Its
// columns are the realm and the time when the next CRL is due.
type authorityRecord struct {
	V           int         `json:"v"`
	Name        string      `json:"name"`
	Realm       key.RealmID `json:"realm"`
	Region      string      `json:"region"`
	Key         key.ID      `json:"key"`
	Spec        string      `json:"spec"`
	Algorithm   string      `json:"algorithm"`
	Parent      string      `json:"parent,omitempty"`
	State       State       `json:"state"`
	Certificate []byte      `json:"certificate"`
	Chain       [][]byte    `json:"chain,omitempty"`
	CreatedAt   time.Time   `json:"created_at"`
	CRLNumber   uint64      `json:"crl_number"`
	CRLDue      time.Time   `json:"crl_due"`
	Revocations uint64      `json:"revocations"`
}

// crlRecord is the body of a CRL's row in store.Authorities, whose id is the
// authority's and "/crl", and whose columns are empty. The CRL has a row of
// its own because a revocation rewrites the authority's, and must cost the
// same however long the list is.
type crlRecord struct {
	V          int       `json:"v"`
	DER        []byte    `json:"der"`
	Number     uint64    `json:"number"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Seen       uint64    `json:"revocations"`
}

// decode reads a record's body.
func decode[T any](row store.Row, version func(*T) int) (*T, error) {
	var r T
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("record %s: %w", row.ID, err)
	}
	if v := version(&r); v != recordVersion {
		return nil, fmt.Errorf("record %s has version %d; this program knows version %d", row.ID, v, recordVersion)
	}
	return &r, nil
}

// row returns the authority's row.
func (a *authority) row() (store.Row, error) {
	body, err := json.Marshal(authorityRecord{
		V: recordVersion, Name: a.Name, Realm: a.Realm, Region: a.Region, Key: a.Key, Spec: a.Spec.String(),
		Algorithm: a.Algorithm.String(), Parent: a.Parent, State: a.State, Certificate: a.Certificate, Chain: a.Chain,
		CreatedAt: a.CreatedAt, CRLNumber: a.CRLNumber, CRLDue: a.due, Revocations: a.revocations,
	})
	return store.Row{
		ID: a.ID, Columns: []string{string(a.Realm), a.due.UTC().Format(store.TimeFormat)}, Body: body,
	}, err
}

// readAuthority returns the authority of a row, without its CRL.
func readAuthority(row store.Row) (*authority, error) {
	r, err := decode(row, func(r *authorityRecord) int { return r.V })
	if err != nil {
		return nil, err
	}
	own, err := x509.ParseCertificate(r.Certificate)
	if err != nil {
		return nil, fmt.Errorf("certificate of authority %s: %w", row.ID, err)
	}
	public, err := cert.PublicOf(own)
	if err != nil {
		return nil, fmt.Errorf("certificate of authority %s: %w", row.ID, err)
	}
	a := &authority{
		Authority: Authority{
			ID: row.ID, Name: r.Name, Realm: r.Realm, Region: r.Region, Key: r.Key, Spec: alg.ParseSpec(r.Spec),
			Algorithm: alg.ParseAlgorithm(r.Algorithm), Parent: r.Parent, State: r.State, Certificate: r.Certificate,
			Chain: r.Chain, CreatedAt: r.CreatedAt, CRLNumber: r.CRLNumber,
		},
		cert: own, public: public, due: r.CRLDue, revocations: r.Revocations,
	}
	a.describe()
	return a, nil
}

// row returns the CRL's row.
func (c *CRL) row(authority string) (store.Row, error) {
	body, err := json.Marshal(crlRecord{
		V: recordVersion, DER: c.DER, Number: c.Number, ThisUpdate: c.ThisUpdate, NextUpdate: c.NextUpdate, Seen: c.seen,
	})
	return store.Row{ID: authority + crlSuffix, Columns: []string{"", ""}, Body: body}, err
}

// load reads all authorities and their CRLs.
func load(ctx context.Context, s store.Store) (*snapshot, error) {
	snap := &snapshot{byID: map[string]*authority{}, byName: map[string]*authority{}}
	crls := map[string]*CRL{}
	err := s.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Authorities, store.Query{}) {
			if err != nil {
				return err
			}
			if id, ok := strings.CutSuffix(row.ID, crlSuffix); ok {
				c, err := decode(row, func(r *crlRecord) int { return r.V })
				if err != nil {
					return err
				}
				crls[id] = &CRL{DER: c.DER, Number: c.Number, ThisUpdate: c.ThisUpdate, NextUpdate: c.NextUpdate, seen: c.Seen}
				continue
			}
			a, err := readAuthority(row)
			if err != nil {
				return err
			}
			snap.add(a)
		}
		return nil
	})
	for id, crl := range crls {
		if a := snap.byID[id]; a != nil {
			a.crl = crl
		}
	}
	return snap, err
}
