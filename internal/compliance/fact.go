package compliance

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Fact is something that a place may be unable to tell. The zero Fact is one
// that nobody asked for.
type Fact[T any] struct {
	value T
	known bool
	why   string
}

// Known returns a fact.
func Known[T any](v T) Fact[T] { return Fact[T]{value: v, known: true} }

// Unknown returns a fact that is not known, with the reason, which reads on
// after "not evaluated: ".
func Unknown[T any](why string) Fact[T] { return Fact[T]{why: why} }

// Get returns the fact, if it is known.
func (f Fact[T]) Get() (T, bool) { return f.value, f.known }

// Why returns why the fact is not known.
func (f Fact[T]) Why() string {
	if f.why == "" {
		return "the place does not tell it"
	}
	return f.why
}

// Place says whose commands mend a finding.
type Place string

// The places.
const (
	Holdfast Place = "holdfast"
	AWS      Place = "aws"
	Azure    Place = "azure"
	Google   Place = "google"
	Vault    Place = "vault"
)

// Type is what a key is.
type Type struct {
	// Name is the field's name, such as "rsa-2048", or the place's own word.
	Name string
	// Family is 0 for a type that is not known here.
	Family alg.Family
	// Bits are those of alg.SpecInfo; of ML-DSA the strength.
	Bits  int
	Usage alg.Usage
}

// TypeOf returns the type of a spec.
func TypeOf(s alg.Spec, u alg.Usage) Type {
	i := s.Info()
	t := Type{Name: i.Name, Family: i.Family, Bits: i.Bits, Usage: u}
	switch s { //nolint:exhaustive // the others have their bits
	case alg.MLDSA44:
		t.Bits = 128
	case alg.MLDSA65:
		t.Bits = 192
	case alg.MLDSA87:
		t.Bits = 256
	}
	return t
}

// strength returns the security strength in bits (NIST SP 800-57 part 1
// revision 5, tables 2 and 4; of ML-DSA by its category, FIPS 204 table 1), 0
// for a type that is not known.
func (t Type) strength() int {
	switch t.Family {
	case alg.AES, alg.HMAC, alg.MLDSA:
		return t.Bits
	case alg.EC, alg.K256, alg.EdDSA:
		return min(t.Bits/2, 256)
	case alg.RSA:
		switch {
		case t.Bits >= 15360:
			return 256
		case t.Bits >= 7680:
			return 192
		case t.Bits >= 3072:
			return 128
		case t.Bits >= 2048:
			return 112
		}
		return 80
	}
	return 0
}

// quantum reports whether a quantum computer would break the type (Shor's
// algorithm): what rests on factoring and on discrete logarithms.
func (t Type) quantum() bool {
	switch t.Family {
	case alg.RSA, alg.EC, alg.K256, alg.EdDSA:
		return true
	case alg.AES, alg.HMAC, alg.MLDSA:
	}
	return false
}

// Rotation is a key's rule for new material.
type Rotation struct {
	// Possible tells that the place rotates such keys by itself.
	Possible bool
	Enabled  bool
	Days     int
}

// Statement is a statement of a policy that allows something.
type Statement struct {
	// Label is its id or its number.
	Label string
	// Everyone tells that every principal there is is let in, and Conditions the
	// condition keys that limit that.
	Everyone   bool
	Conditions []string
	// All tells that every action on keys is allowed.
	All bool
}

// Activity is what the audit log tells of a key.
type Activity struct {
	// Since is from when on the log was read.
	Since time.Time
	// Used is when it was used last, the zero time for never since Since.
	Used time.Time
	// Users are principals that used it, Administrators those that changed it.
	Users, Administrators []string
}

// Key is what is known of a key.
type Key struct {
	Place Place
	// Resource names the key in reports and in exceptions, ID in commands.
	Resource, ID string
	// Name is what people call it, "" for nothing.
	Name   string
	Region string
	Type   Type
	// Spec and Usage are what it is in the words of commands.
	Spec, Usage string
	// Foreign tells that the place's operator manages the key, not the customer.
	Foreign bool
	// Succeeded tells that another key took its place: it only verifies and
	// decrypts what it made before.
	Succeeded bool
	// Authority is the id of the authority whose key it is, "" for none.
	Authority  string
	Tags       []key.Tag
	State      Fact[key.State]
	Created    Fact[time.Time]
	Renewed    Fact[time.Time] // when the current material was made
	Rotation   Fact[Rotation]
	Protection Fact[key.Protection]
	Origin     Fact[key.Origin]
	Exportable Fact[bool]
	Policy     Fact[[]Statement]
	Activity   Fact[Activity]
	// Both are the principals, but for the realm's root, whom the policies let
	// both administer and use the key.
	Both Fact[[]string]
}

// Certificate is what is known of a certificate.
type Certificate struct {
	Place Place
	// Resource names it in reports and exceptions, Name is its subject.
	Resource, Name string
	Region         string
	// Issuer and Serial name it in commands, "" for one from elsewhere.
	Issuer, Serial string
	// Authority is the id of the authority whose own certificate it is.
	Authority string
	Type      Type
	// Signature is the name of the algorithm that signs it, and Broken tells that
	// its hash is broken. Own signatures of roots prove nothing, and are neither.
	Signature string
	Broken    bool
	// Server tells that it is for TLS servers.
	Server              bool
	NotBefore, NotAfter time.Time
	// Successor is when the newest other certificate for the same names ends, the
	// zero time for none.
	Successor time.Time
}

// Retention is for how long something is kept: for ever without Days.
type Retention struct{ Days int }

// FIPS is how the cryptography of a process stands to FIPS 140-3.
type FIPS struct {
	// Module is the version of the module, "latest" for one that is not frozen.
	Module string
	// Enabled is FIPS mode; Enforced refuses what is not approved.
	Enabled, Enforced bool
}

// Device is a place of keys beside the process.
type Device struct {
	Name string
	// Mode is what it tells of FIPS 140-3.
	Mode Fact[string]
}

// Log tells whether the use of keys is recorded, and where.
type Log struct {
	On    bool
	Where string
}

// Root is how the key is kept under which all others are.
type Root struct {
	// Ways are how it can be opened.
	Ways []string
	// Plain tells that one of them is a file in the clear.
	Plain bool
}

// Installation is what is known of a server, or of an account in a cloud.
type Installation struct {
	Place Place
	// Resource names it in reports and exceptions.
	Resource string
	Region   string
	Logging  Fact[Log]
	// Retention is that of the audit log, and Copies is to how many other places
	// it goes.
	Retention Fact[Retention]
	Copies    Fact[int]
	FIPS      Fact[FIPS]
	Root      Fact[Root]
	// Devices are the HSMs and key services; DevicesKnown tells that these are all.
	Devices      []Device
	DevicesKnown bool
}
