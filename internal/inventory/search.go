package inventory

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// maxLooks is how many certificates one page looks at. A page of a narrow
// query that no index answers may so be short, or even empty, and still not
// be the last.
const maxLooks = 20000

// Search returns a page of the certificates that a query wants, and where the
// next page begins, "" at the end. A query with an authority is decided on
// that authority, any other on the realm at large (ListCertificates). It finds
// whatever was stored before it was called. A query for expiry is answered in
// the order of that, any other in one that does not change.
func (s *Service) Search(ctx context.Context, call *key.Call, q Query, page kms.Page) ([]*Entry, string, error) {
	type result struct {
		list []*Entry
		next string
	}
	out, err := guard.Do(ctx, s.guard, call, key.ListCertificates, func(v *guard.Visit) (result, error) {
		l, err := s.begin(ctx, call, v, q, page)
		if err != nil {
			return result{}, err
		}
		err = s.store.View(ctx, l.run)
		return result{l.list, l.next}, err
	})
	return out.list, out.next, err
}

// begin authorises a query and returns its search, ready to run.
func (s *Service) begin(ctx context.Context, call *key.Call, v *guard.Visit, q Query, page kms.Page) (*search, error) {
	sc, err := s.scope(call, v, &q)
	if err != nil {
		return nil, err
	}
	l := &search{Query: q, scope: sc, now: s.now(), limit: limitOf(page), budget: maxLooks}
	return l, s.prepare(ctx, l, page.After)
}

// limitOf returns how many entries a page has.
func limitOf(p kms.Page) int {
	if p.Limit < 1 || p.Limit > ca.MaxPage {
		return ca.MaxPage
	}
	return p.Limit
}

// scope is where a search looks.
type scope struct {
	realm       key.RealmID
	authorities []string // their ids, in order
	foreign     bool
}

// scope authorises a query and returns where it looks.
func (s *Service) scope(call *key.Call, v *guard.Visit, q *Query) (*scope, error) {
	realm := call.Caller.Principal.Realm
	if q.Place != "" && q.Origin == AnyOrigin {
		q.Origin = Elsewhere
	}
	if q.Authority != "" {
		a, err := s.authorities.Find(call, q.Authority)
		if err != nil {
			v.About(key.Resource{Kind: key.KindAuthority, Realm: realm, Region: call.Region, ID: q.Authority})
			return nil, err
		}
		if err := v.Authorize(a.Target(key.ListCertificates)); err != nil {
			return nil, err
		}
		if err := q.check(); err != nil || q.Origin == Elsewhere {
			return &scope{realm: a.Realm}, err
		}
		return &scope{realm: a.Realm, authorities: []string{a.ID}}, nil
	}
	err := v.Authorize(guard.Target{Action: key.ListCertificates, Resource: key.Resource{Realm: realm, Region: call.Region}})
	if err != nil {
		return nil, err
	}
	sc := &scope{realm: realm, foreign: q.Origin != Issued}
	if q.Origin != Elsewhere {
		sc.authorities = s.ownAuthorities(realm)
	}
	return sc, q.check()
}

// search is a query on its way to one page, or to an export.
type search struct {
	Query
	*scope
	now    time.Time
	plan   plan
	after  string // where the plan goes on
	limit  int
	budget int
	list   []*Entry
	next   string
}

// prepare chooses how a search finds its certificates. What it needs an index
// for is written to it first.
func (s *Service) prepare(ctx context.Context, l *search, marker string) error {
	l.plan = l.choose(s.index.ready())
	if l.plan.indexed {
		if err := s.index.flush(ctx); err != nil {
			return err
		}
	}
	if marker == "" {
		return nil
	}
	name, after, ok := strings.Cut(marker, ":")
	if !ok || len(marker) > store.MaxText {
		return malformedMarker()
	}
	if name == l.plan.name {
		l.after = after
		return nil
	}
	// The index became ready between two pages: the next pages are made as the
	// first one was.
	if l.plan = l.choose(false); name == l.plan.name {
		l.after = after
		return nil
	}
	return malformedMarker()
}

func malformedMarker() error {
	return fault.Because(fault.InvalidArgument, fault.MalformedMarker, "the marker of the page is not one of this search's")
}

// errEnough ends a plan when a page is full.
var errEnough = errors.New("the page is full")

// run collects the page.
func (l *search) run(r store.Reader) error {
	last := ""
	err := l.plan.steps(r, l.after, func(at string, e *Entry) error {
		if len(l.list) == l.limit || l.budget == 0 {
			l.next = l.plan.name + ":" + last
			return errEnough
		}
		last = at
		l.budget--
		if e != nil && l.wants(e, l.now) {
			l.list = append(l.list, e)
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// stored returns the certificate of a row's id in store.Certificates, or nil.
func stored(r store.Reader, id string) (*Entry, error) {
	row, err := r.Get(store.Certificates, id)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil
		}
		return nil, err
	}
	return issuedEntry(row)
}

// issuedEntry returns the entry of a row of store.Certificates.
func issuedEntry(row store.Row) (*Entry, error) {
	c, err := ca.ReadCertificate(row)
	if err != nil {
		return nil, err
	}
	return &Entry{Certificate: c, ID: row.ID}, nil
}

// found returns the foreign certificate with a fingerprint, or nil.
func found(r store.Reader, realm key.RealmID, fingerprint string) (*Entry, error) {
	row, err := r.Get(store.Found, foundID(realm, fingerprint))
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, nil
		}
		return nil, err
	}
	return readFound(row)
}

// about returns the entry that a term is about, when it is in the scope.
func (sc *scope) about(r store.Reader, id string) (*Entry, error) {
	rest, last := cutLast(id)
	_, owner := cutLast(rest)
	if owner == term.FoundMark {
		if !sc.foreign {
			return nil, nil
		}
		return found(r, sc.realm, last)
	}
	if !sc.has(owner) {
		return nil, nil
	}
	return stored(r, ca.CertificateID(owner, last))
}

// has reports whether the scope has an authority.
func (sc *scope) has(authority string) bool {
	_, ok := slices.BinarySearch(sc.authorities, authority)
	return ok
}

// cutLast divides a text at the last "/".
func cutLast(s string) (before, after string) {
	if i := strings.LastIndexByte(s, '/'); i >= 0 {
		return s[:i], s[i+1:]
	}
	return s, ""
}
