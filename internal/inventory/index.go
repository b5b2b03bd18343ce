package inventory

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// index writes the terms of certificates.
//
// Terms stand at random places of their B-tree, so that each dirties a page
// of its own: written with its certificate, the terms of one cost twice what
// the certificate does. Written in their order and many at a time, they cost
// a third of that. So certificates wait in memory (the tail), until there are
// enough of them, or they have waited long enough, or a search comes by: it
// never misses a certificate that was stored before it.
//
// What a crash takes away is made again: the mark in store.Settings says up to
// which time all certificates are in the index, and serial numbers begin with
// their time.
type index struct {
	authorities Authorities
	store       store.Store
	now         func() time.Time
	delay       time.Duration
	kick        chan struct{} // has room for one: the tail is not empty

	writing sync.Mutex // held while terms are written
	mu      sync.Mutex // guards what follows
	tail    []*ca.Certificate
	full    chan struct{} // closed when the tail is as long as it should get
	mark    mark
}

// Sizes of what is done at a time.
const (
	tailLength  = 4096 // certificates that wait
	writeLength = 1000 // terms of one transaction
)

// markID is the id of the mark's row in store.Settings.
const markID = "inventory/index"

// mark is the body of that row, in JSON.
type mark struct {
	// V is the term.Version of the terms.
	V int `json:"v"`
	// Before is the time before which everything issued is in the index.
	Before time.Time `json:"before"`
	// At is, while the index is made for what was stored before, the id of
	// the last certificate that is in it. Ready says that it is made.
	At    string `json:"at,omitempty"`
	Ready bool   `json:"ready"`
}

// slowest is how long it may take from the making of a serial number to the
// storing of the certificate. Requests end after a minute.
const slowest = 5 * time.Minute

func newIndex(a Authorities, s store.Store, now func() time.Time, delay time.Duration) *index {
	return &index{
		authorities: a, store: s, now: now, delay: delay, kick: make(chan struct{}, 1), full: make(chan struct{}),
	}
}

// load reads the mark. What was issued after it is to be looked at again.
func (x *index) load(ctx context.Context) error {
	err := x.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Settings, markID)
		if err != nil {
			if fault.KindOf(err) == fault.NotFound {
				return nil
			}
			return err
		}
		return json.Unmarshal(row.Body, &x.mark)
	})
	if err != nil {
		return fmt.Errorf("reading how far the index of certificates is: %w", err)
	}
	if x.mark.V != term.Version {
		x.mark = mark{V: term.Version}
	} else if x.mark.Ready {
		x.mark.Ready, x.mark.At = false, ""
	}
	return nil
}

// ready reports whether everything that is not in the tail is in the index.
func (x *index) ready() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.mark.Ready
}

// take puts a certificate into the tail.
func (x *index) take(c *ca.Certificate) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tail = append(x.tail, c)
	switch len(x.tail) {
	case 1:
		select {
		case x.kick <- struct{}{}:
		default:
		}
	case tailLength:
		close(x.full)
	}
}

// run writes terms until ctx ends: first those of what was stored before.
func (x *index) run(ctx context.Context, log *slog.Logger) {
	x.patiently(ctx, log, "looking for certificates that are not in the index", x.catchUp)
	for ctx.Err() == nil {
		select {
		case <-x.kick:
		case <-ctx.Done():
			return
		}
		x.mu.Lock()
		full := x.full
		x.mu.Unlock()
		wait(ctx, x.delay, full)
		x.patiently(ctx, log, "writing the index of certificates", x.flush)
	}
}

// retry is how long after a failure something is tried again.
const retry = 5 * time.Second

// patiently does something until it succeeds or ctx ends.
func (x *index) patiently(ctx context.Context, log *slog.Logger, what string, do func(context.Context) error) {
	for ctx.Err() == nil {
		err := do(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		log.ErrorContext(ctx, what+" failed and will be tried again", slog.Any("cause", err))
		wait(ctx, retry, nil)
	}
}

// wait ends after a time, or before, when ctx ends or done is closed.
func wait(ctx context.Context, d time.Duration, done <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-done:
	case <-ctx.Done():
	}
}

// flush writes the terms of the tail. When it returns nil, everything that was
// stored before it was called is in the index, if that is ready.
func (x *index) flush(ctx context.Context) error {
	x.writing.Lock()
	defer x.writing.Unlock()
	x.mu.Lock()
	tail, next := x.tail, x.mark
	x.mu.Unlock()
	if len(tail) == 0 {
		return nil
	}
	early, err := x.write(ctx, tail)
	if err != nil {
		return err
	}
	x.mu.Lock()
	x.tail = append(early, x.tail[len(tail):]...)
	x.full = make(chan struct{})
	if len(x.tail) > 0 {
		select {
		case x.kick <- struct{}{}:
		default:
		}
	}
	if len(x.tail) >= tailLength {
		close(x.full)
	}
	x.mu.Unlock()
	if !next.Ready {
		return nil // the mark is for catchUp to set
	}
	// The mark is only there to make a start after a crash quick: it need not
	// be set each time.
	next.Before = x.now().Add(-slowest)
	if next.Before.Sub(x.marked()) < slowest {
		return nil
	}
	return x.set(ctx, next)
}

// close writes the rest. Nothing is being issued any more, so that the next
// start has nothing to look for.
func (x *index) close(ctx context.Context) error {
	if err := x.flush(ctx); err != nil || !x.ready() {
		return err
	}
	return x.set(ctx, mark{V: term.Version, Before: x.now(), Ready: true})
}

func (x *index) marked() time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.mark.Before
}

// set stores a mark.
func (x *index) set(ctx context.Context, m mark) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	err = x.store.Update(ctx, func(tx store.Tx) error {
		return tx.Put(store.Settings, store.Row{ID: markID, Body: body})
	})
	if err == nil {
		x.mu.Lock()
		x.mark = m
		x.mu.Unlock()
	}
	return err
}

// write stores the terms of certificates, in their order, in transactions that
// do not hold up others for long. It returns those whose authorities are only
// being made.
func (x *index) write(ctx context.Context, list []*ca.Certificate) (early []*ca.Certificate, err error) {
	realms := x.realms()
	rows := make([]store.Row, 0, 5*len(list))
	for _, c := range list {
		if realm, ok := realms[c.Authority]; ok {
			rows = append(rows, term.Of(realm, c)...)
		} else if x.now().Sub(c.IssuedAt) < slowest {
			early = append(early, c)
		}
	}
	slices.SortFunc(rows, func(a, b store.Row) int { return strings.Compare(a.ID, b.ID) })
	rows = slices.CompactFunc(rows, func(a, b store.Row) bool { return a.ID == b.ID })
	for chunk := range slices.Chunk(rows, writeLength) {
		err := x.store.Update(ctx, func(tx store.Tx) error {
			for _, row := range chunk {
				if err := tx.Put(store.Terms, row); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return early, nil
}

// realms returns the realms of authorities by their ids.
func (x *index) realms() map[string]key.RealmID {
	realms := map[string]key.RealmID{}
	for _, a := range x.authorities.All() {
		realms[a.ID] = a.Realm
	}
	return realms
}

// catchUp writes the terms of certificates that were stored when this index
// did not run, or not long enough before the last end to be sure of.
func (x *index) catchUp(ctx context.Context) error {
	x.mu.Lock()
	m := x.mark
	x.mu.Unlock()
	started := x.now()
	for _, a := range x.authorities.All() {
		for {
			list, err := x.missing(ctx, a.ID, m)
			if err != nil {
				return err
			}
			if len(list) == 0 {
				break
			}
			x.writing.Lock()
			_, err = x.write(ctx, list)
			x.writing.Unlock()
			if err != nil {
				return err
			}
			m.At = ca.CertificateID(a.ID, list[len(list)-1].Serial)
			if err := x.set(ctx, m); err != nil {
				return err
			}
		}
	}
	m.At, m.Ready = "", true
	if before := started.Add(-slowest); before.After(m.Before) {
		m.Before = before
	}
	return x.set(ctx, m)
}

// missing returns the next certificates of an authority that the mark says
// have to be looked at.
func (x *index) missing(ctx context.Context, authority string, m mark) (list []*ca.Certificate, err error) {
	q := store.Query{From: authority + "/" + serialAt(m.Before), To: authority + "0", After: m.At, Limit: tailLength}
	if m.At >= q.To {
		return nil, nil
	}
	err = x.store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Certificates, q) {
			if err != nil {
				return err
			}
			c, err := ca.ReadCertificate(row)
			if err != nil {
				return err
			}
			list = append(list, c)
		}
		return nil
	})
	return list, err
}

// serialAt returns what the serials made from a time on begin with, or sort
// after.
func serialAt(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("%012x", max(t.UnixMilli(), 0))
}
