package server

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/pkcs11test"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
)

// softToken makes a token and returns how a server is configured with it.
func softToken(t *testing.T, name string) config.Token {
	t.Helper()
	dir := t.TempDir()
	env, err := pkcs11test.Environment(dir)
	if err != nil {
		t.Fatal(err)
	}
	library := pkcs11test.Library(t)
	m, err := worker.Start(t.Context(), worker.Config{Path: library, Environment: env})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pkcs11test.Initialise(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	pin := filepath.Join(dir, "pin")
	if err := os.WriteFile(pin, []byte(pkcs11test.PIN+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Token{Name: name, Module: library, Token: pkcs11test.Label, PINFile: pin, Environment: env}
}

// createIn asks for a key in a token or group, and returns the answer.
func (r *running) createIn(hsm string) (int, string) {
	r.t.Helper()
	admin := readAdmin(filepath.Join(r.dir, EnvFile))
	body := fmt.Sprintf(`{"spec":"ECC_NIST_P256","hsm":%q}`, hsm)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.url+"/holdfast/v1/keys", strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	req.SetBasicAuth(admin.ID, admin.Secret)
	req.Header.Set("Content-Type", "application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	text := make([]byte, 4096)
	n, _ := resp.Body.Read(text) // a short answer comes at once
	if err := resp.Body.Close(); err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(text[:n])
}

// A token that is away is shown and takes nobody out; the others serve, the
// groups too, and all of it comes back when the server is emptied.
func TestTokens(t *testing.T) {
	there := softToken(t, "there")
	away := there
	away.Name, away.Token = "away", "no such label"
	r := start(t, t.TempDir(), &Dev{}, func(c *config.Config) {
		c.HSM = config.HSM{
			Tokens: []config.Token{there, away},
			Groups: []config.TokenGroup{{Name: "both", Tokens: []string{"there", "away"}}},
		}
	})
	status, text := r.do(http.MethodGet, "/readyz", "", "", "", "")
	if status != http.StatusOK || !strings.HasPrefix(text, "ready\nhsm there: ok\nhsm away: away since 20") {
		t.Errorf("/readyz: %d %q", status, text)
	}
	for place, want := range map[string]int{"there": 201, "both": 201, "away": 503, "nowhere": 400} {
		if status, text := r.createIn(place); status != want {
			t.Errorf("a key in %s: %d %s, want %d", place, status, text, want)
		}
	}
	if n := r.keys(); n != 2 {
		t.Errorf("%d keys, want 2", n)
	}
	_, figures := r.do(http.MethodGet, "/metrics", "", "", "", "")
	for _, want := range []string{`holdfast_hsm_up{token="there"} 1`, `holdfast_hsm_up{token="away"} 0`, `holdfast_hsm_workers{token="there"} 1`} {
		if !strings.Contains(figures, want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if status, text := r.do(http.MethodPost, "/dev/reset", "", "", "", ""); status != http.StatusNoContent {
		t.Fatalf("emptying: %d %s", status, text)
	}
	if status, text := r.createIn("there"); status != http.StatusCreated {
		t.Errorf("a key after the server was emptied: %d %s", status, text)
	}
	begin := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("stopping took %s", took)
	}
}
