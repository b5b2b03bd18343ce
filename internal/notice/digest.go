package notice

import "time"

// MaxDigest is how many events a digest has at most. What is more goes into
// another one at the same time.
const MaxDigest = 100

// Digest says when a channel is told of what has happened, together.
type Digest struct {
	// Every is the time between digests, which come at its multiples in UTC; 0
	// for one a day.
	Every time.Duration
	// Hour and Minute are the time of one a day, in Location (nil is UTC).
	Hour, Minute int
	Location     *time.Location
}

// next returns when the next digest is due, after now.
func (d *Digest) next(now time.Time) time.Time {
	if d.Every > 0 {
		return now.Truncate(d.Every).Add(d.Every).UTC()
	}
	where := d.Location
	if where == nil {
		where = time.UTC
	}
	local := now.In(where)
	at := time.Date(local.Year(), local.Month(), local.Day(), d.Hour, d.Minute, 0, 0, where)
	if !at.After(now) {
		at = time.Date(local.Year(), local.Month(), local.Day()+1, d.Hour, d.Minute, 0, 0, where)
	}
	return at.UTC()
}
