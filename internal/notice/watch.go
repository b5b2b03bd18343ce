package notice

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/store"
)

const day = 24 * time.Hour

// How often the Watch looks at what. Nothing that it tells of is a matter of
// minutes.
const (
	authoritiesEvery = 10 * time.Minute
	issuedEvery      = time.Minute
	walkEvery        = time.Hour // managed certificates, and those from elsewhere
)

// Bounds of one tick.
const (
	pageSize = 256 // certificates looked at in one transaction
	maxPages = 64
	maxAsked = 4096 // events that could not be stored
)

// lateTold is for how long after its end a certificate is still told of: a
// server that was away tells it when it is back.
const lateTold = 7 * day

// Authorities are all authorities of every realm. *ca.Service has them.
type Authorities interface{ All() []*ca.Authority }

// Managed are all managed certificates. *managed.Service has them.
type Managed interface {
	// Walk returns those behind an id, and the last id looked at, "" at the end.
	Walk(ctx context.Context, after string, limit int) (list []*managed.Certificate, last string, err error)
}

// Index says which certificates have which names. *inventory.Service has one.
type Index interface {
	// Flush brings the index up to date; ready is false while it is not yet.
	Flush(ctx context.Context) (ready bool, err error)
}

// Source is another part of Holdfast that knows what happened by looking: the
// rules of rotation, for one. Events come once by their ids, however often a
// Source returns them.
type Source interface {
	Happened(ctx context.Context, now time.Time) ([]*event.Event, error)
}

// WatchConfig says what a Watch looks at. All fields but those from
// CertificateDays on are needed.
type WatchConfig struct {
	Store       store.Store
	Authorities Authorities
	Managed     Managed
	// Index is what tells whether another certificate has taken the place of one
	// that ends. While it is not up to date, nothing is told of such.
	Index Index
	// CertificateDays and AuthorityDays are how many days before its end a
	// certificate is told of. Default: 30, 14, 7, 1 and 90, 30, 14, 7, 1.
	CertificateDays, AuthorityDays []int
	// Sources are asked at every tick; Bursts is one of them.
	Sources []Source
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Days before an end unless WatchConfig says so.
var (
	defaultCertificateDays = []int{30, 14, 7, 1}
	defaultAuthorityDays   = []int{90, 30, 14, 7, 1}
)

// Watch looks by the clock for what is about to happen, and emits events: each
// once, whoever of several servers finds it. Its state can be lost: it is where
// to go on looking. Tick is for one goroutine.
type Watch struct {
	WatchConfig

	authoritiesAt, issuedAt, walkedAt time.Time // when each was looked at last
	walk                              walk
	lanes                             map[string]*lane
	// round is the time of a look at certificates that is not at its end: all of
	// them are looked at as of one time.
	round time.Time
	asked []*event.Event // from sources, not stored yet
}

// NewWatch returns a Watch that has looked at nothing.
func NewWatch(c WatchConfig) *Watch {
	if len(c.CertificateDays) == 0 {
		c.CertificateDays = defaultCertificateDays
	}
	if len(c.AuthorityDays) == 0 {
		c.AuthorityDays = defaultAuthorityDays
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.CertificateDays, c.AuthorityDays = descending(c.CertificateDays), descending(c.AuthorityDays)
	return &Watch{WatchConfig: c, lanes: map[string]*lane{}}
}

func descending(days []int) []int {
	days = slices.Clone(days)
	slices.SortFunc(days, func(a, b int) int { return cmp.Compare(b, a) })
	return slices.Compact(days)
}

// Tick looks at what is due to be looked at, a bounded amount. Whoever calls it
// (package lifecycle) does so again and again; more says that there is more to
// do at once.
func (w *Watch) Tick(ctx context.Context) (more bool, err error) {
	now := w.Now().UTC()
	if err := w.ask(ctx, now); err != nil {
		return false, err
	}
	if now.Sub(w.authoritiesAt) >= authoritiesEvery {
		if err := w.emit(ctx, w.expiringAuthorities(now)); err != nil {
			return false, err
		}
		w.authoritiesAt = now
	}
	if now.Sub(w.walkedAt) >= walkEvery {
		done, err := w.walkManaged(ctx, now)
		if err != nil || !done {
			return err == nil, err
		}
		w.walkedAt = now
		w.rewind()
	}
	if now.Sub(w.issuedAt) >= issuedEvery {
		if ready, err := w.Index.Flush(ctx); err != nil || !ready {
			return false, err
		}
		if w.round.IsZero() {
			w.round = now
		}
		done, err := w.walkCertificates(ctx, w.round)
		if err != nil || !done {
			return err == nil, err
		}
		w.issuedAt, w.round = w.round, time.Time{}
	}
	return false, nil
}

// ask emits what the sources know. What cannot be stored now is kept for the
// next time, a bounded number.
func (w *Watch) ask(ctx context.Context, now time.Time) error {
	for _, s := range w.Sources {
		list, err := s.Happened(ctx, now)
		if err != nil {
			return err
		}
		w.asked = append(w.asked, list...)
	}
	if err := w.emit(ctx, w.asked); err != nil {
		w.asked = w.asked[max(0, len(w.asked)-maxAsked):]
		return err
	}
	w.asked = nil
	return nil
}

// emit stores what happened. What was before is left alone.
func (w *Watch) emit(ctx context.Context, list []*event.Event) error {
	for part := range slices.Chunk(list, pageSize) {
		err := w.Store.Update(ctx, func(tx store.Tx) error {
			for _, e := range part {
				if err := event.Emit(tx, e); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("storing events: %w", err)
		}
	}
	return nil
}

// threshold returns the least of the days, which descend, that something is
// told of which ends at a time and has lived since another: 0 when it has
// ended. ok is false while nothing is to be told. What lives shorter than twice
// the days is not told of so long before: it is meant to end.
func threshold(days []int, begin, end, now time.Time) (least int, ok bool) {
	left, life := end.Sub(now), end.Sub(begin)
	for _, d := range days {
		if span := time.Duration(d) * day; left <= span && life >= 2*span {
			least, ok = d, true
		}
	}
	if left <= 0 {
		return 0, ok && left > -lateTold
	}
	return least, ok
}

// inDays says how long something has still, in words.
func inDays(end, now time.Time) string {
	switch days := int(math.Ceil(end.Sub(now).Hours() / 24)); {
	case days <= 1:
		return "within a day"
	default:
		return fmt.Sprintf("in %d days", days)
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// expiringAuthorities returns what is to be told of authorities. One that
// another has taken over from, or that issues no more for other reasons, ends
// as it was meant to.
func (w *Watch) expiringAuthorities(now time.Time) (list []*event.Event) {
	for _, a := range w.Authorities.All() {
		if a.Certificate == nil || a.Successor != "" || a.State != ca.Active && a.State != ca.Disabled && a.State != ca.Expired {
			continue
		}
		days, ok := threshold(w.AuthorityDays, a.NotBefore, a.NotAfter, now)
		if !ok {
			continue
		}
		e := &event.Event{
			ID: fmt.Sprintf("%s/%s/%s/%d", event.AuthorityExpiring, a.ID, a.Serial, days), Kind: event.AuthorityExpiring,
			Realm: a.Realm, Region: a.Region, Time: now, Subject: a.Resource().String(), Name: cmp.Or(a.Name, a.ID),
			Summary: fmt.Sprintf("The authority %s expires %s, at %s.", cmp.Or(a.Name, a.ID), inDays(a.NotAfter, now), stamp(a.NotAfter)),
			Details: []event.Detail{{Name: "days", Value: fmt.Sprint(days)}, {Name: "expires", Value: stamp(a.NotAfter)}, {Name: "subject", Value: a.Subject}, {Name: "serial", Value: a.Serial}},
		}
		if days == 0 {
			e.Summary = fmt.Sprintf("The authority %s has expired, at %s: what it issued verifies no more.", e.Name, stamp(a.NotAfter))
		}
		list = append(list, e)
	}
	return list
}
