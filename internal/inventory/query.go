package inventory

import (
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// Origin says where certificates come from.
type Origin string

// The origins.
const (
	AnyOrigin Origin = ""
	Issued    Origin = "issued"  // by an authority here
	Elsewhere Origin = "foreign" // registered or discovered
)

// State is what a search asks of a certificate's place in its life.
type State string

// The states.
const (
	AnyState State = ""
	Valid    State = "valid"   // neither revoked nor expired
	Expired  State = "expired" // and not revoked
	Revoked  State = "revoked" // for good or on hold
	Held     State = "held"    // revoked until it is released
)

// States returns every state that a search can ask for, without AnyState.
func States() []State { return []State{Valid, Expired, Revoked, Held} }

// Query says which certificates are wanted: those of which all of its fields
// are true. A zero field asks for nothing.
type Query struct {
	// Authority is an issuer's id or name; "" means all of the realm.
	Authority string
	Origin    Origin
	// Place is the beginning of the address of a place where a foreign
	// certificate was seen; with it only these are looked at.
	Place string
	// Serial is a whole serial number, in hexadecimal.
	Serial string
	// Subject and Text are parts of the subject, Text of a name as well, in any
	// case of letters.
	Subject, Text string
	// Name is a name of the certificate or its common name: whole
	// ("web.example.com"), everything below a domain (".example.com", and the
	// domain itself as well: "**.example.com"), or with "*" for any characters
	// ("web*.example.com", "spiffe://example.com/*"). The name "*.example.com"
	// stands for what it matches, one of which is the wildcard itself.
	Name string
	// Key is the SHA-256 of a public key's SubjectPublicKeyInfo, in hexadecimal.
	Key string
	// Profile and Requester are whole: a profile's name, a principal as
	// key.Principal writes it.
	Profile, Requester string
	// The bounds of times; those before a time are without it.
	ExpiresAfter, ExpiresBefore time.Time
	IssuedAfter, IssuedBefore   time.Time
	State                       State
}

// Entry is a certificate of the inventory. For a foreign one the Certificate
// has what the certificate itself tells, and neither Authority nor Profile.
type Entry struct {
	*ca.Certificate
	// ID is "authority id/serial", or "found/" and the SHA-256 of the DER.
	ID string
	// Foreign is nil for what an authority here has issued.
	Foreign *Foreign
}

// StateAt returns the entry's state at a time.
func (e *Entry) StateAt(now time.Time) State {
	switch {
	case e.RevokedAt != nil && e.Reason == ca.CertificateHold:
		return Held
	case e.RevokedAt != nil:
		return Revoked
	case now.After(e.NotAfter):
		return Expired
	}
	return Valid
}

// check returns an InvalidArgument error for a query that asks for what there
// cannot be, and brings texts to the forms in which they are compared.
func (q *Query) check() error {
	if q.State != AnyState && !slices.Contains(States(), q.State) {
		return fault.New(fault.InvalidArgument, "%q is no state: valid, expired, revoked or held", q.State)
	}
	if !slices.Contains([]Origin{AnyOrigin, Issued, Elsewhere}, q.Origin) {
		return fault.New(fault.InvalidArgument, "%q is no origin: issued or foreign", q.Origin)
	}
	if q.Serial != "" {
		serial, err := cert.ParseSerial(q.Serial)
		if err != nil {
			return err
		}
		q.Serial = serial
	}
	if q.Key != "" {
		q.Key = strings.ToLower(strings.ReplaceAll(q.Key, ":", ""))
		if b, err := hex.DecodeString(q.Key); err != nil || len(b) != 32 {
			return fault.New(fault.InvalidArgument, "a key is asked for by its SHA-256: 64 hexadecimal digits")
		}
	}
	for _, text := range []string{q.Name, q.Subject, q.Text, q.Place, q.Profile, q.Requester} {
		if len(text) > term.MaxText {
			return fault.New(fault.InvalidArgument, "what is searched for has at most %d bytes", term.MaxText)
		}
	}
	q.Name, q.Subject, q.Text = strings.ToLower(q.Name), strings.ToLower(q.Subject), strings.ToLower(q.Text)
	if ip, err := netip.ParseAddr(q.Name); err == nil {
		q.Name = ip.String()
	}
	return nil
}

// wants reports whether the query wants an entry of which everything is known
// but its authority, which whoever calls has chosen.
func (q *Query) wants(e *Entry, now time.Time) bool {
	return q.wantsText(e) && q.wantsTime(e) &&
		(q.Serial == "" || e.Serial == q.Serial) &&
		(q.Place == "" || e.Foreign != nil && e.Foreign.seenAt(q.Place)) &&
		(q.Profile == "" || e.Profile == q.Profile) &&
		(q.Requester == "" || e.Requester == q.Requester) &&
		(q.State == AnyState || q.State == e.StateAt(now) || q.State == Revoked && e.RevokedAt != nil) &&
		(q.Key == "" || term.KeyHash(e.DER) == q.Key)
}

func (q *Query) wantsText(e *Entry) bool {
	if q.Subject != "" && !strings.Contains(strings.ToLower(e.Subject), q.Subject) {
		return false
	}
	if q.Text != "" && !strings.Contains(strings.ToLower(e.Subject+"\n"+strings.Join(e.Names, "\n")), q.Text) {
		return false
	}
	if q.Name == "" {
		return true
	}
	p := term.NewPattern(q.Name)
	return slices.ContainsFunc(e.Names, p.Matches) || p.Matches(term.CommonName(e.Subject))
}

func (q *Query) wantsTime(e *Entry) bool {
	within := func(t, after, before time.Time) bool {
		return (after.IsZero() || !t.Before(after)) && (before.IsZero() || t.Before(before))
	}
	return within(e.NotAfter, q.ExpiresAfter, q.ExpiresBefore) && within(e.IssuedAt, q.IssuedAfter, q.IssuedBefore)
}
