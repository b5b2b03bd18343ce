package topic_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/topic"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm     = key.DefaultRealm
	other     = key.RealmID("210987654321")
	region    = "eu-central-1"
	principal = "topics.example.com"
)

// ledger is an audit.Recorder that keeps entries in memory.
type ledger struct {
	mu      sync.Mutex // guards entries
	entries []audit.Entry
}

func (l *ledger) Enqueue(e *audit.Entry) (audit.Position, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = append(l.entries, *e)
	return audit.Position(len(l.entries)), nil
}

func (l *ledger) Wait(context.Context, audit.Position) error { return nil }

// last returns the action, the result and the reason of the last entry.
func (l *ledger) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := l.entries[len(l.entries)-1]
	return e.Action.String() + " " + e.Result + ": " + e.Why
}

// people are the identities of the tests: each user's policies by name.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// permanent is a failure that stays.
var errPermanent = errors.New("the endpoint refuses it for good")

// sent is what an endpoint got: the Form of the tests puts the message itself
// into it.
type sent struct {
	to      string
	message topic.Message
}

// post is how the deliveries of the tests look: they travel as themselves.
type post struct {
	mu       sync.Mutex // guards what follows
	messages map[string]topic.Message
	sent     []sent
	fail     map[string]error // by the endpoint
	attempts int
}

func (p *post) Canonical(m *topic.Message) []byte {
	return []byte(strings.Join([]string{string(m.Kind), m.ID, m.Body, m.Token}, "\n"))
}

func (p *post) put(m *topic.Message, s *topic.Subscription) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := m.ID + "/" + s.ID
	p.messages[id] = *m
	return id
}

func (p *post) Post(m *topic.Message, s *topic.Subscription, contentType string) ([]topic.Header, []byte) {
	return []topic.Header{{Name: "Content-Type", Value: contentType}}, []byte(p.put(m, s))
}

func (p *post) Mail(m *topic.Message, s *topic.Subscription) (subject, text string) {
	return "a mail", p.put(m, s)
}

func (p *post) deliver(to, id string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.attempts++
	if err := p.fail[to]; err != nil {
		return err
	}
	p.sent = append(p.sent, sent{to, p.messages[id]})
	return nil
}

// poster and mailer are the post's two ways.
type poster struct{ *post }

func (p poster) Post(_ context.Context, url string, _ []topic.Header, body []byte) error {
	return p.deliver(url, string(body))
}

type mailer struct{ *post }

func (m mailer) Send(_ context.Context, mail *topic.Mail) error { return m.deliver(mail.To, mail.Text) }

// take returns what arrived since the last time, as "to: text".
func (p *post) take() []sent {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.sent
	p.sent = nil
	return list
}

func lines(list []sent) []string {
	var out []string
	for _, s := range list {
		out = append(out, s.to+": "+string(s.message.Kind)+" "+s.message.Body)
	}
	slices.Sort(out)
	return out
}

// fixture is topics over real keys, in memory, with a clock that the test moves.
type fixture struct {
	*topic.Service
	t      *testing.T
	keys   *kms.Service
	store  store.Store
	log    *ledger
	people people
	post   *post
	clock  time.Time
	config topic.Config
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{
		t: t, store: mem.New(), log: &ledger{}, people: people{}, clock: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		post: &post{messages: map[string]topic.Message{}, fail: map[string]error{}},
	}
	f.let("admin", `"*"`)
	root, err := seal.Ephemeral()
	must(t, err)
	keyring := seal.NewKeyring(root, f.store)
	engine, err := soft.New(keyring, soft.Options{PureGo: true})
	must(t, err)
	t.Cleanup(func() { must(t, engine.Close()) })
	g, now := guard.New(f.log, f.people), func() time.Time { return f.clock }
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
	}
	f.keys, err = kms.New(t.Context(), kms.Config{
		Guard: g, Store: f.store, Engine: engine, DefaultPolicy: aws.DefaultKeyPolicy, Compile: compile, Now: now,
	})
	must(t, err)
	f.config = topic.Config{
		Guard: g, Store: f.store, Keys: f.keys, Wrapper: keyring, Form: f.post, Poster: poster{f.post}, Mailer: mailer{f.post},
		Permanent: func(err error) bool { return errors.Is(err, errPermanent) }, Principal: principal, Linked: true,
		Compile: compile, DefaultPolicy: aws.DefaultTopicPolicy, Now: now, Log: slog.New(slog.DiscardHandler),
	}
	f.Service = topic.New(f.config)
	return f
}

// let gives a user an identity policy that allows actions, as JSON.
func (f *fixture) let(user, actions string) {
	f.t.Helper()
	p, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":`+actions+`,"Resource":"*"}}`),
		policy.ForIdentity, aws.Vocabulary())
	must(f.t, err)
	f.people[user] = []*policy.Policy{p}
}

// as returns the envelope of a call by a user.
func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller: key.Caller{
			Principal: key.Principal{Realm: realm, Kind: key.User, Name: user}, Credential: "AKIA" + user, Method: "sigv4",
		},
		RequestID: "request", API: "test", Operation: "Test", Region: region, Time: f.clock, Secure: true,
	}
}

func (f *fixture) admin() *key.Call { return f.as("admin") }

// nobody returns the envelope of a request that nobody signed.
func (f *fixture) nobody() *key.Call {
	call := f.as("")
	call.Caller = key.Caller{Principal: key.Principal{Realm: realm, Kind: key.Anonymous}}
	return call
}

// make makes a topic.
func (f *fixture) make(name string, s topic.Settings) *topic.Topic {
	f.t.Helper()
	t, err := f.Create(f.t.Context(), f.admin(), name, &s, nil)
	must(f.t, err)
	return t
}

// subscribe subscribes an endpoint and confirms it with the token it was sent.
func (f *fixture) subscribe(ref key.Resource, protocol, endpoint string, w topic.Wishes) *topic.Subscription {
	f.t.Helper()
	_, err := f.Subscribe(f.t.Context(), f.admin(), ref, &topic.Subscribing{Wishes: w, Protocol: protocol, Endpoint: endpoint})
	must(f.t, err)
	f.tick()
	got := f.post.take()
	if len(got) != 1 || got[0].to != endpoint || got[0].message.Kind != topic.Confirmation {
		f.t.Fatalf("the endpoint got %v", got)
	}
	s, err := f.Confirm(f.t.Context(), f.nobody(), ref, got[0].message.Token, false)
	must(f.t, err)
	return s
}

func (f *fixture) publish(ref key.Resource, p topic.Publication) string {
	f.t.Helper()
	id, err := f.Publish(f.t.Context(), f.admin(), ref, &p)
	must(f.t, err)
	return id
}

// tick makes all deliveries that are due.
func (f *fixture) tick() {
	f.t.Helper()
	for range 100 {
		more, err := f.Tick(f.t.Context())
		must(f.t, err)
		if !more {
			return
		}
	}
	f.t.Fatal("there is always more to do")
}

// count returns how many rows of messages there are.
func (f *fixture) count() int {
	f.t.Helper()
	n := 0
	must(f.t, f.store.View(f.t.Context(), func(r store.Reader) (err error) {
		n, err = r.Count(store.Messages, store.Query{})
		return err
	}))
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// want fails the test unless err has the kind.
func want(t *testing.T, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("got error %v, want kind %q", err, kind)
	}
}
