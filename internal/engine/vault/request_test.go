package vault

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/engine/vault/vaulttest"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// wiretap is a transport that keeps what is sent, and changes what is answered.
type wiretap struct {
	next http.RoundTripper

	mu     sync.Mutex
	sent   []string                       // guarded by mu
	change func(path, body string) string // guarded by mu
}

// tamper has answers changed.
func (w *wiretap) tamper(f func(path, body string) string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.change = f
}

// RoundTrip sends a request on.
func (w *wiretap) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	resp, err := w.next.RoundTrip(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	if !strings.HasPrefix(r.URL.Path, "/v1/auth/") {
		w.sent = append(w.sent, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), body)))
	}
	if err == nil && w.change != nil {
		text, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(strings.NewReader(w.change(r.URL.Path, string(text))))
	}
	return resp, err
}

// take returns what was sent since the last call, without what is random.
func (w *wiretap) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	sent := w.sent
	w.sent = nil
	for i := range sent {
		sent[i] = regexp.MustCompile(`("(?:ciphertext|signature|hmac)":"(?:vault:v\d+:)?)[^"]{12,}`).ReplaceAllString(sent[i], "$1…")
	}
	return sent
}

// TestRequests are the requests of each operation, as they are on the wire.
func TestRequests(t *testing.T) {
	s := vaulttest.New(vaulttest.RSAKeys(makeOne))
	tap := &wiretap{next: direct{s}}
	o := still(s)
	o.Transport, o.Attempt, o.Timeout = tap, 0, 0
	e := open(t, o)
	const name = "holdfast-11111111-1111-4111-8111-111111111111-1"
	want := func(when string, lines ...string) {
		t.Helper()
		for i := range lines {
			lines[i] = strings.ReplaceAll(lines[i], "NAME", name)
		}
		if diff := cmp.Diff(lines, tap.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	digest := engine.Message{Form: alg.Digest, Bytes: bytes.Repeat([]byte{1}, 32)}
	const input = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

	m, k := signer(t, e, ref, alg.RSA2048)
	want("Generate", `PUT /v1/transit/keys/NAME {"type":"rsa-2048"}`)
	for a, line := range map[alg.Algorithm]string{
		alg.PSSSHA256:   `{"input":"` + input + `","key_version":1,"hash_algorithm":"sha2-256","prehashed":true,"signature_algorithm":"pss","salt_length":"hash"}`,
		alg.PKCS1SHA256: `{"input":"` + input + `","key_version":1,"hash_algorithm":"sha2-256","prehashed":true,"signature_algorithm":"pkcs1v15"}`,
	} {
		signature, err := engine.Sign(k.Signer, a, digest)
		if err != nil {
			t.Fatal(err)
		}
		want("Sign", `PUT /v1/transit/sign/NAME `+line)
		if err := k.Verifier.Verify(a, digest, signature); err != nil {
			t.Fatal(err)
		}
		want("Verify", `PUT /v1/transit/verify/NAME `+strings.Replace(line, `"key_version":1,`, `"signature":"vault:v1:…",`, 1))
	}
	if err := e.SetEnabled(t.Context(), ref, alg.RSA2048, m.Wrapped, false); err != nil {
		t.Fatal(err)
	}
	if err := e.SetEnabled(t.Context(), ref, alg.RSA2048, m.Wrapped, true); err != nil {
		t.Fatal(err)
	}
	want("SetEnabled", "DELETE /v1/transit/keys/NAME/soft-delete", "PUT /v1/transit/keys/NAME/soft-delete-restore")
	if err := e.Destroy(t.Context(), ref, m.Wrapped); err != nil {
		t.Fatal(err)
	}
	want("Destroy", `PUT /v1/transit/keys/NAME/config {"deletion_allowed":true}`, "DELETE /v1/transit/keys/NAME")

	_, k = enginetest.Generate(t, e, other(1), alg.P256)
	tap.take()
	if _, err := engine.Sign(k.Signer, alg.ECDSASHA256, digest); err != nil {
		t.Fatal(err)
	}
	const second = "holdfast-22222222-2222-4222-8222-"
	want("Sign", `PUT /v1/transit/sign/`+second+`000000000001-1 {"input":"`+input+`","key_version":1,"hash_algorithm":"sha2-256","prehashed":true,"marshaling_algorithm":"asn1"}`)

	_, k = enginetest.Generate(t, e, other(2), alg.Ed25519)
	tap.take()
	if _, err := engine.Sign(k.Signer, alg.Ed25519Pure, engine.Message{Form: alg.Raw}); err != nil {
		t.Fatal(err)
	}
	want("Sign", `PUT /v1/transit/sign/`+second+`000000000002-1 {"input":"","key_version":1}`)

	_, k = enginetest.Generate(t, e, other(3), alg.HMAC384)
	code, err := k.MAC.Sum(nil, []byte("m"))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Verifier.Verify(alg.HMACSHA384, engine.Message{Form: alg.Raw, Bytes: []byte("m")}, code); err != nil {
		t.Fatal(err)
	}
	want("MAC", `PUT /v1/transit/keys/`+second+`000000000003-1 {"type":"hmac","key_size":48}`,
		`PUT /v1/transit/hmac/`+second+`000000000003-1 {"input":"bQ==","algorithm":"sha2-384","key_version":1}`,
		`PUT /v1/transit/verify/`+second+`000000000003-1 {"input":"bQ==","hmac":"vault:v1:…","algorithm":"sha2-384"}`)

	_, k = enginetest.Generate(t, e, other(4), alg.AES256)
	tap.take()
	c, err := k.AEAD.Seal(nil, nil, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.AEAD.Open(nil, c, []byte("a")); err != nil {
		t.Fatal(err)
	}
	want("Seal and Open", `PUT /v1/transit/encrypt/`+second+`000000000004-1 {"plaintext":"","associated_data":"YQ==","type":"none"}`,
		`PUT /v1/transit/decrypt/`+second+`000000000004-1 {"ciphertext":"vault:v1:…","associated_data":"YQ=="}`)

	if _, err := e.Import(t.Context(), other(5), enginetest.KindOf(alg.HMAC256), enginetest.NewPlain(t, alg.HMAC256)); err != nil {
		t.Fatal(err)
	}
	lines := tap.take()
	for i, line := range []string{
		`GET /v1/transit/keys/` + second + `000000000005-1`, `GET /v1/transit/wrapping_key`,
		`PUT /v1/transit/keys/` + second + `000000000005-1/import {"type":"hmac","ciphertext":"…","hash_function":"SHA256","allow_rotation":false}`,
		`GET /v1/transit/keys/` + second + `000000000005-1`,
	} {
		if i >= len(lines) || lines[i] != line {
			t.Errorf("Import sends %q, want %q", lines, line)
			break
		}
	}
	if _, _, err := e.List(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if got := tap.take(); len(got) == 0 || got[0] != "GET /v1/transit/keys?after=k&limit=50&list=true" {
		t.Errorf("List sends %q", got)
	}
	if err := e.Random(t.Context(), make([]byte, 200<<10)); err != nil {
		t.Fatal(err)
	}
	want("Random", `PUT /v1/transit/random {"bytes":131072}`, `PUT /v1/transit/random {"bytes":73728}`)
}

// TestWrongAnswers: an answer that is not to what was asked is asked for again,
// and when the next one is wrong too it is an error.
func TestWrongAnswers(t *testing.T) {
	replace := func(path, from, to string) func(string, string) string {
		return func(p, body string) string {
			if strings.Contains(p, path) {
				return regexp.MustCompile(from).ReplaceAllString(body, to)
			}
			return body
		}
	}
	for name, tt := range map[string]struct {
		change func(path, body string) string
		spec   alg.Spec
		do     func(*Engine, *engine.Key) error
	}{
		"a signature of another version": {replace("/sign/", "vault:v1:", "vault:v2:"), alg.P256, useSigner},
		"a signature of no version":      {replace("/sign/", "vault:v1:[^\"]*", ""), alg.P256, useSigner},
		"a signature in another form":    {replace("/sign/", "vault:v1:", "v1:"), alg.P256, useSigner},
		"no data":                        {replace("/sign/", `"data":\{.*\},"warnings"`, `"data":null,"warnings"`), alg.P256, useSigner},
		"no JSON":                        {replace("/sign/", "^.*", "<html>"), alg.P256, useSigner},
		"a code of another version":      {replace("/hmac/", "vault:v1:", "vault:v2:"), alg.HMAC256, useMAC},
		"a ciphertext that is too short": {replace("/encrypt/", "vault:v1:[^\"]*", "vault:v1:AQI="), alg.AES256, useAEAD},
		"too few random bytes":           {replace("/random", `"random_bytes":"[^"]*"`, `"random_bytes":"AQI="`), alg.P256, useRandom},
		"no random bytes":                {replace("/random", `"random_bytes":"[^"]*"`, `"random_bytes":null`), alg.P256, useRandom},
		"another key": {replace("/keys/", "holdfast-1", "holdfast-2"), alg.P256, func(e *Engine, _ *engine.Key) error {
			_, err := e.read(t.Context(), remote.KeyName(ref))
			return err
		}},
		"a wrapping key that is none": {replace("/wrapping_key", "PUBLIC", "PRIVATE"), alg.P256, func(e *Engine, _ *engine.Key) error {
			_, err := e.wrappingKey(t.Context())
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := vaulttest.New(vaulttest.RSAKeys(makeOne))
			tap := &wiretap{next: direct{s}}
			o := still(s)
			o.Transport, o.Attempt, o.Timeout = tap, 0, 0
			e := open(t, o)
			_, k := enginetest.Generate(t, e, ref, tt.spec)
			good, left := tt.change, 1
			tap.tamper(func(path, body string) string { // once
				changed := good(path, body)
				if changed != body {
					if left--; left < 0 {
						return body
					}
				}
				return changed
			})
			if err := tt.do(e, k); err != nil {
				t.Errorf("the second answer is right: %v", err)
			}
			tap.tamper(good)
			err := tt.do(e, k)
			wantKind(t, err, fault.Unavailable, 0, "each answer")
			if err != nil && !strings.Contains(err.Error(), "not what was asked for") {
				t.Errorf("the error does not say why: %v", err)
			}
		})
	}
}

func useSigner(_ *Engine, k *engine.Key) error {
	_, err := engine.Sign(k.Signer, alg.ECDSASHA256, engine.Message{Form: alg.Raw, Bytes: []byte("m")})
	return err
}

func useMAC(_ *Engine, k *engine.Key) error {
	_, err := k.MAC.Sum(nil, []byte("m"))
	return err
}

func useAEAD(_ *Engine, k *engine.Key) error {
	_, err := k.AEAD.Seal(nil, []byte("m"), nil)
	return err
}

func useRandom(e *Engine, _ *engine.Key) error {
	ctx, cancel := e.line.Context()
	defer cancel()
	return e.Random(ctx, make([]byte, 32))
}

// TestStandby: a node that is not the active one sends a request on, which
// arrives with its body.
func TestStandby(t *testing.T) {
	s := start(t, vaulttest.Plain())
	standby := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, s.Address+r.URL.RequestURI(), http.StatusTemporaryRedirect)
	}))
	defer standby.Close()
	o := options(s)
	o.Address = standby.URL
	m, k := enginetest.Generate(t, open(t, o), ref, alg.P384)
	if err := sign(t, alg.P384, m, k); err != nil {
		t.Error(err)
	}
}

// TestCertificate: a server whose certificate cannot be verified is not spoken
// to.
func TestCertificate(t *testing.T) {
	s := start(t)
	o := options(s)
	o.CA = nil
	err := random(t, open(t, o))
	wantKind(t, err, fault.Unavailable, 0, "a certificate of nobody's")
	if err != nil && !strings.Contains(err.Error(), "certificate") || s.Requests() != 0 {
		t.Errorf("the error does not say why: %v", err)
	}
}

// TestReal runs the contract on a server of the operator's, with the token of
// the environment and the mount "transit", where keys are made and deleted.
func TestReal(t *testing.T) {
	address := os.Getenv("HOLDFAST_REAL_VAULT_ADDR")
	if address == "" {
		t.Skip("needs a Vault or OpenBao server of the operator's: HOLDFAST_REAL_VAULT_ADDR, and VAULT_TOKEN")
	}
	e := open(t, Options{Settings: remote.Settings{Name: "real"}, Address: address})
	client := realClient(t, address)
	enginetest.Test(t, gaps(enginetest.Config{
		New: func(*testing.T) engine.Engine { return e },
		Adopt: func(t *testing.T, _ engine.Engine, spec alg.Spec) string {
			name, what := operators(spec)
			if _, err := client.Logical().Write("transit/keys/"+name, what); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := e.remove(t.Context(), name); err != nil {
					t.Logf("the key %s is left: %v", name, err)
				}
			})
			return name
		},
	}))
}
