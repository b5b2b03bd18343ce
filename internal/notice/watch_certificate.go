package notice

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// lane is the certificates of one owner (an authority, or a realm's from
// elsewhere), which the store has in the order of their ends. For each number
// of days, those that end before a time were looked at: next is that time.
// Nothing is found twice, and nothing comes in behind: what is new ends later
// than it will be told of, for it lives twice as long at least.
type lane struct {
	table  *store.Table
	owner  string // what the column begins with
	realm  key.RealmID
	region string
	next   map[int]time.Time
}

// walkCertificates looks at the certificates that have come within a number of
// days since the last time. done is false when it went only a part of the way.
func (w *Watch) walkCertificates(ctx context.Context, now time.Time) (done bool, err error) {
	if err := w.findLanes(ctx); err != nil {
		return false, err
	}
	pages := 0
	for _, name := range slices.Sorted(maps.Keys(w.lanes)) {
		for _, days := range append([]int{0}, w.CertificateDays...) {
			for more := true; more; pages++ {
				if pages >= maxPages {
					return false, nil
				}
				if more, err = w.page(ctx, w.lanes[name], days, now); err != nil {
					return false, err
				}
			}
		}
	}
	return true, nil
}

// findLanes brings the lanes up to date: one for each authority, and one for
// each realm that has certificates from elsewhere.
func (w *Watch) findLanes(ctx context.Context) error {
	seen := map[string]bool{}
	add := func(l lane) {
		name := l.table.Name + "/" + l.owner
		seen[name] = true
		if w.lanes[name] == nil {
			l.next = map[int]time.Time{}
			w.lanes[name] = &l
		}
	}
	for _, a := range w.Authorities.All() {
		add(lane{table: store.Certificates, owner: a.ID, realm: a.Realm, region: a.Region})
	}
	err := w.Store.View(ctx, func(r store.Reader) error {
		for from := "0"; from != ""; {
			q := store.Query{Column: "expires", From: from, Limit: 1}
			from = ""
			for row, err := range r.Scan(store.Found, q) {
				if err != nil {
					return err
				}
				realm, _, _ := strings.Cut(row.ID, "/")
				add(lane{table: store.Found, owner: realm, realm: key.RealmID(realm)})
				from = realm + "0" // behind all that begin with "realm/"
			}
		}
		return nil
	})
	maps.DeleteFunc(w.lanes, func(name string, _ *lane) bool { return !seen[name] })
	return err
}

// rewind has all certificates from elsewhere looked at again: what is found
// today may end tomorrow.
func (w *Watch) rewind() {
	for _, l := range w.lanes {
		if l.table == store.Found {
			clear(l.next)
		}
	}
}

// page looks at a part of the certificates of a lane that end within so many
// days, and not within the next smaller number of them; more tells that there
// are others.
func (w *Watch) page(ctx context.Context, l *lane, days int, now time.Time) (more bool, err error) {
	from, to := w.band(days, now)
	if l.next[days].After(from) {
		from = l.next[days]
	}
	if !from.Before(to) {
		return false, nil
	}
	q := store.Query{Column: "expires", From: ca.ExpiresColumn(l.owner, from), To: ca.ExpiresColumn(l.owner, to), Limit: pageSize}
	list, last, more, err := w.look(ctx, l, q, now)
	for err == nil && more && !last.After(from) { // more than a page end in one second
		q.Limit *= 2
		list, last, more, err = w.look(ctx, l, q, now)
	}
	if err != nil {
		return false, fmt.Errorf("looking for certificates that end: %w", err)
	}
	if err := w.emit(ctx, list); err != nil {
		return false, err
	}
	if l.next[days] = last; !more {
		l.next[days] = to
	}
	return more, nil
}

// look returns what is to be told of a query's certificates, when the last of
// them ends, and whether there may be more.
func (w *Watch) look(ctx context.Context, l *lane, q store.Query, now time.Time) (list []*event.Event, last time.Time, more bool, err error) {
	n := 0
	err = w.Store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(l.table, q) {
			if err != nil {
				return err
			}
			c, err := inventory.Read(l.table, row)
			if err != nil {
				return err
			}
			n++
			last = c.NotAfter
			e, err := w.expiring(r, l, c, now)
			if err != nil {
				return err
			}
			if e != nil {
				list = append(list, e)
			}
		}
		return nil
	})
	return list, last, n == q.Limit, err
}

// band returns between which times that ends of which people are told so many
// days before, 0 for what has ended: whole seconds, without the last.
func (w *Watch) band(days int, now time.Time) (from, to time.Time) {
	now = now.Truncate(time.Second).Add(time.Second)
	if days == 0 {
		return now.Add(-lateTold), now
	}
	lower := 0
	if i := slices.Index(w.CertificateDays, days); i+1 < len(w.CertificateDays) {
		lower = w.CertificateDays[i+1]
	}
	return now.Add(time.Duration(lower) * day), now.Add(time.Duration(days) * day)
}

// expiring returns what is to be told of a certificate, nil for nothing: it is
// revoked, or managed, or an authority's, or another one has taken its place.
func (w *Watch) expiring(r store.Reader, l *lane, c *inventory.Entry, now time.Time) (*event.Event, error) {
	days, ok := threshold(w.CertificateDays, c.NotBefore, c.NotAfter, now)
	if !ok || c.RevokedAt != nil || w.walk.knows(c.ID) || w.ofAuthority(l, c) {
		return nil, nil //nolint:nilnil // nothing is to be told
	}
	if there, err := w.replaced(r, l, c); err != nil || there {
		return nil, err
	}
	name := c.Subject
	if len(c.Names) > 0 {
		name = c.Names[0]
	}
	e := certificateEvent(c.ID, name, days, c.NotAfter, now)
	e.Realm, e.Region, e.Name = l.realm, l.region, name
	e.Subject = key.Resource{Kind: key.KindCertificate, Realm: l.realm, Region: l.region, ID: c.ID}.String()
	e.Details = append(e.Details, event.Detail{Name: "subject", Value: c.Subject}, event.Detail{Name: "serial", Value: c.Serial})
	if f := c.Foreign; f != nil && len(f.Places) > 0 {
		e.Details = append(e.Details, event.Detail{Name: "seen at", Value: f.Places[0].Address})
	} else if c.Requester != "" {
		e.Details = append(e.Details, event.Detail{Name: "requester", Value: c.Requester})
	}
	return e, nil
}

// certificateEvent returns the event of a certificate that ends or has ended,
// by an id that is the certificate's.
func certificateEvent(id, name string, days int, end, now time.Time) *event.Event {
	if days == 0 {
		return &event.Event{
			ID: fmt.Sprintf("%s/%s", event.CertificateExpired, id), Kind: event.CertificateExpired, Time: now,
			Summary: fmt.Sprintf("The certificate of %s has expired, at %s.", name, stamp(end)),
			Details: []event.Detail{{Name: "expired", Value: stamp(end)}},
		}
	}
	return &event.Event{
		ID: fmt.Sprintf("%s/%s/%d", event.CertificateExpiring, id, days), Kind: event.CertificateExpiring, Time: now,
		Summary: fmt.Sprintf("The certificate of %s expires %s, at %s.", name, inDays(end, now), stamp(end)),
		Details: []event.Detail{{Name: "days", Value: fmt.Sprint(days)}, {Name: "expires", Value: stamp(end)}},
	}
}

// ofAuthority reports whether a certificate is one of an authority here, which
// is told of as such.
func (w *Watch) ofAuthority(l *lane, c *inventory.Entry) bool {
	return slices.ContainsFunc(w.Authorities.All(), func(a *ca.Authority) bool {
		return a.Realm == l.realm && a.Subject == c.Subject && term.KeyHash(a.Certificate) == term.KeyHash(c.DER)
	})
}

// replacedLimit is how many certificates of one name are looked at, of the
// newest and of the oldest authority.
const replacedLimit = 64

// replaced reports whether there is another certificate for all names of one,
// which ends later, or is managed, and is not revoked: whoever had the first has
// the second. A server that was killed between an authority's work and its own
// leaves a certificate behind that nobody ever had, as long as the managed one.
func (w *Watch) replaced(r store.Reader, l *lane, c *inventory.Entry) (bool, error) {
	terms := term.Names(l.realm, c.Certificate)
	if len(terms) == 0 {
		return false, nil
	}
	end := strings.TrimSuffix(terms[0], "/") + "0"
	for _, from := range []string{terms[0] + c.ID, terms[0]} { // serials are in the order of their making
		for row, err := range r.Scan(store.Terms, store.Query{From: from, To: end, Limit: replacedLimit}) {
			if err != nil {
				return false, err
			}
			other, err := w.entry(r, l, strings.TrimPrefix(row.ID, terms[0]))
			if err != nil {
				return false, err
			}
			if other == nil || other.ID == c.ID || other.RevokedAt != nil || !covers(other, c) {
				continue
			}
			if later(other, c) || w.walk.knows(other.ID) {
				return true, nil
			}
		}
	}
	return false, nil
}

// later reports whether a certificate ends noticeably later than another.
func later(a, b *inventory.Entry) bool { return a.NotAfter.Sub(b.NotAfter) > day }

// covers reports whether a certificate has all names of another, or its
// subject where that has no names.
func covers(a, b *inventory.Entry) bool {
	if len(b.Names) == 0 {
		return a.Subject == b.Subject
	}
	return !slices.ContainsFunc(b.Names, func(n string) bool { return !slices.Contains(a.Names, n) })
}

// entry reads the certificate that a term is of, nil when it is not there.
func (w *Watch) entry(r store.Reader, l *lane, id string) (*inventory.Entry, error) {
	table := store.Certificates
	if rest, ok := strings.CutPrefix(id, term.FoundMark+"/"); ok {
		table, id = store.Found, string(l.realm)+"/"+rest
	}
	row, err := r.Get(table, id)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil //nolint:nilnil // the term was left behind
		}
		return nil, err
	}
	return inventory.Read(table, row)
}

// walk is the way through all managed certificates.
type walk struct {
	after string
	found map[string]bool // being collected
	known map[string]bool // the inventory's ids of current managed certificates
}

// knows reports whether a certificate is a managed one.
func (k *walk) knows(id string) bool { return k.known[id] || k.found[id] }

// walkManaged looks at a part of all managed certificates.
func (w *Watch) walkManaged(ctx context.Context, now time.Time) (done bool, err error) {
	if w.walk.after == "" {
		w.walk.found = map[string]bool{}
	}
	list, last, err := w.Managed.Walk(ctx, w.walk.after, pageSize)
	if err != nil {
		return false, fmt.Errorf("looking at managed certificates: %w", err)
	}
	var told []*event.Event
	for _, c := range list {
		if c.DER == nil {
			continue
		}
		if c.Authority != "" {
			w.walk.found[ca.CertificateID(c.Authority, c.Serial)] = true
		}
		days, ok := threshold(w.CertificateDays, c.NotBefore, c.NotAfter, now)
		if !ok || !c.RevokedAt.IsZero() {
			continue
		}
		renewal := "none"
		if c.Renewable(now) {
			if !c.Overdue(now) {
				continue // it will be renewed, or somebody is told that it is not
			}
			renewal = "overdue"
		}
		e := certificateEvent("managed/"+c.ID+"/"+cmp.Or(c.Serial, stamp(c.NotAfter)), c.Domain, days, c.NotAfter, now)
		e.Realm, e.Region, e.Name, e.Subject = c.Realm, c.Region, c.Domain, c.Resource().String()
		e.Details = append(e.Details, event.Detail{Name: "renewal", Value: renewal}, event.Detail{Name: "serial", Value: c.Serial})
		told = append(told, e)
	}
	if err := w.emit(ctx, told); err != nil {
		return false, err
	}
	if w.walk.after = last; last == "" {
		w.walk.known, w.walk.found = w.walk.found, nil
		return true, nil
	}
	return false, nil
}
