// Package topic keeps topics and who gets what is published on them: a message
// is stored with a delivery for each subscription that wants it, and the
// deliveries are made, and made again, until they arrive or are given up. Every
// message arrives at least once; what is given up stays visible.
//
// Start with Service. settings.go has the topics themselves; subscribe.go,
// confirm.go and subscriptions.go who gets what, and retry.go how often it is
// tried; publish.go the messages; deliver.go and failed.go what becomes of them;
// signer.go the keys that they are signed with; record.go and envelope.go the
// formats of what is stored.
//
// How a message looks to its receivers, and how it travels, is not known here:
// that are Form, Poster and Mailer.
//
// The package is internal and may change with any release; records that a
// release of v1 wrote stay readable.
package topic

import (
	"context"
	"crypto"
	"log/slog"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Keys is what topics need of the door. *kms.Service is it.
type Keys interface {
	// Entrust makes a key that is the grantee's own.
	Entrust(ctx context.Context, call *key.Call, grantee string, req *kms.ImportKeyRequest) (*key.Key, error)
	// DelegatedSigner signs with it.
	DelegatedSigner(ctx context.Context, call *key.Call, grantee string, id key.ID, a alg.Algorithm) (crypto.Signer, error)
	// ExportEntrusted returns its material.
	ExportEntrusted(ctx context.Context, call *key.Call, grantee string, id key.ID) (*kms.ExportedKey, error)
	// GenerateDataKey and Decrypt are for topics that have a key of the owner's.
	GenerateDataKey(ctx context.Context, call *key.Call, req *kms.DataKeyRequest) (*kms.DataKeyResult, error)
	Decrypt(ctx context.Context, call *key.Call, req *kms.DecryptRequest) (*kms.DecryptResult, error)
}

// Wrapper encrypts messages under the key of their realm. *seal.Keyring is it.
type Wrapper interface {
	Wrap(realm key.RealmID, plaintext, associated []byte) ([]byte, error)
	Unwrap(realm key.RealmID, wrapped, associated []byte) ([]byte, error)
}

// Header is a header of a delivery.
type Header struct{ Name, Value string }

// Poster sends an HTTP POST, bounded in time and size, to where it may be sent.
// An error for which Config.Permanent is true will not go away by itself.
type Poster interface {
	Post(ctx context.Context, url string, header []Header, body []byte) error
}

// Mail is a message to one person.
type Mail struct {
	To, Subject, Text string
	// ID is the mail's own, the same at every attempt, and Time when what it tells
	// was published.
	ID   string
	Time time.Time
}

// Mailer sends e-mail. Errors are as Poster's.
type Mailer interface {
	Send(ctx context.Context, m *Mail) error
}

// Form is how a message looks to its receivers.
type Form interface {
	// Canonical returns what the signature of a message is over.
	Canonical(m *Message) []byte
	// Post returns a delivery over HTTP; contentType is what was chosen, or "".
	Post(m *Message, s *Subscription, contentType string) (header []Header, body []byte)
	// Mail returns a delivery by e-mail.
	Mail(m *Message, s *Subscription) (subject, text string)
}

// Config says what a Service works with. All fields are needed but Mailer, Now
// and Log.
type Config struct {
	Guard   *guard.Guard
	Store   store.Store
	Keys    Keys
	Wrapper Wrapper
	Form    Form
	Poster  Poster
	// Mailer is nil where no mail can be sent: subscriptions by e-mail are then
	// refused.
	Mailer Mailer
	// Permanent tells errors of Poster and Mailer that stay.
	Permanent func(error) bool
	// Principal is the name of the service as which topics use their keys.
	Principal string
	// Linked says that subscribers can be told addresses of this server, which
	// they need to confirm.
	Linked bool
	// Compile makes a policy of a document of a resource, DefaultPolicy the
	// document of a topic that was made without one.
	Compile       func(key.Document) (*policy.Policy, error)
	DefaultPolicy func(topic key.Resource) key.Document
	Now           func() time.Time
	Log           *slog.Logger
}

// Service keeps topics. All methods may be called at the same time. Errors are
// *fault.Error.
type Service struct {
	Config

	signers signers
	// delivering is held while due deliveries are looked for and made.
	delivering sync.Mutex
	resting    map[string]time.Time // subscriptions left alone until then; guarded by delivering
	wake       chan struct{}        // has room for one: something is due

	cancel context.CancelFunc
	work   sync.WaitGroup
}

// New returns a Service. It delivers nothing before Start.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	return &Service{
		Config: c, resting: map[string]time.Time{}, wake: make(chan struct{}, 1), cancel: func() {},
		signers: signers{ready: map[signerID]*signer{}},
	}
}

// The bounds of one realm in one region.
const (
	// MaxTopics is how many topics there are at most.
	MaxTopics = 10_000
	// MaxSubscriptions is how many subscriptions a topic has at most.
	MaxSubscriptions = 10_000
)

// Ref returns a topic as the object of a decision.
func Ref(realm key.RealmID, region, name string) key.Resource {
	return key.Resource{Kind: key.KindTopic, Realm: realm, Region: region, ID: name}
}

// scopeOf is the value of the scope columns: the rows of one listing.
func scopeOf(r key.Resource) string { return string(r.Realm) + "/" + r.Region }

// rowID is the id of a topic's row.
func rowID(r key.Resource) string { return scopeOf(r) + "/" + r.ID }

// realmTarget is what to authorise where no topic is concerned yet.
func realmTarget(call *key.Call, action key.Action) guard.Target {
	return guard.Target{Action: action, Resource: key.Resource{Realm: call.Caller.Principal.Realm, Region: call.Region}}
}

// visit finds a topic and authorises an action on it. A topic that is not there
// is told so to who might have done it.
func (s *Service) visit(ctx context.Context, v *guard.Visit, action key.Action, ref key.Resource, tags []key.Tag) (*Topic, error) {
	var t *Topic
	err := s.Store.View(ctx, func(r store.Reader) (err error) {
		t, err = s.get(r, ref)
		return err
	})
	return t, s.authorise(v, action, ref, t, err, tags)
}

// authorise judges an action on a topic that was found, or not: err.
func (s *Service) authorise(v *guard.Visit, action key.Action, ref key.Resource, t *Topic, err error, tags []key.Tag) error {
	if err != nil && fault.KindOf(err) != fault.NotFound {
		return err
	}
	if ref.Region != v.Call.Region {
		v.About(ref)
		return fault.Because(fault.InvalidArgument, fault.ForeignRegion, "the topic is in the region %s", ref.Region)
	}
	target := guard.Target{Action: action, Resource: ref, Attributes: &policy.Attributes{Tags: tags}}
	if t != nil {
		target.Policy = t.compiled
	}
	if denied := v.Authorize(target); denied != nil {
		return denied
	}
	return err
}

// missing is the error for a topic that does not exist.
func missing(ref key.Resource) error {
	return &fault.Error{Kind: fault.NotFound, Resource: ref.String(), Public: "the topic does not exist"}
}

// Invalid is the cause of an InvalidArgument error: the name of what is wrong.
type Invalid struct{ Name string }

// Error returns the name.
func (i *Invalid) Error() string { return i.Name }

// Wrong is the error for a setting or a part of a request that is wrong.
func Wrong(name, format string, args ...any) error {
	e := fault.New(fault.InvalidArgument, format, args...)
	e.Err = &Invalid{name}
	return e
}

// dry ends a dry run: every check has passed.
func dry(call *key.Call) error {
	if call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the call would have succeeded, had it not been a dry run")
	}
	return nil
}
