package key

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

func TestKeyNames(t *testing.T) {
	n := Name{DefaultRealm, "eu-central-1", "0c056720-9129-4a70-b9c2-74fffa3a99bf"}
	if got, ok := ParseName(n.String()); !ok || got != n {
		t.Errorf("ParseName(%q) = %v, %v", n, got, ok)
	}
	for _, s := range []string{"", "a/b/c", "123456789012//id", "123456789012/r/", "123456789012/r/id/x", "12345678901x/r/id"} {
		if got, ok := ParseName(s); ok {
			t.Errorf("ParseName(%q) = %v", s, got)
		}
	}
}

func TestEveryActionHasItsOwnName(t *testing.T) {
	seen := map[string]Action{}
	for _, a := range Actions() {
		name := a.String()
		if name == "" {
			t.Errorf("action %d has no name", uint8(a))
		}
		if other, twice := seen[name]; twice {
			t.Errorf("actions %d and %d are both %q", uint8(a), uint8(other), name)
		}
		seen[name] = a
	}
	if len(seen) < 50 {
		t.Errorf("only %d actions", len(seen))
	}
}

func TestActionSet(t *testing.T) {
	var s ActionSet
	s.Add(Sign, ResetServer)
	rest := s.Complement()
	for _, a := range Actions() {
		if in := a == Sign || a == ResetServer; s.Has(a) != in || rest.Has(a) == in {
			t.Errorf("%s: in the set %v, in its complement %v", a, s.Has(a), rest.Has(a))
		}
	}
	if s.Has(NoAction) || rest.Has(NoAction) || rest.Has(lastAction) {
		t.Error("a set has an action that is none")
	}
}

func TestResourceNames(t *testing.T) {
	for want, r := range map[string]Resource{
		"":                                {},
		"123456789012/r/id":               {Kind: KindKey, Realm: DefaultRealm, Region: "r", ID: "id"},
		"123456789012/r/alias/alias/a":    {Kind: KindAlias, Realm: DefaultRealm, Region: "r", ID: "alias/a"},
		"123456789012/user/alice":         {Kind: KindUser, Realm: DefaultRealm, ID: "alice"},
		"123456789012/r/authority/1":      {Kind: KindAuthority, Realm: DefaultRealm, Region: "r", ID: "1"},
		"123456789012/r/certificate/1/ff": {Kind: KindCertificate, Realm: DefaultRealm, Region: "r", ID: "1/ff"},
	} {
		if got := r.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestCloneSharesNothingThatChanges(t *testing.T) {
	k := &Key{Versions: []Version{{Number: 1}}, Tags: []Tag{{"a", "1"}}, Grants: []Grant{{ID: "g"}}}
	c := k.Clone()
	c.Versions[0].Number, c.Tags[0].Value, c.Grants[0].ID = 2, "2", "h"
	if k.Versions[0].Number != 1 || k.Tags[0].Value != "1" || k.Grants[0].ID != "g" {
		t.Errorf("the original changed: %+v", k)
	}
}

func TestVersions(t *testing.T) {
	k := &Key{Versions: []Version{{Number: 1}, {Number: 2}}}
	if v, err := k.Version(2); err != nil || v.Number != 2 || k.Current().Number != 2 {
		t.Errorf("got %v, %v", v, err)
	}
	for _, n := range []VersionNumber{0, 3} {
		if _, err := k.Version(n); fault.KindOf(err) != fault.NotFound {
			t.Errorf("version %d: %v", n, err)
		}
	}
}
