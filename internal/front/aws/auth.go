package aws

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// Directory knows credentials. Credential finds a long-lived one by its
// access key id, SessionCredential a temporary one that comes with its token.
// Errors are fault.Unauthenticated with UnknownCredential, DisabledCredential
// or ExpiredCredential. The pointer that is returned stays the same until the
// credential changes.
type Directory interface {
	Credential(id string) (*identity.Credential, error)
	SessionCredential(id, token string) (*identity.Credential, error)
}

// maxSkew is how far a client's clock may be off.
const maxSkew = 5 * time.Minute

// sessionPrefix begins the ids of temporary credentials.
const sessionPrefix = "ASIA"

// authenticator verifies signatures (AWS General Reference, "Signature
// Version 4 for API requests").
type authenticator struct {
	directory Directory
	keys      signingKeys
}

// authenticate proves who sent the request and completes the exchange's call
// with it. scratch is overwritten and returned for use again.
func (a *authenticator) authenticate(r *http.Request, x *Exchange, scratch []byte) ([]byte, error) {
	claim, err := claimOf(r)
	if err != nil {
		return scratch, err
	}
	x.Call.Region, x.Call.Caller.Credential = claim.Scope.Region, claim.AccessKeyID
	c, err := a.credential(r, claim.AccessKeyID)
	if err != nil {
		return scratch, err
	}
	payload := sha256.Sum256(x.Body)
	if err := check(r, &claim, x.service.Scope, &payload, x.Call.Time); err != nil {
		return scratch, err
	}
	signingKey, kept := a.keys.get(c, claim.Scope)
	want, scratch := claim.Signed(scratch, signingKey, r, &payload)
	if subtle.ConstantTimeCompare(want[:], claim.Signature[:]) != 1 {
		return scratch, wrong("The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	}
	if !c.Expires.IsZero() && !x.Call.Time.Before(c.Expires) {
		return scratch, fault.Because(fault.Unauthenticated, fault.ExpiredCredential, "the session has expired")
	}
	if !kept { // only now: strangers must not fill the cache
		a.keys.keep(c, claim.Scope, signingKey)
	}
	x.Call.Caller = c.Caller
	x.Call.Caller.Method = "sigv4"
	return scratch, nil
}

// unsigned reports whether a request does not say who it is from.
func unsigned(r *http.Request) bool {
	return len(r.Header["Authorization"]) == 0 && len(r.Header[sigv4.HeaderToken]) == 0 && !strings.Contains(r.URL.RawQuery, "X-Amz-")
}

// claimOf reads who the request says it is from.
func claimOf(r *http.Request) (sigv4.Authorization, error) {
	if strings.Contains(r.URL.RawQuery, "X-Amz-") {
		for name := range r.URL.Query() {
			if strings.HasPrefix(name, "X-Amz-") {
				return sigv4.Authorization{}, fault.Because(fault.Unauthenticated, fault.UnsupportedProof,
					"Presigned requests (X-Amz-Algorithm in the query) are not supported. Sign in the Authorization header.")
			}
		}
	}
	switch headers := r.Header["Authorization"]; len(headers) {
	case 0:
		return sigv4.Authorization{}, fault.Because(fault.Unauthenticated, fault.MissingCredential,
			"Missing Authentication Token")
	case 1:
		return sigv4.ParseAuthorization(headers[0])
	default:
		return sigv4.Authorization{}, fault.Because(fault.Unauthenticated, fault.MalformedProof,
			"There must be one Authorization header.")
	}
}

// credential finds the credential of an access key id. A token goes with
// temporary credentials and with no others.
func (a *authenticator) credential(r *http.Request, id string) (*identity.Credential, error) {
	tokens := r.Header[sigv4.HeaderToken]
	switch {
	case len(tokens) == 0 && !strings.HasPrefix(id, sessionPrefix):
		return a.directory.Credential(id)
	case len(tokens) == 1 && strings.HasPrefix(id, sessionPrefix):
		return a.directory.SessionCredential(id, tokens[0])
	default:
		return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential,
			"a token goes with temporary credentials, and only with them")
	}
}

// check looks at all of a claim but its signature.
func check(r *http.Request, a *sigv4.Authorization, service string, payload *[sha256.Size]byte, now time.Time) error {
	if err := checkTime(r, a, now); err != nil {
		return err
	}
	if a.Scope.Service != service {
		return wrong("Credential should be scoped to correct service: '" + service + "'. ")
	}
	if name := a.Unsigned(r); name != "" {
		return wrong("There were headers present in the request which were not signed, or signed and not present: " + name)
	}
	if !sigv4.PayloadMatches(r, payload) {
		return wrong("The value of x-amz-content-sha256 is not the SHA-256 of the body.")
	}
	return nil
}

// checkTime checks the request's time against the clock and its own scope.
func checkTime(r *http.Request, a *sigv4.Authorization, now time.Time) error {
	dates := r.Header[sigv4.HeaderDate]
	if len(dates) != 1 {
		return fault.Because(fault.Unauthenticated, fault.MalformedProof,
			"Authorization header requires existence of one 'X-Amz-Date' header.")
	}
	at, err := time.Parse(sigv4.DateFormat, dates[0])
	if err != nil || len(dates[0]) != len(sigv4.DateFormat) {
		return fault.Because(fault.Unauthenticated, fault.MalformedProof,
			"Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601")
	}
	if !strings.HasPrefix(dates[0], a.Scope.Day) {
		return wrong("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '" +
			a.Scope.Day + "' != '" + dates[0][:8] + "', from '" + dates[0] + "'.")
	}
	now = now.UTC()
	stamp := func(t time.Time) string { return t.Format(sigv4.DateFormat) }
	switch {
	case at.Before(now.Add(-maxSkew)):
		return skewed("Signature expired: " + dates[0] + " is now earlier than " + stamp(now.Add(-maxSkew)) +
			" (" + stamp(now) + " - 5 min.)")
	case at.After(now.Add(maxSkew)):
		return skewed("Signature not yet current: " + dates[0] + " is still later than " + stamp(now.Add(maxSkew)) +
			" (" + stamp(now) + " + 5 min.)")
	default:
		return nil
	}
}

func wrong(text string) error {
	return &fault.Error{Kind: fault.Unauthenticated, Reason: fault.WrongProof, Public: text}
}

func skewed(text string) error {
	return &fault.Error{Kind: fault.Unauthenticated, Reason: fault.ClockSkew, Public: text}
}

// maxSigningKeys bounds the cache of derived keys: each is some hundred bytes, and a
// client needs one per day, region and service.
const maxSigningKeys = 8192

// signingKeys keeps derived signing keys. The zero value is ready.
type signingKeys struct {
	mu   sync.RWMutex
	keys map[signingKeyID]*sigv4.SigningKey // guarded by mu
}

// signingKeyID names a derived key. A credential that changes is another
// pointer, so that no key outlives its secret.
type signingKeyID struct {
	credential *identity.Credential
	scope      sigv4.Scope
}

// get returns the signing key of a credential in a scope, and whether it is
// kept already.
func (k *signingKeys) get(c *identity.Credential, s sigv4.Scope) (*sigv4.SigningKey, bool) {
	k.mu.RLock()
	found := k.keys[signingKeyID{c, s}]
	k.mu.RUnlock()
	if found != nil {
		return found, true
	}
	return sigv4.NewSigningKey(c.Secret.Reveal(), s), false
}

// keep puts a signing key into the cache. The parts of the scope point into
// a request's header and are copied.
func (k *signingKeys) keep(c *identity.Credential, s sigv4.Scope, signingKey *sigv4.SigningKey) {
	s = sigv4.Scope{
		Day: strings.Clone(s.Day), Region: strings.Clone(s.Region), Service: strings.Clone(s.Service),
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys == nil || len(k.keys) >= maxSigningKeys {
		k.keys = make(map[signingKeyID]*sigv4.SigningKey) // yesterday's are of no more use
	}
	k.keys[signingKeyID{c, s}] = signingKey
}
