//go:build linux && (amd64 || arm64) && !static

package holdfast_test

import (
	"net/url"
	"testing"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/native"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
)

func TestMain(m *testing.M) {
	holdfast.Main()
	m.Run()
}

// newToken makes a SoftHSM 2 token and returns its URI without a PIN.
func newToken(t *testing.T) string {
	t.Helper()
	env, err := pkcs11test.Environment(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	path := pkcs11test.Library(t)
	m, err := native.Shared(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs11test.Initialise(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	closed(t, m)
	return "pkcs11:token=" + url.PathEscape(pkcs11test.Label) + "?module-path=" + path
}

func TestToken(t *testing.T) {
	place := newToken(t)
	u, err := holdfast.ParseURI(place)
	if err != nil {
		t.Fatal(err)
	}
	w := world{
		uri: func(name string) string {
			return "pkcs11:" + u.Key + ";object=" + url.PathEscape(name) + "?module-path=" + u.Query["module-path"]
		},
		place:   place,
		specs:   []string{"aes-256", "hmac-256", "rsa-2048", "p-256", "p-521", "ed25519"},
		decrypt: []string{"rsa-2048"},
		agree:   []string{"p-256"},
		opts:    []holdfast.Option{holdfast.WithPIN(func() ([]byte, error) { return []byte(pkcs11test.PIN), nil })},
	}
	t.Run("in this process", func(t *testing.T) { try(t, w) })
	w.opts = append(w.opts, holdfast.WithModuleProcess())
	t.Run("in its own", func(t *testing.T) { // one key: each process takes a while to start
		k, err := connect(t, w).Create(t.Context(), "object=in-its-own", "p-256")
		if err != nil {
			t.Fatal(err)
		}
		trySigner(t, k)
	})
	t.Run("PINs", func(t *testing.T) { pins(t, place) })
}

// pins has the PIN come from each place.
func pins(t *testing.T, place string) {
	ok := func(uri string) {
		t.Helper()
		p, err := holdfast.Connect(t.Context(), uri)
		if err != nil {
			t.Fatal(err)
		}
		defer closed(t, p)
		k, err := p.Create(t.Context(), "object=pin", "p-256")
		if err != nil && holdfast.KindOf(err) != holdfast.AlreadyExists {
			t.Errorf("%s: %v", uri, err)
		}
		if err == nil {
			trySigner(t, k)
		}
	}
	ok(place + "&pin-value=" + pkcs11test.PIN)
	ok(place + "&pin-source=" + write(t, "pin", []byte(pkcs11test.PIN+"\n")))
	t.Setenv(holdfast.PINVariable, pkcs11test.PIN)
	ok(place)
	t.Setenv(holdfast.ModuleVariable, pkcs11test.Library(t))
	ok("pkcs11:token=" + url.PathEscape(pkcs11test.Label))
	ok("pkcs11:token=" + url.PathEscape(pkcs11test.Label) + "?module-name=softhsm2")
	for uri, want := range map[string]holdfast.Kind{
		"pkcs11:object=release":                                holdfast.InvalidArgument,
		"pkcs11:token=t;object=a?module-path=/nothing/here.so": holdfast.InvalidArgument,
		"pkcs11:token=t;object=a?module-name=nothing":          holdfast.InvalidArgument,
		"pkcs11:token=another;object=a":                        holdfast.Unavailable,
	} {
		k, err := holdfast.Open(t.Context(), uri)
		wantKind(t, err, want)
		if err == nil {
			closed(t, k)
		}
	}
}
