package vault

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// direct carries requests to a server without a network, so that time can be
// the test's own.
type direct struct{ s *vaulttest.Server }

// RoundTrip answers a request.
func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	d.s.ServeHTTP(w, r)
	resp := w.Result()
	resp.Request = r
	return resp, nil
}

// still returns the options for a server that is reached without a network.
func still(s *vaulttest.Server) Options {
	o := options(s)
	o.CA, o.Transport = nil, direct{s}
	return o
}

// random asks for random bytes: a request that needs nothing but a token.
func random(t *testing.T, e *Engine) error {
	t.Helper()
	return e.Random(t.Context(), make([]byte, 8))
}

// TestLeases: over days, a token is renewed while it can be and another one is
// there before it ends, so that no request ever meets one that has.
func TestLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vaulttest.New(vaulttest.Leases(time.Hour, 24*time.Hour))
		e := open(t, still(s))
		if s.Logins() != 0 {
			t.Error("New logs in")
		}
		for range 100 {
			if err := random(t, e); err != nil {
				t.Fatalf("after %d logins: %v", s.Logins(), err)
			}
			time.Sleep(41 * time.Minute)
		}
		if n := s.Logins(); n < 3 || n > 5 { // 68 hours
			t.Errorf("%d logins", n)
		}
		if h := e.Health(); h.Failures != 0 || h.Retries != 0 {
			t.Errorf("requests have met a token that had ended: %+v", h)
		}
		if err := e.Close(); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := s.Tokens(); n > 1 { // the one before the last may have an hour left
			t.Errorf("%d tokens are left", n)
		}
	})
}

// TestClosed: nothing is asked for after Close, and the token is given back.
func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vaulttest.New()
		e := open(t, still(s))
		if err := random(t, e); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.Tokens(); n != 0 {
			t.Errorf("%d tokens are left", n)
		}
		if err := random(t, e); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("a closed engine: %v", err)
		}
		if s.Logins() != 1 {
			t.Error("a closed engine logs in")
		}
	})
}

// TestEnded: a token that ends without notice is replaced, whichever way the
// server says so; a refusal that is none of the token's end is one.
func TestEnded(t *testing.T) {
	for name, options := range map[string][]vaulttest.Option{"said": nil, "not said": {vaulttest.Silent()}} {
		t.Run(name, func(t *testing.T) {
			s := vaulttest.New(options...)
			e := open(t, still(s))
			for range 3 {
				if err := random(t, e); err != nil {
					t.Fatal(err)
				}
				s.Revoke()
			}
			if n := s.Logins(); n != 3 {
				t.Errorf("%d logins", n)
			}
		})
	}
	t.Run("not allowed", func(t *testing.T) {
		s := vaulttest.New()
		o := still(s)
		o.AppRole, o.Token = nil, Secret(s.Token("", time.Hour, "nothing"))
		e := open(t, o)
		err := random(t, e)
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "permission denied") {
			t.Errorf("%v, want that the server's credential may not", err)
		}
		if h := e.Health(); h.State != "refusing" {
			t.Errorf("the state is %q", h.State)
		}
	})
}

// TestTokens: a token that is given is renewed, and replaced from its file.
func TestTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vaulttest.New(vaulttest.Leases(time.Hour, 48*time.Hour))
		file := filepath.Join(t.TempDir(), "token")
		put := func(text string) {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o := still(s)
		o.AppRole, o.TokenFile = nil, file
		e := open(t, o)
		if err := random(t, e); fault.KindOf(err) != fault.Unavailable || !errors.Is(err, os.ErrNotExist) {
			t.Errorf("no file: %v", err)
		}
		put(" \n")
		if err := random(t, e); fault.KindOf(err) != fault.Unavailable {
			t.Errorf("an empty file: %v", err)
		}
		put(s.Token("", time.Hour, "transit") + "\n")
		for range 30 { // longer than the lease, shorter than it can be renewed
			if err := random(t, e); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		time.Sleep(17 * time.Hour)
		put(s.Token("", time.Hour, "transit")) // an hour before the first one ends for good
		for range 5 {
			time.Sleep(time.Hour)
			if err := random(t, e); err != nil {
				t.Errorf("with the new token in the file: %v", err)
			}
		}
		before := s.Tokens()
		if err := e.Close(); err != nil || s.Tokens() != before {
			t.Errorf("a token that was given is not the engine's to give back (%v)", err)
		}
	})
}

// TestFixedTokens: one without a lease, and one that ends for good.
func TestFixedTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := vaulttest.New(vaulttest.Leases(time.Hour, time.Hour))
		o := still(s)
		o.AppRole, o.Token = nil, Secret(s.Root)
		if err := random(t, open(t, o)); err != nil {
			t.Errorf("the root token: %v", err)
		}
		o.Token = Secret(s.Token("", time.Hour, "transit"))
		e := open(t, o)
		if err := random(t, e); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		err := random(t, e)
		if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "logging in") {
			t.Errorf("a token that has ended: %v", err)
		}
		leaks(t, err.Error(), string(o.Token))
	})
}

// TestKubernetes logs in by a service account, whose token is read each time.
func TestKubernetes(t *testing.T) {
	s := vaulttest.New()
	file := filepath.Join(t.TempDir(), "token")
	o := still(s)
	o.AppRole, o.Kubernetes = nil, &Kubernetes{Role: s.Role, TokenFile: file}
	e := open(t, o)
	for _, tt := range []struct {
		jwt  string
		want bool
	}{{"", false}, {"another", false}, {s.JWT, true}} {
		if tt.jwt != "" {
			if err := os.WriteFile(file, []byte(tt.jwt), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := random(t, e); (err == nil) != tt.want {
			t.Errorf("%q: %v", tt.jwt, err)
		}
	}
}

// TestAppRole: a wrong secret id is told to the operator, and from a file it can
// be put right.
func TestAppRole(t *testing.T) {
	s := vaulttest.New()
	file := filepath.Join(t.TempDir(), "secret-id")
	if err := os.WriteFile(file, []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	o := still(s)
	o.AppRole = &AppRole{RoleID: s.RoleID, SecretIDFile: file}
	e := open(t, o)
	err := random(t, e)
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "invalid role or secret ID") {
		t.Errorf("a wrong secret id: %v", err)
	}
	if e.Health().State != "refusing" {
		t.Errorf("the state is %q", e.Health().State)
	}
	if err := os.WriteFile(file, []byte(s.SecretID+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := random(t, e); err != nil {
		t.Error(err)
	}
}

// TestEnvironment: without options, what Vault's own clients take is taken.
func TestEnvironment(t *testing.T) {
	s := start(t, vaulttest.Namespaces("team-a"))
	home := t.TempDir()
	ca := filepath.Join(home, "ca.pem")
	if err := os.WriteFile(ca, s.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"HOME": home, "VAULT_ADDR": s.Address, "VAULT_CACERT": ca, "VAULT_NAMESPACE": "team-a", "VAULT_TOKEN": "", "VAULT_WRAP_TTL": "60", "VAULT_MAX_RETRIES": "9",
	} {
		t.Setenv(name, value)
	}
	o := Options{Settings: options(s).Settings}
	if err := random(t, open(t, o)); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "there is no token") {
		t.Errorf("no token at all: %v", err)
	}
	if err := os.WriteFile(filepath.Join(home, ".vault-token"), []byte(s.Token("team-a", time.Hour, "transit")), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := random(t, open(t, o)); err != nil {
		t.Errorf("the token in the home directory: %v", err)
	}
	t.Setenv("VAULT_TOKEN", "wrong")
	if err := random(t, open(t, o)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("the token of the environment comes first: %v", err)
	}
	t.Setenv("VAULT_TOKEN", s.Token("", time.Hour, "transit"))
	if err := random(t, open(t, o)); err != nil {
		t.Errorf("the token of the environment: %v", err)
	}
	t.Setenv("VAULT_SKIP_VERIFY", "true")
	if _, err := New(t.Context(), enginetest.Box{}, o); fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), "VAULT_SKIP_VERIFY") {
		t.Errorf("certificates that nobody checks: %v", err)
	}
}

// TestNamespaces: a login in a namespace has its keys, and no others.
func TestNamespaces(t *testing.T) {
	s := vaulttest.New(vaulttest.Namespaces("team-a", "team-b"), vaulttest.RSAKeys(makeOne))
	for _, ns := range []string{"team-a", "team-b", ""} {
		o := still(s)
		o.Namespace = ns
		e := open(t, o)
		enginetest.Generate(t, e, enginetest.NewRef("11111111-1111-4111-8111-111111111111"), alg.P256)
	}
	if n := s.Keys(); n != 3 {
		t.Errorf("%d keys in three namespaces", n)
	}
	o := still(s)
	o.Namespace, o.AppRole, o.Token = "team-b", nil, Secret(s.Token("team-a", time.Hour, "transit"))
	if err := random(t, open(t, o)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("another namespace's token: %v", err)
	}
	o = still(s)
	o.Namespace = "team-c"
	if err := random(t, open(t, o)); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("no such namespace: %v", err)
	}
	o = still(s)
	o.Mount = "elsewhere"
	_, err := open(t, o).Generate(t.Context(), enginetest.NewRef("k"), engine.Kind{Spec: alg.P256, Usage: alg.SignVerify})
	if fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "no Transit engine") {
		t.Errorf("no such mount: %v", err)
	}
}

// TestOptions has what New refuses.
func TestOptions(t *testing.T) {
	s := vaulttest.New()
	for name, change := range map[string]func(*Options){
		"no name":             func(o *Options) { o.Name = "" },
		"an address of files": func(o *Options) { o.Address = "file:///x" },
		"no host":             func(o *Options) { o.Address = "https://" },
		"a password":          func(o *Options) { o.Address = "https://a:b@vault.test" },
		"no URL":              func(o *Options) { o.Address = "https://a b" },
		"in the clear":        func(o *Options) { o.Address, o.Transport = "http://vault.example.com:8200", nil },
		"a mount above":       func(o *Options) { o.Mount = "../sys" },
		"an empty segment":    func(o *Options) { o.Mount = "a//b" },
		"a query":             func(o *Options) { o.Mount = "transit?x" },
		"no CA":               func(o *Options) { o.Transport, o.CA = nil, []byte("x") },
		"two ways to log in":  func(o *Options) { o.Token = "t" },
		"no role id":          func(o *Options) { o.AppRole = &AppRole{SecretID: "s"} },
		"no secret id":        func(o *Options) { o.AppRole = &AppRole{RoleID: "r"} },
		"two secret ids":      func(o *Options) { o.AppRole = &AppRole{RoleID: "r", SecretID: "s", SecretIDFile: "f"} },
		"no role":             func(o *Options) { o.AppRole, o.Kubernetes = nil, &Kubernetes{} },
	} {
		o := still(s)
		change(&o)
		if _, err := New(t.Context(), enginetest.Box{}, o); fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := New(t.Context(), nil, still(s)); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("nothing to seal with: %v", err)
	}
}

// TestRedacted: no credential is in what is printed, logged or told.
func TestRedacted(t *testing.T) {
	s := vaulttest.New()
	var log bytes.Buffer
	o := still(s)
	o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	o.AppRole = nil
	for _, token := range []string{s.Token("", time.Hour, "nothing"), "hvs.ended"} {
		o.Token = Secret(token)
		e := open(t, o)
		err := random(t, e)
		if err == nil {
			t.Fatal("it is allowed")
		}
		o.Log.InfoContext(t.Context(), "options", slog.Any("token", o.Token), slog.Any("options", o), slog.Any("error", err))
		fmt.Fprintf(&log, "%v %+v %#v %s %q %x %v %+v", o.Token, o, o, o.Token, o.Token, o.Token, err, e.Health())
		if err := json.NewEncoder(&log).Encode(o.Token); err != nil {
			t.Fatal(err)
		}
		leaks(t, log.String(), token, fmt.Sprintf("%x", token))
	}
	a := &AppRole{RoleID: s.RoleID, SecretID: "guessed-secret"}
	o.AppRole, o.Token = a, ""
	err := random(t, open(t, o))
	fmt.Fprintf(&log, "%v %+v %#v", err, a, *a)
	leaks(t, log.String(), string(a.SecretID), fmt.Sprintf("%x", string(a.SecretID)))
}

// leaks asserts that a text has none of some secrets in it.
func leaks(t *testing.T, text string, secrets ...string) {
	t.Helper()
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("a secret is in %q", text)
		}
	}
}
