package notice

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm  = key.DefaultRealm
	region = "eu-central-1"
)

// receiver keeps what is sent to it.
type receiver struct {
	mu   sync.Mutex // guards what follows
	got  []*Message
	fail func(m *Message) error
}

// Send implements Sender.
func (r *receiver) Send(_ context.Context, m *Message) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fail != nil {
		if err := r.fail(m); err != nil {
			return err
		}
	}
	r.got = append(r.got, m)
	return nil
}

// failing makes the receiver answer with an error, nil for none.
func (r *receiver) failing(f func(m *Message) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail = f
}

// events returns the ids of the events that came, each time that they came.
func (r *receiver) events() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.got {
		for _, e := range m.Events {
			ids = append(ids, e.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// people may do everything, but for "guest".
type people map[string][]*policy.Policy

// Policies implements guard.Identities.
func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// fixture is a Service over a store in memory, with a clock that stands still.
type fixture struct {
	*Service
	t     *testing.T
	store store.Store
	log   *audit.Memory

	mu  sync.Mutex
	now time.Time // guarded by mu
}

func (f *fixture) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func start() time.Time { return time.Date(2027, 1, 1, 8, 0, 0, 0, time.UTC) }

func newFixture(t *testing.T, c Config) *fixture {
	t.Helper()
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`), policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t: t, store: mem.New(), now: start(), log: audit.NewMemory(1000)}
	if c.Store != nil {
		f.store = c.Store
	}
	c.Store, c.Guard, c.Now = f.store, guard.New(f.log, people{"admin": {all}}), f.clock
	if c.Random == nil {
		c.Random = func() float64 { return 0.5 }
	}
	if f.Service, err = New(c); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) as(name string) *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: name}, Method: "test"},
		RequestID: "request", API: "test", Operation: "Test", Region: region, Time: f.clock(), Secure: true,
	}
}

func (f *fixture) emit(list ...*event.Event) {
	f.t.Helper()
	err := f.store.Update(f.t.Context(), func(tx store.Tx) error {
		for _, e := range list {
			if err := event.Emit(tx, e); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// expiring returns an event of a certificate that ends in so many days.
func (f *fixture) expiring(name string, days int) *event.Event {
	end := f.clock().AddDate(0, 0, days)
	e := certificateEvent("a/"+name, name, days, end, f.clock())
	e.Realm, e.Region, e.Name, e.Subject = realm, region, name, string(realm)+"/"+region+"/certificate/a/"+name
	return e
}

// tick ticks until there is nothing more to do.
func (f *fixture) tick() {
	f.t.Helper()
	for n := 0; ; n++ {
		more, err := f.Tick(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		if !more {
			return
		}
		if n > 1000 {
			f.t.Fatal("there is always more to do")
		}
	}
}

// states counts the deliveries by state.
func (f *fixture) states() string {
	f.t.Helper()
	n := map[State]int{}
	err := f.store.View(f.t.Context(), func(r store.Reader) error {
		for row, err := range r.Scan(store.Notices, store.Query{}) {
			if err != nil {
				return err
			}
			d, err := readDelivery(row)
			if err != nil {
				return err
			}
			n[d.State]++
		}
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprintf("%d failed, %d waiting, %d collecting, %d delivered", n[Failed], n[Waiting], n[Collecting], n[Delivered])
}
