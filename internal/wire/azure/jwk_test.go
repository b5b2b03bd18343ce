package azure

import (
	"bytes"
	"crypto"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
)

// private returns a private key of a spec.
func private(tb testing.TB, spec alg.Spec) *engine.Plain {
	tb.Helper()
	p, err := engine.ParsePlain(spec, enginetest.NewPlain(tb, spec))
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// TestKeysAsJSON: a key is the same after it was JSON, with and without its
// private half, and another reader of JSON Web Keys reads the same.
func TestKeysAsJSON(t *testing.T) {
	for _, spec := range []alg.Spec{alg.RSA2048, alg.P256, alg.P384, alg.P521, alg.Secp256k1} {
		p := private(t, spec)
		for _, from := range []any{p.Private, p.Public} {
			k, err := NewJSONWebKey(from, true)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(k)
			if err != nil {
				t.Fatal(err)
			}
			var back JSONWebKey
			if err := json.Unmarshal(text, &back); err != nil {
				t.Fatal(err)
			}
			public, err := back.Public()
			if err != nil || !samePublic(t, spec, public, p.Public) {
				t.Errorf("%s: another public key (%v)", spec, err)
			}
			again, err := back.Private()
			if (err == nil) != (from == p.Private) {
				t.Errorf("%s: a private key of %T: %v", spec, from, err)
			}
			if err == nil {
				one, errOne := engine.MarshalPlain(again)
				two, errTwo := engine.MarshalPlain(p.Private)
				if errOne != nil || errTwo != nil || !bytes.Equal(one, two) {
					t.Errorf("%s: another private key (%v, %v)", spec, errOne, errTwo)
				}
			}
			if spec == alg.Secp256k1 { // which go-jose does not have
				continue
			}
			var judge jose.JSONWebKey
			if err := judge.UnmarshalJSON(bytes.Replace(text, []byte("-HSM"), nil, 1)); err != nil || !judge.Valid() {
				t.Errorf("%s: go-jose does not read it: %v", spec, err)
				continue
			}
			if public := judge.Public(); !samePublic(t, spec, public.Key, p.Public) {
				t.Errorf("%s: go-jose reads another key", spec)
			}
		}
	}
}

func samePublic(t *testing.T, spec alg.Spec, a, b crypto.PublicKey) bool {
	t.Helper()
	one, errA := engine.MarshalPublic(spec, a)
	two, errB := engine.MarshalPublic(spec, b)
	return errA == nil && errB == nil && bytes.Equal(one, two)
}

// TestSymmetricKey: it has no halves.
func TestSymmetricKey(t *testing.T) {
	secret := []byte("0123456789abcdef0123456789abcdef")
	k, err := NewJSONWebKey(secret, true)
	if err != nil || k.Type != OctHSM || !bytes.Equal(k.K, secret) {
		t.Fatalf("%v, %v", k, err)
	}
	if public, err := k.Public(); public != nil || err != nil {
		t.Errorf("its public half is %v, %v", public, err)
	}
	if _, err := k.Private(); err == nil {
		t.Error("it has a private half")
	}
	k.Clear()
	if !bytes.Equal(k.K, make([]byte, 32)) || secret[0] != '0' {
		t.Error("Clear overwrites something else than the copy")
	}
}

// TestBadKeys: what is no key is refused.
func TestBadKeys(t *testing.T) {
	ec, err := NewJSONWebKey(private(t, alg.P256).Private, false)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewJSONWebKey(private(t, alg.P256).Private, false)
	if err != nil {
		t.Fatal(err)
	}
	rsa, err := NewJSONWebKey(private(t, alg.RSA2048).Private, false)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(ec, rsa *JSONWebKey){
		"off the curve":         func(ec, _ *JSONWebKey) { ec.Y = other.Y },
		"no coordinate":         func(ec, _ *JSONWebKey) { ec.Y = nil },
		"a long coordinate":     func(ec, _ *JSONWebKey) { ec.X = append(Bytes{0}, ec.X...) },
		"another curve":         func(ec, _ *JSONWebKey) { ec.Curve = P256K },
		"no curve":              func(ec, _ *JSONWebKey) { ec.Curve = "P-224" },
		"no type":               func(ec, _ *JSONWebKey) { ec.Type = "OKP" },
		"an even modulus":       func(_, rsa *JSONWebKey) { rsa.N = Bytes{2, 2} },
		"no modulus":            func(_, rsa *JSONWebKey) { rsa.N = nil },
		"a modulus without end": func(_, rsa *JSONWebKey) { rsa.N = bytes.Repeat([]byte{1}, maxModulus+1) },
		"the exponent 1":        func(_, rsa *JSONWebKey) { rsa.E = Bytes{1} },
		"an even exponent":      func(_, rsa *JSONWebKey) { rsa.E = Bytes{4} },
		"a large exponent":      func(_, rsa *JSONWebKey) { rsa.E = Bytes{1, 0, 0, 0, 1} },
	} {
		a, b := *ec, *rsa
		change(&a, &b)
		_, errEC := a.Public()
		_, errRSA := b.Public()
		_, errPrivate := a.Private()
		_, errPrivateRSA := b.Private()
		if (errEC == nil && errRSA == nil) || (errPrivate == nil && errPrivateRSA == nil) {
			t.Errorf("%s is read", name)
		}
	}
	for name, change := range map[string]func(ec, rsa *JSONWebKey){
		"the halves of two keys": func(ec, rsa *JSONWebKey) { ec.D, rsa.D = other.D, rsa.DP },
		"no private half":        func(ec, rsa *JSONWebKey) { ec.D, rsa.D = nil, nil },
		"no factors":             func(ec, rsa *JSONWebKey) { ec.D, rsa.P = make(Bytes, 32), nil },
		"a long private half":    func(ec, rsa *JSONWebKey) { ec.D, rsa.D = make(Bytes, 33), make(Bytes, maxModulus+1) },
	} {
		a, b := *ec, *rsa
		change(&a, &b)
		if _, err := a.Private(); err == nil {
			t.Errorf("%s is read", name)
		}
		if _, err := b.Private(); err == nil {
			t.Errorf("%s is read as RSA", name)
		}
	}
	for _, none := range []any{nil, "text", private(t, alg.Ed25519).Private} {
		if _, err := NewJSONWebKey(none, false); err == nil {
			t.Errorf("a %T is a key", none)
		}
	}
}

// TestKeysAreRedacted: no verb shows a private member, nor an operation's value.
func TestKeysAreRedacted(t *testing.T) {
	k := &JSONWebKey{KID: "kid", Type: Oct, K: Bytes("hunter2")}
	o := &Operation{Algorithm: "A256GCM", Value: Bytes("hunter2")}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, v := range []any{k, o} {
			if text := fmt.Sprintf(format, v); strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") || strings.Contains(text, "104 117") {
				t.Errorf("%s shows %s", format, text)
			}
		}
	}
}

// FuzzJSONWebKey: what reads as a key is the same key after it was written.
func FuzzJSONWebKey(f *testing.F) {
	for _, spec := range []alg.Spec{alg.P256, alg.P521, alg.Secp256k1} {
		k, err := NewJSONWebKey(private(f, spec).Private, false)
		if err != nil {
			f.Fatal(err)
		}
		text, err := json.Marshal(k)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"kty":"RSA","n":"AQAB","e":"AQAB","key_ops":["sign"]}`))
	f.Add([]byte(`{"kty":"oct-HSM","k":"AAEC","kid":"https://v/keys/a/b"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var k, again JSONWebKey
		if json.Unmarshal(text, &k) != nil {
			return
		}
		written, err := json.Marshal(&k)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(written, &again); err != nil {
			t.Fatalf("%s does not read back: %v", written, err)
		}
		if twice, err := json.Marshal(&again); err != nil || !bytes.Equal(twice, written) {
			t.Errorf("%s reads back as %s", written, twice)
		}
		public, err := k.Public()
		if err != nil || public == nil {
			return
		}
		back, err := NewJSONWebKey(public, k.Type.InHSM())
		if err != nil {
			t.Fatal(err)
		}
		if same, err := back.Public(); err != nil || back.Type != k.Type || !cmp.Equal(fmt.Sprint(same), fmt.Sprint(public)) {
			t.Errorf("the public key %v is written as that of %v", public, back)
		}
		_, _ = k.Private()
	})
}

// FuzzIdentifier: what reads as a name is written as it reads.
func FuzzIdentifier(f *testing.F) {
	for _, text := range []string{"https://contoso.vault.azure.net/keys/web/78deebed173b48e48f55abf87ed4cf71", "https://127.0.0.1:8443/certificates/a/", "https://[::1]/keys/a", "https://v/keys/a?b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := ParseIdentifier(text)
		if err != nil {
			return
		}
		if again, err := ParseIdentifier(id.String()); err != nil || again != id {
			t.Errorf("%q is %+v, which reads back as %+v (%v)", text, id, again, err)
		}
	})
}

// FuzzChallenge: what reads as a challenge names a tenant, and is written as it
// reads.
func FuzzChallenge(f *testing.F) {
	f.Add(`Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"`)
	f.Add(`Bearer authorization="https://l/t" scope="r/.default", error="insufficient_claims", claims="eyJ9"`)
	f.Add(`Bearer authorization="https:", resource="r"`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseChallenge(text)
		if err != nil {
			return
		}
		if again, err := ParseChallenge(c.String()); err != nil || again != c || c.Tenant() == "" {
			t.Errorf("%q is %+v, which reads back as %+v (%v)", text, c, again, err)
		}
	})
}

// FuzzError: what reads as a refusal is written as it reads.
func FuzzError(f *testing.F) {
	f.Add([]byte(`{"error":{"code":"Forbidden","message":"m","innererror":{"code":"KeyDisabled"}}}`))
	f.Add([]byte(`{"error":{"code":"A","innererror":{"innererror":{"code":"B"}}}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		e, err := ParseError(body)
		if err != nil {
			return
		}
		written, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseError(written); err != nil || again != e {
			t.Errorf("%s is %+v, which reads back as %+v (%v)", body, e, again, err)
		}
	})
}
