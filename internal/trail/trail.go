// Package trail keeps trails: what of the audit log is delivered, as files,
// to a bucket, and which of its events somebody looks up. A trail is a copy
// for others. It can be stopped and deleted; the audit log itself goes on,
// whatever becomes of trails.
//
// Start with Service. change.go makes and changes trails, read.go shows them,
// selectors.go says which events one has, deliver.go brings files into
// buckets, lookup.go finds events. record.go has the format of what is stored.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package trail

import (
	"context"
	"io"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/index"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Trail is a copy of a realm's events.
type Trail struct {
	Realm key.RealmID
	// Region is where the trail is at home.
	Region, Name string
	CreatedAt    time.Time
	// Bucket and Prefix are where its files go.
	Bucket, Prefix string
	// AllRegions has the events of every region delivered, Global those of
	// services that have no region.
	AllRegions, Global bool
	Tags               []key.Tag
	// Selectors say which events it has; without any it has all management
	// events. Only one of Basic and Fields is set.
	Selectors Selectors

	// Logging is what Start and Stop say.
	Logging              bool
	StartedAt, StoppedAt time.Time
	// DeliveredAt is when the newest file was delivered, AttemptedAt when one
	// was tried, Failure why the last attempt did not succeed.
	DeliveredAt, AttemptedAt time.Time
	Failure                  string

	spans []span
}

// span is a part of the log that is to be delivered: the positions after From,
// to To; 0 while the trail is logging.
type span struct {
	From audit.Position `json:"from"`
	To   audit.Position `json:"to,omitempty"`
}

// Resource returns the trail as the object of a decision.
func (t *Trail) Resource() key.Resource {
	return key.Resource{Kind: key.KindTrail, Realm: t.Realm, Region: t.Region, ID: t.Name}
}

// Custom reports whether somebody has set the trail's selectors.
func (t *Trail) Custom() bool { return len(t.Selectors.Basic)+len(t.Selectors.Fields) > 0 }

// Event is an entry of the audit log as trails see it, in the words of an API.
type Event struct {
	ID        string
	Time      time.Time
	Name      string
	Source    string
	Region    string
	Username  string
	Principal string
	AccessKey string
	Type      string // of the event
	Thing     string // what it is about
	ThingType string
	ReadOnly  bool
	Data      bool // no management event
	Global    bool // of a service without a region
}

// Format is how events are written; an API's words.
type Format interface {
	// Event returns a record as an event.
	Event(r *audit.Record) Event
	// Document returns the whole record of an event.
	Document(r *audit.Record) []byte
	// Position returns the position of an event's id.
	Position(id string) (audit.Position, bool)
	// NewFile begins a file of records.
	NewFile(w io.Writer) File
	// FileName names the file of a realm's and region's events, of which the
	// first is of a time. The last part tells it from others.
	FileName(realm key.RealmID, region string, first time.Time, unique string) string
}

// File takes records. Close ends it.
type File interface {
	Write(r *audit.Record) error
	Close() error
}

// Log is where events come from.
type Log interface {
	index.Source
	// Last returns the last durable position.
	Last() audit.Position
}

// Sink is where files go. It returns when they are durable there, and takes
// one that is there already once more.
type Sink interface {
	Put(ctx context.Context, bucket, name, contentType string, content io.Reader) error
}

// Config says what a Service works with. All fields but Now are needed.
type Config struct {
	Guard  *guard.Guard
	Store  store.Store
	Log    Log
	Format Format
	Sink   Sink
	// Interval is how often a trail's files are delivered.
	Interval time.Duration
	// Out is told of files that cannot be delivered.
	Out *slog.Logger
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service keeps trails. All methods may be called at the same time. Errors
// are *fault.Error.
type Service struct {
	guard    *guard.Guard
	store    store.Store
	log      Log
	format   Format
	sink     Sink
	interval time.Duration
	out      *slog.Logger
	now      func() time.Time
	changes  sync.Mutex // one change of a trail at a time
}

// New returns a Service. It reads nothing yet.
func New(c Config) *Service {
	s := &Service{
		guard: c.Guard, store: c.Store, log: c.Log, format: c.Format, sink: c.Sink, interval: c.Interval, out: c.Out, now: c.Now,
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// Ref names a trail of the caller's realm: with a region, a trail that is at
// home there.
type Ref struct{ Region, Name string }

// resource returns what a reference is about, in a call.
func (r Ref) resource(call *key.Call) key.Resource {
	return key.Resource{Kind: key.KindTrail, Realm: call.Caller.Principal.Realm, Region: r.Region, ID: r.Name}
}

// find reads a trail of the call's realm.
func (s *Service) find(ctx context.Context, call *key.Call, ref Ref) (*Trail, error) {
	var t *Trail
	err := s.store.View(ctx, func(r store.Reader) error {
		row, err := r.Get(store.Trails, idOf(call.Caller.Principal.Realm, ref.Region, ref.Name))
		if err == nil {
			t, err = readTrail(row)
		}
		return err
	})
	if err != nil && fault.KindOf(err) == fault.NotFound {
		return nil, &fault.Error{Kind: fault.NotFound, Resource: ref.resource(call).String(), Public: "the trail does not exist"}
	}
	return t, err
}

// visit finds a trail and authorises an action on it.
func (s *Service) visit(ctx context.Context, v *guard.Visit, action key.Action, ref Ref) (*Trail, error) {
	t, err := s.find(ctx, v.Call, ref)
	if err != nil {
		v.About(ref.resource(v.Call))
		return nil, err
	}
	return t, v.Authorize(guard.Target{Action: action, Resource: t.Resource()})
}

// all yields the realm's trails, in the order of their regions and names; of
// no realm those of all.
func all(r store.Reader, realm key.RealmID) iter.Seq2[*Trail, error] {
	return func(yield func(*Trail, error) bool) {
		q := store.Query{}
		if realm != "" {
			q.From, q.To = string(realm)+"/", string(realm)+"0" // the byte behind the slash
		}
		for row, err := range r.Scan(store.Trails, q) {
			var t *Trail
			if err == nil {
				t, err = readTrail(row)
			}
			if !yield(t, err) || err != nil {
				return
			}
		}
	}
}
