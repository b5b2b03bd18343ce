package jws_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/holdfast-kms/holdfast/jws"
)

// signers are one key of each kind, made once.
var signers = sync.OnceValue(func() map[string]crypto.Signer {
	all := map[string]crypto.Signer{}
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	all["rsa"] = k
	for name, curve := range map[string]elliptic.Curve{"p-224": elliptic.P224(), "p-256": elliptic.P256(), "p-384": elliptic.P384(), "p-521": elliptic.P521()} {
		if all[name], err = ecdsa.GenerateKey(curve, rand.Reader); err != nil {
			panic(err)
		}
	}
	if _, all["ed25519"], err = ed25519.GenerateKey(rand.Reader); err != nil {
		panic(err)
	}
	return all
})

// algorithms says which key does which algorithm.
var algorithms = map[jws.Algorithm]string{
	jws.RS256: "rsa", jws.RS384: "rsa", jws.RS512: "rsa", jws.PS256: "rsa", jws.PS384: "rsa", jws.PS512: "rsa",
	jws.ES256: "p-256", jws.ES384: "p-384", jws.ES512: "p-521", jws.EdDSA: "ed25519", jws.Ed25519: "ed25519",
}

// remote is a key of which nothing but crypto.Signer is to be seen.
type remote struct{ crypto.Signer }

// What is signed here go-jose verifies, in every form; and the other way round.
func TestGoJose(t *testing.T) {
	payload := []byte(`{"sub":"somebody"}`)
	for a, name := range algorithms {
		if a == jws.Ed25519 { // go-jose does not know the name
			continue
		}
		t.Run(string(a), func(t *testing.T) {
			key, alg := signers()[name], []jose.SignatureAlgorithm{jose.SignatureAlgorithm(a)}
			s := &jws.Signer{Key: remote{key}, Algorithm: a, KeyID: "k1", Type: "JWT"}
			verified := func(obj *jose.JSONWebSignature, err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
				if got, err := obj.Verify(key.Public()); err != nil || !bytes.Equal(got, payload) {
					t.Errorf("go-jose: %q, %v", got, err)
				}
			}
			m := sign(t, payload, s)
			verified(jose.ParseSignedCompact(compact(t, m), alg))
			text, err := m.MarshalJSON()
			if err != nil {
				t.Fatal(err)
			}
			verified(jose.ParseSignedJSON(string(text), alg))
			detached, err := jws.SignDetached(bytes.NewReader(payload), s)
			if err != nil {
				t.Fatal(err)
			}
			verified(jose.ParseDetached(compact(t, detached), payload, alg))
			unencoded, err := jws.SignUnencoded(bytes.NewReader(payload), s)
			if err != nil {
				t.Fatal(err)
			}
			verified(jose.ParseDetached(compact(t, unencoded), payload, alg))

			theirs, err := jose.NewSigner(jose.SigningKey{Algorithm: alg[0], Key: key}, nil)
			if err != nil {
				t.Fatal(err)
			}
			obj, err := theirs.Sign(payload)
			if err != nil {
				t.Fatal(err)
			}
			one, err := obj.CompactSerialize()
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{one, obj.FullSerialize()} {
				m := parse(t, text)
				if got, by, err := m.Verify(jws.Key{Public: key.Public()}); err != nil || !bytes.Equal(got, payload) || len(by) != 1 {
					t.Errorf("%s: %q, %d, %v", text, got, len(by), err)
				}
			}
		})
	}
}

// openssl verifies what is signed, from the bytes alone.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("openssl is needed: ", err)
	}
	dir := t.TempDir()
	for _, tt := range []struct {
		algorithm jws.Algorithm
		args      []string
	}{
		{jws.RS256, []string{"-sha256"}},
		{jws.PS384, []string{"-sha384", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest"}},
	} {
		key := signers()["rsa"]
		text := compact(t, sign(t, []byte("data"), &jws.Signer{Key: key, Algorithm: tt.algorithm}))
		input, sig := text[:strings.LastIndex(text, ".")], text[strings.LastIndex(text, ".")+1:]
		signature, err := base64.RawURLEncoding.DecodeString(sig)
		if err != nil {
			t.Fatal(err)
		}
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		for name, data := range map[string][]byte{
			"in": []byte(input), "sig": signature, "pub": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}),
		} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.CommandContext(t.Context(), "openssl", append(append([]string{"dgst"}, tt.args...), "-verify", "pub", "-signature", "sig", "in")...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", tt.algorithm, err, out)
		}
	}
}

// The examples of the specifications.
func TestVectors(t *testing.T) {
	p256, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4},
		unbase64(t, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"), unbase64(t, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")))
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		public crypto.PublicKey
		text   string
		want   string
	}{
		{
			"RFC 7515 A.3",
			p256,
			"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ." +
				"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
			"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
		},
		{
			"RFC 8037 A.4",
			ed25519.PublicKey(unbase64(t, "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")),
			"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc." +
				"hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
			"Example of Ed25519 signing",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, _, err := parse(t, tt.text).Verify(jws.Key{Public: tt.public})
			if err != nil || string(got) != tt.want {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func unbase64(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

func sign(tb testing.TB, payload []byte, s ...*jws.Signer) *jws.Message {
	tb.Helper()
	m, err := jws.Sign(payload, s...)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func compact(tb testing.TB, m *jws.Message) string {
	tb.Helper()
	text, err := m.Compact()
	if err != nil {
		tb.Fatal(err)
	}
	return text
}

func parse(tb testing.TB, text string) *jws.Message {
	tb.Helper()
	m, err := jws.Parse([]byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// Several keys sign one payload of any length, which is read once.
func TestSeveral(t *testing.T) {
	var all []*jws.Signer
	for a, name := range algorithms {
		all = append(all, &jws.Signer{Key: signers()[name], Algorithm: a, KeyID: string(a)})
	}
	data := bytes.Repeat([]byte("0123456789"), 100_001)
	for name, do := range map[string]func(io.Reader, ...*jws.Signer) (*jws.Message, error){"detached": jws.SignDetached, "unencoded": jws.SignUnencoded} {
		t.Run(name, func(t *testing.T) {
			m, err := do(bytes.NewReader(data), all...)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			var keys []jws.Key
			for a, name := range algorithms {
				keys = append(keys, jws.Key{Public: signers()[name].Public(), ID: string(a), Algorithm: a})
			}
			got := parse(t, string(text))
			by, err := got.VerifyDetached(bytes.NewReader(data), keys...)
			if err != nil || len(by) != len(all) {
				t.Errorf("%d of %d verify: %v", len(by), len(all), err)
			}
			if by, err := got.VerifyDetached(bytes.NewReader(data), keys[0]); err != nil || len(by) != 1 || by[0].Header.Algorithm != keys[0].Algorithm {
				t.Errorf("with one key: %d verify: %v", len(by), err)
			}
			data := append(slices.Clone(data), 'x')
			if _, err := got.VerifyDetached(bytes.NewReader(data), keys...); !errors.Is(err, jws.ErrVerification) {
				t.Errorf("other data: %v", err)
			}
			if _, _, err := got.Verify(keys...); err == nil {
				t.Error("a detached message gives a payload")
			}
		})
	}
}

func TestSignRefuses(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	k := signers()
	tests := []struct {
		name   string
		signer *jws.Signer
		want   string
	}{
		{"a small RSA key", &jws.Signer{Key: small}, "needs 2048"},
		{"another curve's algorithm", &jws.Signer{Key: k["p-256"], Algorithm: jws.ES384}, "is not one of the key"},
		{"a curve without algorithm", &jws.Signer{Key: k["p-224"]}, "P-224"},
		{"none", &jws.Signer{Key: k["rsa"], Algorithm: "none"}, "is not one of the key"},
		{"a header twice", &jws.Signer{Key: k["rsa"], Header: map[string]any{"alg": "RS512"}}, `"alg" is not to be set`},
		{"a critical header", &jws.Signer{Key: k["rsa"], Header: map[string]any{"crit": []string{"exp"}}}, `"crit" is not to be set`},
		{"another key's certificate", &jws.Signer{Key: k["rsa"], Certificates: []*x509.Certificate{certificate(t, "p-256", 0)}}, "not for the key"},
		{"a key that fails", &jws.Signer{Key: broken{k["rsa"]}}, "the token is gone"},
		{"a key that makes nonsense", &jws.Signer{Key: nonsense{k["p-256"]}}, "none of ECDSA"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := jws.Sign([]byte("x"), tt.signer); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: want %q", err, tt.want)
			}
		})
	}
	if _, err := jws.Sign([]byte("x")); err == nil {
		t.Error("nobody signs")
	}
}

type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token is gone")
}

type nonsense struct{ crypto.Signer }

func (nonsense) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return []byte{0x30, 0}, nil
}

// certificate returns a self-signed certificate of a key.
func certificate(tb testing.TB, name string, usage x509.KeyUsage) *x509.Certificate {
	tb.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: usage,
	}
	key := signers()[name]
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		tb.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func TestChain(t *testing.T) {
	for _, tt := range []struct {
		name  string
		usage x509.KeyUsage
		trust bool
		want  string
	}{
		{"trusted", 0, true, ""},
		{"trusted, for signatures", x509.KeyUsageDigitalSignature, true, ""},
		{"for something else", x509.KeyUsageKeyEncipherment, true, "not for signatures"},
		{"a stranger's", 0, false, "unknown authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := certificate(t, "p-256", tt.usage)
			m := parse(t, compact(t, sign(t, []byte("x"), &jws.Signer{Key: signers()["p-256"], Certificates: []*x509.Certificate{c}})))
			roots := x509.NewCertPool()
			if tt.trust {
				roots.AddCert(c)
			}
			key, err := m.Signatures[0].Chain(x509.VerifyOptions{Roots: roots})
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("%v: want %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := m.Verify(key); err != nil {
				t.Error(err)
			}
		})
	}
	if _, err := sign(t, []byte("x"), &jws.Signer{Key: signers()["rsa"]}).Signatures[0].Chain(x509.VerifyOptions{}); err == nil {
		t.Error("a chain without certificates")
	}
}

// A signature counts for the keys alone that it names.
func TestVerifyRefuses(t *testing.T) {
	k := signers()
	m := parse(t, compact(t, sign(t, []byte("x"), &jws.Signer{Key: k["rsa"], Algorithm: jws.RS256, KeyID: "a"})))
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		keys []jws.Key
		want string
	}{
		{"no key", nil, "no trusted key"},
		{"another id", []jws.Key{{Public: k["rsa"].Public(), ID: "b"}}, "no trusted key"},
		{"another algorithm", []jws.Key{{Public: k["rsa"].Public(), Algorithm: jws.PS256}}, "no trusted key"},
		{"another kind of key", []jws.Key{{Public: k["p-256"].Public()}, {Public: k["ed25519"].Public()}, {Public: []byte("secret")}}, "no trusted key"},
		{"another key", []jws.Key{{Public: &other.PublicKey}}, "another key's"},
	} {
		if _, _, err := m.Verify(tt.keys...); !errors.Is(err, jws.ErrVerification) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v: want %q", tt.name, err, tt.want)
		}
	}
	if _, err := m.VerifyDetached(strings.NewReader("x"), jws.Key{Public: k["rsa"].Public()}); err == nil {
		t.Error("a message with a payload is taken as detached")
	}
	if _, err := new(jws.Message).VerifyDetached(strings.NewReader("x")); err == nil {
		t.Error("a message without signatures verifies")
	}
	for _, signature := range []string{"", "AAAA", strings.Repeat("A", 86)} {
		m := parse(t, b64(`{"alg":"ES256"}`)+"."+b64("x")+"."+signature)
		if _, _, err := m.Verify(jws.Key{Public: k["p-256"].Public()}); !errors.Is(err, jws.ErrVerification) {
			t.Errorf("the signature %q: %v", signature, err)
		}
	}
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// What is read is read strictly.
func TestParseRefuses(t *testing.T) {
	head := func(json string) string { return b64(json) + "." + b64("x") + ".AAAA" }
	tests := []struct{ name, text, want string }{
		{"nothing", "", "3 parts"},
		{"two parts", "a.b", "3 parts"},
		{"four parts", "a.b.c.d", "3 parts"},
		{"the algorithm none", head(`{"alg":"none"}`), `"none" is not supported`},
		{"a shared secret", head(`{"alg":"HS256"}`), `"HS256" is not supported`},
		{"no algorithm", head(`{}`), `"" is not supported`},
		{"an algorithm that is no string", head(`{"alg":["ES256"]}`), "no string"},
		{"null", head(`{"alg":null}`), "no string"},
		{"other letters", head(`{"ALG":"ES256"}`), "not supported"},
		{"twice", head(`{"alg":"ES256","alg":"RS256"}`), "twice"},
		{"no JSON", head(`alg`), "JSON"},
		{"a JSON list", head(`["alg"]`), "not a JSON object"},
		{"more after the JSON", head(`{"alg":"ES256"} {}`), "follows"},
		{"no UTF-8", head("{\"alg\":\"ES256\",\"kid\":\"\xff\"}"), "UTF-8"},
		{"padding", b64(`{"alg":"ES256"}`) + "=.eA.AAAA", "illegal base64"},
		{"bits that do not count", b64(`{"alg":"ES256"}`) + ".eB.AAAA", "illegal base64"},
		{"a line break", b64(`{"alg":"ES256"}`) + ".e\nA.AAAA", "line break"},
		{"a critical header", head(`{"alg":"ES256","crit":["exp"],"exp":1}`), "critical"},
		{"a critical header that is not there", head(`{"alg":"ES256","crit":["b64"]}`), "critical"},
		{"an empty list", head(`{"alg":"ES256","crit":[]}`), "no list of names"},
		{"b64 that is not critical", head(`{"alg":"ES256","b64":false}`), "does not name it"},
		{"b64 that is null", head(`{"alg":"ES256","b64":null,"crit":["b64"]}`), "neither true nor false"},
		{"a payload as it is", head(`{"alg":"ES256","b64":false,"crit":["b64"]}`), "only detached"},
		{"an empty chain", head(`{"alg":"ES256","x5c":[]}`), "x5c"},
		{"a chain of nonsense", head(`{"alg":"ES256","x5c":["AAAA"]}`), "x5c"},
		{"both forms", `{"payload":"eA","signatures":[],"signature":"AAAA"}`, "at once"},
		{"no signatures", `{"payload":"eA","signatures":[]}`, "not 0"},
		{"a payload that is no string", `{"payload":7}`, "no string"},
		{"the algorithm unprotected", `{"payload":"eA","header":{"alg":"ES256"},"protected":"","signature":"AAAA"}`, "JSON"},
		{"a header at two places", `{"payload":"eA","header":{"alg":"ES256"},"protected":"` + b64(`{"alg":"ES256"}`) + `","signature":"AAAA"}`, "unprotected header"},
		{
			"b64 differs",
			`{"signatures":[{"protected":"` + b64(`{"alg":"ES256"}`) + `","signature":"AAAA"},{"protected":"` + b64(`{"alg":"ES256","b64":false,"crit":["b64"]}`) + `","signature":"AAAA"}]}`,
			"do not agree",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := jws.Parse([]byte(tt.text)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, %v: want %q", m, err, tt.want)
			}
		})
	}
}

func TestCompactRefuses(t *testing.T) {
	s := &jws.Signer{Key: signers()["p-256"]}
	for name, m := range map[string]*jws.Message{"two signatures": sign(t, []byte("x"), s, s), "an empty payload": sign(t, nil, s)} {
		if text, err := m.Compact(); err == nil {
			t.Errorf("%s: %s", name, text)
		}
	}
	// JSON tells an empty payload from none.
	text, err := sign(t, nil, s).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if payload, _, err := parse(t, string(text)).Verify(jws.Key{Public: s.Key.Public()}); err != nil || len(payload) != 0 {
		t.Errorf("%q, %v", payload, err)
	}
}

// What parses writes the same again, in either form.
func FuzzParse(f *testing.F) {
	f.Add([]byte(b64(`{"alg":"ES256","kid":"a"}`) + "." + b64("x") + ".AAAA"))
	f.Add([]byte(b64(`{"alg":"RS256","b64":false,"crit":["b64"]}`) + "..AAAA"))
	f.Add([]byte(`{"payload":"eA","signatures":[{"protected":"` + b64(`{"alg":"EdDSA"}`) + `","header":{"kid":"a"},"signature":"AAAA"}]}`))
	f.Add([]byte(`{"payload":"","protected":"` + b64(`{"alg":"PS512"}`) + `","signature":"AAAA"}`))
	digest := sha256.Sum256([]byte("x"))
	f.Add(digest[:])
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := jws.Parse(text)
		if err != nil {
			return
		}
		again, err := m.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		second, err := jws.Parse(again)
		if err != nil {
			t.Fatalf("%s does not parse again: %v", again, err)
		}
		if third, err := second.MarshalJSON(); err != nil || !bytes.Equal(again, third) || second.Detached() != m.Detached() {
			t.Errorf("%s becomes %s (%v)", again, third, err)
		}
		if one, err := m.Compact(); err == nil && !bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) && one != string(bytes.TrimSpace(text)) {
			t.Errorf("%s becomes %s", text, one)
		}
	})
}
