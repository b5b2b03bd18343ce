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

// authorityVersion is the version of authorityRecord. Version 1 knew active
// and revoked authorities alone, each with a name and made in one step.
const authorityVersion = 2

// authorityRecord is the body of an authority's row in store.Authorities. Its
// columns are the realm and the time when a deleted authority is destroyed.
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
	Changed        time.Time          `json:"revocation_changed,omitzero"`
	Held           State              `json:"held,omitempty"` // the state before its certificate was revoked
}

type permissionRecord struct {
	Principal string      `json:"principal"`
	Realm     key.RealmID `json:"realm"`
	Actions   []string    `json:"actions"`
	CreatedAt time.Time   `json:"created"`
}

// row returns the authority's row.
func (a *authority) row() (store.Row, error) {
	r := authorityRecord{
		V: authorityVersion, Name: a.Name, Realm: a.Realm, Region: a.Region, Type: a.Type, Mode: a.Mode, Key: a.Key,
		KeyOwned: a.KeyOwned, Spec: a.Spec.String(), Algorithm: a.Algorithm.String(), Parent: a.Parent, State: a.State,
		Before: a.before, KeyStandard: a.KeyStandard, Certificate: a.Certificate, Chain: a.Chain, Past: a.Past, Cross: a.Cross, CSR: a.CSR,
		Revocation: a.Revocation, Dialect: a.Policy.Dialect, Policy: a.Policy.Text, Predecessor: a.Predecessor,
		Successor: a.Successor, CreatedAt: a.CreatedAt, UpdatedAt: a.UpdatedAt, StateChangedAt: a.StateChangedAt,
		DeleteAt: a.DeleteAt, Changed: a.changed, Held: a.held,
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
	due := ""
	if !a.DeleteAt.IsZero() {
		due = a.DeleteAt.UTC().Format(store.TimeFormat)
	}
	body, err := json.Marshal(r)
	return store.Row{ID: a.ID, Columns: []string{string(a.Realm), due}, Body: body}, err
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
			DeleteAt: r.DeleteAt,
		},
		before: r.Before, held: r.Held, changed: r.Changed,
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

// load reads all authorities and their CRLs, and finds out which keys are
// gone. Equal policies are compiled once.
func (s *Service) load(ctx context.Context) error {
	snap := &snapshot{byID: map[string]*authority{}, byName: map[string]*authority{}}
	compiled := map[compilation]*policy.Policy{}
	err := s.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Authorities, store.Query{}) {
			if err != nil {
				return err
			}
			if strings.Contains(row.ID, "/") {
				continue // what package status keeps beside an authority
			}
			a, err := s.loadAuthority(row, compiled)
			if err != nil {
				return err
			}
			snap.add(a)
		}
		return nil
	})
	for _, a := range snap.byID {
		_, err := s.keys.DelegatedSigner(ctx, s.OwnCall(&a.Authority, "Load"), grantee(a.ID), a.Key, a.Algorithm)
		a.lost = err != nil && fault.KindOf(err) == fault.NotFound
	}
	s.live.Store(snap)
	return err
}

// loadAuthority returns the authority of a row with its policy, compiled now
// or before.
func (s *Service) loadAuthority(row store.Row, compiled map[compilation]*policy.Policy) (*authority, error) {
	a, err := readAuthority(row)
	if err != nil {
		return nil, err
	}
	of := compilation{a.Realm, a.Policy}
	if a.compiled = compiled[of]; a.compiled == nil {
		if a.compiled, err = s.compiled(a.Realm, a.Policy); err != nil {
			return nil, fmt.Errorf("compiling the policy of authority %s: %w", a.ID, err)
		}
		compiled[of] = a.compiled
	}
	return a, nil
}

// compilation is what the compiled form of a policy depends on.
type compilation struct {
	realm  key.RealmID
	policy key.Document
}
