// Package renewal says when a certificate is renewed: rules, and the times that
// come out of them. It is values and arithmetic; packages profile and managed
// put it to use.
//
// Start with Rule. Rule.Due is when a renewal is first tried, Retry when it is
// tried again after it failed. Both depend on nothing but what they are given,
// so that every server, and the same one after a restart, comes to the same
// time.
//
// The package is internal and may change with any release.
package renewal

import (
	"hash/fnv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// KeyChoice says what key a renewed certificate is for.
type KeyChoice string

// The choices.
const (
	NewKey  KeyChoice = "new"
	SameKey KeyChoice = "same"
)

// Rule says when and how a certificate is renewed. At most one of Before and
// Share is set; with neither, it is the last third of the lifetime, at most 60
// days before the end. The zero Rule is the default one.
type Rule struct {
	// Before is how long before its end a certificate is renewed at the latest.
	Before time.Duration
	// Share is the last part of the lifetime that is left then: 0.25 renews
	// when three quarters are over.
	Share float64
	// Key is what the new certificate is for, "" for a new key.
	Key KeyChoice
	// Jitter spreads the renewals of certificates that were issued together:
	// each is renewed up to so much earlier. nil is a twentieth of the lifetime,
	// at most a day.
	Jitter *time.Duration
}

// The default rule: a third of the lifetime, at most 60 days, as AWS
// Certificate Manager has it.
const (
	defaultShare  = 3 // one part of
	defaultBefore = 60 * day
)

// What a rule may say.
const (
	MinBefore = time.Minute
	MaxBefore = 3650 * day
	MinShare  = 0.01
	MaxShare  = 0.9
	MaxJitter = 30 * day
)

const day = 24 * time.Hour

// Jitter of a rule that does not say any.
const (
	jitterShare = 20 // one part of the lifetime
	maxJitter   = day
)

// earliest is the part of the lifetime that passes at least before a renewal
// is due, whatever the rule says: a rule that asks for more than the lifetime
// would renew without end.
const earliest = 10 // one part of

// Check refuses what is no rule.
func (r *Rule) Check() error {
	switch {
	case r.Before != 0 && r.Share != 0:
		return unfit("a rule of renewal has a time before the end or a share of the lifetime, not both")
	case r.Before != 0 && (r.Before < MinBefore || r.Before > MaxBefore):
		return unfit("a certificate is renewed between a minute and %d days before its end", MaxBefore/day)
	case r.Share != 0 && !(r.Share >= MinShare && r.Share <= MaxShare):
		return unfit("the share of the lifetime that is left at the renewal is %g to %g", MinShare, MaxShare)
	case r.Key != "" && r.Key != NewKey && r.Key != SameKey:
		return unfit("a renewed certificate is for the %q key or a %q one", SameKey, NewKey)
	case r.Jitter != nil && (*r.Jitter < 0 || *r.Jitter > MaxJitter):
		return unfit("renewals are spread over at most %d days", MaxJitter/day)
	}
	return nil
}

func unfit(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, format, args...)
}

// Keeps reports whether the renewed certificate is for the same key.
func (r *Rule) Keeps() bool { return r.Key == SameKey }

// Seed is what spreads the renewals: a number between 0 and 1 that is the same
// for the same certificate, and another one for its successor.
type Seed float64

// SeedOf returns the seed of a certificate by its id and serial number.
func SeedOf(id, serial string) Seed {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id + "/" + serial)) // a hash takes everything
	x := h.Sum64()
	// The upper bits of FNV differ little between short texts that differ in
	// their ends: mix once more (the finisher of MurmurHash3).
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	x ^= x >> 33
	return Seed(float64(x>>11) / (1 << 53))
}

// of returns the seed's part of a span.
func (s Seed) of(d time.Duration) time.Duration { return time.Duration(float64(d) * float64(s)) }

// Due returns when a certificate is to be renewed that is valid from begin to
// end: at the rule's time, or up to its jitter earlier. It is never before a
// twentieth of the lifetime has passed, and never after the end.
func (r *Rule) Due(begin, end time.Time, seed Seed) time.Time {
	life := end.Sub(begin)
	if life <= 0 {
		return end
	}
	left := min(defaultBefore, life/defaultShare)
	switch {
	case r.Before != 0:
		left = r.Before
	case r.Share != 0:
		left = time.Duration(float64(life) * r.Share)
	}
	latest := max(life-left, life/earliest)
	spread := min(maxJitter, life/jitterShare)
	if r.Jitter != nil {
		spread = *r.Jitter
	}
	return begin.Add(latest - seed.of(min(spread, latest/2)))
}

// Spread returns a time between at and so much later, for what concerns many
// certificates at the same moment: never later than an eighth of the time that
// a certificate has left.
func Spread(at time.Time, over time.Duration, end time.Time, seed Seed) time.Time {
	return at.Add(seed.of(max(0, min(over, end.Sub(at)/spreadLeft))))
}

const spreadLeft = 8 // one part of the time that is left

// Waiting after failures.
const (
	// FirstRetry is the wait after the first failure. It doubles with each
	// further one up to MaxRetry.
	FirstRetry = 15 * time.Minute
	MaxRetry   = day
	// shareLeft: no wait is longer than one part of the time that is left, so
	// that there is always a next attempt before the end.
	shareLeft = 8
	// minRetry is the shortest wait.
	minRetry = time.Minute
	// retryJitter: a wait is up to one part shorter than it would be.
	retryJitter = 4
)

// Retry returns when to try again after a number of failures in a row, the
// latest of them at a time, for a certificate that ends at a time. Between
// attempts are 15 minutes at first and then twice as long each time, up to a
// day; up to a quarter of that less, by the seed; and never more than an eighth
// of the time that is left, so that no certificate ends while it waits.
func Retry(at time.Time, failures int, end time.Time, seed Seed) time.Time {
	wait := MaxRetry
	if shift := max(failures, 1) - 1; shift < 7 { // 15 minutes doubled seven times are more than a day
		wait = FirstRetry << shift
	}
	left := end.Sub(at)
	wait = max(min(wait, left/shareLeft), minRetry)
	if next := at.Add(wait - seed.of(wait/retryJitter)); next.Before(end) || left <= 0 {
		return next
	}
	return end
}
