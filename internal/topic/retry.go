package topic

import (
	"math"
	"time"
)

// Retry is how often and when a delivery is tried again: at first without a
// wait, then after the least one, then after waits that grow, at last after the
// longest one.
type Retry struct {
	// Retries is how many there are of all four sorts together.
	Retries int
	// Immediate, Before and After are how many come without a wait, after MinDelay
	// and after MaxDelay; the others' waits grow from the one to the other.
	Immediate, Before, After int
	MinDelay, MaxDelay       time.Duration
	Backoff                  Backoff
}

// Backoff is how waits grow.
type Backoff string

// The ways in which waits grow.
const (
	Linear      Backoff = "linear"
	Arithmetic  Backoff = "arithmetic"
	Geometric   Backoff = "geometric"
	Exponential Backoff = "exponential"
)

// DefaultRetry is for subscriptions and topics without a rule: AWS's for
// endpoints that are its customers' own, 50 retries in about six hours, of which
// the first three come at once.
func DefaultRetry() Retry {
	return Retry{
		Retries: 50, Immediate: 3, Before: 2, After: 35, MinDelay: 10 * time.Second, MaxDelay: 10 * time.Minute, Backoff: Exponential,
	}
}

// The bounds of a Retry, as AWS has them.
const (
	maxRetries = 100
	maxDelay   = time.Hour
)

// check refuses a rule that is none.
func (r *Retry) check() error {
	if r == nil {
		return nil
	}
	switch {
	case r.Retries < 0 || r.Retries > maxRetries:
		return Wrong("DeliveryPolicy", "numRetries is 0 to %d", maxRetries)
	case r.Immediate < 0 || r.Before < 0 || r.After < 0 || r.Immediate+r.Before+r.After > r.Retries:
		return Wrong("DeliveryPolicy", "the retries without a wait, with the least and with the longest are no more than numRetries")
	case r.MinDelay < time.Second || r.MinDelay > r.MaxDelay || r.MaxDelay > maxDelay:
		return Wrong("DeliveryPolicy", "minDelayTarget is at least 1 and at most maxDelayTarget, which is at most %d seconds", int(maxDelay.Seconds()))
	}
	switch r.Backoff {
	case Linear, Arithmetic, Geometric, Exponential:
		return nil
	}
	return Wrong("DeliveryPolicy", "backoffFunction is linear, arithmetic, geometric or exponential")
}

// wait returns how long to wait before a retry, counted from 1; false when
// there are no more.
func (r *Retry) wait(retry int) (time.Duration, bool) {
	growing := r.Retries - r.Immediate - r.Before - r.After
	switch n := retry - r.Immediate - r.Before; {
	case retry > r.Retries:
		return 0, false
	case retry <= r.Immediate:
		return 0, true
	case n <= 0:
		return r.MinDelay, true
	case n > growing:
		return r.MaxDelay, true
	case growing == 1:
		return r.MinDelay, true
	default:
		return r.grown(float64(n-1) / float64(growing-1)), true
	}
}

// grown returns the wait at a part of the way from the least to the longest.
func (r *Retry) grown(part float64) time.Duration {
	least, most := r.MinDelay.Seconds(), r.MaxDelay.Seconds()
	seconds := least + (most-least)*part // linear
	switch r.Backoff {
	case Arithmetic:
		seconds = least + (most-least)*part*(1+part)/2
	case Geometric:
		seconds = least + (most-least)*part*part
	case Exponential:
		seconds = least * math.Pow(most/least, part)
	case Linear:
	}
	return time.Duration(seconds * float64(time.Second))
}

// total returns how long all retries take, were no time lost in between.
func (r *Retry) total() time.Duration {
	var sum time.Duration
	for n := 1; ; n++ {
		wait, ok := r.wait(n)
		if !ok {
			return sum
		}
		sum += wait
	}
}
