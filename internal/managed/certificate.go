package managed

import (
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/renewal"
)

// Kind says where a managed certificate comes from.
type Kind string

// The kinds.
const (
	Private  Kind = "private"  // issued by an authority of Holdfast
	Imported Kind = "imported" // brought by its owner
)

// State is a managed certificate's place in its life.
type State string

// The states.
const (
	Issued  State = "issued"
	Expired State = "expired"
	Revoked State = "revoked"
	Failed  State = "failed" // its authority refused to issue it
)

// States returns all states.
func States() []State { return []State{Issued, Expired, Revoked, Failed} }

// Failure is why an authority did not issue.
type Failure string

// The failures.
const (
	NoFailure      Failure = ""
	AccessDenied   Failure = "access denied"             // the authority gives no permission
	NoAuthority    Failure = "no such authority"         //
	AuthorityState Failure = "authority cannot issue"    // disabled, expired, pending …
	NotAllowed     Failure = "names not allowed"         // outside what the authority may sign
	LimitReached   Failure = "limit reached"             //
	Other          Failure = "the authority is at fault" // the log says more
)

// failureOf says in which way an authority refused.
func failureOf(err error) Failure {
	switch fault.KindOf(err) { //nolint:exhaustive // all other kinds are the authority's own trouble
	case fault.PermissionDenied:
		return AccessDenied
	case fault.NotFound:
		return NoAuthority
	case fault.WrongState, fault.Conflict:
		return AuthorityState
	case fault.InvalidArgument, fault.Unsupported:
		return NotAllowed
	case fault.LimitExceeded:
		return LimitReached
	}
	return Other
}

// Outcome is how the latest renewal went.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded"
	Refused   Outcome = "failed"
)

// Renewal is the latest attempt to renew a certificate.
type Renewal struct {
	Outcome Outcome
	At      time.Time
	Failure Failure
	// Attempts counts those that failed since the certificate was issued.
	Attempts int
	// Issuer tells the state of the authorities at an attempt that failed: once
	// it is another one, the next attempt does not wait.
	Issuer string
}

// Certificate is a managed certificate. It is never changed once handed out.
type Certificate struct {
	ID     string
	Realm  key.RealmID
	Region string
	Kind   Kind
	// Authority is the issuer's id; "" for imported certificates.
	Authority string
	// Domain is the name that the certificate is known by, Names are all DNS
	// names and addresses in it, Domain first.
	Domain string
	Names  []string
	// Spec is the key's spec, Key its id at the door.
	Spec alg.Spec
	Key  key.ID
	// DER is the current certificate, nil for one that Failed; Chain are its
	// issuers in DER, the nearest first.
	DER   []byte
	Chain [][]byte
	// Serial is the serial number in hexadecimal.
	Serial              string
	NotBefore, NotAfter time.Time
	// Failure is why the first certificate was not issued.
	Failure    Failure
	CreatedAt  time.Time
	IssuedAt   time.Time // of the current certificate; zero for imported ones
	ImportedAt time.Time // the latest time; zero for private ones
	RevokedAt  time.Time // zero unless revoked
	Reason     ca.Reason
	// Exportable says that the key may leave; ExportedAt is when it last did.
	Exportable bool
	ExportedAt time.Time
	// UsedBy names what is known to use the certificate.
	UsedBy []string
	// Logged is the wish to have the certificate in transparency logs, which
	// concerns none that a private authority issues. It is kept for who asks.
	Logged  bool
	Tags    []key.Tag // sorted by their keys
	Renewal *Renewal  // nil before the first attempt
	// Profile is what the certificate is issued under, "" for the profile of
	// managed certificates; Validity how long, 0 for the profile's default.
	Profile  string
	Validity time.Duration
	// Rule is the certificate's own rule of renewal, nil for none.
	Rule *renewal.Rule
	// Next is the key of the next certificate, "" before one is made: it was
	// made, and the authority has not issued for it so far.
	Next key.ID
	// Revision grows by one with each change.
	Revision uint64

	Outlook
}

// Outlook is what is to become of a certificate. It is not stored: it follows
// from the certificate, its profile, its authority and the time.
type Outlook struct {
	// Renews is the rule that holds, From where it comes from.
	Renews renewal.Rule
	From   Source
	// Due is when the clock next tries to renew the certificate, the zero time
	// for never; Cause is why then.
	Due   time.Time
	Cause Cause
}

// Source says where a rule of renewal comes from.
type Source string

// The sources.
const (
	FromDefault     Source = ""
	FromProfile     Source = "profile"
	FromCertificate Source = "certificate"
)

// Cause says why a certificate is renewed when it is.
type Cause string

// The causes.
const (
	NoCause        Cause = ""                // it is not renewed
	ByRule         Cause = "rule"            //
	AfterFailure   Cause = "retry"           // the authority refused
	IssuerRevoked  Cause = "issuer revoked"  // or an authority above it
	IssuerEnds     Cause = "issuer ends"     // before the certificate does: the rule counts from that end
	IssuerReplaced Cause = "issuer replaced" // another one took over, with a new key
	Held           Cause = "on hold"         // looked at again, not renewed
)

// State returns the certificate's state at a time.
func (c *Certificate) State(now time.Time) State {
	switch {
	case c.DER == nil:
		return Failed
	case !c.RevokedAt.IsZero():
		return Revoked
	case now.After(c.NotAfter):
		return Expired
	}
	return Issued
}

// Renewable reports whether the clock renews the certificate: an issued one of
// an authority that somebody has or uses, or that has a rule of renewal.
func (c *Certificate) Renewable(now time.Time) bool {
	return c.Kind == Private && c.State(now) == Issued && (!c.ExportedAt.IsZero() || len(c.UsedBy) > 0 || c.From != FromDefault)
}

// X509 returns the current certificate, parsed.
func (c *Certificate) X509() (*x509.Certificate, error) {
	if c.DER == nil {
		return nil, fault.New(fault.WrongState, "the certificate was not issued")
	}
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		return nil, fmt.Errorf("reading managed certificate %s: %w", c.ID, err)
	}
	return parsed, nil
}

// Resource returns the certificate as the object of a decision.
func (c *Certificate) Resource() key.Resource { return resource(c.Realm, c.Region, c.ID) }

// clone returns a copy to change and store.
func (c *Certificate) clone() *Certificate {
	out := *c
	out.UsedBy, out.Tags = slices.Clone(c.UsedBy), slices.Clone(c.Tags)
	if c.Renewal != nil {
		r := *c.Renewal
		out.Renewal = &r
	}
	return &out
}

// take makes a certificate the current one.
func (c *Certificate) take(parsed *x509.Certificate, serial string, chain [][]byte) {
	c.DER, c.Chain, c.Serial = parsed.Raw, chain, serial
	c.NotBefore, c.NotAfter = parsed.NotBefore, parsed.NotAfter
}

// namesOf returns the DNS names and addresses of a certificate, with its common
// name before them when that is none of them.
func namesOf(c *x509.Certificate) []string {
	var names []string
	if c.Subject.CommonName != "" && !slices.Contains(c.DNSNames, c.Subject.CommonName) {
		names = append(names, c.Subject.CommonName)
	}
	names = append(names, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	return slices.Compact(names)
}
