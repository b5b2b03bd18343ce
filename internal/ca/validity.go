package ca

import (
	"crypto/x509"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// life says how long a certificate shall be valid.
type life struct {
	asked, standard, maximum, backdate time.Duration
}

// put writes the validity of a certificate made now into the template. A
// certificate never outlives its issuer: the standard validity is cut to the
// issuer's end, an explicit one beyond it is refused, because whoever names a
// time relies on it. issuer is nil for a self-signed certificate.
func (l life) put(t *x509.Certificate, issuer *authority, now time.Time) error {
	validity := l.asked
	if validity == 0 {
		validity = l.standard
	}
	if validity < time.Minute || validity > l.maximum {
		return violation("the validity %s is not between one minute and %d days", validity, l.maximum/day)
	}
	t.NotBefore = now.Add(-l.backdate).UTC().Truncate(time.Second)
	t.NotAfter = now.Add(validity).UTC().Truncate(time.Second)
	if issuer == nil {
		return nil
	}
	if t.NotBefore.Before(issuer.cert.NotBefore) {
		t.NotBefore = issuer.cert.NotBefore
	}
	if end := issuer.cert.NotAfter; t.NotAfter.After(end) {
		if l.asked != 0 {
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
