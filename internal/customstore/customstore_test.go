package customstore_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/customstore"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

const (
	region   = "eu-central-1"
	password = "kmsuser-password"
)

// clusters are the clusters of the tests by their ids.
type clusters struct {
	mu   sync.Mutex // guards byID
	byID map[string]*cluster.Cluster
}

func (c *clusters) Find(_ context.Context, _ key.RealmID, _, id string) (*cluster.Cluster, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if found := c.byID[id]; found != nil {
		cp := *found
		cp.HSMs = slices.Clone(found.HSMs)
		return &cp, nil
	}
	return nil, fault.Because(fault.NotFound, fault.NoSuchCluster, "the cluster does not exist")
}

func (c *clusters) edit(id string, f func(*cluster.Cluster)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.byID[id])
}

// fakeEngine is an engine that does nothing but exist.
type fakeEngine struct {
	engine.Engine
	name string
}

// keys counts the keys in a key store.
type keys map[string]int

func (k keys) InStore(id string) int { return k[id] }

// people are the identities of the tests.
type people map[string][]*policy.Policy

func (p people) Policies(c *key.Caller) []*policy.Policy { return p[c.Principal.Name] }

// fixture is key stores over fake clusters and tokens.
type fixture struct {
	*customstore.Service
	t        *testing.T
	clusters *clusters
	store    store.Store
	log      *audit.Memory
	people   people
	keys     keys
	wrapper  *seal.Keyring
	anchor   string
	der      []byte

	mu     sync.Mutex // guards what follows
	opened []string   // "engine name: tokens PIN"
	closed int
	check  error
	hold   chan struct{} // connecting waits for it, unless it is nil
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{t: t, clusters: &clusters{byID: map[string]*cluster.Cluster{}}, store: mem.New(), log: audit.NewMemory(1000), people: people{}, keys: keys{}}
	f.let("admin", `"*"`)
	f.der, f.anchor = newAnchor(t)
	root, err := seal.Ephemeral()
	must(t, err)
	f.wrapper = seal.NewKeyring(root, f.store)
	f.cluster("one")
	f.Service = f.start()
	return f
}

// start returns a service over the fixture's store, as after a restart.
func (f *fixture) start() *customstore.Service {
	f.t.Helper()
	s, err := customstore.New(f.t.Context(), customstore.Config{
		Guard: guard.New(f.log, f.people), Store: f.store, Clusters: f.clusters, Wrapper: f.wrapper, Open: f.open, Log: slog.New(slog.DiscardHandler),
	})
	must(f.t, err)
	f.t.Cleanup(func() { must(f.t, s.Close()) })
	s.Start(f.keys)
	return s
}

// cluster adds an active cluster with one HSM.
func (f *fixture) cluster(id string) {
	f.clusters.byID[id] = &cluster.Cluster{
		ID: id, Realm: key.DefaultRealm, Region: region, Lineage: id, Certificate: []byte{1}, Anchor: f.der, ActivatedAt: time.Now(),
		HSMs: []cluster.HSM{{ID: "hsm", Token: "token of " + id, State: cluster.HSMActive}},
	}
}

func (f *fixture) open(ctx context.Context, o *customstore.Opening) (*customstore.Connection, error) {
	f.mu.Lock()
	hold, check := f.hold, f.check
	pin, err := o.PIN()
	f.opened = append(f.opened, fmt.Sprintf("%s: %s %s", o.Name, strings.Join(o.Tokens, ","), pin))
	f.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &customstore.Connection{
		Engine: &fakeEngine{name: o.Name},
		Check:  func(context.Context) error { return check },
		Close: func() error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.closed++
			return nil
		},
	}, nil
}

func (f *fixture) let(user, actions string) {
	f.t.Helper()
	p, err := policy.Compile([]byte(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":`+actions+`,"Resource":"*"}}`),
		policy.ForIdentity, aws.Vocabulary())
	must(f.t, err)
	f.people[user] = []*policy.Policy{p}
}

func (f *fixture) as(user string) *key.Call {
	return &key.Call{
		Caller: key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: user}, Method: "test"},
		API:    "test", Region: region, Time: time.Now(),
	}
}

func (f *fixture) admin() *key.Call { return f.as("admin") }

func (f *fixture) request() *customstore.CreateRequest {
	return &customstore.CreateRequest{Name: "name", Cluster: "one", Anchor: f.anchor, Password: key.NewSecret([]byte(password))}
}

func (f *fixture) create() string {
	f.t.Helper()
	st, err := f.Create(f.t.Context(), f.admin(), f.request())
	must(f.t, err)
	return st.ID
}

// connected makes a key store and connects it.
func (f *fixture) connected() string {
	f.t.Helper()
	id := f.create()
	must(f.t, f.Connect(f.t.Context(), f.admin(), id))
	synctest.Wait()
	f.is(id, customstore.Connected, customstore.NoFailure)
	return id
}

// is holds that a key store is in a state.
func (f *fixture) is(id string, state customstore.State, failure customstore.Failure) {
	f.t.Helper()
	list, _, err := f.List(f.t.Context(), f.admin(), customstore.List{ID: id})
	must(f.t, err)
	if len(list) != 1 || list[0].State != state || list[0].Failure != failure {
		f.t.Errorf("%s %s, want %s %s", list[0].State, list[0].Failure, state, failure)
	}
	e, err := f.Engine(key.DefaultRealm, region, id)
	if (state == customstore.Connected) != (err == nil) || err == nil && e.(*fakeEngine).name != "keystore/"+id {
		f.t.Errorf("%s, and the engine is %v, %v", state, e, err)
	}
	if err != nil {
		refused(f.t, "the engine", err, fault.WrongState, fault.KeyStoreDisconnected)
	}
}

func newAnchor(t *testing.T) (der []byte, text string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err = x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	must(t, err)
	return der, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, what string, err error, kind fault.Kind, reason fault.Reason) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind || fault.ReasonOf(err) != reason {
		t.Errorf("%s: %v, want %s (reason %d)", what, err, kind, reason)
	}
}

// TestLife leads a key store from its making to its end.
func TestLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.create()
		f.is(id, customstore.Disconnected, "")
		if f.ClusterOf(id) != "one" || len(id) != 17 {
			t.Errorf("id %q of cluster %q", id, f.ClusterOf(id))
		}
		refused(t, "not connected", f.Disconnect(t.Context(), f.admin(), id), fault.WrongState, fault.KeyStoreDisconnected)
		f.hold = make(chan struct{})
		must(t, f.Connect(t.Context(), f.admin(), id))
		synctest.Wait()
		f.is(id, customstore.Connecting, "")
		must(t, f.Connect(t.Context(), f.admin(), id))
		close(f.hold)
		synctest.Wait()
		f.is(id, customstore.Connected, "")
		if want := []string{"keystore/" + id + ": token of one " + password}; !slices.Equal(f.opened, want) {
			t.Errorf("opened %v, want %v", f.opened, want)
		}
		must(t, f.Connect(t.Context(), f.admin(), id))
		refused(t, "connected", f.Delete(t.Context(), f.admin(), id), fault.WrongState, fault.KeyStoreDisconnected)
		must(t, f.Disconnect(t.Context(), f.admin(), id))
		f.is(id, customstore.Disconnected, "")
		if f.closed != 1 {
			t.Errorf("%d connections closed", f.closed)
		}
		f.keys[id] = 1
		refused(t, "with keys", f.Delete(t.Context(), f.admin(), id), fault.WrongState, fault.KeyStoreHasKeys)
		f.keys[id] = 0
		must(t, f.Delete(t.Context(), f.admin(), id))
		refused(t, "gone", f.Delete(t.Context(), f.admin(), id), fault.NotFound, fault.NoSuchKeyStore)
		_, err := f.Engine(key.DefaultRealm, region, id)
		refused(t, "the engine of what is gone", err, fault.NotFound, fault.NoSuchKeyStore)
	})
}

// TestFailures has what a key store fails to connect with.
func TestFailures(t *testing.T) {
	away := fault.New(fault.Unavailable, "away")
	for _, tt := range []struct {
		what  string
		spoil func(*fixture)
		want  customstore.Failure
	}{
		{"a wrong password", func(f *fixture) { f.check = fmt.Errorf("logging in: %w", pkcs11.RVPINIncorrect) }, customstore.InvalidCredentials},
		{"a locked user", func(f *fixture) { f.check = &fault.Error{Kind: fault.Unavailable, Err: pkcs11.RVPINLocked} }, customstore.UserLockedOut},
		{"no user", func(f *fixture) { f.check = pkcs11.RVUserPINNotInitialized }, customstore.UserNotFound},
		{"no token to be reached", func(f *fixture) { f.check = away }, customstore.NetworkErrors},
		{"anything else", func(f *fixture) { f.check = errors.New("broken") }, customstore.InternalError},
		{"no cluster", func(f *fixture) { delete(f.clusters.byID, "one") }, customstore.ClusterNotFound},
		{"no HSM", func(f *fixture) { f.clusters.byID["one"].HSMs = nil }, customstore.InsufficientHSMs},
		{"no HSM that works", func(f *fixture) { f.clusters.byID["one"].HSMs[0].State = cluster.HSMDegraded }, customstore.InsufficientHSMs},
		{"no answer", func(f *fixture) { f.hold = make(chan struct{}) }, customstore.NetworkErrors},
	} {
		t.Run(tt.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				id := f.create()
				tt.spoil(f)
				must(t, f.Connect(t.Context(), f.admin(), id))
				time.Sleep(2 * time.Minute)
				f.is(id, customstore.Failed, tt.want)
				refused(t, "once more", f.Connect(t.Context(), f.admin(), id), fault.WrongState, fault.KeyStoreDisconnected)
				must(t, f.Disconnect(t.Context(), f.admin(), id))
				f.is(id, customstore.Disconnected, "")
			})
		})
	}
}

// TestDisconnectWhileConnecting leaves nothing behind.
func TestDisconnectWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.create()
		f.hold = make(chan struct{})
		must(t, f.Connect(t.Context(), f.admin(), id))
		synctest.Wait()
		must(t, f.Disconnect(t.Context(), f.admin(), id))
		synctest.Wait()
		f.is(id, customstore.Disconnected, "")
	})
}

// TestRestart connects again what was connected, also when its tokens are
// away at first, and nothing else.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.connected()
		f.cluster("two")
		other := f.request()
		other.Name, other.Cluster = "other", "two"
		st, err := f.Create(t.Context(), f.admin(), other)
		must(t, err)
		must(t, f.Close())
		f.check = fault.New(fault.Unavailable, "away")
		f.clusters.edit("one", func(c *cluster.Cluster) { c.HSMs[0].State = cluster.HSMDegraded })
		f.Service = f.start()
		synctest.Wait()
		f.is(id, customstore.Connected, "")
		f.is(st.ID, customstore.Disconnected, "")
		must(t, f.Close())
		f.check = pkcs11.RVPINIncorrect
		f.Service = f.start()
		synctest.Wait()
		f.is(id, customstore.Failed, customstore.InvalidCredentials)
	})
}

// TestRefresh follows the cluster's HSMs.
func TestRefresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.connected()
		before, err := f.Engine(key.DefaultRealm, region, id)
		must(t, err)
		f.clusters.edit("one", func(c *cluster.Cluster) {
			c.HSMs = append(c.HSMs, cluster.HSM{ID: "second", Token: "second", State: cluster.HSMActive})
		})
		f.Refresh("one")
		f.Refresh("another")
		synctest.Wait()
		f.is(id, customstore.Connected, "")
		after, err := f.Engine(key.DefaultRealm, region, id)
		if err != nil || after == before || f.closed != 1 || !strings.Contains(f.opened[1], "token of one,second") {
			t.Errorf("%v, %d closed, opened %v", err, f.closed, f.opened)
		}
		f.clusters.edit("one", func(c *cluster.Cluster) { c.HSMs = nil })
		f.Refresh("one")
		synctest.Wait()
		f.is(id, customstore.Failed, customstore.InsufficientHSMs)
		if f.closed != 2 {
			t.Errorf("%d connections closed", f.closed)
		}
	})
}

// TestCreate has what a key store cannot be made with.
func TestCreate(t *testing.T) {
	f := newFixture(t)
	f.create()
	f.cluster("two")
	f.cluster("relative")
	f.clusters.byID["relative"].Lineage = "one"
	_, other := newAnchor(t)
	for _, tt := range []struct {
		what   string
		change func(*customstore.CreateRequest)
		spoil  func(*cluster.Cluster)
		kind   fault.Kind
		reason fault.Reason
	}{
		{"the cluster of another", func(r *customstore.CreateRequest) { r.Cluster = "one" }, nil, fault.WrongState, fault.ClusterInUse},
		{"a relative of it", func(r *customstore.CreateRequest) { r.Cluster = "relative" }, nil, fault.WrongState, fault.ClusterInUse},
		{"no cluster", func(r *customstore.CreateRequest) { r.Cluster = "x" }, nil, fault.NotFound, fault.NoSuchCluster},
		{"the name of another", func(r *customstore.CreateRequest) { r.Name = "name" }, nil, fault.AlreadyExists, fault.KeyStoreNameTaken},
		{"no name", func(r *customstore.CreateRequest) { r.Name = "" }, nil, fault.InvalidArgument, fault.Unspecified},
		{"another anchor", func(r *customstore.CreateRequest) { r.Anchor = other }, nil, fault.InvalidArgument, fault.IncorrectTrustAnchor},
		{"no anchor", func(r *customstore.CreateRequest) { r.Anchor = "x" }, nil, fault.InvalidArgument, fault.IncorrectTrustAnchor},
		{"a short password", func(r *customstore.CreateRequest) { r.Password = key.NewSecret([]byte("123456")) }, nil, fault.InvalidArgument, fault.Unspecified},
		{"a cluster that is not claimed", nil, func(c *cluster.Cluster) { c.Certificate = nil }, fault.WrongState, fault.ClusterNotActive},
		{"a cluster that is not active", nil, func(c *cluster.Cluster) { c.ActivatedAt = time.Time{} }, fault.WrongState, fault.ClusterNotActive},
		{"a cluster without HSMs", nil, func(c *cluster.Cluster) { c.HSMs = nil }, fault.InvalidArgument, fault.InvalidCluster},
	} {
		r := f.request()
		r.Name, r.Cluster = "second", "two"
		f.cluster("two")
		if tt.change != nil {
			tt.change(r)
		}
		if tt.spoil != nil {
			tt.spoil(f.clusters.byID["two"])
		}
		_, err := f.Create(t.Context(), f.admin(), r)
		refused(t, tt.what, err, tt.kind, tt.reason)
	}
}

// TestUpdate changes what may be changed, and when.
func TestUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.connected()
		secret := key.NewSecret([]byte("another password"))
		refused(t, "the password while connected", f.Update(t.Context(), f.admin(), id, customstore.Update{Password: &secret}), fault.WrongState, fault.KeyStoreDisconnected)
		must(t, f.Update(t.Context(), f.admin(), id, customstore.Update{Name: "renamed"}))
		f.is(id, customstore.Connected, "")
		must(t, f.Disconnect(t.Context(), f.admin(), id))
		f.cluster("stranger")
		refused(t, "a stranger", f.Update(t.Context(), f.admin(), id, customstore.Update{Cluster: "stranger"}), fault.InvalidArgument, fault.ClusterNotRelated)
		f.cluster("restored")
		f.clusters.byID["restored"].Lineage = "one"
		must(t, f.Update(t.Context(), f.admin(), id, customstore.Update{Cluster: "restored", Password: &secret}))
		must(t, f.Connect(t.Context(), f.admin(), id))
		synctest.Wait()
		f.is(id, customstore.Connected, "")
		if last := f.opened[len(f.opened)-1]; last != "keystore/"+id+": token of restored another password" {
			t.Errorf("opened %s", last)
		}
		list, _, err := f.List(t.Context(), f.admin(), customstore.List{Name: "renamed"})
		if err != nil || len(list) != 1 || list[0].Cluster != "restored" {
			t.Errorf("%v, %v", list, err)
		}
		_, _, err = f.List(t.Context(), f.admin(), customstore.List{Name: "name"})
		refused(t, "the old name", err, fault.NotFound, fault.NoSuchKeyStore)
	})
}

// TestSealed holds that the password is nowhere in the store, the audit log or
// what is printed.
func TestSealed(t *testing.T) {
	f := newFixture(t)
	id := f.create()
	must(t, f.store.View(t.Context(), func(r store.Reader) error {
		row, err := r.Get(store.KeyStores, id)
		if bytes.Contains(row.Body, []byte(password)) {
			t.Error("the password is in the record")
		}
		return err
	}))
	for r, err := range f.log.Read(t.Context(), audit.Filter{}) {
		must(t, err)
		if text := fmt.Sprintf("%+v", r); strings.Contains(text, password) {
			t.Errorf("the password is in the audit log: %s", text)
		}
	}
}

// TestDoor holds that every operation is refused to who may not, changes
// nothing in a dry run, and is on record.
func TestDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFixture(t)
		id := f.create()
		f.cluster("two")
		f.let("nobody", `"sts:GetCallerIdentity"`)
		second := f.request()
		second.Name, second.Cluster = "second", "two"
		for _, o := range []struct {
			action key.Action
			do     func(context.Context, *key.Call) error
		}{
			{key.CreateKeyStore, func(ctx context.Context, call *key.Call) error {
				_, err := f.Create(ctx, call, second)
				return err
			}},
			{key.UpdateKeyStore, func(ctx context.Context, call *key.Call) error {
				return f.Update(ctx, call, id, customstore.Update{Name: "x"})
			}},
			{key.ConnectKeyStore, func(ctx context.Context, call *key.Call) error { return f.Connect(ctx, call, id) }},
			{key.DisconnectKeyStore, func(ctx context.Context, call *key.Call) error { return f.Disconnect(ctx, call, id) }},
			{key.DeleteKeyStore, func(ctx context.Context, call *key.Call) error { return f.Delete(ctx, call, id) }},
		} {
			refused(t, o.action.String(), o.do(t.Context(), f.as("nobody")), fault.PermissionDenied, fault.NoIdentityPolicyAllows)
			dry := f.admin()
			dry.DryRun = true
			refused(t, o.action.String(), o.do(t.Context(), dry), fault.InvalidArgument, fault.DryRun)
			must(t, o.do(t.Context(), f.admin()))
			synctest.Wait()
			if e := f.last(); e.Action != o.action || e.Result != "ok" || !strings.Contains(e.Resource, "/keystore/") {
				t.Errorf("recorded %s %s on %s", e.Action, e.Result, e.Resource)
			}
		}
		_, _, err := f.List(t.Context(), f.as("nobody"), customstore.List{})
		refused(t, "listing", err, fault.PermissionDenied, fault.NoIdentityPolicyAllows)
	})
}

// last returns the last entry of the audit log.
func (f *fixture) last() (last *audit.Entry) {
	f.t.Helper()
	for r, err := range f.log.Read(f.t.Context(), audit.Filter{}) {
		must(f.t, err)
		last = &r.Entry
	}
	return last
}
