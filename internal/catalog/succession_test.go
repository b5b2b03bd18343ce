package catalog_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

const region = "eu-central-1"

func load(t *testing.T, s store.Store) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Load(t.Context(), s, func(key.Document) (*policy.Policy, error) { return nil, nil }, 8)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func signing(n byte) *key.Key {
	return &key.Key{
		Name: key.Name{Realm: key.DefaultRealm, Region: region, ID: key.NewID([16]byte{n})}, Spec: alg.P256, Usage: alg.SignVerify,
		Origin: key.Generated, Protection: key.Software, State: key.Enabled, Versions: []key.Version{{Number: 1}}, Revision: 1,
	}
}

// TestSucceed holds that a succession is stored whole or not at all, and by one
// of two servers.
func TestSucceed(t *testing.T) {
	ctx, s := t.Context(), mem.New()
	one := load(t, s)
	old := signing(1)
	name := &key.Alias{Realm: key.DefaultRealm, Region: region, Name: "alias/a", Target: old.Name.ID}
	if err := one.Insert(ctx, &catalog.Change{Key: old, Alias: name}); err != nil {
		t.Fatal(err)
	}
	two := load(t, s)
	succeed := func(c *catalog.Catalog) error {
		e, err := c.Find(old.Name)
		if err != nil {
			t.Fatal(err)
		}
		before, next, alias := e.Key.Clone(), signing(2), *name
		before.Succession = key.Succession{To: next.Name.ID, At: time.Unix(1, 0).UTC(), Until: time.Unix(2, 0).UTC()}
		before.Revision++
		next.Succession.From, alias.Target = old.Name.ID, next.Name.ID
		defer c.LockAliases(key.DefaultRealm, region, []string{"alias/a", "alias/b", "alias/a"})()
		defer c.Lock(old.Name.ID)()
		return c.Succeed(ctx, e, &catalog.Change{Key: before}, &catalog.Change{Key: next}, []*key.Alias{&alias})
	}
	if err := succeed(one); err != nil {
		t.Fatal(err)
	}
	if err := succeed(two); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the other server: %v", err)
	}
	if err := succeed(one); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("once more: %v", err)
	}
	for what, c := range map[string]*catalog.Catalog{"at once": one, "loaded": load(t, s)} {
		a, ok := c.Alias(key.DefaultRealm, region, "alias/a")
		if !ok || a.Target != signing(2).Name.ID {
			t.Errorf("%s, the alias leads to %+v", what, a)
		}
		if diff := cmp.Diff(map[key.ID][]string{a.Target: {"alias/a"}}, c.AliasNames(key.DefaultRealm)); diff != "" {
			t.Error(what, diff)
		}
		e, err := c.Find(old.Name)
		if err != nil || e.Key.Succession.To != a.Target || !e.Key.Succession.Over(time.Unix(2, 0)) || e.Key.Revision != 2 {
			t.Errorf("%s: %+v, %v", what, e, err)
		}
	}
	stale, err := two.Find(old.Name)
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := two.Refresh(ctx, stale)
	if err != nil || fresh.Key.Revision != 2 {
		t.Errorf("refreshed: %+v, %v", fresh, err)
	}
	if again, err := two.Refresh(ctx, fresh); again != fresh || err != nil {
		t.Errorf("refreshed twice: %+v, %v", again, err)
	}
	due, err := one.Due(ctx, time.Unix(3, 0), 10)
	if err != nil || len(due) != 1 || due[0] != old.Name {
		t.Errorf("due: %v, %v", due, err)
	}
}

// TestConflict holds that a change of what another server has changed is
// refused.
func TestConflict(t *testing.T) {
	ctx, s := t.Context(), mem.New()
	one := load(t, s)
	if err := one.Insert(ctx, &catalog.Change{Key: signing(1)}); err != nil {
		t.Fatal(err)
	}
	two := load(t, s)
	change := func(c *catalog.Catalog) error {
		e, _ := c.Get(signing(1).Name.ID)
		k := e.Key.Clone()
		k.Revision++
		return c.Update(ctx, e, &catalog.Change{Key: k})
	}
	if err := change(one); err != nil {
		t.Fatal(err)
	}
	if err := change(two); fault.KindOf(err) != fault.Conflict {
		t.Errorf("the other server: %v", err)
	}
	if err := change(one); err != nil {
		t.Error(err)
	}
}
