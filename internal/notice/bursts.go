package notice

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Bounds of what Bursts remembers.
const (
	maxCallers = 1024 // counted at a time
	maxBursts  = 256  // that wait to be told of
)

// Defaults of Bursts.
const (
	DefaultDenials = 20
	DefaultWindow  = 5 * time.Minute
)

// Bursts counts refusals: a caller who is refused many times within a window
// is told of, once in the window. It is an observer of the audit log and a
// Source. It counts in memory: what it had not told when the process ended, the
// audit log still says.
type Bursts struct {
	denials int
	window  time.Duration

	mu      sync.Mutex
	callers map[caller]*burst // guarded by mu
	waiting []*event.Event    // guarded by mu
}

// caller is who is counted: a principal, or an address that proved none.
type caller struct {
	realm key.RealmID
	who   string
}

type burst struct {
	begin time.Time
	count int
}

// NewBursts returns a counter: so many denials within a window are a burst. 0
// is the default of either.
func NewBursts(denials int, window time.Duration) *Bursts {
	return &Bursts{
		denials: cmp.Or(denials, DefaultDenials), window: cmp.Or(window, DefaultWindow), callers: map[caller]*burst{},
	}
}

// unproved is what an entry's result says of a caller who proved nothing.
var unproved = fault.Unauthenticated.String()

// Observe implements tap.Observer.
func (b *Bursts) Observe(e *audit.Entry) {
	if e.Decision != audit.Denied && e.Result != unproved {
		return
	}
	who := caller{e.Realm, e.Principal}
	if e.Principal == "" {
		who = caller{key.DefaultRealm, "nobody from " + cmp.Or(e.Source, "an unknown address")}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.callers[who]
	if c == nil || e.Time.Sub(c.begin) >= b.window {
		if c == nil && len(b.callers) >= maxCallers {
			b.room(e.Time)
		}
		c = &burst{begin: e.Time}
		b.callers[who] = c
	}
	if c.count++; c.count == b.denials && len(b.waiting) < maxBursts {
		b.waiting = append(b.waiting, b.event(who, c, e))
	}
}

// sample is how many callers are looked at to make room for another: this
// happens in a request.
const sample = 16

// room forgets, of some callers, one whose window is over, else the one with
// the fewest refusals: who is refused often stays. mu is held.
func (b *Bursts) room(now time.Time) {
	var least caller
	looked, fewest := 0, 0
	for who, c := range b.callers { // in no order
		count := c.count
		if now.Sub(c.begin) >= b.window {
			count = 0
		}
		if looked == 0 || count < fewest {
			least, fewest = who, count
		}
		if looked++; looked == sample || fewest == 0 {
			break
		}
	}
	delete(b.callers, least)
}

func (b *Bursts) event(who caller, c *burst, e *audit.Entry) *event.Event {
	name := shortName(who.who)
	return &event.Event{
		ID:   fmt.Sprintf("%s/%s/%s/%s", event.DeniedBurst, who.realm, name, c.begin.UTC().Format(time.RFC3339Nano)),
		Kind: event.DeniedBurst, Realm: who.realm, Region: e.Region, Time: e.Time.UTC(), Subject: name, Name: name,
		Summary: fmt.Sprintf("%s was refused %d times within %s.", name, c.count, max(e.Time.Sub(c.begin).Round(time.Second), time.Second)),
		Details: []event.Detail{
			{Name: "refusals", Value: fmt.Sprint(c.count)},
			{Name: "since", Value: c.begin.UTC().Format(time.RFC3339)},
			{Name: "last action", Value: e.Action.String()},
			{Name: "last resource", Value: shortName(e.Resource)},
			{Name: "source", Value: e.Source},
			{Name: "last request", Value: shortName(e.RequestID)},
		},
	}
}

// maxCallerName bounds a name in an event, in bytes: a row's id has it.
const maxCallerName = 300

func shortName(text string) string {
	if text = clean(text); len(text) > maxCallerName {
		text = clean(text[:maxCallerName])
	}
	return text
}

// Happened implements Source.
func (b *Bursts) Happened(context.Context, time.Time) ([]*event.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.waiting
	b.waiting = nil
	return list, nil
}
