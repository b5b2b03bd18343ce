// Package notice tells people and their programs what happened: it takes
// events out of the outbox of package event, decides by rules which channels
// are told, and hands messages over until their receivers have them.
//
// Start with Service and its Tick. handover.go turns events into deliveries,
// send.go hands these over, message.go says what people read, read.go is what
// callers see. watch.go and the files that begin with it look for what nobody
// else tells of, such as certificates that are about to end.
//
// An event becomes deliveries in the transaction that takes it over: once. A
// delivery is handed over at least once, always under the same id, by which its
// receiver can tell a second time from another message.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package notice

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Limits of a configuration.
const (
	MaxChannels = 32
	MaxTargets  = 20 // of a channel
	MaxRules    = 100
)

// Sender hands messages over to a channel's receivers. It may be called for
// several messages at the same time. Its error is one of Refused, of Down, or
// another one, after which the message is sent again later.
type Sender interface {
	Send(ctx context.Context, m *Message) error
}

// Channel is a way to tell somebody.
type Channel struct {
	Name string
	// Kind is what it is to people: "mail", "webhook", "slack", "topic".
	Kind string
	// Targets are those who are told one by one, such as addresses of mail: one
	// that refuses does not keep the others from being told. A channel without
	// has a single receiver, which Sender knows.
	Targets []string
	// Digest says when what happened is told together; nil tells each event at
	// once.
	Digest *Digest
	Sender Sender
}

// targets returns whom a message to the channel goes to.
func (c *Channel) targets() []string {
	if len(c.Targets) == 0 {
		return []string{""}
	}
	return c.Targets
}

// Config says what a Service works with. Store and Guard are needed.
type Config struct {
	Store    store.Store
	Guard    *guard.Guard
	Channels []Channel
	// Rules say which channels are told of what; all that apply do. Without any,
	// every channel is told of everything.
	Rules []Rule
	// GiveUp is for how long a message is tried. Default: 72 h.
	GiveUp time.Duration
	Log    *slog.Logger
	// Now is the clock, time.Now when nil; Random returns numbers from 0 to 1,
	// for waits that differ.
	Now    func() time.Time
	Random func() float64
}

// DefaultGiveUp is for how long a message is tried unless Config says so.
const DefaultGiveUp = 72 * time.Hour

// Service tells. All methods may be called at the same time, by several
// servers over one store. Errors are *fault.Error.
type Service struct {
	store   store.Store
	guard   *guard.Guard
	rules   []Rule
	giveUp  time.Duration
	log     *slog.Logger
	now     func() time.Time
	random  func() float64
	order   []string // names of channels as configured
	byName  map[string]*Channel
	figures map[string]*counters // by channel; the map does not change

	mu     sync.Mutex
	pauses map[string]*pause // guarded by mu: channels that are not reached at the moment
}

// New returns a Service. It checks the names that rules use, and reads nothing.
func New(c Config) (*Service, error) {
	s := &Service{
		store: c.Store, guard: c.Guard, rules: c.Rules, giveUp: c.GiveUp, log: c.Log, now: c.Now, random: c.Random,
		byName: map[string]*Channel{}, figures: map[string]*counters{}, pauses: map[string]*pause{},
	}
	if s.giveUp == 0 {
		s.giveUp = DefaultGiveUp
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.random == nil {
		s.random = rand.Float64
	}
	if len(c.Channels) > MaxChannels || len(c.Rules) > MaxRules {
		return nil, fault.New(fault.InvalidArgument, "there are at most %d channels and %d rules", MaxChannels, MaxRules)
	}
	for i := range c.Channels {
		one := &c.Channels[i]
		if one.Name == "" || s.byName[one.Name] != nil || len(one.Targets) > MaxTargets {
			return nil, fault.New(fault.InvalidArgument, "channel %q: each has a name of its own and at most %d receivers", one.Name, MaxTargets)
		}
		s.byName[one.Name], s.figures[one.Name] = one, new(counters)
		s.order = append(s.order, one.Name)
	}
	for i := range c.Rules {
		if err := c.Rules[i].check(s.byName); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Tick takes events over and hands deliveries over to their receivers, a
// bounded number of each. Whoever calls it (package lifecycle) does so again
// and again; more says that there is more to do at once.
func (s *Service) Tick(ctx context.Context) (more bool, err error) {
	events, err := s.handOver(ctx)
	if err != nil {
		return false, err
	}
	deliveries, err := s.deliver(ctx)
	return (events || deliveries) && err == nil, err
}

// realmTarget is what to authorise: the notices of the caller's realm.
func realmTarget(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}

// refusal is an error that is of no use to try again after.
type refusal struct{ error }

// Unwrap returns what the receiver said.
func (r refusal) Unwrap() error { return r.error }

// Refused marks a Sender's error: the receiver does not take this message, now
// or later.
func Refused(err error) error { return refusal{err} }

func refused(err error) bool {
	_, ok := errors.AsType[refusal](err)
	return ok
}

// absence is an error that concerns all messages of a channel.
type absence struct{ error }

// Unwrap returns what happened.
func (a absence) Unwrap() error { return a.error }

// Down marks a Sender's error: the channel's receiver is not reached, or takes
// nothing at the moment. Its other messages wait as well.
func Down(err error) error { return absence{err} }

func down(err error) bool {
	_, ok := errors.AsType[absence](err)
	return ok
}
