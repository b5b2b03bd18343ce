// Package totp makes and checks the codes of second factors (TOTP, RFC 6238),
// in the form that authenticator apps take: SHA-1, six digits, thirty seconds.
//
// Start with NewSecret, URI and Match. Whoever keeps the secret also keeps the
// step of the last code that was taken: no code is good twice.
package totp

import (
	"crypto/rand"
	"encoding/base32"
	"net/url"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

const (
	// Digits is how long a code is.
	Digits = 6
	// Period is how long a code is shown.
	Period = 30 * time.Second
	// secretSize is that of SHA-1's output, in bytes (RFC 4226 section 4, R6).
	secretSize = 20
	// skew is how many steps a clock may be off, in either direction (RFC 6238
	// section 5.2 has one).
	skew = 1
)

// encoding is how apps write a secret.
var encoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// NewSecret returns a random secret in base32.
func NewSecret() string {
	var b [secretSize]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand.Read)
	return encoding.EncodeToString(b[:])
}

// URI returns what apps read of a QR code ("Key Uri Format", Google
// Authenticator). The issuer and the account are names for the person.
func URI(issuer, account, secret string) string {
	q := url.Values{"secret": {secret}, "issuer": {issuer}, "algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"}}
	u := url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + issuer + ":" + account, RawQuery: q.Encode()}
	return u.String()
}

// Step returns the number of the period that a time is in.
func Step(t time.Time) int64 { return t.Unix() / int64(Period/time.Second) }

// Match returns the step of a code that is shown about now, and is later than
// the last one taken.
func Match(secret, code string, now time.Time, last int64) (step int64, ok bool) {
	for step := Step(now) - skew; step <= Step(now)+skew; step++ {
		if step > last && is(secret, code, step) {
			return step, true
		}
	}
	return 0, false
}

// maxEnrolment is how old the first of the two codes of an enrolment may be,
// in steps.
const maxEnrolment = 4

// MatchPair returns the step of the second of two codes that follow each
// other and were shown lately: proof that somebody's app has the secret.
func MatchPair(secret, first, second string, now time.Time) (step int64, ok bool) {
	for step := Step(now) - maxEnrolment; step <= Step(now)+skew; step++ {
		if is(secret, first, step) && is(secret, second, step+1) {
			return step + 1, true
		}
	}
	return 0, false
}

// is reports whether a code is that of a step, in a time that does not depend
// on how much of it is right.
func is(secret, code string, step int64) bool {
	if step < 0 || len(code) != Digits {
		return false
	}
	ok, err := hotp.ValidateCustom(code, uint64(step), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	return err == nil && ok
}
