package azurekv

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/azurekv/azurekvtest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// kept is a key that a test takes through its states.
type kept struct {
	*Engine
	ref engine.Ref
	m   engine.Material
	k   *engine.Key
}

func keep(t *testing.T, e *Engine, ref engine.Ref) *kept {
	t.Helper()
	m, err := e.Generate(t.Context(), ref, ecKind())
	if err != nil {
		t.Fatal(err)
	}
	k, err := e.Open(t.Context(), ref, alg.P256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	return &kept{e, ref, m, k}
}

func (k *kept) want(t *testing.T, when string, want engine.Condition) {
	t.Helper()
	got, err := k.Condition(t.Context(), k.ref, alg.P256, k.m.Wrapped)
	if err != nil || got != want {
		t.Errorf("%s: the key is %q (%v), want %q", when, got, err, want)
	}
}

// TestSoftDelete is the life of a key in a vault that keeps deleted ones: to and
// fro, and every step twice.
func TestSoftDelete(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	k := keep(t, newEngine(t, options(s)), refOf(1))
	other := keep(t, k.Engine, refOf(2))
	twice := func(what string, f func() error) {
		t.Helper()
		for range 2 {
			if err := f(); err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	destroy := func() error { return k.Destroy(t.Context(), k.ref, k.m.Wrapped) }
	restore := func() error { return k.Recover(t.Context(), k.ref, alg.P256, k.m.Wrapped) }
	enable := func(on bool) func() error {
		return func() error { return k.SetEnabled(t.Context(), k.ref, alg.P256, k.m.Wrapped, on) }
	}
	k.want(t, "made", engine.Usable)
	twice("disable", enable(false))
	k.want(t, "disabled", engine.Disabled)
	err := signWith(k.k)
	wantKind(t, err, fault.WrongState, "use of a disabled key")
	if fault.ReasonOf(err) != fault.KeyDisabled {
		t.Errorf("the reason is not KeyDisabled: %v", err)
	}
	twice("destroy", destroy)
	k.want(t, "destroyed", engine.Deleted)
	err = signWith(k.k)
	wantKind(t, err, fault.WrongState, "use of a deleted key")
	if fault.ReasonOf(err) != fault.KeyUnavailable {
		t.Errorf("the reason is not KeyUnavailable: %v", err)
	}
	wantKind(t, enable(true)(), fault.WrongState, "enabling a deleted key")
	_, err = k.Generate(t.Context(), k.ref, ecKind())
	wantKind(t, err, fault.WrongState, "a new key in place of a deleted one")
	twice("recover", restore)
	k.want(t, "recovered", engine.Disabled)
	twice("enable", enable(true))
	k.want(t, "enabled", engine.Usable)
	if err := signWith(k.k); err != nil {
		t.Error(err)
	}
	if err := signWith(other.k); err != nil || s.Keys() != 2 {
		t.Errorf("the other key: %v", err)
	}
	s.RemoveKey(remote.KeyName(k.ref))
	k.want(t, "purged by others", engine.Gone)
	wantKind(t, restore(), fault.NotFound, "recovering a key that is gone")
	twice("destroying what is gone", destroy)
}

// TestPurge: with Options.Purge a destroyed key is gone, and its name free.
func TestPurge(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	o := options(s)
	soft := keep(t, newEngine(t, o), refOf(2))
	o.Purge = true
	k := keep(t, newEngine(t, o), refOf(1))
	for range 2 {
		if err := k.Destroy(t.Context(), k.ref, k.m.Wrapped); err != nil {
			t.Fatal(err)
		}
	}
	k.want(t, "purged", engine.Gone)
	wantKind(t, k.Recover(t.Context(), k.ref, alg.P256, k.m.Wrapped), fault.Unsupported, "recover")
	if err := signs(t, k.Engine, k.ref); err != nil {
		t.Errorf("the name is not free: %v", err)
	}
	// what was only deleted, by an earlier configuration, is ended too
	if err := soft.Destroy(t.Context(), soft.ref, soft.m.Wrapped); err != nil {
		t.Fatal(err)
	}
	if err := k.Destroy(t.Context(), soft.ref, soft.m.Wrapped); err != nil {
		t.Fatal(err)
	}
	soft.want(t, "purged afterwards", engine.Gone)
}

// TestAdoptedIsLeftAlone: whatever is asked for an adopted key, its vault is
// asked for nothing.
func TestAdoptedIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	e := newEngine(t, options(s))
	name := s.AddKey(t, "owned", azure.CreateKey{Type: azure.EC, Curve: azure.P256})
	_, m, err := e.Adopt(t.Context(), refOf(1), name)
	if err != nil {
		t.Fatal(err)
	}
	before := s.Requests()
	for what, err := range map[string]error{
		"disable": e.SetEnabled(t.Context(), refOf(1), alg.P256, m.Wrapped, false), "destroy": e.Destroy(t.Context(), refOf(1), m.Wrapped),
		"recover": e.Recover(t.Context(), refOf(1), alg.P256, m.Wrapped),
	} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := s.Requests() - before; n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if c, err := e.Condition(t.Context(), refOf(1), alg.P256, m.Wrapped); err != nil || c != engine.Usable {
		t.Errorf("the condition is %q (%v)", c, err)
	}
}

// TestAnotherVault: a reference is of one vault; in another a key of the same
// name is another key.
func TestAnotherVault(t *testing.T) {
	t.Parallel()
	here, there := newEngine(t, options(azurekvtest.Start(t))), newEngine(t, options(azurekvtest.Start(t)))
	k := keep(t, here, refOf(1))
	keep(t, there, refOf(1))
	opened, err := there.Open(t.Context(), k.ref, alg.P256, k.m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	wantKind(t, signWith(opened), fault.Unavailable, "use")
	wantKind(t, there.Destroy(t.Context(), k.ref, k.m.Wrapped), fault.Unavailable, "Destroy")
	_, err = there.Condition(t.Context(), k.ref, alg.P256, k.m.Wrapped)
	wantKind(t, err, fault.Unavailable, "Condition")
}

// blind is a transport whose vault does not let the server see deleted keys.
type blind struct{ *http.Client }

func (b blind) Do(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Path, "/deletedkeys/") || r.Method != http.MethodGet {
		return b.Client.Do(r)
	}
	body, err := json.Marshal(azure.Error{Code: azure.Forbidden, Inner: azure.ForbiddenByRbac})
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

// TestWithoutSightOfDeletedKeys: a server may lack the permission to see deleted
// keys; it deletes all the same, and takes what is not there for deleted.
func TestWithoutSightOfDeletedKeys(t *testing.T) {
	t.Parallel()
	s := azurekvtest.Start(t)
	o := options(s)
	o.Transport = blind{newClient(&o)}
	k := keep(t, newEngine(t, o), refOf(1))
	if err := k.Destroy(t.Context(), k.ref, k.m.Wrapped); err != nil {
		t.Fatal(err)
	}
	k.want(t, "destroyed", engine.Deleted)
}
