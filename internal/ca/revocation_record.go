package ca

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/store"
)

// Revocation is what a list of revoked certificates needs of one of them.
type Revocation struct {
	Authority, Shard, Serial string
	// At is when it was revoked, in whole seconds, or released if the reason is
	// RemoveFromCRL.
	At     time.Time
	Reason Reason
	// Changed is when that was stored. No two changes of an authority have the
	// same time, and later ones have later times.
	Changed time.Time
	// Expires is when the certificate expires: it leaves the lists after it.
	Expires time.Time
}

// The row of a Revocation in store.Revocations has the id "authority
// id/shard/serial in hex", the column "authority id/time of the change" and the body
// "1 AT REASON EXPIRES" in decimal digits, times in seconds since 1970. There
// may be a million of them in one list: they are short and quickly read. The
// store's migrations write this as well.

// revocationVersion is the first word of a body.
const revocationVersion = "1"

// RevocationID returns the id of a revocation's row.
func RevocationID(authority, shard, serial string) string {
	return authority + "/" + shard + "/" + serial
}

// Row returns the revocation's row.
func (r *Revocation) Row() store.Row {
	body := make([]byte, 0, 32)
	body = append(body, revocationVersion...)
	for _, n := range []int64{r.At.Unix(), int64(r.Reason), r.Expires.Unix()} {
		body = strconv.AppendInt(append(body, ' '), n, 10)
	}
	return store.Row{
		ID:      RevocationID(r.Authority, r.Shard, r.Serial),
		Columns: []string{ChangedColumn(r.Authority, r.Changed)},
		Body:    body,
	}
}

// ChangedColumn returns the value of the column changed for a change of the
// authority at a time.
func ChangedColumn(authority string, at time.Time) string {
	return authority + "/" + at.UTC().Format(store.TimeFormat)
}

// ReadRevocation returns the revocation of a row.
func ReadRevocation(row store.Row) (*Revocation, error) {
	damaged := func() (*Revocation, error) { return nil, fmt.Errorf("record %s is no revocation", row.ID) }
	r := &Revocation{}
	var ok bool
	if r.Authority, r.Serial, ok = strings.Cut(row.ID, "/"); !ok {
		return damaged()
	}
	if r.Shard, r.Serial, ok = strings.Cut(r.Serial, "/"); !ok {
		return damaged()
	}
	rest, ok := strings.CutPrefix(string(row.Body), revocationVersion+" ")
	if !ok {
		return damaged()
	}
	var numbers [3]int64
	for i := range numbers {
		var word string
		if word, rest, ok = strings.Cut(rest, " "); ok != (i < len(numbers)-1) {
			return damaged()
		}
		n, err := strconv.ParseInt(word, 10, 64)
		if err != nil {
			return damaged()
		}
		numbers[i] = n
	}
	if len(row.Columns) != 1 {
		return damaged()
	}
	_, changed, _ := strings.Cut(row.Columns[0], "/")
	var err error
	if r.Changed, err = time.Parse(store.TimeFormat, changed); err != nil {
		return damaged()
	}
	r.At, r.Reason, r.Expires = time.Unix(numbers[0], 0).UTC(), Reason(numbers[1]), time.Unix(numbers[2], 0).UTC()
	return r, nil
}

// revocation returns what the lists need of a certificate that was revoked,
// or released from hold, at a time.
func (c *Certificate) revocation(changed time.Time) *Revocation {
	r := &Revocation{
		Authority: c.Authority, Shard: c.Shard, Serial: c.Serial, Reason: c.Reason, Changed: changed, Expires: c.NotAfter,
	}
	if c.RevokedAt == nil {
		r.At, r.Reason = changed.Truncate(time.Second), RemoveFromCRL
	} else {
		r.At = *c.RevokedAt
	}
	return r
}
