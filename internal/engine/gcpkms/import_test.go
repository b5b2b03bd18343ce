package gcpkms

import (
	"log/slog"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/remote/remotetest"
)

// TestImportAgain: material whose import was answered by nothing is found
// again, by its public half or by its codes.
func TestImportAgain(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	e := newEngine(t, options(s))
	keys := 0
	for _, spec := range []alg.Spec{alg.P256, alg.HMAC256, alg.AES256} {
		ref := enginetest.NewRef(key.ID(spec.String()))
		plain := enginetest.NewPlain(t, spec)
		names := map[string]bool{}
		for range 2 {
			m, err := e.Import(t.Context(), ref, enginetest.KindOf(spec), plain)
			if err != nil {
				t.Fatalf("%s: %v", spec, err)
			}
			name, err := e.NameOf(ref, spec, m.Wrapped)
			if err != nil {
				t.Fatal(err)
			}
			names[name] = true
			k, err := e.Open(t.Context(), ref, spec, m.Wrapped)
			if err != nil {
				t.Fatal(err)
			}
			use(t, spec, m, k)
		}
		want := 1
		if spec == alg.AES256 {
			want = 2 // nothing tells of such a key what it is made of
		}
		if keys += want; len(names) != want || s.Keys() != keys {
			t.Errorf("%s: %v, %d keys, want %d", spec, names, s.Keys(), keys)
		}
		m, err := e.Import(t.Context(), ref, enginetest.KindOf(spec), enginetest.NewPlain(t, spec))
		if keys++; err != nil || s.Keys() != keys {
			t.Errorf("%s, other material: %v, %d keys, want %d", spec, err, s.Keys(), keys)
		}
		if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil { // one version, and no other
			t.Fatal(err)
		}
		if keys--; s.Keys() != keys {
			t.Errorf("%s: %d keys after the end of one, want %d", spec, s.Keys(), keys)
		}
	}
}

// TestImportFaults: whatever happens to a request, one call brings material in
// once.
func TestImportFaults(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	o.Settings = remotetest.Settings("google")
	o.Log = slog.New(slog.DiscardHandler)
	plain := enginetest.NewPlain(t, alg.AES256)
	if _, err := newEngine(t, options(s)).Import(t.Context(), enginetest.NewRef("first"), enginetest.KindOf(alg.AES256), plain); err != nil {
		t.Fatal(err) // which made the job that all others use
	}
	for name, f := range map[string]remotetest.Fault{
		"throttled": remotetest.Throttle, "failing": remotetest.Fail, "slow": remotetest.Slow, "cut": remotetest.Cut, "dropped": remotetest.Drop,
	} {
		e := newEngine(t, o)
		for at := range 5 {
			ref := enginetest.NewRef(key.ID(name + string(rune('0'+at))))
			s.Inject(f, at, 1)
			m, err := e.Import(t.Context(), ref, enginetest.KindOf(alg.AES256), plain)
			s.Inject(remotetest.None, 0, 0)
			if err != nil {
				t.Errorf("%s at request %d: %v", name, at, err)
				continue
			}
			all, err := e.versions(t.Context(), "test", e.ring.Key(remote.KeyName(ref)))
			if err != nil || len(all) != 1 {
				t.Errorf("%s at request %d: %d versions (%v)", name, at, len(all), err)
			}
			k, err := e.Open(t.Context(), ref, alg.AES256, m.Wrapped)
			if err != nil {
				t.Fatal(err)
			}
			use(t, alg.AES256, m, k)
		}
	}
}

// TestImportJob: one job serves a day, and one that is another's is not used.
func TestImportJob(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	o := options(s)
	one, other := newEngine(t, o), newEngine(t, o)
	first, _, err := one.job(t.Context(), "test")
	if err != nil {
		t.Fatal(err)
	}
	before := s.Requests()
	second, _, err := other.job(t.Context(), "test")
	if err != nil || second != first || s.Requests()-before != 1 {
		t.Errorf("%s and %s, %v, %d requests", first, second, err, s.Requests()-before)
	}
	o.Level = "HSM"
	hsm := newEngine(t, o)
	operator := newOperator(t, o)
	_, err = operator.CreateImportJob(t.Context(), &kmspb.CreateImportJobRequest{
		Parent: o.KeyRing, ImportJobId: "holdfast-import-hsm-" + first[len(first)-8:],
		ImportJob: &kmspb.ImportJob{ImportMethod: kmspb.ImportJob_RSA_OAEP_4096_SHA1_AES_256, ProtectionLevel: inHSM},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = hsm.job(t.Context(), "test")
	wantKind(t, "a job of another method", err, fault.Conflict)
}

// TestImportFailed: material that the service cannot read is the caller's
// fault, in the service's own words for the operator.
func TestImportFailed(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	e := newEngine(t, options(s))
	row := rowOf(t, e, alg.P256)
	in := &incoming{op: "test", row: row, name: e.ring.Key("k"), plain: enginetest.NewPlain(t, alg.P384), public: []byte("x")}
	if _, err := e.create(t.Context(), in.op, newKey{name: in.name, row: row, imported: true}); err != nil {
		t.Fatal(err)
	}
	_, err := e.bring(t.Context(), in)
	wantKind(t, "a key of another curve", err, fault.InvalidArgument)
	if f, ok := err.(*fault.Error); !ok || f.Err == nil || f.Public == "" { //nolint:errorlint // the error itself
		t.Errorf("%v", err)
	}
}
