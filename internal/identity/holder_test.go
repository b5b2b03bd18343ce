package identity_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
)

// TestHolders: users and roles that have policies are there, a role as one of
// its sessions, and nobody of another realm.
func TestHolders(t *testing.T) {
	f := newFixture(t)
	f.role("ops/Deploy", trustAlice) // and alice, who has no policy
	got := map[string]string{}
	for _, h := range f.directory.Holders(key.DefaultRealm) {
		call := f.call(h.Acts)
		d := policy.Decide(policy.Input{
			Request:  policy.Request{Call: call, Action: key.ListKeys, Resource: key.Resource{Realm: key.DefaultRealm}},
			Identity: h.Policies,
		})
		got[h.Principal.String()] = h.Acts.String()
		if !d.Allowed {
			t.Errorf("%s may not list keys: %s", h.Principal, d.Why)
		}
	}
	want := map[string]string{
		"123456789012:user:admin":      "123456789012:user:admin",
		"123456789012:role:ops/Deploy": "123456789012:session:ops/Deploy/compliance",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if others := f.directory.Holders("999999999999"); len(others) > 0 {
		t.Errorf("another realm has %v", others)
	}
}
