package ca

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// recordVersion is the version of the bodies below. A reader refuses others.
const recordVersion = 1

// crlSuffix, after an authority's id, is the id of the row with its CRL.
const crlSuffix = "/crl"

// authorityVersion is the version of authorityRecord. Version 1 knew active
// and revoked authorities alone, each with a name and made in one step.
const authorityVersion = 2

// authorityRecord is the body of an authority's row in store.Authorities. Its
// columns are the realm and the time when the next CRL is due.
type authorityRecord struct {
	V              int                `json:"v"`
	Name           string             `json:"name,omitempty"`
	Realm          key.RealmID        `json:"realm"`
	Region         string             `json:"region"`
	Type           Type               `json:"type"`
	Mode           Mode               `json:"mode"`
	Key            key.ID             `json:"key"`
	KeyOwned       bool               `json:"key_owned,omitempty"`
	Public         []byte             `json:"public,omitempty"` // SubjectPublicKeyInfo, while there is no certificate
	Spec           string             `json:"spec"`
	Algorithm      string             `json:"algorithm"`
	Parent         string             `json:"parent,omitempty"`
	State          State              `json:"state"`
	Before         State              `json:"before,omitempty"` // the state that a deleted authority had
	Certificate    []byte             `json:"certificate,omitempty"`
	Chain          [][]byte           `json:"chain,omitempty"`
	Past           [][]byte           `json:"past,omitempty"`
	Cross          [][]byte           `json:"cross,omitempty"`
	CSR            []byte             `json:"csr,omitempty"`
	KeyStandard    string             `json:"key_standard,omitempty"`
	Revocation     RevocationConfig   `json:"revocation"`
	Tags           [][2]string        `json:"tags,omitempty"`
	Dialect        string             `json:"dialect,omitempty"`
	Policy         string             `json:"policy,omitempty"`
	Permissions    []permissionRecord `json:"permissions,omitempty"`
	Predecessor    string             `json:"predecessor,omitempty"`
	Successor      string             `json:"successor,omitempty"`
	CreatedAt      time.Time          `json:"created_at"`
	UpdatedAt      time.Time          `json:"updated_at"`
	StateChangedAt time.Time          `json:"state_changed_at"`
	DeleteAt       time.Time          `json:"delete_at,omitzero"`
	CRLNumber      uint64             `json:"crl_number"`
	CRLDue         time.Time          `json:"crl_due"`
	Revocations    uint64             `json:"revocations"`
}

type permissionRecord struct {
	Principal string      `json:"principal"`
	Realm     key.RealmID `json:"realm"`
	Actions   []string    `json:"actions"`
	CreatedAt time.Time   `json:"created"`
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
	r := authorityRecord{
		V: authorityVersion, Name: a.Name, Realm: a.Realm, Region: a.Region, Type: a.Type, Mode: a.Mode, Key: a.Key,
		KeyOwned: a.KeyOwned, Spec: a.Spec.String(), Algorithm: a.Algorithm.String(), Parent: a.Parent, State: a.State,
		Before: a.before, KeyStandard: a.KeyStandard, Certificate: a.Certificate, Chain: a.Chain, Past: a.Past, Cross: a.Cross, CSR: a.CSR,
		Revocation: a.Revocation, Dialect: a.Policy.Dialect, Policy: a.Policy.Text, Predecessor: a.Predecessor,
		Successor: a.Successor, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, StateChangedAt: a.StateChangedAt,
		DeleteAt: a.DeleteAt, CRLNumber: a.CRLNumber, CRLDue: a.due, Revocations: a.revocations,
	}
	if a.cert == nil {
		spki, err := engine.MarshalPublic(a.Spec, a.public.Key())
		if err != nil {
			return store.Row{}, err
		}
		r.Public = spki
	}
	for _, t := range a.Tags {
		r.Tags = append(r.Tags, [2]string{t.Key, t.Value})
	}
	for _, p := range a.Permissions {
		r.Permissions = append(r.Permissions, permissionRecord{p.Principal, p.Realm, actionNames(p.Actions), p.CreatedAt})
	}
	body, err := json.Marshal(r)
	return store.Row{
		ID: a.ID, Columns: []string{string(a.Realm), a.due.UTC().Format(store.TimeFormat)}, Body: body,
	}, err
}

func actionNames(actions []key.Action) []string {
	names := make([]string, len(actions))
	for i, a := range actions {
		names[i] = a.String()
	}
	return names
}

// readAuthority returns the authority of a row, without its CRL and without
// its policy's compiled form.
func readAuthority(row store.Row) (*authority, error) {
	var r authorityRecord
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return nil, fmt.Errorf("record %s: %w", row.ID, err)
	}
	if r.V < 1 || r.V > authorityVersion {
		return nil, fmt.Errorf("record %s has version %d; this program knows versions up to %d", row.ID, r.V, authorityVersion)
	}
	a := &authority{
		Authority: Authority{
			ID: row.ID, Name: r.Name, Realm: r.Realm, Region: r.Region, Type: r.Type, Mode: r.Mode, Key: r.Key,
			KeyOwned: r.KeyOwned, Spec: alg.ParseSpec(r.Spec), Algorithm: alg.ParseAlgorithm(r.Algorithm), Parent: r.Parent,
			Certificate: r.Certificate, Chain: r.Chain, Past: r.Past, Cross: r.Cross, CSR: r.CSR, State: r.State, KeyStandard: r.KeyStandard,
			Revocation: r.Revocation, Policy: key.Document{Dialect: r.Dialect, Text: r.Policy}, Predecessor: r.Predecessor,
			Successor: r.Successor, CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, StateChangedAt: r.StateChangedAt,
			DeleteAt: r.DeleteAt, CRLNumber: r.CRLNumber,
		},
		before: r.Before, due: r.CRLDue, revocations: r.Revocations,
	}
	for _, t := range r.Tags {
		a.Tags = append(a.Tags, key.Tag{Key: t[0], Value: t[1]})
	}
	for _, p := range r.Permissions {
		a.Permissions = append(a.Permissions, p.permission())
	}
	if r.V == 1 {
		a.complete()
	}
	if err := a.open(r.Public); err != nil {
		return nil, fmt.Errorf("authority %s: %w", row.ID, err)
	}
	return a, nil
}

func (p *permissionRecord) permission() Permission {
	out := Permission{Principal: p.Principal, Realm: p.Realm, CreatedAt: p.CreatedAt}
	for _, a := range PermissionActions() {
		if slices.Contains(p.Actions, a.String()) {
			out.Actions = append(out.Actions, a)
		}
	}
	return out
}

// complete gives an authority of version 1 what it was without saying so.
func (a *authority) complete() {
	a.Type, a.Mode, a.Revocation = Root, GeneralPurpose, DefaultRevocation()
	if a.Parent != "" {
		a.Type = Subordinate
	}
	a.UpdatedAt, a.StateChangedAt = a.CreatedAt, a.CreatedAt
}

// open parses the authority's certificate and chain or, before there is one,
// its request and its public key.
func (a *authority) open(spki []byte) (err error) {
	if a.Certificate == nil {
		csr, err := x509.ParseCertificateRequest(a.CSR)
		if err != nil {
			return fmt.Errorf("its request: %w", err)
		}
		a.Subject, a.PathLen = csr.Subject.String(), -1
		a.public, err = cert.ParsePublic(spki)
		return err
	}
	if a.cert, err = x509.ParseCertificate(a.Certificate); err != nil {
		return fmt.Errorf("its certificate: %w", err)
	}
	a.describe()
	a.path = []*x509.Certificate{a.cert}
	for _, der := range a.Chain {
		up, err := x509.ParseCertificate(der)
		if err != nil {
			return fmt.Errorf("its chain: %w", err)
		}
		a.path = append(a.path, up)
	}
	a.public, err = cert.PublicOf(a.cert)
	return err
}

// row returns the CRL's row.
func (c *CRL) row(authority string) (store.Row, error) {
	body, err := json.Marshal(crlRecord{
		V: recordVersion, DER: c.DER, Number: c.Number, ThisUpdate: c.ThisUpdate, NextUpdate: c.NextUpdate, Seen: c.seen,
	})
	return store.Row{ID: authority + crlSuffix, Columns: []string{"", ""}, Body: body}, err
}

// load reads all authorities and their CRLs, and finds out which keys are
// gone. Equal policies are compiled once.
func (s *Service) load(ctx context.Context) error {
	snap := &snapshot{byID: map[string]*authority{}, byName: map[string]*authority{}}
	crls, compiled := map[string]*CRL{}, map[compilation]*policy.Policy{}
	err := s.store.View(ctx, func(r store.Reader) error {
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
			policy := compilation{a.Realm, a.Policy}
			if a.compiled = compiled[policy]; a.compiled == nil {
				if a.compiled, err = s.compiled(a.Realm, a.Policy); err != nil {
					return fmt.Errorf("compiling the policy of authority %s: %w", a.ID, err)
				}
				compiled[policy] = a.compiled
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
	for _, a := range snap.byID {
		_, err := s.keys.DelegatedSigner(ctx, s.OwnCall(&a.Authority, "Load"), grantee(a.ID), a.Key, a.Algorithm)
		a.lost = err != nil && fault.KindOf(err) == fault.NotFound
	}
	s.live.Store(snap)
	return err
}

// compilation is what the compiled form of a policy depends on.
type compilation struct {
	realm  key.RealmID
	policy key.Document
}
