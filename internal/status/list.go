package status

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// scope says which list is meant: of all that an authority issued, or of one
// shard of it; complete, or what changed since.
type scope struct {
	authority, shard string
	delta            bool
}

// List is a list of revoked certificates. It is never changed once handed out.
type List struct {
	Authority string
	Shard     string // "" for the list of all that the authority issued
	Delta     bool
	// Number grows by at least one with each list of the authority and shard,
	// complete ones and deltas together (RFC 5280 section 5.2.3). Base, of a
	// delta, is the number of the complete list that it continues.
	Number, Base           uint64
	ThisUpdate, NextUpdate time.Time
	Entries                int
	Size                   int64 // of the DER in bytes

	folder folder
	// seen is the newest change that the list includes, cost how long it took
	// to make.
	seen time.Time
	cost time.Duration
	made time.Time // when it was ready
	lost bool      // its file is not there
	long bool      // treated as one of many entries; for tests, which have few
}

// Open returns the list in DER, to be closed.
func (l *List) Open() (io.ReadSeekCloser, error) {
	r, err := l.folder.open(l.file())
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "status.List", Public: "the revocation list cannot be read", Err: err}
	}
	return r, nil
}

// DER returns the whole list.
func (l *List) DER() ([]byte, error) {
	r, err := l.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close() //nolint:errcheck // it was read only
	return io.ReadAll(r)
}

// scope returns what the list is of.
func (l *List) scope() scope { return scope{l.Authority, l.Shard, l.Delta} }

// file returns the name of the list's file, which no other list has.
func (l *List) file() string {
	name := l.Shard
	if name == "" {
		name = "all"
	}
	if l.Delta {
		name += "-delta"
	}
	return l.Authority + "/" + name + "-" + strconv.FormatUint(l.Number, 10) + ".crl"
}

// rowID returns the id of the list's row in store.Authorities.
func (s scope) rowID() string {
	id := s.authority + "/list/" + s.shard
	if s.delta {
		id += "/delta"
	}
	return id
}

// listVersion is the version of listRecord. A reader refuses others.
const listVersion = 1

// listRecord is the body of a list's row in store.Authorities, whose id is
// "authority id/list/shard", with "/delta" after it for a delta, and whose
// columns are empty. The list itself is a file, named after its number: the
// row is written when that file is durable, and decides which file counts.
type listRecord struct {
	V          int       `json:"v"`
	Number     uint64    `json:"number"`
	Base       uint64    `json:"base,omitempty"`
	ThisUpdate time.Time `json:"this_update"`
	NextUpdate time.Time `json:"next_update"`
	Entries    int       `json:"entries"`
	Size       int64     `json:"size"`
	Seen       time.Time `json:"seen,omitzero"`
	CostMillis int64     `json:"cost_ms"`
	Made       time.Time `json:"made"`
}

func (l *List) row() (store.Row, error) {
	body, err := json.Marshal(listRecord{
		V: listVersion, Number: l.Number, Base: l.Base, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate, Entries: l.Entries,
		Size: l.Size, Seen: l.seen, CostMillis: l.cost.Milliseconds(), Made: l.made,
	})
	return store.Row{ID: l.scope().rowID(), Columns: []string{"", ""}, Body: body}, err
}

// readList returns the list of a row, nil for a row that is something else.
func (s *Service) readList(row store.Row) (*List, error) {
	id, of, ok := strings.Cut(row.ID, "/list/")
	if !ok {
		return nil, nil //nolint:nilnil // another kind of row
	}
	var r listRecord
	if err := json.Unmarshal(row.Body, &r); err != nil || r.V != listVersion {
		return nil, fmt.Errorf("record %s has version %d; this program knows version %d (%w)", row.ID, r.V, listVersion, err)
	}
	shard, delta := strings.CutSuffix(of, "/delta")
	return &List{
		Authority: id, Shard: shard, Delta: delta, Number: r.Number, Base: r.Base, ThisUpdate: r.ThisUpdate, NextUpdate: r.NextUpdate,
		Entries: r.Entries, Size: r.Size, seen: r.Seen, cost: time.Duration(r.CostMillis) * time.Millisecond, made: r.Made, folder: s.folder,
	}, nil
}

// slot is where a list of one scope stands.
type slot struct {
	making  sync.Mutex // held while the next list is made
	current atomic.Pointer[List]
	failure atomic.Pointer[failure]
	// put is the list that is in the bucket, as far as this process knows, and
	// putFailure an attempt to put one there.
	put        atomic.Pointer[placed]
	putFailure atomic.Pointer[failure]
	// previous is the file of the list before, kept a while for those who are
	// about to open it. Held with making.
	previous string
}

// failure is an attempt that failed.
type failure struct {
	at  time.Time
	err error
}

// retry is how long a failed attempt is not repeated: anybody may ask for a
// list, and asking must not make work without end.
const retry = time.Minute

// failed returns how the last attempt failed, if that is too short ago to try
// again.
func (s *slot) failed(now time.Time) error { return s.failure.Load().recent(now) }

// placed is a list in a bucket.
type placed struct {
	bucket, name string
	number       uint64
}

// recent returns the error of a failure that is too short ago to try again.
func (f *failure) recent(now time.Time) error {
	if f != nil && now.Sub(f.at).Abs() < retry {
		return f.err
	}
	return nil
}

// slot returns the scope's slot.
func (s *Service) slot(of scope) *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.slots[of]
	if !ok {
		found = &slot{}
		s.slots[of] = found
	}
	return found
}

// load reads the rows of all lists and finds out what they have not seen.
func (s *Service) load(ctx context.Context) error {
	keep := map[string]bool{}
	err := s.Store.View(ctx, func(r store.Reader) error {
		for row, err := range r.Scan(store.Authorities, store.Query{}) {
			if err != nil {
				return err
			}
			l, err := s.readList(row)
			if err != nil {
				return err
			}
			if l == nil {
				if err := s.loadOther(row); err != nil {
					return err
				}
				continue
			}
			keep[l.file()] = true
			l.lost = !s.folder.has(l.file())
			s.slots[l.scope()] = &slot{}
			s.slots[l.scope()].current.Store(l)
		}
		return s.loadChanges(r)
	})
	if err != nil {
		return err
	}
	return s.folder.clean(keep)
}

// earlierSuffix, after an authority's id, is the id of the row in which earlier
// versions kept its one list whole.
const earlierSuffix = "/crl"

// loadEarlier takes the number over from the list of an earlier version: the
// next one has to have a larger one (RFC 5280 section 5.2.3).
func (s *Service) loadEarlier(id string, row store.Row) error {
	var r struct {
		Number uint64 `json:"number"`
	}
	if err := json.Unmarshal(row.Body, &r); err != nil {
		return fmt.Errorf("record %s: %w", row.ID, err)
	}
	slot := &slot{}
	slot.current.Store(&List{Authority: id, Number: r.Number, folder: s.folder, lost: true})
	s.slots[scope{authority: id}] = slot
	return nil
}

// loadChanges notes the changes that some list has not seen yet.
func (s *Service) loadChanges(r store.Reader) error {
	oldest := map[string]time.Time{}
	for of, slot := range s.slots {
		seen := slot.current.Load().seen
		if t, ok := oldest[of.authority]; !ok || seen.Before(t) {
			oldest[of.authority] = seen
		}
	}
	for id, from := range oldest {
		q := store.Query{Column: "changed", From: ca.ChangedColumn(id, from.Add(1)), To: id + "0"}
		for row, err := range r.Scan(store.Revocations, q) {
			if err != nil {
				return err
			}
			c, err := ca.ReadRevocation(row)
			if err != nil {
				return err
			}
			s.changesOf(id).note(c.Shard, c.Changed)
		}
	}
	return nil
}

// CRL returns a list of the authority to a caller who may GetCRL: of a shard,
// or of all when shard is "".
func (s *Service) CRL(ctx context.Context, call *key.Call, authority, shard string) (*List, error) {
	return guard.Do(ctx, s.Guard, call, key.GetCRL, func(v *guard.Visit) (*List, error) {
		a, err := s.Authorities.Find(call, authority)
		if err != nil {
			v.About(key.Resource{Kind: key.KindAuthority, Realm: call.Caller.Principal.Realm, Region: call.Region, ID: authority})
			return nil, err
		}
		if err := s.Authorities.Authorize(v, a.Target(key.GetCRL)); err != nil {
			return nil, err
		}
		if !a.Publishes() || !a.Revocation.CRL.Enabled {
			return nil, fault.New(fault.WrongState, "the authority makes no revocation lists")
		}
		return s.current(ctx, a, scope{authority: a.ID, shard: shard})
	})
}

// PublicCRL returns a list of the authority with the id, to everybody. No
// caller, no decision and no record: a list is for publication.
func (s *Service) PublicCRL(ctx context.Context, id, shard string, delta bool) (*List, error) {
	a, err := s.published(id)
	if err != nil {
		return nil, err
	}
	return s.current(ctx, a, scope{id, shard, delta})
}

// Number returns the number of the authority's newest complete list of all
// that it issued, 0 before the first.
func (s *Service) Number(id string) uint64 {
	if l := s.slot(scope{authority: id}).current.Load(); l != nil {
		return l.Number
	}
	return 0
}

// NewList returns a list that somebody has in memory, such as one that was
// fetched.
func NewList(l List, der []byte) *List {
	l.Size = int64(len(der))
	l.folder = &memory{files: map[string][]byte{l.file(): der}}
	return &l
}
