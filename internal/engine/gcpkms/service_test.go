package gcpkms

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/gcpkms/gcpkmstest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// TestNew is what options can be wrong in.
func TestNew(t *testing.T) {
	t.Parallel()
	good := Options{
		Settings: remote.Settings{Name: "google"}, KeyRing: "projects/p/locations/global/keyRings/r",
		Credentials: &Credentials{JSON: []byte(`{"type":"authorized_user","client_id":"i","client_secret":"s","refresh_token":"t"}`)},
	}
	for name, tt := range map[string]struct {
		change func(*Options)
		word   string // "" for what is right
	}{
		"as it is":              {func(*Options) {}, ""},
		"no name":               {func(o *Options) { o.Name = "" }, "name"},
		"no key ring":           {func(o *Options) { o.KeyRing = "" }, ""},
		"a key for a key ring":  {func(o *Options) { o.KeyRing += "/cryptoKeys/k" }, "KeyRing"},
		"HSM":                   {func(o *Options) { o.Level = "HSM" }, ""},
		"external keys":         {func(o *Options) { o.Level = "EXTERNAL" }, "Level"},
		"no level":              {func(o *Options) { o.Level = "hsm" }, "Level"},
		"PSS":                   {func(o *Options) { o.RSASigns = alg.PSSSHA256 }, ""},
		"PSS with SHA-384":      {func(o *Options) { o.RSASigns = alg.PSSSHA384 }, "RSASigns"},
		"OAEP with SHA-1":       {func(o *Options) { o.RSADecrypts = alg.OAEPSHA1 }, ""},
		"signs by OAEP":         {func(o *Options) { o.RSASigns = alg.OAEPSHA256 }, "RSASigns"},
		"decrypts by PSS":       {func(o *Options) { o.RSADecrypts = alg.PSSSHA256 }, "RSADecrypts"},
		"a day":                 {func(o *Options) { o.DestroyAfter = 24 * time.Hour }, ""},
		"an hour":               {func(o *Options) { o.DestroyAfter = time.Hour }, "DestroyAfter"},
		"an endpoint":           {func(o *Options) { o.Endpoint = "kms.example:443" }, ""},
		"a URL":                 {func(o *Options) { o.Endpoint = "https://kms.example:443" }, ""},
		"no port":               {func(o *Options) { o.Endpoint = "kms.example" }, "Endpoint"},
		"loopback without TLS":  {func(o *Options) { o.Endpoint = "http://127.0.0.1:1" }, ""},
		"localhost without TLS": {func(o *Options) { o.Endpoint = "http://localhost:1" }, ""},
		"without TLS":           {func(o *Options) { o.Endpoint = "http://kms.example:443" }, "Endpoint"},
		"no certificate":        {func(o *Options) { o.CA = []byte("x") }, "CA"},
		"credentials twice":     {func(o *Options) { o.CredentialsFile = "x" }, "Credentials"},
		"no JSON":               {func(o *Options) { o.Credentials = &Credentials{JSON: []byte("x")} }, "Credentials"},
		"no credentials at all": {func(o *Options) { o.Credentials = &Credentials{JSON: []byte("{}")} }, "Credentials"},
		"no file":               {func(o *Options) { o.Credentials, o.CredentialsFile = nil, "/nonexistent" }, "Credentials"},
		"anonymous":             {func(o *Options) { o.Credentials, o.Anonymous = nil, true }, ""},
		"left to the default":   {func(o *Options) { o.Credentials = nil }, ""},
	} {
		o := good
		tt.change(&o)
		e, err := New(t.Context(), enginetest.Box{}, o)
		if tt.word == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			} else if err := e.Close(); err != nil {
				t.Errorf("%s: Close: %v", name, err)
			}
			continue
		}
		if fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), tt.word) {
			t.Errorf("%s: %v, want an error with the word %q", name, err, tt.word)
		}
	}
	if _, err := New(t.Context(), nil, good); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("no wrapper: %v", err)
	}
}

// TestPlace is what an engine says of itself.
func TestPlace(t *testing.T) {
	t.Parallel()
	o := Options{Settings: remote.Settings{Name: "google"}, Anonymous: true}
	e := newEngine(t, o)
	if e.Name() != "google" || e.Protection() != key.Outside || e.Health().State != remote.StateOK {
		t.Errorf("%s, %s, %+v", e.Name(), e.Protection(), e.Health())
	}
	for _, spec := range alg.Specs() { // without a key ring it makes none
		for _, u := range spec.Info().Usages {
			if e.Supports(spec, u) || e.Imports(spec) {
				t.Errorf("it makes %s", spec)
			}
		}
	}
	_, err := e.Generate(t.Context(), enginetest.NewRef("k"), enginetest.KindOf(alg.P256))
	wantKind(t, "Generate", err, fault.Unsupported)
	_, err = e.Make(t.Context(), "k", enginetest.KindOf(alg.P256))
	wantKind(t, "Make", err, fault.Unsupported)
	_, _, err = e.List(t.Context(), "")
	wantKind(t, "List", err, fault.Unsupported)
	o.Level = "HSM"
	if e := newEngine(t, o); e.Protection() != key.HSM {
		t.Errorf("keys in HSMs are %s", e.Protection())
	}
}

func wantKind(t *testing.T, what string, err error, kind fault.Kind) {
	t.Helper()
	if err == nil || fault.KindOf(err) != kind {
		t.Errorf("%s: %v, want it to be %s", what, err, kind)
	}
}

// makes makes a key, as a test of the credentials.
func makes(t *testing.T, o Options, id key.ID) error {
	t.Helper()
	e := newEngine(t, o)
	_, err := e.Generate(t.Context(), enginetest.NewRef(id), enginetest.KindOf(alg.P256))
	return err
}

// TestCredentials is every way in which credentials come.
func TestCredentials(t *testing.T) {
	s := gcpkmstest.Start(t)
	account, err := s.ServiceAccount()
	if err != nil {
		t.Fatal(err)
	}
	file := func(text []byte) string {
		path := filepath.Join(t.TempDir(), "credentials.json")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("HOME", t.TempDir()) // no credentials of gcloud's
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
	t.Setenv("NO_GCE_CHECK", "true")
	for name, tt := range map[string]struct {
		variable string // GOOGLE_APPLICATION_CREDENTIALS
		change   func(*Options)
		want     fault.Kind // 0 for none
	}{
		"workload identity":           {"", func(*Options) {}, 0},
		"a service account":           {"", func(o *Options) { o.Credentials.JSON = account }, 0},
		"a file":                      {"", func(o *Options) { o.Credentials, o.CredentialsFile = nil, file(s.Credentials()) }, 0},
		"the environment's":           {file(s.Credentials()), func(o *Options) { o.Credentials = nil }, 0},
		"the environment's account":   {file(account), func(o *Options) { o.Credentials = nil }, 0},
		"given and the environment's": {"/nonexistent", func(*Options) {}, 0},
		"none":                        {"", func(o *Options) { o.Credentials = nil }, fault.Unavailable},
		"a file that is not there":    {"/nonexistent", func(o *Options) { o.Credentials = nil }, fault.Unavailable},
		"anonymous":                   {"", func(o *Options) { o.Credentials, o.Anonymous = nil, true }, fault.Unavailable},
		"another's workload identity": {"", func(o *Options) {
			o.Credentials.JSON = changed(t, s.Credentials(), "audience", "//iam.googleapis.com/other")
		}, fault.Unavailable},
		"another's service account": {"", func(o *Options) { o.Credentials.JSON = changed(t, account, "client_email", "other@example.com") }, fault.Unavailable},
		"no service for tokens": {"", func(o *Options) {
			o.Credentials.JSON = changed(t, s.Credentials(), "token_url", "http://127.0.0.1:1/token")
		}, fault.Unavailable},
		"another issuer of the service": {"", func(o *Options) { o.CA = nil }, fault.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", tt.variable)
			o := options(s)
			o.KeyRing, o.Retries = ringFor(t, s), 1
			tt.change(&o)
			err := makes(t, o, "k")
			if tt.want == 0 && err != nil || tt.want != 0 && fault.KindOf(err) != tt.want {
				t.Errorf("%v", err)
			}
			for _, secret := range []string{"PRIVATE KEY", "ya29", "eyJ"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error has a secret: %v", err)
				}
			}
		})
	}
}

// changed returns JSON with another value of a member.
func changed(t *testing.T, text []byte, name, value string) []byte {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(text, &members); err != nil {
		t.Fatal(err)
	}
	members[name] = value
	out, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTokens: one token serves many requests, and one that is revoked is
// replaced, once for all requests that suffer from it.
func TestTokens(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	e := newEngine(t, options(s))
	m, k := enginetest.Generate(t, e, enginetest.NewRef("k"), alg.P256)
	use(t, alg.P256, m, k)
	if n := s.Tokens(); n != 1 {
		t.Errorf("%d tokens for one engine", n)
	}
	for want := 2; want < 4; want++ {
		s.Revoke()
		use(t, alg.P256, m, k)
		use(t, alg.P256, m, k)
		if n := s.Tokens(); n != want {
			t.Errorf("%d tokens, want %d", n, want)
		}
	}
	if h := e.Health(); h.State != remote.StateOK || h.Retries != 2 {
		t.Errorf("%+v", h)
	}
}

// TestClosed: an engine that is closed does nothing any more, and closes twice.
func TestClosed(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	e := newEngine(t, options(s))
	enginetest.Generate(t, e, enginetest.NewRef("k"), alg.P256)
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := e.Generate(t.Context(), enginetest.NewRef("l"), enginetest.KindOf(alg.P256))
	wantKind(t, "Generate", err, fault.Unavailable)
}

// TestSecrets: neither options nor engines nor keys show credentials.
func TestSecrets(t *testing.T) {
	t.Parallel()
	o := Options{Settings: remote.Settings{Name: "google"}, Credentials: &Credentials{JSON: []byte(
		`{"type":"authorized_user","client_id":"i","client_secret":"PA55","refresh_token":"PA55"}`,
	)}}
	text, err := json.Marshal(o.Credentials)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{fmt.Sprintf("%v %+v %#v", o, o, o), string(text), fmt.Sprint(o.Credentials)} {
		if strings.Contains(shown, "PA55") || strings.Contains(shown, "80 65 53 53") {
			t.Errorf("%s", shown)
		}
	}
}

// TestGone: who asks for nothing any more gets nothing.
func TestGone(t *testing.T) {
	t.Parallel()
	s := gcpkmstest.Start(t)
	e := newEngine(t, options(s))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := e.Make(gone, "k", enginetest.KindOf(alg.P256))
	wantKind(t, "Make", err, fault.Unavailable)
	_, err = e.Import(gone, enginetest.NewRef("k"), enginetest.KindOf(alg.P256), enginetest.NewPlain(t, alg.P256))
	wantKind(t, "Import", err, fault.Unavailable)
	_, _, err = e.Adopt(gone, enginetest.NewRef("k"), s.KeyRing+"/cryptoKeys/k")
	wantKind(t, "Adopt", err, fault.Unavailable)
	if s.Keys() != 0 || s.Requests() != 0 {
		t.Errorf("%d keys, %d requests", s.Keys(), s.Requests())
	}
}
