package profile

import (
	"crypto/x509"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Life says how long a certificate shall be valid.
type Life struct {
	// Asked is what the request asks for, 0 for Standard; Maximum is the
	// longest that it may.
	Asked, Standard, Maximum time.Duration
	// Backdate is how far before its making the certificate begins to be valid.
	Backdate time.Duration
}

// Life returns the life that the profile gives to who asks for a validity, 0
// for the profile's default.
func (p *Profile) Life(asked time.Duration) Life {
	return Life{Asked: asked, Standard: p.Default, Maximum: p.Maximum, Backdate: p.Backdate}
}

// Put writes the validity of a certificate made now into the template. A
// certificate never outlives its issuer: the standard validity is cut to the
// issuer's end, an explicit one beyond it is refused, because whoever names a
// time relies on it. issuer is nil for a self-signed certificate. Its errors
// are ProfileViolation, and WrongState for an issuer whose time is over.
func (l Life) Put(t, issuer *x509.Certificate, now time.Time) error {
	validity := l.Asked
	if validity == 0 {
		validity = l.Standard
	}
	if validity < time.Minute || validity > l.Maximum {
		return violation("the validity %s is not between one minute and %d days", validity, l.Maximum/day)
	}
	t.NotBefore = now.Add(-l.Backdate).UTC().Truncate(time.Second)
	t.NotAfter = now.Add(validity).UTC().Truncate(time.Second)
	if issuer == nil {
		return nil
	}
	if t.NotBefore.Before(issuer.NotBefore) {
		t.NotBefore = issuer.NotBefore
	}
	if end := issuer.NotAfter; t.NotAfter.After(end) {
		if l.Asked != 0 {
			return violation("the certificate would be valid until %s, its issuer is until %s",
				t.NotAfter.Format(time.RFC3339), end.Format(time.RFC3339))
		}
		t.NotAfter = end
	}
	if !t.NotAfter.After(now) {
		return fault.New(fault.WrongState, "the authority's certificate ends before any certificate of it could begin")
	}
	return nil
}
