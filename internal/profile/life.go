package profile

import (
	"crypto/x509"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// day is the unit of certificates' lives.
const day = 24 * time.Hour

// Validity says until when a certificate is valid: so long (For, or so many
// calendar Months and Years, which add up), or Until a time. The zero
// Validity says nothing.
type Validity struct {
	For           time.Duration
	Months, Years int
	Until         time.Time
	// NotBefore is when the validity begins, the zero time for the usual. A
	// span is counted from it when it is later than the time of issue.
	NotBefore time.Time
}

// Days returns the validity of so many days of 24 hours.
func Days(n int) Validity { return Validity{For: time.Duration(n) * day} }

// Ends reports whether the validity says when it ends.
func (v *Validity) Ends() bool {
	return v.For != 0 || v.Months != 0 || v.Years != 0 || !v.Until.IsZero()
}

// end returns when the validity ends that begins to count at start. Months
// are the calendar's; a day that the last month lacks is its last one.
func (v *Validity) end(start time.Time) time.Time {
	if !v.Until.IsZero() {
		return v.Until
	}
	end := start
	if months := 12*v.Years + v.Months; months != 0 {
		if end = start.AddDate(0, months, 0); end.Day() != start.Day() {
			end = end.AddDate(0, 0, -end.Day())
		}
	}
	return end.Add(v.For)
}

// check refuses what is no validity.
func (v *Validity) check() error {
	const maxYears = 1000
	switch {
	case v.For < 0 || v.Months < 0 || v.Years < 0 || v.Months > 12*maxYears || v.Years > maxYears:
		return violation("a validity is not negative, and at most %d years", maxYears)
	case !v.Until.IsZero() && (v.For != 0 || v.Months != 0 || v.Years != 0):
		return violation("a validity ends at a time or lasts for a time, not both")
	case !v.Until.IsZero() && v.Until.Year() > 9999:
		return violation("a validity ends in the year 9999 at the latest")
	}
	return nil
}

// String returns the validity as documents have it: "90d", "36h", "13mo",
// "2y", sums such as "1y6mo", or a time such as "2030-12-31T23:59:59Z".
func (v Validity) String() string {
	if !v.Until.IsZero() {
		return v.Until.UTC().Format(time.RFC3339)
	}
	var b strings.Builder
	for _, part := range []struct {
		n    int64
		unit string
	}{{int64(v.Years), "y"}, {int64(v.Months), "mo"}, {int64(v.For / day), "d"}, {int64(v.For % day / time.Hour), "h"}, {int64(v.For % time.Hour / time.Minute), "m"}, {int64(v.For % time.Minute / time.Second), "s"}} {
		if part.n != 0 {
			b.WriteString(strconv.FormatInt(part.n, 10) + part.unit)
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}

// ParseValidity reads what Validity.String writes.
func ParseValidity(text string) (Validity, error) {
	bad := unfit("%q is no validity: write 90d, 36h, 13mo, 2y or 2030-12-31T23:59:59Z", text)
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		if t.Nanosecond() != 0 || t.Year() < 1950 {
			return Validity{}, bad
		}
		return Validity{Until: t.UTC()}, nil
	}
	var v Validity
	rest, last := text, -1
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil {
			return Validity{}, bad
		}
		rest = rest[digits:]
		unit := len(rest) - len(strings.TrimLeft(rest, "ymodhs"))
		at, ok := v.add(rest[:unit], n)
		if !ok || at <= last {
			return Validity{}, bad
		}
		last, rest = at, rest[unit:]
	}
	if last < 0 || v.check() != nil {
		return Validity{}, bad
	}
	return v, nil
}

// add adds so many of a unit and returns the unit's place in the order of
// sizes.
func (v *Validity) add(unit string, n int64) (place int, ok bool) {
	size := map[string]time.Duration{"d": day, "h": time.Hour, "m": time.Minute, "s": time.Second}[unit]
	if size != 0 && n > (math.MaxInt64-int64(v.For))/int64(size) {
		return 0, false
	}
	v.For += time.Duration(n) * size
	switch unit {
	case "y":
		v.Years += int(n)
		return 0, true
	case "mo":
		v.Months += int(n)
		return 1, true
	}
	return map[string]int{"d": 2, "h": 3, "m": 4, "s": 5}[unit], size != 0
}

// checkLife refuses a profile whose validities do not go together.
func (p *Profile) checkLife() error {
	for _, v := range []*Validity{&p.Default, &p.Maximum} {
		if err := v.check(); err != nil {
			return unfit("the profile's validity: %s", publicText(err))
		}
		if !v.NotBefore.IsZero() {
			return unfit("a profile does not say when a validity begins")
		}
	}
	const longestBackdate = 31 * day
	switch {
	case !p.Default.Ends():
		return unfit("the profile has no default validity")
	case p.Backdate < 0 || p.Backdate > longestBackdate:
		return unfit("a certificate is backdated by at most %d days", longestBackdate/day)
	case p.Maximum.Ends() && p.Default.Until.IsZero() && p.Maximum.Until.IsZero() && p.Default.end(time.Time{}).After(p.Maximum.end(time.Time{})):
		return unfit("the profile's default validity is longer than its maximum")
	}
	return nil
}

// Life says how long a certificate shall be valid.
type Life struct {
	// Asked is what the request asks for, zero for Standard; Maximum is the
	// longest that it may, zero for no limit.
	Asked, Standard, Maximum Validity
	// Backdate is how far before its making the certificate begins to be valid.
	Backdate time.Duration
	// Cut cuts also what was asked for to the issuer's end.
	Cut bool
	// Short is the longest that any certificate of the issuer may last, 0 for
	// no such limit.
	Short time.Duration
}

// life returns the life that the profile gives to who asks for a validity, the
// zero one for the profile's default.
func (p *Profile) life(in *Input) (Life, error) {
	asked := in.Validity
	switch {
	case p.FixedValidity && asked.Ends() && asked.end(time.Time{}) != p.Default.end(time.Time{}):
		return Life{}, violation("profile %s gives the validity %s and no other", p.Name, p.Default)
	case !p.AskStart && !asked.NotBefore.IsZero():
		return Life{}, violation("profile %s does not let a request say when its validity begins", p.Name)
	}
	return Life{Asked: asked, Standard: p.Default, Maximum: p.Maximum, Backdate: p.Backdate, Cut: p.CutAsked, Short: in.Short}, nil
}

// Put writes the validity of a certificate made now into the template. A
// certificate never outlives its issuer: the standard validity is cut to the
// issuer's end, an explicit one beyond it is refused, because whoever names a
// time relies on it. issuer is nil for a self-signed certificate. Its errors
// are ProfileViolation, and WrongState for an issuer whose time is over.
func (l Life) Put(t, issuer *x509.Certificate, now time.Time) error {
	if err := l.Asked.check(); err != nil {
		return err
	}
	var longest time.Time
	t.NotBefore, t.NotAfter, longest = l.span(now)
	start := now // backdating is for clocks that are behind, and shortens no life
	if t.NotBefore.After(now) {
		start = t.NotBefore
	}
	if short := start.Add(l.Short).UTC().Truncate(time.Second); l.Short != 0 && t.NotAfter.After(short) {
		if l.Asked.Ends() {
			return violation("the authority's certificates last for %s at the most", Validity{For: l.Short})
		}
		t.NotAfter = short
	}
	if !longest.IsZero() && t.NotAfter.After(longest) {
		return violation("the certificate would be valid until %s: the longest validity is %s", t.NotAfter.Format(time.RFC3339), l.Maximum)
	}
	if t.NotAfter.Sub(now.UTC().Truncate(time.Second)) < time.Minute {
		return violation("the validity ends at %s: one minute from now is the least", t.NotAfter.Format(time.RFC3339))
	}
	if !t.NotBefore.Before(t.NotAfter) {
		return violation("the validity begins only when it is over")
	}
	if issuer == nil {
		return nil
	}
	return l.fit(t, issuer, now)
}

// span returns when the validity begins and ends, before it is cut to the
// issuer's, and the latest time at which it may end, the zero time for any.
func (l Life) span(now time.Time) (from, to, longest time.Time) {
	from, start := now.Add(-l.Backdate), now
	if asked := l.Asked.NotBefore; !asked.IsZero() {
		if from = asked; asked.After(now) {
			start = asked
		}
	}
	v := l.Asked
	if !v.Ends() {
		v = l.Standard
	}
	if l.Maximum.Ends() {
		longest = l.Maximum.end(start)
	}
	return from.UTC().Truncate(time.Second), v.end(start).UTC().Truncate(time.Second), longest
}

// fit checks the validity against the issuer's own.
func (l Life) fit(t, issuer *x509.Certificate, now time.Time) error {
	if t.NotBefore.Before(issuer.NotBefore) {
		t.NotBefore = issuer.NotBefore
	}
	if end := issuer.NotAfter; t.NotAfter.After(end) {
		if l.Asked.Ends() && !l.Cut {
			return violation("the certificate would be valid until %s, its issuer is until %s",
				t.NotAfter.Format(time.RFC3339), end.Format(time.RFC3339))
		}
		t.NotAfter = end
	}
	if !t.NotAfter.After(now) {
		return fault.New(fault.WrongState, "the authority's certificate ends before any certificate of it could begin")
	}
	if !t.NotBefore.Before(t.NotAfter) {
		return violation("the validity begins only when it, or the issuer's, is over")
	}
	return nil
}
