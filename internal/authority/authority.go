// Package authority is what certificate authorities are: their records, the
// states of their lives and what each allows, where they publish, and the one
// place where they are kept and from which their keys sign.
//
// Start with Authority and Registry. Package hierarchy makes and changes
// authorities, package ca has them issue and revoke.
package authority

import (
	"crypto/x509"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// day is the unit of certificates' lives.
const day = 24 * time.Hour

// Type says where an authority's certificate comes from.
type Type string

// The types.
const (
	Root        Type = "root"        // signs its own certificate
	Subordinate Type = "subordinate" // has it from another authority, here or elsewhere
)

// Mode says what an authority issues.
type Mode string

// The modes.
const (
	GeneralPurpose Mode = "general-purpose"
	ShortLived     Mode = "short-lived" // certificates for at most MaxShortLife
)

// MaxShortLife is the longest validity of what a ShortLived authority issues.
const MaxShortLife = 7 * day

// Authority is a certificate authority. It is never changed once handed out.
type Authority struct {
	// Name is unique in the realm, "" for an authority that is known by its id
	// alone.
	ID, Name string
	Realm    key.RealmID
	Region   string
	Type     Type
	Mode     Mode
	// Key is the CA key's id; Spec and Algorithm say what it is and how it
	// signs. KeyOwned tells that the authority made the key for itself: it goes
	// when the authority goes.
	Key       key.ID
	KeyOwned  bool
	Spec      alg.Spec
	Algorithm alg.Algorithm
	// KeyStandard is a standard for the storage of the key that was asked for,
	// in the words of the API that has such: kept to be told again, no promise.
	KeyStandard string
	// Parent is the issuing authority's id, "" for a root and for one whose
	// issuer is not here.
	Parent string
	// Certificate is the authority's own, in DER, nil before it has one; Chain
	// are those of its issuers, up to and including the root's.
	Certificate []byte
	Chain       [][]byte
	// Past are the certificates for the same key that Certificate took the
	// place of, oldest first; Cross are those that other issuers gave to it
	// beside (RFC 4158 section 1.5.2).
	Past, Cross [][]byte
	// CSR is the request (PKCS #10 in DER) with which the authority was made,
	// nil if it was made with its certificate.
	CSR []byte
	// Subject is known from the start, Serial and the rest with the
	// certificate.
	Subject, Serial     string
	NotBefore, NotAfter time.Time
	// PathLen is how many authorities may stand below, -1 for no limit.
	PathLen    int
	State      State
	Revocation RevocationConfig
	Tags       []key.Tag // sorted by their keys
	// Policy is the authority's own, with an empty Text where it has none.
	Policy      key.Document
	Permissions []Permission // sorted by their principals
	// Predecessor is the authority that this one takes over from with a new
	// key, Successor the one that took over from this one.
	Predecessor, Successor string
	CreatedAt, UpdatedAt   time.Time
	// StateChangedAt is when State began, DeleteAt when a deleted authority is
	// destroyed.
	StateChangedAt, DeleteAt time.Time

	cert     *x509.Certificate // nil before there is one
	public   *engine.PublicKey // of the CA key
	compiled *policy.Policy    // of Policy, nil where there is none
}

// Entry is an Authority ready for use. It is never changed.
type Entry struct {
	Authority
	// Path is the certificate and its chain, parsed.
	Path []*x509.Certificate
	// lost says that the CA key turned out to be gone.
	lost bool
	// Before is the state that a deleted authority had.
	Before State
	// Held is the state before its certificate was revoked, perhaps not for
	// good.
	Held State
	// Changed is when the authority revoked or released last. It never stands
	// still, so that it tells which changes a list has seen.
	Changed time.Time
}

// X509 returns the authority's certificate, parsed; nil before it has one.
// Nobody changes it.
func (a *Authority) X509() *x509.Certificate { return a.cert }

// Public returns the public half of the CA key; nil while the authority is
// Creating.
func (a *Authority) Public() *engine.PublicKey { return a.public }

// Resource returns the authority as the object of a decision.
func (a *Authority) Resource() key.Resource {
	return Resource(a.Realm, a.Region, a.ID)
}

// Target returns what to authorise for an action on the authority: with its
// own policy and its permissions.
func (a *Authority) Target(action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: a.Resource(), Policy: a.compiled, Grants: a.grants()}
}

// Publishes reports whether the authority has anything to publish: once it
// had a certificate, its CRL and OCSP answers go on until it is destroyed.
func (a *Authority) Publishes() bool {
	return a.cert != nil && a.State != Creating && a.State != Failed
}

// Presented returns the certificates that a server presents beside one of the
// authority's: the authority's and its issuers', without the root's.
func (a *Authority) Presented() [][]byte {
	if len(a.Chain) == 0 {
		return nil
	}
	return append([][]byte{a.Certificate}, a.Chain[:len(a.Chain)-1]...)
}

// describe fills the fields that the certificate tells.
func (a *Authority) describe() {
	a.Subject, a.Serial = a.cert.Subject.String(), cert.SerialText(a.cert.SerialNumber)
	a.NotBefore, a.NotAfter, a.PathLen = a.cert.NotBefore, a.cert.NotAfter, a.cert.MaxPathLen
}

// At returns the authority as it is at a time.
func (a *Entry) At(now time.Time) *Authority {
	state := a.StateAt(now)
	if state == a.State {
		return &a.Authority
	}
	out := a.Authority
	if out.State = state; state == Expired {
		out.StateChangedAt = a.NotAfter
	}
	return &out
}

// usable returns nil when the authority may issue, else a WrongState error.
func (a *Entry) usable(now time.Time) error {
	if err := a.Permit(key.IssueCertificate, now); err != nil {
		return err
	}
	if now.Before(a.NotBefore) {
		return fault.New(fault.WrongState, "the authority's certificate is not valid yet")
	}
	return nil
}

// Short returns the longest validity that the authority's mode allows, 0 for
// any.
func (a *Entry) Short() time.Duration {
	if a.Mode == ShortLived {
		return MaxShortLife
	}
	return 0
}

// principal is the authority as the one who acts.
func (a *Authority) principal() key.Principal {
	return key.Principal{Realm: a.Realm, Kind: key.Service, Name: Grantee(a.ID)}
}

// OwnGrant returns the grant by which an authority acts on itself: it lets
// OwnCall be authorised for UpdateAuthority, which is what making a CRL or an
// OCSP answer is.
func (a *Authority) OwnGrant() key.Grant {
	return key.Grant{ID: a.ID, Grantee: a.principal(), Actions: []key.Action{key.UpdateAuthority}}
}

// All returns every authority of every realm in the order of their ids, as
// they are now.
func (s *Registry) All() []*Authority {
	now, list := s.Now(), []*Authority{}
	for _, a := range s.sorted() {
		list = append(list, a.At(now))
	}
	return list
}

// SetPublic gives an authority that is being made its CA key's public half.
func (a *Authority) SetPublic(k *engine.PublicKey) { a.public = k }

// SetPolicy gives the authority a policy with its canonical form.
func (a *Authority) SetPolicy(doc key.Document, compiled *policy.Policy) {
	a.Policy, a.compiled = doc, compiled
}

// Compiled returns the canonical form of the authority's policy, nil where it
// has none.
func (a *Authority) Compiled() *policy.Policy { return a.compiled }

// Room returns how many authorities may stand below, -1 for no limit: what the
// authority's own path length and those above it leave.
func (a *Entry) Room() int { return room(a.Path) }

// Open parses the certificate and the chain that the authority has got.
func (a *Entry) Open() error { return a.open(nil) }

// Enter puts the authority into a state.
func (a *Entry) Enter(state State, now time.Time) {
	if a.State != state {
		a.State, a.StateChangedAt = state, now
	}
}

// SPKI returns the SubjectPublicKeyInfo of the CA key in DER. An authority
// that is being made has none (WrongState).
func (a *Entry) SPKI() ([]byte, error) {
	if a.cert != nil {
		return a.cert.RawSubjectPublicKeyInfo, nil
	}
	if a.public == nil {
		return nil, Creating.Refusal()
	}
	return engine.MarshalPublic(a.public.Spec(), a.public.Key())
}
