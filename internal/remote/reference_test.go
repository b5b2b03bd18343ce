package remote_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

const uuid = "5f0c0000-1111-4222-8333-444444444444"

// TestNames says which names keys get in a service, and which of those there
// are Holdfast's.
func TestNames(t *testing.T) {
	ref := enginetest.NewRef(uuid)
	ref.Version = 12
	if got, want := remote.KeyName(ref), "holdfast-"+uuid+"-12"; got != want {
		t.Errorf("the name is %q, want %q", got, want)
	}
	for name, want := range map[string]bool{
		remote.KeyName(ref):             true,
		"holdfast-" + uuid + "-1":       true,
		"holdfast-" + uuid + "-0":       false, // versions begin at 1
		"holdfast-" + uuid + "-":        false,
		"holdfast-" + uuid:              false,
		"holdfast-" + uuid + "-one":     false,
		"holdfast-" + uuid + "--1":      false,
		"holdfast-" + uuid + "-1-2":     false,
		"alias/holdfast-" + uuid + "-1": false,
		"holdfast-team-1":               false, // somebody's own
		"holdfast--1":                   false,
		"holdfast-":                     false,
		"":                              false,
	} {
		if got := remote.Made(name); got != want {
			t.Errorf("%q is Holdfast's: %t, want %t", name, got, want)
		}
	}
}

// TestAllows says what a key does of what its spec has.
func TestAllows(t *testing.T) {
	r := &remote.Reference{}
	r.Does([]alg.Usage{alg.SignVerify}, []alg.Algorithm{alg.PKCS1SHA256, alg.PSSSHA256})
	r.Does([]alg.Usage{alg.SignVerify}, []alg.Algorithm{alg.PSSSHA256}) // the last counts
	for _, tt := range []struct {
		algorithm alg.Algorithm
		kind      fault.Kind
		reason    fault.Reason
		ok        bool
	}{
		{alg.PSSSHA256, 0, 0, true},
		{alg.PKCS1SHA256, fault.Unsupported, fault.Unspecified, false},
		{alg.OAEPSHA256, fault.InvalidArgument, fault.WrongUsage, false},
		{alg.NoAlgorithm, fault.InvalidArgument, fault.WrongUsage, false},
	} {
		err := r.Allows(tt.algorithm)
		if (err == nil) != tt.ok || err != nil && (fault.KindOf(err) != tt.kind || fault.ReasonOf(err) != tt.reason) {
			t.Errorf("%s: %v", tt.algorithm, err)
		}
	}
}

// TestSealed says that a reference comes back as it was, for the same key alone.
func TestSealed(t *testing.T) {
	box, ref := remote.Box(enginetest.Box{}, "far"), enginetest.NewRef(uuid)
	want := &remote.Reference{Name: "there", Version: "3", Type: "kind", Adopted: true, Public: []byte("public")}
	want.Does([]alg.Usage{alg.SignVerify}, []alg.Algorithm{alg.ECDSASHA256})
	m, err := remote.Seal(box, ref, alg.P256, want)
	if err != nil {
		t.Fatal(err)
	}
	if string(m.Public) != "public" {
		t.Errorf("the material's public half is %q", m.Public)
	}
	got, err := remote.Unseal(box, ref, alg.P256, m.Wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("it comes back as another (-want +got):\n%s", diff)
	}
	other := ref
	other.Version++
	for name, open := range map[string]func() (*remote.Reference, error){
		"another version": func() (*remote.Reference, error) { return remote.Unseal(box, other, alg.P256, m.Wrapped) },
		"another spec":    func() (*remote.Reference, error) { return remote.Unseal(box, ref, alg.P384, m.Wrapped) },
		"another engine": func() (*remote.Reference, error) {
			return remote.Unseal(remote.Box(enginetest.Box{}, "near"), ref, alg.P256, m.Wrapped)
		},
	} {
		if _, err := open(); fault.KindOf(err) != fault.Internal || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	later, err := box.SealJSON(ref, alg.P256, map[string]any{"name": "there", "of a later Holdfast": 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Unseal(box, ref, alg.P256, later); fault.KindOf(err) != fault.Internal || err == nil {
		t.Errorf("a field that is not known: %v", err)
	}
}
