package kms_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
)

// cloud is a place that keeps a state of each key itself.
type cloud struct {
	*place

	mu sync.Mutex // guards what follows
	is map[engine.Ref]engine.Condition
	// failing are the errors of SetEnabled and Condition, by version.
	failing map[key.VersionNumber]error
	lost    key.VersionNumber // the version of which SetEnabled's answer gets lost
	asked   int
}

var (
	_ engine.Keeper = (*cloud)(nil)
	_ engine.Namer  = (*cloud)(nil)
)

// newCloud adds such an engine to the fixture's, and opens the door anew.
func (f *fixture) newCloud() *cloud {
	p := f.newPlace("cloud")
	c := &cloud{place: p, is: map[engine.Ref]engine.Condition{}, failing: map[key.VersionNumber]error{}}
	f.others[len(f.others)-1] = c
	f.open()
	return c
}

func (c *cloud) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	c.put(ref, engine.Usable)
	return c.place.Generate(ctx, ref, kind)
}

func (c *cloud) put(ref engine.Ref, is engine.Condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.is[ref] = is
}

// become puts all keys into a condition, as somebody does who is at the service.
func (c *cloud) become(is engine.Condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for ref := range c.is {
		c.is[ref] = is
	}
}

// conditions returns those of a key's versions, in their order.
func (c *cloud) conditions(k *key.Key) (all []engine.Condition) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := key.VersionNumber(1); ; n++ {
		is, ok := c.is[engine.Ref{Realm: k.Name.Realm, ID: k.Name.ID, Version: n}]
		if !ok {
			return all
		}
		all = append(all, is)
	}
}

func (c *cloud) fail(n key.VersionNumber, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if delete(c.failing, n); err != nil {
		c.failing[n] = err
	}
}

// lose has the service disable or enable a version, and the answer to that get
// lost, once.
func (c *cloud) lose(n key.VersionNumber) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lost = n
}

func (c *cloud) Condition(_ context.Context, ref engine.Ref, _ alg.Spec, _ []byte) (engine.Condition, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	return c.is[ref], c.failing[ref.Version]
}

func (c *cloud) SetEnabled(_ context.Context, ref engine.Ref, _ alg.Spec, _ []byte, enabled bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.failing[ref.Version]; err != nil {
		return err
	}
	if c.is[ref] != engine.Usable && c.is[ref] != engine.Disabled {
		return fault.New(fault.WrongState, "the key is %s", c.is[ref])
	}
	if c.is[ref] = engine.Disabled; enabled {
		c.is[ref] = engine.Usable
	}
	if c.lost == ref.Version {
		c.lost = 0
		return fault.New(fault.Unavailable, "the answer is lost")
	}
	return nil
}

func (c *cloud) Recover(_ context.Context, ref engine.Ref, _ alg.Spec, _ []byte) error {
	c.put(ref, engine.Disabled)
	return nil
}

func (c *cloud) NameOf(ref engine.Ref, _ alg.Spec, _ []byte) (string, error) {
	return fmt.Sprintf("cloud/%d", ref.Version), nil
}

func (c *cloud) Name() string { return "cloud" }

// mirror lets a minute pass and has the service asked.
func (f *fixture) mirror() {
	f.t.Helper()
	f.advance(time.Minute)
	if _, err := f.Mirror(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) createInCloud() *key.Key {
	f.t.Helper()
	k, err := f.CreateKey(f.t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES256, Engine: "cloud"})
	if err != nil {
		f.t.Fatal(err)
	}
	return k
}

// TestDisablingBeginsInTheService: every version is disabled and enabled there,
// or none is, and then nothing has changed here.
func TestDisablingBeginsInTheService(t *testing.T) {
	f := newFixture(t)
	cut := &cutStore{Store: f.store}
	f.store = cut
	c := f.newCloud()
	k := f.createInCloud()
	ctx := t.Context()
	_, err := f.RotateOnDemand(ctx, f.admin(), refTo(k))
	must(t, err)
	is := func(when string, state key.State, there engine.Condition) {
		t.Helper()
		if got := f.stateOf(k); got != state {
			t.Errorf("%s: the key is %s here, want %s", when, got, state)
		}
		if diff := cmp.Diff([]engine.Condition{there, there}, c.conditions(k)); diff != "" {
			t.Errorf("%s: there (-want +got)\n%s", when, diff)
		}
	}
	must(t, f.DisableKey(ctx, f.admin(), refTo(k)))
	is("disabled", key.Disabled, engine.Disabled)
	must(t, f.EnableKey(ctx, f.admin(), refTo(k)))
	is("enabled", key.Enabled, engine.Usable)

	c.fail(2, fault.New(fault.Unavailable, "the service is away"))
	want(t, f.DisableKey(ctx, f.admin(), refTo(k)), fault.Unavailable, fault.Unspecified)
	is("the second version fails", key.Enabled, engine.Usable)
	c.fail(2, nil)
	c.lose(2)
	want(t, f.DisableKey(ctx, f.admin(), refTo(k)), fault.Unavailable, fault.Unspecified)
	is("the second version's answer is lost", key.Enabled, engine.Usable)

	cut.after(0)
	want(t, f.DisableKey(ctx, f.admin(), refTo(k)), fault.Unavailable, fault.Unspecified)
	is("the store fails", key.Enabled, engine.Usable)
	want(t, f.EnableKey(ctx, f.admin(), refTo(k)), fault.Unavailable, fault.Unspecified)
	is("the store fails, and nothing was to be done", key.Enabled, engine.Usable)
	cut.after(-1)
}

// noSwitch is a service that cannot disable keys.
type noSwitch struct{ *cloud }

func (n *noSwitch) SetEnabled(context.Context, engine.Ref, alg.Spec, []byte, bool) error {
	return fault.New(fault.Unsupported, "the service disables nothing")
}

// TestServiceThatDisablesNothing: then the record does.
func TestServiceThatDisablesNothing(t *testing.T) {
	f := newFixture(t)
	c := f.newCloud()
	f.others[len(f.others)-1] = &noSwitch{c}
	f.open()
	k := f.createInCloud()
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
	f.mirror()
	if got := f.stateOf(k); got != key.Disabled {
		t.Errorf("the key is %s", got)
	}
	must(t, f.EnableKey(t.Context(), f.admin(), refTo(k)))
	encryptX(t, f, k)
}

// TestMirror is the table of what a key is that somebody has changed in the
// service, and what enabling it here does.
func TestMirror(t *testing.T) {
	for name, test := range map[string]struct {
		there   engine.Condition
		off     bool // the key is disabled here
		want    key.State
		enabled bool // EnableKey makes it usable
	}{
		"usable":                    {engine.Usable, false, key.Enabled, true},
		"disabled":                  {engine.Disabled, false, key.Unavailable, true},
		"deleted":                   {engine.Deleted, false, key.Unavailable, true},
		"gone":                      {engine.Gone, false, key.Unavailable, false},
		"unusable":                  {engine.Unusable, false, key.Unavailable, false},
		"disabled here":             {engine.Usable, true, key.Disabled, true},
		"disabled here and there":   {engine.Disabled, true, key.Disabled, true},
		"disabled here and deleted": {engine.Deleted, true, key.Unavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			c := f.newCloud()
			k := f.createInCloud()
			sealed := encryptX(t, f, k)
			if test.off {
				must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
			}
			c.become(test.there)
			f.mirror()
			if got := f.stateOf(k); got != test.want {
				t.Errorf("the key is %s, want %s", got, test.want)
			}
			if r := f.Residence(t.Context(), k); r.Condition != test.there.String() || r.Provider != "cloud" || r.Name != "cloud/1" {
				t.Errorf("it lives in %+v", r)
			}
			_, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: alg.AESGCM, Ciphertext: sealed})
			switch test.want {
			case key.Enabled:
				must(t, err)
			case key.Disabled:
				want(t, err, fault.WrongState, fault.KeyDisabled)
			default:
				want(t, err, fault.WrongState, fault.KeyUnavailable)
			}
			if err := f.EnableKey(t.Context(), f.admin(), refTo(k)); (err == nil) != test.enabled || err != nil && fault.KindOf(err) != fault.WrongState {
				t.Errorf("EnableKey: %v", err)
			}
			if got := f.stateOf(k); (got == key.Enabled) != test.enabled {
				t.Errorf("the key is %s after it was enabled", got)
			}
		})
	}
}

// TestMirrorComesBack: what the service says now is what counts, and nothing
// of it is stored.
func TestMirrorComesBack(t *testing.T) {
	f := newFixture(t)
	c := f.newCloud()
	k := f.createInCloud()
	c.become(engine.Disabled)
	f.mirror()
	before := f.stateOf(k)
	c.become(engine.Usable)
	f.mirror()
	if after := f.stateOf(k); before != key.Unavailable || after != key.Enabled {
		t.Errorf("the key was %s, and is %s", before, after)
	}
	c.become(engine.Deleted)
	f.mirror()
	f.open()
	if got := f.stateOf(k); got != key.Enabled {
		t.Errorf("after a restart the key is %s before anybody has asked", got)
	}
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k))) // which does no more than it is
	if got := c.conditions(k); got[0] != engine.Deleted {
		t.Errorf("there it is %s", got)
	}
}

// TestAdoptedKeysAreOthers: what is done to them here stays here.
func TestAdoptedKeysAreOthers(t *testing.T) {
	f := newFixture(t)
	c := f.newCloud()
	ref := engine.Ref{Realm: realm, ID: "22222222-2222-4222-8222-222222222222", Version: 1}
	kind := engine.Kind{Spec: alg.AES256, Usage: alg.EncryptDecrypt}
	m, err := c.place.Generate(t.Context(), ref, kind)
	must(t, err)
	c.found["theirs"] = adoptable{kind, m, ref}
	k, err := f.AdoptKey(t.Context(), f.admin(), &kms.AdoptKeyRequest{CreateKeyRequest: kms.CreateKeyRequest{Engine: "cloud"}, Name: "theirs"})
	must(t, err)
	own := engine.Ref{Realm: realm, ID: k.Name.ID, Version: 1}
	c.put(own, engine.Usable)
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
	must(t, f.EnableKey(t.Context(), f.admin(), refTo(k)))
	if got := c.conditions(k); got[0] != engine.Usable {
		t.Errorf("there it is %s", got)
	}
	c.put(own, engine.Disabled)
	f.mirror()
	want(t, f.EnableKey(t.Context(), f.admin(), refTo(k)), fault.WrongState, fault.KeyUnavailable)
	must(t, f.DisableKey(t.Context(), f.admin(), refTo(k)))
	if got, there := f.stateOf(k), c.conditions(k); got != key.Disabled || there[0] != engine.Disabled {
		t.Errorf("it is %s here, %s there", got, there)
	}
}

// TestHiddenKeysDoNotRotate: a new version would do what the service keeps the
// old one from.
func TestHiddenKeysDoNotRotate(t *testing.T) {
	f := newFixture(t)
	c := f.newCloud()
	k := f.createInCloud()
	must(t, f.EnableRotation(t.Context(), f.admin(), refTo(k), kms.MinRotation))
	c.become(engine.Disabled)
	f.advance(kms.MinRotation * 24 * time.Hour)
	f.mirror()
	if _, err := f.Tick(t.Context()); fault.ReasonOf(err) != fault.KeyUnavailable {
		t.Errorf("the clock says %v", err)
	}
	c.become(engine.Usable)
	f.mirror()
	f.tick()
	if got := len(c.conditions(k)); got != 2 {
		t.Errorf("the key has %d versions", got)
	}
}

// TestMirrorIsBounded: a minute for each key, 64 keys at a time, and a service
// that fails is left alone.
func TestMirrorIsBounded(t *testing.T) {
	f := newFixture(t)
	c := f.newCloud()
	for range 70 {
		f.createInCloud()
	}
	asks := func() int {
		t.Helper()
		c.mu.Lock()
		before := c.asked
		c.mu.Unlock()
		_, err := f.Mirror(t.Context())
		must(t, err)
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.asked - before
	}
	got := []int{asks(), asks(), asks()}
	f.advance(time.Minute)
	c.fail(1, fault.New(fault.Unavailable, "away"))
	got = append(got, asks(), asks())
	if diff := cmp.Diff([]int{64, 6, 0, 3, 3}, got); diff != "" {
		t.Errorf("asked for keys, time after time (-want +got)\n%s", diff)
	}
	if n := len(maps.Collect(maps.All(f.Residents(t.Context(), c)))); n != 1 { // all have the name cloud/1
		t.Errorf("%d names", n)
	}
}
