package vaulttest_test

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
)

// session sends requests as the documentation writes them, with no client
// library between.
type session struct {
	t      *testing.T
	s      *vaulttest.Server
	client *http.Client
	token  string
}

func newSession(t *testing.T, options ...vaulttest.Option) *session {
	t.Helper()
	s := vaulttest.Start(t, options...)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA)
	return &session{t, s, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}, s.Root}
}

// do sends a request and returns the status and the answer.
func (c *session) do(method, path, body string) (int, map[string]any) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.s.Address+"/v1/"+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("X-Vault-Token", c.token)
	resp, err := c.client.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it is read
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &answer); err != nil {
			c.t.Fatalf("%s: %v", text, err)
		}
	}
	return resp.StatusCode, answer
}

// data returns the data of an answer.
func (c *session) data(method, path, body string) map[string]any {
	c.t.Helper()
	status, answer := c.do(method, path, body)
	data, ok := answer["data"].(map[string]any)
	if status != http.StatusOK || !ok {
		c.t.Fatalf("%s %s: %d, %v", method, path, status, answer)
	}
	return data
}

// TestRefusals are the documented texts.
func TestRefusals(t *testing.T) {
	c := newSession(t)
	for name, body := range map[string]string{"aes": `{}`, "ed": `{"type":"ed25519"}`, "mac": `{"type":"hmac"}`, "off": `{"type":"ed25519"}`} {
		c.data("POST", "transit/keys/"+name, body)
	}
	c.data("DELETE", "transit/keys/off/soft-delete", "")
	sealed, _ := c.data("POST", "transit/encrypt/aes", `{"plaintext":""}`)["ciphertext"].(string)
	for _, tt := range []struct {
		method, path, body string
		status             int
		text               string // "" for none
	}{
		{"GET", "transit/keys/none", "", 404, ""},
		{"POST", "transit/sign/none", `{"input":""}`, 400, "signing key not found"},
		{"POST", "transit/verify/none", `{"input":"","signature":"vault:v1:AA=="}`, 400, "signature verification key not found"},
		{"POST", "transit/decrypt/none", `{"ciphertext":"vault:v1:AA=="}`, 400, "encryption key not found"},
		{"POST", "transit/sign/aes", `{"input":""}`, 400, "key type aes256-gcm96 does not support signing"},
		{"POST", "transit/verify/aes", `{"input":"","signature":"vault:v1:AA=="}`, 400, "key type aes256-gcm96 does not support verification"},
		{"POST", "transit/encrypt/ed", `{"plaintext":""}`, 400, "message encryption not supported for key type ed25519"},
		{"POST", "transit/encrypt/aes", `{}`, 400, "missing plaintext to encrypt"},
		{"POST", "transit/encrypt/none", `{"plaintext":"","type":"none"}`, 400, "unknown key type none"},
		{"POST", "transit/decrypt/aes", `{"ciphertext":"x"}`, 400, "invalid ciphertext: no prefix"},
		{"POST", "transit/decrypt/aes", `{"ciphertext":"vault:v2:AA=="}`, 400, "invalid ciphertext: version is too new"},
		{"POST", "transit/decrypt/aes", `{"ciphertext":"vault:v1:AA=="}`, 400, "invalid ciphertext length"},
		{"POST", "transit/decrypt/aes", `{"ciphertext":"` + sealed + `","associated_data":"YQ=="}`, 400, "cipher: message authentication failed"},
		{"POST", "transit/sign/ed", `{"input":"*"}`, 400, "unable to decode input as base64: illegal base64 data at input byte 0"},
		{"POST", "transit/sign/ed/md5", `{"input":""}`, 400, `invalid hash algorithm "md5"`},
		{"POST", "transit/sign/ed", `{"input":"","key_version":2}`, 400, "requested version for signing is higher than the latest key version"},
		{"POST", "transit/sign/off", `{"input":""}`, 400, "refusing to use soft-deleted key"},
		{"POST", "transit/verify/ed", `{"input":""}`, 400, "neither a 'signature' nor an 'hmac' were given to verify"},
		{"POST", "transit/keys/k", `{"type":"des"}`, 400, "unknown key type des"},
		{"POST", "transit/keys/k", `{"type":"hmac","key_size":7}`, 400, "invalid key_size 7"},
		{"POST", "transit/keys/none/config", `{}`, 400, "no existing key named none could be found"},
		{"POST", "transit/keys/ed/config", `{"min_decryption_version":2}`, 400, "cannot set min decryption version of 2, latest key version is 1"},
		{"DELETE", "transit/keys/ed", "", 400, "error deleting policy ed: deletion is not allowed for this key"},
		{"DELETE", "transit/keys/none", "", 400, "error deleting policy none: could not delete key; not found"},
		{
			"POST", "transit/keys/ed/import", `{"type":"ed25519","ciphertext":""}`, 500,
			"1 error occurred:\n\t* the import path cannot be used with an existing key; use import-version to rotate an existing imported key\n\n",
		},
		{"POST", "transit/random", `{"bytes":0}`, 400, "'bytes' cannot be less than 1"},
		{"POST", "transit/random", `{"bytes":200000}`, 400, "'bytes' should be less than 131072"},
		{"GET", "transit/random", "", 405, "1 error occurred:\n\t* unsupported operation\n\n"},
		{"POST", "transit/keys/ed/paint", "", 404, "1 error occurred:\n\t* unsupported path\n\n"},
		{"GET", "elsewhere/keys/ed", "", 404, `no handler for route "elsewhere/keys/ed". route entry not found.`},
		{"POST", "auth/approle/login", `{"role_id":"x","secret_id":"y"}`, 400, "invalid role or secret ID"},
		{"POST", "auth/kubernetes/login", `{"role":"x","jwt":"y"}`, 400, `invalid role name "x"`},
		{"POST", "auth/token/renew-self", "", 400, "lease is not renewable"},
	} {
		want := []any{}
		if tt.text != "" {
			want = append(want, tt.text)
		}
		status, answer := c.do(tt.method, tt.path, tt.body)
		if diff := cmp.Diff(map[string]any{"errors": want}, answer); diff != "" || status != tt.status {
			t.Errorf("%s %s %s: %d (-want +got):\n%s", tt.method, tt.path, tt.body, status, diff)
		}
	}
}

// TestTokens: what a token may, and for how long.
func TestTokens(t *testing.T) {
	c := newSession(t, vaulttest.Namespaces("team-a"))
	for name, tt := range map[string]struct{ token, text string }{
		"no token":     {"", "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"},
		"one that may": {c.s.Token("", time.Minute, "transit"), ""},
		"may not":      {c.s.Token("", time.Minute), "1 error occurred:\n\t* permission denied\n\n"},
		"has ended":    {c.s.Token("", time.Nanosecond, "transit"), "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"},
		"of elsewhere": {c.s.Token("team-a", time.Minute, "transit"), "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"},
	} {
		c.token = tt.token
		status, answer := c.do("POST", "transit/random", "")
		if tt.text == "" && status != http.StatusOK {
			t.Errorf("%s: %d", name, status)
		}
		if want := (map[string]any{"errors": []any{tt.text}}); tt.text != "" && (status != http.StatusForbidden || !cmp.Equal(want, answer)) {
			t.Errorf("%s: %d, %v", name, status, answer)
		}
	}
	c.token = c.s.Token("", time.Minute, "transit")
	if ttl, ok := c.data("GET", "auth/token/lookup-self", "")["ttl"].(float64); !ok || ttl < 1 || ttl > 60 {
		t.Errorf("the lease has %v s", ttl)
	}
	if status, _ := c.do("PUT", "auth/token/revoke-self", ""); status != http.StatusNoContent {
		t.Error(status)
	}
	if status, _ := c.do("GET", "auth/token/lookup-self", ""); status != http.StatusForbidden {
		t.Error("a token that was revoked is live")
	}
}

// TestUse: a key is read, listed, and makes what Go verifies.
func TestUse(t *testing.T) {
	c := newSession(t)
	made := c.data("POST", "transit/keys/ed", `{"type":"ed25519"}`)
	read := c.data("GET", "transit/keys/ed", "")
	if diff := cmp.Diff(made, read); diff != "" || read["latest_version"] != 1.0 || read["supports_signing"] != true {
		t.Errorf("(-made +read):\n%s", diff)
	}
	_, again := c.do("POST", "transit/keys/ed", `{"type":"rsa-2048"}`)
	if !cmp.Equal(again["warnings"], any([]any{"key ed already existed"})) || !cmp.Equal(again["data"], any(read)) {
		t.Errorf("a key was made over another: %v", again)
	}
	for _, list := range []map[string]any{c.data("LIST", "transit/keys", ""), c.data("GET", "transit/keys?list=true", "")} {
		if diff := cmp.Diff(map[string]any{"keys": []any{"ed"}}, list); diff != "" {
			t.Error(diff)
		}
	}
	signature, _ := c.data("POST", "transit/sign/ed", `{"input":"bWVzc2FnZQ=="}`)["signature"].(string)
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(signature, "vault:v1:"))
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := read["keys"].(map[string]any)
	one, _ := keys["1"].(map[string]any)
	text, _ := one["public_key"].(string)
	point, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(point) != ed25519.PublicKeySize || !ed25519.Verify(point, []byte("message"), raw) {
		t.Errorf("%s does not verify under %q (%v)", signature, text, err)
	}
	if valid := c.data("POST", "transit/verify/ed", `{"input":"bWVzc2FnZQ==","signature":"`+signature+`"}`)["valid"]; valid != true {
		t.Error("the server does not verify its own signature")
	}
	upserted := c.data("POST", "transit/encrypt/new", `{"plaintext":"bWVzc2FnZQ=="}`)
	if text, _ := upserted["ciphertext"].(string); !strings.HasPrefix(text, "vault:v1:") || c.s.Keys() != 2 {
		t.Errorf("an encryption does not make its key: %v", upserted)
	}
	if status, _ := c.do("GET", "sys/health", ""); status != http.StatusOK {
		t.Error(status)
	}
}
