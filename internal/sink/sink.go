// Package sink sends the audit log to where others keep it: syslog servers,
// HTTP endpoints, buckets. A sink is a copy for others. It falls behind when
// its receiver is away, catches up when that is back, and never holds up the
// log: it reads what is stored.
//
// Start with Open. feed.go reads the log, syslog.go, http.go and files.go are
// the receivers, record.go has the format of what is stored, health.go says how
// far each sink is. Entries come at least once and in their order. A sink's
// position moves on, durably, when the receiver has a batch; what a crash or a
// broken connection leaves in doubt is sent again, and an entry has the same
// id each time.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package sink

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Log is the audit log as sinks read it.
type Log interface {
	audit.Segmented
	// Last returns the last durable position.
	Last() audit.Position
}

// Batch is entries that are delivered together, in the order of the log: at
// least one.
type Batch struct{ Records []*audit.Record }

// First returns the position of the first entry.
func (b *Batch) First() audit.Position { return b.Records[0].Position }

// Last returns the position of the last entry.
func (b *Batch) Last() audit.Position { return b.Records[len(b.Records)-1].Position }

// Receiver takes entries somewhere else. It is used by one goroutine.
type Receiver interface {
	About() About
	// Deliver returns nil once the receiver has the whole batch, and otherwise an
	// error that holds no secret: the batch comes again. It ends soon after ctx.
	Deliver(ctx context.Context, b *Batch) error
	Close() error
}

// About is what is known of a receiver. It holds no secret.
type About struct {
	// Kind is "syslog", "http" or "bucket", Target where that is, Format what
	// entries are written as.
	Kind, Target, Format string
	// Exact says that a batch that comes again has to be the same batch: the
	// receiver knows batches by what they begin and end with.
	Exact bool
}

// Options are the settings of a sink. Name and Receiver are needed.
type Options struct {
	Name     string
	Receiver Receiver
	// FromNow has a new sink begin at the log's end. Default: at its beginning.
	FromNow bool
	// Entries and Bytes (of the log's JSON) bound a batch. Default: 500 entries,
	// 200 KiB.
	Entries, Bytes int
	// Interval is how long entries wait for others. Default: 1s.
	Interval time.Duration
	// Behind is how old an entry gets undelivered until people are told.
	// Default: 15m.
	Behind time.Duration
}

// Config says what sinks there are. Log, ID, Store and Out are needed.
type Config struct {
	Log Log
	// ID is the log's id.
	ID    string
	Store store.Store
	Out   *slog.Logger
	Sinks []Options
	// Now is the clock, Wait waits unless the context ends first, which it
	// reports. Default: the real ones.
	Now  func() time.Time
	Wait func(ctx context.Context, d time.Duration) bool
}

// How sinks go about it.
const (
	defaultEntries  = 500
	defaultBytes    = 200 << 10
	defaultInterval = time.Second
	defaultBehind   = 15 * time.Minute
	// poll is how often a sink looks whether there is something new.
	poll = 200 * time.Millisecond
	// firstPause and maxPause bound the time between attempts, which doubles;
	// maxAsked bounds what a receiver can ask for.
	firstPause = time.Second
	maxPause   = 5 * time.Minute
	maxAsked   = time.Hour
	// storeTimeout bounds storing what was delivered while the server stops.
	storeTimeout = 5 * time.Second
)

// Sinks are all sinks of a server.
type Sinks struct {
	all    []*sink
	cancel context.CancelFunc // nil before Start
	done   sync.WaitGroup
}

// Open reads how far each sink is. Start has them deliver, and Close ends them
// with their receivers, as Open itself does when it fails.
func Open(ctx context.Context, c Config) (*Sinks, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Wait == nil {
		c.Wait = wait
	}
	s := new(Sinks)
	for _, o := range c.Sinks {
		one := newSink(&c, o)
		s.all = append(s.all, one)
		if err := one.load(ctx, o.FromNow); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	return s, nil
}

// Start has the sinks deliver, each in a goroutine of its own, until Close.
func (s *Sinks) Start() {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	for _, one := range s.all {
		s.done.Go(func() { one.run(ctx) })
	}
}

// Close ends the deliveries and the receivers. What is not delivered is so
// when the server has started again.
func (s *Sinks) Close() error {
	if s.cancel != nil {
		s.cancel()
	}
	s.done.Wait()
	for _, one := range s.all {
		if err := one.o.Receiver.Close(); err != nil {
			one.out.Warn("closing a sink of the audit log", slog.Any("cause", err)) //nolint:sloglint // no request is concerned
		}
	}
	return nil
}

// Delivered returns the position up to which every sink has delivered, or
// everything for a server without sinks.
func (s *Sinks) Delivered() audit.Position {
	least := ^audit.Position(0)
	for _, one := range s.all {
		one.mu.Lock()
		least = min(least, one.state.Position)
		one.mu.Unlock()
	}
	return least
}

// sink is one sink. Its methods but health are its own goroutine's.
type sink struct {
	c     *Config
	o     Options
	about About
	out   *slog.Logger
	feed  feed
	most  int // entries of a batch
	// since is when entries were first seen that are not delivered.
	since    time.Time
	failures int // in a row

	mu        sync.Mutex // guards what follows, which only the goroutine changes
	state     state
	oldest    time.Time // of the first entry that is not delivered; zero if it is not known
	delivered int64
	failed    int64
	failure   string
	failedAt  time.Time
	nextAt    time.Time
}

func newSink(c *Config, o Options) *sink {
	if o.Entries <= 0 {
		o.Entries = defaultEntries
	}
	if o.Bytes <= 0 {
		o.Bytes = defaultBytes
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Behind <= 0 {
		o.Behind = defaultBehind
	}
	about := o.Receiver.About()
	return &sink{
		c: c, o: o, about: about, most: o.Entries, feed: feed{log: c.Log},
		out: c.Out.With(slog.String("sink", o.Name), slog.String("target", about.Target)),
	}
}

// wait waits for a time and reports whether ctx still goes on.
func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// run delivers until ctx ends.
func (s *sink) run(ctx context.Context) {
	for {
		done, err := s.step(ctx)
		if ctx.Err() != nil {
			return
		}
		pause := poll
		if err != nil {
			pause = s.fail(ctx, err)
		}
		s.tell(ctx)
		if again := done && err == nil; !again && !s.c.Wait(ctx, pause) {
			return
		}
	}
}

// step delivers one batch, if there is one, and reports whether it did.
func (s *sink) step(ctx context.Context) (done bool, err error) {
	now, last := s.c.Now(), s.c.Log.Last()
	if last <= s.state.Position {
		s.since = time.Time{}
		return false, nil
	}
	if s.since.IsZero() {
		s.since = now
		s.see(now)
	}
	if few := last < s.state.Position+audit.Position(s.most); few && s.state.Upto == 0 && now.Sub(s.since) < s.o.Interval { //nolint:gosec // a count
		return false, nil
	}
	b, whole, err := s.gather(ctx)
	if err != nil {
		return false, err
	}
	if len(b.Records) == 0 { // positions that were given out and refused
		return false, s.store(ctx, func(now *state) { now.Position, now.Upto = last, 0 })
	}
	s.see(b.Records[0].Entry.Time)
	if err := s.deliver(ctx, b, whole); err != nil {
		return false, err
	}
	return true, nil
}

// gather reads the next batch; whole says that there is nothing behind it.
func (s *sink) gather(ctx context.Context) (b *Batch, whole bool, err error) {
	limits := limits{entries: s.most, bytes: s.o.Bytes}
	if s.state.Upto > 0 { // a batch that was begun, which has to be the same
		limits.entries, limits.bytes, limits.upto = math.MaxInt, math.MaxInt, s.state.Upto
	}
	records, whole, err := s.feed.read(ctx, s.state.Position, limits)
	if err != nil {
		return nil, false, err
	}
	b = &Batch{records}
	if s.about.Exact && s.state.Upto == 0 && len(records) > 0 {
		err = s.store(ctx, func(now *state) { now.Upto = b.Last() })
	}
	return b, whole, err
}

// deliver gives a batch to the receiver, and remembers that.
func (s *sink) deliver(ctx context.Context, b *Batch, whole bool) error {
	if err := s.o.Receiver.Deliver(ctx, b); err != nil {
		if courier.Status(err) == tooLarge && len(b.Records) > 1 {
			s.most = len(b.Records) / 2
			return s.store(ctx, func(now *state) { now.Upto = 0 })
		}
		return err
	}
	at := s.c.Now().UTC()
	if err := s.store(ctx, func(now *state) { now.Position, now.Upto, now.DeliveredAt = b.Last(), 0, at }); err != nil {
		return err
	}
	s.feed.taken()
	if s.failures > 0 {
		s.failures = 0
		s.out.InfoContext(ctx, "the audit log gets to a sink again", slog.Uint64("position", uint64(b.Last())))
	}
	oldest := b.Records[len(b.Records)-1].Entry.Time // nearly
	if whole {
		s.since, oldest = time.Time{}, time.Time{}
	}
	s.see(oldest)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delivered += int64(len(b.Records))
	s.failure, s.nextAt = "", time.Time{}
	return nil
}

// see notes from when the oldest entry is that is not delivered.
func (s *sink) see(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = at
}

// fail notes a failure and returns for how long to leave the receiver alone.
func (s *sink) fail(ctx context.Context, err error) time.Duration {
	pause := min(firstPause<<min(s.failures, 10), maxPause)
	pause = pause/2 + rand.N(pause/2) //nolint:gosec // so that many do not come at once: no secret
	if asked := courier.RetryAfter(err); asked > pause {
		pause = min(asked, maxAsked)
	}
	if s.failures++; s.failures == 1 {
		s.out.WarnContext(ctx, "the audit log does not get to a sink, and will be tried again", slog.Any("cause", err))
	}
	now := s.c.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed++
	s.failure, s.failedAt, s.nextAt = brief(err), now, now.Add(pause)
	return pause
}
