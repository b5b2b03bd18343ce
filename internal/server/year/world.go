package year

import (
	"context"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/audit/tap"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/engine/soft"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/lifecycle"
	"github.com/holdfast-kms/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/internal/notice"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/embedded"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	realm  = key.DefaultRealm
	region = "eu-central-1"
	// Issuing is the name of the authority that issues all certificates.
	Issuing = "issuing"
)

// World is a server's parts in the year, as they are opened at the time.
type World struct {
	Store   store.Store
	Guard   *guard.Guard
	Keys    *kms.Service
	CA      *ca.Service
	Managed []*managed.Service // one for each server

	plan  *Plan
	root  *seal.Root
	dir   string
	clock atomic.Int64 // nanoseconds since 1970

	disk      *disk
	inventory *inventory.Service
	notices   []lifecycle.Task // what looks for events, and what tells of them
	begun     counter
	known     map[string]*seen // as issued first
	unrenewed []*ca.Certificate
	people    *audience
	made      Report
	closes    []func() error
}

// seen is what is known of a certificate: when it was made (by an event), when
// it ends, and how long it lives (of the first).
type seen struct {
	serial  string
	at, end time.Time
	life    time.Duration
}

// Now returns the time.
func (w *World) Now() time.Time { return time.Unix(0, w.clock.Load()).UTC() }

// Admin returns the envelope of a call by who may do everything.
func (w *World) Admin() *key.Call {
	return &key.Call{
		Caller:    key.Caller{Principal: key.Principal{Realm: realm, Kind: key.User, Name: "admin"}, Credential: "AKIAADMIN", Method: "sigv4"},
		RequestID: "request", API: "test", Operation: "Test", Region: region, Time: w.Now(), Secure: true,
	}
}

// newWorld opens a world at the beginning of its year.
func newWorld(ctx context.Context, dir string, p *Plan) (*World, error) {
	root, err := seal.Ephemeral()
	if err != nil {
		return nil, err
	}
	w := &World{plan: p, root: root, dir: dir, known: map[string]*seen{}, people: newAudience(), made: Report{Least: 1}}
	w.clock.Store(begin.UnixNano())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	return w, w.open(ctx)
}

// everyone lets all users do everything.
type everyone struct{ all []*policy.Policy }

func (e everyone) Policies(*key.Caller) []*policy.Policy { return e.all }

// open opens the parts over the store in the world's directory.
func (w *World) open(ctx context.Context) error {
	kept, err := embedded.Open(filepath.Join(w.dir, "holdfast.db"), embedded.Options{})
	if err != nil {
		return err
	}
	w.disk = &disk{Store: kept}
	w.Store = w.disk
	w.closes = append(w.closes, kept.Close)
	log, err := audit.Open(filepath.Join(w.dir, "audit"), audit.Options{
		Signer: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), ID: "year", CheckpointEvery: 100_000, CheckpointInterval: time.Hour,
	})
	if err != nil {
		return err
	}
	w.closes = append(w.closes, log.Close)
	engine, err := soft.New(seal.NewKeyring(w.root, w.Store), soft.Options{PureGo: true})
	if err != nil {
		return err
	}
	w.closes = append(w.closes, engine.Close)
	all, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}`),
		policy.ForIdentity, aws.Vocabulary())
	if err != nil {
		return err
	}
	w.Guard = guard.New(tap.New(log, &w.begun), everyone{[]*policy.Policy{all}})
	compile := func(d key.Document) (*policy.Policy, error) {
		return policy.Compile([]byte(d.Text), policy.ForResource, aws.Vocabulary())
	}
	w.Keys, err = kms.New(ctx, kms.Config{
		Guard: w.Guard, Store: w.Store, Engine: engine, DefaultPolicy: aws.DefaultKeyPolicy, Compile: compile, Now: w.Now,
	})
	if err != nil {
		return err
	}
	w.CA, err = ca.New(ctx, ca.Config{Keys: w.Keys, Guard: w.Guard, Store: w.Store, Compile: compile, Now: w.Now})
	if err != nil {
		return err
	}
	w.Managed = nil
	for range max(1, w.plan.Servers) {
		w.Managed = append(w.Managed, managed.New(managed.Config{
			Keys: w.Keys, Authorities: w.CA, Guard: w.Guard, Store: w.Store, Principal: aws.ManagedService, PerMinute: w.plan.PerMinute, Now: w.Now,
		}))
	}
	return w.openNotices(ctx)
}

// openNotices opens, for each server, what looks for ends and what tells people.
func (w *World) openNotices(ctx context.Context) (err error) {
	w.inventory, err = inventory.New(ctx, inventory.Config{Authorities: w.CA, Guard: w.Guard, Store: w.Store, Now: w.Now})
	if err != nil {
		return err
	}
	w.closes = append(w.closes, func() error {
		if err := w.inventory.Close(); !w.killed() {
			return err
		}
		return nil // it had no chance to write the rest
	})
	for !w.inventory.Ready() { // its first look takes a moment, which is to be none of the year
		if err := ctx.Err(); err != nil {
			return err
		}
		time.Sleep(time.Millisecond)
	}
	w.notices = nil
	for _, m := range w.Managed {
		teller, err := notice.New(notice.Config{
			Store: w.Store, Guard: w.Guard, Channels: []notice.Channel{{Name: "people", Sender: w.people}}, Now: w.Now,
		})
		if err != nil {
			return err
		}
		watch := notice.NewWatch(notice.WatchConfig{Store: w.Store, Authorities: w.CA, Managed: m, Index: w.inventory, Now: w.Now})
		w.notices = append(w.notices, lifecycle.Task{Name: "watch", Tick: w.seldom(watch.Tick)}, lifecycle.Task{Name: "notices", Tick: teller.Tick})
	}
	return nil
}

// close closes the parts, the last opened first.
func (w *World) close() error {
	var failures []error
	for i := len(w.closes) - 1; i >= 0; i-- {
		failures = append(failures, w.closes[i]())
	}
	w.closes = nil
	return errors.Join(failures...)
}

// reopen ends the servers as a kill does, at the moment at which the disk
// stopped to take anything, and opens them again on what was on it then: the
// files are copied while the store has them open.
func (w *World) reopen(ctx context.Context) error {
	w.made.Restarts++
	w.people.mu.Lock()
	w.people.life++
	w.people.mu.Unlock()
	next := filepath.Join(filepath.Dir(w.dir), strconv.Itoa(w.made.Restarts))
	if err := os.MkdirAll(next, 0o700); err != nil {
		return err
	}
	for _, name := range []string{"holdfast.db", "holdfast.db-wal"} {
		data, err := os.ReadFile(filepath.Join(w.dir, name)) //nolint:gosec // the test's own directory
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(next, name), data, 0o600); err != nil { //nolint:gosec // the test's own directory
			return err
		}
	}
	if err := w.close(); err != nil {
		return err
	}
	if err := os.RemoveAll(w.dir); err != nil {
		return err
	}
	w.dir = next
	return w.open(ctx)
}

// restart closes the servers in order and opens them again.
func (w *World) restart(ctx context.Context) error {
	w.made.Restarts++
	if err := w.close(); err != nil {
		return err
	}
	return w.open(ctx)
}

// tasks returns what the clock does: the servers renew at the same time, and
// tell one after the other.
func (w *World) tasks() []lifecycle.Task {
	renew := lifecycle.Task{Name: "managed certificates", Tick: func(ctx context.Context) (bool, error) {
		var all sync.WaitGroup
		more, errs := make([]bool, len(w.Managed)), make([]error, len(w.Managed))
		for i, m := range w.Managed {
			all.Go(func() { more[i], errs[i] = m.Tick(ctx) })
		}
		all.Wait()
		return slices.Contains(more, true), errors.Join(errs...)
	}}
	return append([]lifecycle.Task{renew}, w.notices...)
}

// lookEvery is how often a Watch looks: it goes through everything, which at
// each stop of the clock would be most of the work. What it tells of has days.
const lookEvery = 12 * time.Hour

// seldom returns a tick that does nothing until the last one is long ago.
func (w *World) seldom(tick func(context.Context) (bool, error)) func(context.Context) (bool, error) {
	var last time.Time
	return func(ctx context.Context) (bool, error) {
		if w.Now().Sub(last) < lookEvery {
			return false, nil
		}
		more, err := tick(ctx)
		if err == nil && !more {
			last = w.Now()
		}
		return more, err
	}
}

// permit lets the service that renews use an authority.
func (w *World) permit(ctx context.Context, authority string) error {
	_, err := w.CA.CreatePermission(ctx, w.Admin(), authority, ca.Permission{
		Principal: aws.ManagedService, Actions: []key.Action{key.IssueCertificate, key.GetCertificate},
	})
	return err
}

// counter counts the renewals that begin, by the second.
type counter struct {
	mu      sync.Mutex // guards seconds and latest
	seconds map[int64]int
	// latest are the requests of the latest second: one that fails when it is
	// stored has two entries.
	latest map[string]bool
	at     int64
}

// Observe implements tap.Observer.
func (c *counter) Observe(e *audit.Entry) {
	if e.Action != key.RenewManaged {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seconds == nil {
		c.seconds = map[int64]int{}
	}
	if at := e.Time.Unix(); c.latest == nil || c.at != at {
		c.latest, c.at = map[string]bool{}, at
	}
	if !c.latest[e.RequestID] {
		c.latest[e.RequestID] = true
		c.seconds[c.at]++
	}
}

// most returns the largest number within any minute.
func (c *counter) most() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := 0
	for at := range c.seconds {
		sum := 0
		for s := at; s < at+60; s++ {
			sum += c.seconds[s]
		}
		most = max(most, sum)
	}
	return most
}

// disk is the store with the faults of disks.
type disk struct {
	store.Store
	broken atomic.Bool  // no Update succeeds
	left   atomic.Int64 // how many Updates succeed before the process is killed; 0 for no kill
	dead   atomic.Bool  // killed
}

func unavailable() error {
	return &fault.Error{Kind: fault.Unavailable, Public: "the disk is broken"}
}

// Update implements store.Store.
func (d *disk) Update(ctx context.Context, f func(store.Tx) error) error {
	if d.broken.Load() || d.dead.Load() {
		return unavailable()
	}
	if d.left.Load() > 0 && d.left.Add(-1) <= 0 {
		d.dead.Store(true)
		return unavailable()
	}
	return d.Store.Update(ctx, f)
}

// expected reports whether errors are part of the plan at the moment.
func (w *World) expected() bool { return w.disk.broken.Load() || w.disk.dead.Load() }

func (w *World) killed() bool { return w.disk.dead.Load() }
