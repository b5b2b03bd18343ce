// Package alarm watches metrics: an alarm has a rule about a metric, is in one
// of three states, and publishes to topics when it goes from one to another.
//
// Start with Service. rule.go has the rules and judges by them, and knows
// neither the store nor the clock; clock.go has the alarms judged, and their
// messages published; change.go makes and changes alarms, read.go shows them
// and what happened to them; record.go has the formats of what is stored.
//
// A change of state and the messages that it calls for are stored in one
// transaction. A message is published at least once: a server that stops
// between the publishing and the note of it publishes again.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package alarm

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/metric"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// State is how the metric stands to the rule: a closed set.
type State string

// The states.
const (
	OK           State = "ok"
	Alarming     State = "alarm"
	Insufficient State = "insufficient-data"
)

// States returns all states.
func States() []State { return []State{OK, Alarming, Insufficient} }

// Limits.
const (
	MaxAlarms  = 5000 // of a realm in a region
	MaxActions = 5    // of a state
	MaxNames   = 100  // in one call
	MaxPage    = 100
	maxName    = 255 // characters
	maxNameID  = 900 // bytes, as the store's ids have it
)

// Alarm is an alarm.
type Alarm struct {
	Realm             key.RealmID
	Region            string
	Name, Description string

	Rule Rule
	// Actions are the names of topics of the realm and region on which a change
	// to a state is published, if ActionsEnabled.
	Actions        map[State][]string
	ActionsEnabled bool
	Tags           []key.Tag

	State State
	// Reason is a sentence, Details what it was found from (JSON), or "".
	Reason, Details string
	// ConfiguredAt is the time of the last change of the settings, ReasonAt
	// that of the last of State or Reason, ChangedAt that of the last of State.
	ConfiguredAt, ReasonAt, ChangedAt time.Time

	changes int       // entries that its history had
	pending []message // to be published, the oldest first
}

// Resource returns the alarm as the object of a decision.
func (a *Alarm) Resource() key.Resource { return resource(a.Realm, a.Region, a.Name) }

func resource(realm key.RealmID, region, name string) key.Resource {
	return key.Resource{Kind: key.KindAlarm, Realm: realm, Region: region, ID: name}
}

// message is a message that is still to be published.
type message struct {
	ID       int       `json:"id"` // of the change in the history
	Topic    string    `json:"topic"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"`
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts,omitempty"`
	Next     time.Time `json:"next,omitzero"`
}

// Figures is what alarms look at. *metric.Service is it.
type Figures interface {
	Points(ctx context.Context, q *metric.Question) ([]metric.Point, error)
}

// Publisher publishes on topics in the name of a service. Errors of the kinds
// NotFound, PermissionDenied and InvalidArgument are final; after any other it
// is asked again.
type Publisher interface {
	PublishAs(ctx context.Context, service string, realm key.RealmID, region, topic, subject, message string) error
}

// Style puts alarms into the words of an API.
type Style interface {
	// Message returns what is published when an alarm has changed from a state.
	Message(a *Alarm, from State) (subject, text string)
	// Details returns what an alarm's state was found from, as JSON.
	Details(a *Alarm, j *Judgement) string
}

// Config says what a Service works with. Log and Now may be left out.
type Config struct {
	Guard     *guard.Guard
	Store     store.Store
	Figures   Figures
	Publisher Publisher
	Style     Style
	// Principal is the service as whom messages are published.
	Principal string
	Log       *slog.Logger
	// Now is the clock, time.Now when nil.
	Now func() time.Time
}

// Service keeps alarms. All methods may be called at the same time. Errors are
// *fault.Error.
type Service struct {
	guard     *guard.Guard
	store     store.Store
	figures   Figures
	publisher Publisher
	style     Style
	principal string
	log       *slog.Logger
	now       func() time.Time

	mu     sync.Mutex // guards round, and is held by Tick
	round  round
	judged atomic.Pointer[time.Time] // when the last round ended without a failure
}

// New returns a Service. It reads nothing yet.
func New(c Config) *Service {
	s := &Service{
		guard: c.Guard, store: c.Store, figures: c.Figures, publisher: c.Publisher, style: c.Style, principal: c.Principal,
		log: c.Log, now: c.Now,
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// target is what to authorise for an action on an alarm of the call's realm
// and region.
func target(call *key.Call, action key.Action, name string, tags []key.Tag) guard.Target {
	return guard.Target{
		Action: action, Resource: resource(call.Caller.Principal.Realm, call.Region, name),
		Attributes: &policy.Attributes{Tags: tags},
	}
}

// atLarge is what to authorise where no alarm is concerned.
func atLarge(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}

// missing is the failure of a call about an alarm that does not exist.
func missing(call *key.Call, name string) error {
	return &fault.Error{
		Kind: fault.NotFound, Resource: resource(call.Caller.Principal.Realm, call.Region, name).String(),
		Public: "the alarm does not exist",
	}
}

// find reads an alarm of the call's realm and region.
func find(r store.Reader, call *key.Call, name string) (*Alarm, error) {
	row, err := r.Get(store.Alarms, idOf(call.Caller.Principal.Realm, call.Region, name))
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			return nil, missing(call, name)
		}
		return nil, err
	}
	return readAlarm(row)
}
