package inventory

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// byExpiry goes through the certificates of all owners in the order of their
// ends. A place is the time and the id of the row.
func (l *search) byExpiry(r store.Reader, after string, look look) error {
	var lanes []*lane
	for _, o := range l.owners() {
		x := &lane{owner: o, q: o.expiries(l.ExpiresAfter, l.ExpiresBefore)}
		if moment, _, _ := strings.Cut(after, "/"); moment != "" {
			x.q.From = max(x.q.From, o.id+"/"+moment)
		}
		x.q.Limit = max(min(l.limit+1, 512), 16)
		if x.q.From >= x.q.To {
			continue
		}
		if err := x.advance(r); err != nil {
			return err
		}
		lanes = append(lanes, x)
	}
	for x := soonest(lanes); x != nil; x = soonest(lanes) {
		if x.at > after {
			e, err := x.owner.read(x.rows[0])
			if err == nil {
				err = look(x.at, e)
			}
			if err != nil {
				return err
			}
		}
		if err := x.advance(r); err != nil {
			return err
		}
	}
	return nil
}

// owner is whose certificates are a range of the column expires.
type owner struct {
	table *store.Table
	id    string // what the column begins with
	read  func(store.Row) (*Entry, error)
}

// owners returns the owners in the scope.
func (sc *scope) owners() []owner {
	var list []owner
	for _, a := range sc.authorities {
		list = append(list, owner{store.Certificates, a, issuedEntry})
	}
	if sc.foreign {
		list = append(list, owner{store.Found, string(sc.realm), readFound})
	}
	return list
}

// expiries returns the query for what ends in a time, without the end; a zero
// time is no bound.
func (o owner) expiries(from, to time.Time) store.Query {
	q := store.Query{Column: "expires", From: o.id + "/", To: o.id + "0"}
	if !from.IsZero() {
		q.From = ca.ExpiresColumn(o.id, from)
	}
	if !to.IsZero() {
		q.To = ca.ExpiresColumn(o.id, to.Add(time.Second-1)) // the column has whole seconds
	}
	return q
}

// lane is one owner's certificates in the order of their ends. It reads a few
// at a time: there may be many owners, and a page ends soon.
type lane struct {
	owner owner
	q     store.Query
	rows  []store.Row // what was read; at is of the first
	at    string      // "" at the end
	last  bool        // there is nothing behind rows
	seen  string      // the last id read that has the value q.From
}

// advance goes to the next row.
func (x *lane) advance(r store.Reader) error {
	if len(x.rows) > 0 {
		x.rows = x.rows[1:]
	}
	for len(x.rows) == 0 && !x.last {
		if err := x.read(r); err != nil {
			return err
		}
	}
	x.at = ""
	if len(x.rows) > 0 {
		_, moment := cutLast(x.rows[0].Columns[0])
		x.at = moment + "/" + x.rows[0].ID
	}
	return nil
}

// read reads the next piece.
func (x *lane) read(r store.Reader) error {
	n, from, seen := 0, x.q.From, x.seen
	for row, err := range r.Scan(x.owner.table, x.q) {
		if err != nil {
			return err
		}
		if n++; row.Columns[0] == from && row.ID <= seen {
			continue
		}
		x.rows = append(x.rows, row)
		x.seen = row.ID
	}
	x.last = n < x.q.Limit
	if len(x.rows) > 0 {
		x.q.From = x.rows[len(x.rows)-1].Columns[0]
	} else {
		x.q.Limit *= 2 // more end at one time than a piece has
	}
	return nil
}

// soonest returns the lane whose next certificate ends first, nil at the end
// of all.
func soonest(lanes []*lane) *lane {
	var first *lane
	for _, x := range lanes {
		if x.at != "" && (first == nil || x.at < first.at) {
			first = x
		}
	}
	return first
}

// Expiring counts certificates that end within a time.
type Expiring struct {
	Days  int
	Count int
}

// ForecastDays are the times that Forecast looks ahead.
func ForecastDays() []int { return []int{7, 30, 90} }

// Forecast counts the certificates of an authority, or of the realm when
// authority is "", that have not ended and will within the days of
// ForecastDays, each with those before it. It counts in the index: revoked
// ones as well.
func (s *Service) Forecast(ctx context.Context, call *key.Call, authority string) ([]Expiring, error) {
	return guard.Do(ctx, s.guard, call, key.ListCertificates, func(v *guard.Visit) ([]Expiring, error) {
		sc, err := s.scope(call, v, &Query{Authority: authority})
		if err != nil {
			return nil, err
		}
		now := s.now()
		var list []Expiring
		err = s.store.View(ctx, func(r store.Reader) error {
			for _, days := range ForecastDays() {
				e := Expiring{Days: days}
				for _, o := range sc.owners() {
					n, err := r.Count(o.table, o.expiries(now, now.AddDate(0, 0, days)))
					if err != nil {
						return err
					}
					e.Count += n
				}
				list = append(list, e)
			}
			return nil
		})
		slices.SortFunc(list, func(a, b Expiring) int { return cmp.Compare(a.Days, b.Days) })
		return list, err
	})
}
