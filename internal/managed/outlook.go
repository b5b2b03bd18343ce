package managed

import (
	"fmt"
	"hash/fnv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/renewal"
)

const (
	// holdWait is how long a certificate on hold is left alone: it may be
	// released, and nobody tells.
	holdWait = 24 * time.Hour
	// replacedOver is the time over which the certificates of an authority are
	// renewed that another one took over from. They verify as before, so there is
	// no hurry; those of a revoked one are renewed at once.
	replacedOver = 24 * time.Hour
)

// issuer is what the renewal of a certificate depends on above it.
type issuer struct {
	// next is the authority that issues the next certificate: that of the
	// current one, or the one that took over from it; nil where there is none.
	next *ca.Authority
	// end is when the first of the certificates above the current one ends, the
	// zero time where they are not known.
	end time.Time
	// cause is why the certificate is to be renewed before its rule says so, and
	// since when; NoCause for none.
	cause Cause
	since time.Time
	// state is another text when anything changes that an attempt to renew
	// depends on.
	state string
}

// maxPath bounds the way up from an authority, and along its successors.
const maxPath = 16

// issuerOf returns what there is above a certificate.
func (s *Service) issuerOf(c *Certificate) *issuer {
	i, h := &issuer{}, fnv.New64a()
	see := func(a *ca.Authority) {
		_, _ = fmt.Fprintf(h, "%s %s %d,", a.ID, a.State, a.UpdatedAt.UnixNano()) // a hash takes everything
	}
	a, ok := s.authorities.ByID(c.Authority)
	i.next = a
	for n := 0; ok && n < maxPath; n++ {
		see(a)
		i.above(a)
		a, ok = s.authorities.ByID(a.Parent)
	}
	for n := 0; i.next != nil && i.next.Successor != "" && n < maxPath; n++ {
		if a, ok = s.authorities.ByID(i.next.Successor); !ok {
			break
		}
		see(a)
		i.next = a
		if i.cause == NoCause {
			i.cause, i.since = IssuerReplaced, a.StateChangedAt
		}
	}
	i.state = fmt.Sprintf("%016x", h.Sum64())
	return i
}

// above takes in an authority of the current path.
func (i *issuer) above(a *ca.Authority) {
	if i.end.IsZero() || a.NotAfter.Before(i.end) {
		i.end = a.NotAfter
	}
	if a.State == ca.Revoked && i.cause == NoCause {
		i.cause, i.since = IssuerRevoked, a.StateChangedAt
	}
}

// look sets the certificate's Outlook, and its chain to that of its authority
// as it is now: an authority that was renewed has another certificate for the
// same key, with which all that it issued verifies.
func (s *Service) look(c *Certificate) {
	if a, ok := s.authorities.ByID(c.Authority); ok && c.DER != nil && a.Certificate != nil {
		c.Chain = append([][]byte{a.Certificate}, a.Chain...)
	}
	c.Outlook = Outlook{}
	if c.Kind != Private {
		return
	}
	switch p, ok := s.authorities.FindProfile(c.Realm, c.Profile); {
	case c.Rule != nil:
		c.Renews, c.From = *c.Rule, FromCertificate
	case ok && p.Renewal != nil:
		c.Renews, c.From = *p.Renewal, FromProfile
	}
	if c.DER != nil {
		c.Due, c.Cause = c.due(s.issuerOf(c), s.now())
	}
}

// due returns when the clock next tries to renew the certificate and why then,
// the zero time for never.
func (c *Certificate) due(i *issuer, now time.Time) (time.Time, Cause) {
	if c.State(now) == Revoked && c.Reason == ca.CertificateHold && now.Before(c.NotAfter) {
		return now.Add(holdWait), Held
	}
	if !c.Renewable(now) {
		return time.Time{}, NoCause
	}
	end, cause := c.NotAfter, ByRule
	if !i.end.IsZero() && i.end.Before(end) {
		end, cause = i.end, IssuerEnds
	}
	seed := renewal.SeedOf(c.ID, c.Serial)
	at := c.Renews.Due(c.NotBefore, end, seed)
	if i.cause != NoCause {
		since := i.since
		if i.cause == IssuerReplaced {
			since = renewal.Spread(since, replacedOver, c.NotAfter, seed)
		}
		if since.Before(at) {
			at, cause = since, i.cause
		}
	}
	if r := c.Renewal; r != nil && r.Outcome == Refused && r.Issuer == i.state {
		if !end.After(r.At) { // its issuer's end is over, the certificate's own is not
			end = c.NotAfter
		}
		if next := renewal.Retry(r.At, r.Attempts, end, seed); next.After(at) {
			at, cause = next, AfterFailure
		}
	}
	return at, cause
}
