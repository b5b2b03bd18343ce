package vault

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// TestTypes is the table of key types.
func TestTypes(t *testing.T) {
	want := map[alg.Spec]string{
		alg.AES256: "aes256-gcm96", alg.HMAC256: "hmac (32 bytes)", alg.HMAC384: "hmac (48 bytes)", alg.HMAC512: "hmac (64 bytes)",
		alg.RSA2048: "rsa-2048", alg.RSA3072: "rsa-3072", alg.RSA4096: "rsa-4096", alg.P256: "ecdsa-p256", alg.P384: "ecdsa-p384",
		alg.P521: "ecdsa-p521", alg.Ed25519: "ed25519", alg.MLDSA44: "mldsa-44", alg.MLDSA65: "mldsa-65", alg.MLDSA87: "mldsa-87",
	}
	got := map[alg.Spec]string{}
	for _, s := range alg.Specs() {
		if typ, ok := TypeOf(s); ok {
			got[s] = typ.String()
			if back, ok := ParseType(typ); !ok || back != s {
				t.Errorf("%s reads back as %s", typ, back)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("types (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		typ  Type
		want alg.Spec
	}{
		{Type{Name: "hmac"}, alg.HMAC256}, // before key_size
		{Type{Name: "hmac", KeySize: 33}, alg.NoSpec},
		{Type{Name: "rsa-2048", KeySize: 32}, alg.NoSpec},
		{Type{Name: "ml-dsa", ParameterSet: "65"}, alg.MLDSA65}, // HashiCorp's spelling
		{Type{Name: "ml-dsa"}, alg.NoSpec},
		{Type{Name: "ml-dsa", ParameterSet: "65", KeySize: 1}, alg.NoSpec},
		{Type{Name: "aes128-gcm96"}, alg.NoSpec},
		{Type{Name: "chacha20-poly1305"}, alg.NoSpec},
		{Type{Name: "external-key"}, alg.NoSpec},
		{Type{}, alg.NoSpec},
	} {
		if got, ok := ParseType(tt.typ); got != tt.want || ok != (tt.want != alg.NoSpec) {
			t.Errorf("%s is %q, want %q", tt.typ, got, tt.want)
		}
	}
	if got := (Type{Name: "ml-dsa", ParameterSet: "44"}).String(); got != "ml-dsa-44" {
		t.Error(got)
	}
}

// TestHashes is the table of hashes, and of schemes.
func TestHashes(t *testing.T) {
	for _, tt := range []struct {
		hash       crypto.Hash
		name, wrap string
	}{
		{crypto.SHA1, "sha1", "SHA1"},
		{crypto.SHA224, "sha2-224", "SHA224"},
		{crypto.SHA256, "sha2-256", "SHA256"},
		{crypto.SHA384, "sha2-384", "SHA384"},
		{crypto.SHA512, "sha2-512", "SHA512"},
		{crypto.SHA3_224, "sha3-224", ""},
		{crypto.SHA3_256, "sha3-256", ""},
		{crypto.SHA3_384, "sha3-384", ""},
		{crypto.SHA3_512, "sha3-512", ""},
	} {
		back, ok := ParseHash(tt.name)
		if HashName(tt.hash) != tt.name || !ok || back != tt.hash || WrapHashName(tt.hash) != tt.wrap {
			t.Errorf("%v is %q and %q, and reads back as %v", tt.hash, HashName(tt.hash), WrapHashName(tt.hash), back)
		}
		if back, ok := ParseWrapHash(tt.wrap); tt.wrap != "" && (!ok || back != tt.hash) {
			t.Errorf("%q reads back as %v", tt.wrap, back)
		}
	}
	for _, read := range []func(string) (crypto.Hash, bool){ParseHash, ParseWrapHash} {
		if h, ok := read(""); !ok || h != crypto.SHA256 {
			t.Errorf("the default is %v", h)
		}
		if _, ok := read("none"); ok {
			t.Error("none is a hash")
		}
	}
	for name, want := range map[string]alg.Scheme{"": alg.PSS, "pss": alg.PSS, "pkcs1v15": alg.PKCS1, "PSS": 0} {
		if got, ok := ParseScheme(name); got != want || ok != (want != 0) {
			t.Errorf("%q is %d", name, got)
		}
	}
	if SchemeName(alg.PSS) != "pss" || SchemeName(alg.PKCS1) != "pkcs1v15" || SchemeName(alg.ECDSA) != "" {
		t.Error("schemes have other names")
	}
}

// TestKeyNames has what names a key, and what does not.
func TestKeyNames(t *testing.T) {
	for _, tt := range []struct {
		text string
		want KeyName
	}{
		{"k", KeyName{"k", 0}},
		{"my-key.2_x", KeyName{"my-key.2_x", 0}},
		{"my-key/3", KeyName{"my-key", 3}},
		{"team/transit/keys/my-key", KeyName{"my-key", 0}},
		{"team/transit/keys/my-key/12", KeyName{"my-key", 12}},
		{strings.Repeat("a", 255), KeyName{strings.Repeat("a", 255), 0}},
	} {
		if got, err := ParseKeyName("team/transit", tt.text); err != nil || got != tt.want {
			t.Errorf("%q is %+v, %v", tt.text, got, err)
		}
	}
	for _, text := range []string{
		"", "/", "a/", "a/0", "a/-1", "a/+1", "a/01", "a/x", "a/1/2", "-a", "a-", ".", "..", "a.", "a b", "a%2fb", "ä", "other/keys/a", "a/2147483648",
		strings.Repeat("a", 256), "a\n",
	} {
		if got, err := ParseKeyName("team/transit", text); err == nil {
			t.Errorf("%q names %+v", text, got)
		}
	}
}

func FuzzParseKeyName(f *testing.F) {
	for _, text := range []string{"k", "my-key/3", "transit/keys/my-key/12", "a/01", "keys/keys/1"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKeyName("transit", text)
		if err != nil {
			return
		}
		again, err := ParseKeyName("", k.String())
		if err != nil || again != k || strings.TrimPrefix(text, "transit/keys/") != k.String() {
			t.Errorf("%q is %+v, and %q is %+v (%v)", text, k, k.String(), again, err)
		}
	})
}

// TestVersioned has the text forms, and those that are none.
func TestVersioned(t *testing.T) {
	for text, want := range map[string]Versioned{
		"vault:v1:AQI=":               {1, []byte{1, 2}},
		"vault:v12:/+8=":              {12, []byte{0xff, 0xef}},
		"vault:v1:":                   {1, []byte{}},
		"vault:v2147483647:A" + "A==": {2147483647, []byte{0}},
	} {
		got, err := ParseVersioned(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" || got.String() != text {
			t.Errorf("%s: %v, %s", text, err, diff)
		}
	}
	for _, text := range []string{
		"", "vault", "vault:v", "vault:v1", "vault:1:AQI=", "vault:v0:AQI=", "vault:v-1:AQI=", "vault:v01:AQI=", "vault:v2147483648:AQI=",
		"vault:v1:AQI", "vault:v1:AQJ=", "vault:v1:AQI=\n", "vault:v1:A\r\nQI=", "vault:v1:_-8=", "Vault:v1:AQI=", " vault:v1:AQI=",
	} {
		if got, err := ParseVersioned(text); err == nil {
			t.Errorf("%q is %+v", text, got)
		} else if len(text) > 12 && strings.Contains(err.Error(), text[9:]) {
			t.Errorf("the error shows the text: %v", err)
		}
	}
}

func FuzzParseVersioned(f *testing.F) {
	for _, text := range []string{"vault:v1:AQI=", "vault:v12:", "vault:v0:AA==", "vault:v1:A A="} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := ParseVersioned(text)
		if err != nil {
			return
		}
		if v.String() != text {
			t.Errorf("%q is written back as %q", text, v)
		}
		if again, err := ParseCiphertext(v.Compact()); err != nil || again.String() != text {
			t.Errorf("%q is %q from its compact form (%v)", text, again, err)
		}
		written, err := json.Marshal(v)
		var again Versioned
		if err != nil || json.Unmarshal(written, &again) != nil || again.String() != text {
			t.Errorf("%q is %q from JSON (%v)", text, again, err)
		}
	})
}

// TestCiphertexts: both forms of a ciphertext are read.
func TestCiphertexts(t *testing.T) {
	want := Versioned{3, []byte("nonce, ciphertext and tag")}
	compact := want.Compact()
	if head := append([]byte{1, 0, 0, 0, 3}, want.Bytes...); !bytes.Equal(compact, head) {
		t.Errorf("the compact form is %x", compact)
	}
	for _, form := range [][]byte{compact, []byte(want.String())} {
		if got, err := ParseCiphertext(form); err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %+v, %v", form, got, err)
		}
	}
	for _, bad := range [][]byte{nil, {1}, {1, 0, 0, 0}, {1, 0, 0, 0, 0}, {1, 0x80, 0, 0, 0}, {2, 0, 0, 0, 1}, []byte("vault:v1:A")} {
		if got, err := ParseCiphertext(bad); err == nil {
			t.Errorf("%q is %+v", bad, got)
		}
	}
}

func FuzzParseCiphertext(f *testing.F) {
	f.Add([]byte("vault:v1:AQI="))
	f.Add(Versioned{7, []byte("x")}.Compact())
	f.Add([]byte{1, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := ParseCiphertext(b)
		if err != nil {
			return
		}
		if !bytes.Equal(v.Compact(), b) && v.String() != string(b) {
			t.Errorf("%q is written back as %q and %q", b, v.Compact(), v)
		}
	})
}

// publics returns a public key of each kind as Transit shows it.
func publics(t testing.TB) map[alg.Spec]string {
	t.Helper()
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	point, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := map[alg.Spec]string{}
	for spec, public := range map[alg.Spec]crypto.PublicKey{alg.P256: &ec.PublicKey, alg.Ed25519: point} {
		spki, err := engine.MarshalPublic(spec, public)
		if err != nil {
			t.Fatal(err)
		}
		if all[spec], err = FormatPublicKey(spec, spki); err != nil {
			t.Fatal(err)
		}
		if again, err := ParsePublicKey(spec, all[spec]); err != nil || !bytes.Equal(again, spki) {
			t.Errorf("%s reads back as %x (%v)", all[spec], again, err)
		}
	}
	return all
}

// TestPublicKeys has what is no public key of its type.
func TestPublicKeys(t *testing.T) {
	good := publics(t)
	if !strings.HasPrefix(good[alg.P256], "-----BEGIN PUBLIC KEY-----\n") || len(good[alg.Ed25519]) != 44 {
		t.Errorf("%q", good)
	}
	for name, tt := range map[string]struct {
		spec alg.Spec
		text string
	}{
		"nothing":           {alg.P256, ""},
		"another type":      {alg.P384, good[alg.P256]},
		"something after":   {alg.P256, good[alg.P256] + "x"},
		"another block":     {alg.P256, strings.ReplaceAll(good[alg.P256], "PUBLIC KEY", "EC KEY")},
		"a point in base64": {alg.P256, good[alg.Ed25519]},
		"PEM for a point":   {alg.Ed25519, good[alg.P256]},
		"a short point":     {alg.Ed25519, base64.StdEncoding.EncodeToString(make([]byte, 31))},
	} {
		if _, err := ParsePublicKey(tt.spec, tt.text); err == nil {
			t.Errorf("%s is a public key of type %s", name, tt.spec)
		}
	}
	if _, err := FormatPublicKey(alg.P256, []byte("x")); err == nil {
		t.Error("what is no SubjectPublicKeyInfo is written")
	}
}

func FuzzParsePublicKey(f *testing.F) {
	for spec, text := range publics(f) {
		f.Add(uint8(spec), text)
	}
	f.Fuzz(func(t *testing.T, spec uint8, text string) {
		spki, err := ParsePublicKey(alg.Spec(spec), text)
		if err != nil {
			return
		}
		again, err := FormatPublicKey(alg.Spec(spec), spki)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := ParsePublicKey(alg.Spec(spec), again); err != nil || !bytes.Equal(back, spki) {
			t.Errorf("%q is %x, and %q is %x (%v)", text, spki, again, back, err)
		}
	})
}

// The answers to reading keys, as OpenBao's and Vault's documentation have
// them.
const (
	readRSA = `{"request_id":"8c2a","lease_id":"","renewable":false,"lease_duration":0,"data":{"allow_plaintext_backup":false,"auto_rotate_period":0,
"deletion_allowed":false,"derived":false,"exportable":false,"imported_key":false,"keys":{"1":{"certificate_chain":"","creation_time":"2026-11-01T10:11:12.131415Z",
"name":"rsa-2048","public_key":"PEM"}},"latest_version":1,"min_available_version":0,"min_decryption_version":1,"min_encryption_version":0,"name":"k",
"soft_deleted":true,"supports_decryption":true,"supports_derivation":false,"supports_encryption":true,"supports_signing":true,"type":"rsa-2048"},
"wrap_info":null,"warnings":["key k already existed"],"auth":null,"mount_type":"transit"}`
	readAES = `{"data":{"keys":{"1":1442851412,"2":1442851500},"latest_version":2,"min_decryption_version":1,"name":"foo","type":"aes256-gcm96"}}`
)

// TestKeys reads the documented answers.
func TestKeys(t *testing.T) {
	got, err := ParseResponse[Key]([]byte(readRSA))
	if err != nil {
		t.Fatal(err)
	}
	want := &Key{
		Name: "k", Type: "rsa-2048", LatestVersion: 1, MinDecryptionVersion: 1, SoftDeleted: true, SupportsDecryption: true, SupportsEncryption: true,
		SupportsSigning: true, Versions: map[string]KeyVersion{
			"1": {Name: "rsa-2048", PublicKey: "PEM", CreationTime: time.Date(2026, 11, 1, 10, 11, 12, 131415000, time.UTC)},
		},
	}
	if diff := cmp.Diff(want, got.Data); diff != "" || !got.AlreadyExisted("k") || got.AlreadyExisted("l") || got.Data.Spec() != alg.RSA2048 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := got.Data.Public(2); err == nil {
		t.Error("a version that is not there has a public half")
	}
	aes, err := ParseResponse[Key]([]byte(readAES))
	if err != nil {
		t.Fatal(err)
	}
	if v := aes.Data.Versions["2"]; !v.CreationTime.Equal(time.Unix(1442851500, 0)) || aes.Data.Spec() != alg.AES256 {
		t.Errorf("%+v", aes.Data)
	}
	text, err := json.Marshal(aes.Data.Versions)
	if err != nil || string(text) != `{"1":1442851412,"2":1442851500}` {
		t.Errorf("%s, %v", text, err)
	}
}

// TestAllows is which versions of a key may be used.
func TestAllows(t *testing.T) {
	k := Key{LatestVersion: 5, MinAvailableVersion: 2, MinDecryptionVersion: 3, MinEncryptionVersion: 4}
	for version, want := range map[int][2]bool{0: {}, 1: {}, 2: {}, 3: {true, false}, 4: {true, true}, 5: {true, true}, 6: {}} {
		if got := [2]bool{k.Allows(version, false), k.Allows(version, true)}; got != want {
			t.Errorf("version %d: %v", version, got)
		}
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add([]byte(readRSA))
	f.Add([]byte(readAES))
	f.Add([]byte(`{"data":null,"auth":{"client_token":"t","lease_duration":3600,"renewable":true}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseResponse[Key](text)
		if err != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			return // a time beyond the year 9999, which JSON has no form for
		}
		back, err := ParseResponse[Key](again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		once, err := json.Marshal(back)
		if err != nil || !bytes.Equal(once, again) {
			t.Errorf("%s is written back as %s (%v)", again, once, err)
		}
	})
}

// TestErrors reads and writes errors.
func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		status int
		text   string
		want   []string
		says   string
	}{
		{404, `{"errors":[]}`, []string{}, "status 404: no reason given"},
		{400, `{"errors":["signing key not found"]}`, []string{"signing key not found"}, "status 400: signing key not found"},
		{
			403, `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`,
			[]string{"2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"},
			"status 403: 2 errors occurred: * permission denied * invalid token",
		},
		{502, "<html>Bad gateway</html>\n", []string{"<html>Bad gateway</html>"}, "status 502: <html>Bad gateway</html>"},
		{500, `{"error":"of another kind"}`, []string{`{"error":"of another kind"}`}, `status 500: {"error":"of another kind"}`},
		{500, "", nil, "status 500: no reason given"},
		{500, "\xff" + strings.Repeat("x", 1000), []string{"?" + strings.Repeat("x", 499)}, "status 500: ?" + strings.Repeat("x", 499)},
	} {
		e := ParseError(tt.status, []byte(tt.text))
		if diff := cmp.Diff(tt.want, e.Errors); diff != "" || e.Status != tt.status || e.Error() != tt.says {
			t.Errorf("%s: %v (-want +got):\n%s", tt.text, e, diff)
		}
	}
	framed := Framed(403, TextDenied, TextInvalidToken)
	if got := string(framed.Marshal()); got != `{"errors":["2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]}`+"\n" {
		t.Error(got)
	}
	if got := Framed(500, "x").Errors[0]; got != "1 error occurred:\n\t* x\n\n" {
		t.Errorf("%q", got)
	}
	if got := string((&Error{Status: 404}).Marshal()); got != `{"errors":[]}`+"\n" {
		t.Error(got)
	}
	if !framed.Says("invalid token") || framed.Says("quota") || ErrorOf(fmt.Errorf("reading: %w", framed)) != framed || ErrorOf(nil) != nil {
		t.Error("an error is not found, or not by its text")
	}
	if got := Errorf(400, "invalid key_size %d", 7).Errors[0]; got != "invalid key_size 7" {
		t.Error(got)
	}
}

func FuzzParseError(f *testing.F) {
	f.Add(400, []byte(`{"errors":["x"]}`))
	f.Add(502, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		e := ParseError(status, text)
		again := ParseError(status, e.Marshal())
		if again.Error() != e.Error() || again.Status != status {
			t.Errorf("%q is %v, and then %v", text, e, again)
		}
	})
}

// TestRequests are requests as they are sent.
func TestRequests(t *testing.T) {
	yes, five := true, 5
	signature := &Versioned{2, []byte("s")}
	for _, tt := range []struct {
		request any
		want    string
	}{
		{CreateRequest{Type: "hmac", KeySize: 64}, `{"type":"hmac","key_size":64}`},
		{ConfigRequest{DeletionAllowed: &yes, MinDecryptionVersion: &five}, `{"deletion_allowed":true,"min_decryption_version":5}`},
		{ImportRequest{Type: "ed25519", Ciphertext: []byte{1}, HashFunction: "SHA256"}, `{"type":"ed25519","ciphertext":"AQ==","hash_function":"SHA256","allow_rotation":false}`},
		{
			SignRequest{Input: []byte{1}, KeyVersion: 2, HashAlgorithm: "sha2-256", Prehashed: true, SignatureAlgorithm: "pss", SaltLength: SaltHash},
			`{"input":"AQ==","key_version":2,"hash_algorithm":"sha2-256","prehashed":true,"signature_algorithm":"pss","salt_length":"hash"}`,
		},
		{VerifyRequest{Input: []byte{}, Signature: signature}, `{"input":"","signature":"vault:v2:cw=="}`},
		{VerifyRequest{Input: []byte{1}, HMAC: signature, Algorithm: "sha2-512"}, `{"input":"AQ==","hmac":"vault:v2:cw==","algorithm":"sha2-512"}`},
		{EncryptRequest{Plaintext: Plaintext{}, Type: NeverMake}, `{"plaintext":"","type":"none"}`},
		{DecryptRequest{Ciphertext: *signature, AssociatedData: []byte("a")}, `{"ciphertext":"vault:v2:cw==","associated_data":"YQ=="}`},
		{HMACRequest{Input: []byte{1}, Algorithm: "sha2-384", KeyVersion: 1}, `{"input":"AQ==","algorithm":"sha2-384","key_version":1}`},
		{RandomRequest{Bytes: 64}, `{"bytes":64}`},
		{Signature{}, `{"signature":""}`},
	} {
		got, err := json.Marshal(tt.request)
		if err != nil || string(got) != tt.want {
			t.Errorf("%T is %s, want %s (%v)", tt.request, got, tt.want, err)
		}
	}
	var empty Ciphertext
	if err := json.Unmarshal([]byte(`{"ciphertext":""}`), &empty); err != nil || empty.Ciphertext.Version != 0 {
		t.Errorf("%+v, %v", empty, err)
	}
	if err := json.Unmarshal([]byte(`{"ciphertext":7}`), &empty); err == nil {
		t.Error("a number is a ciphertext")
	}
}

// TestRedacted: plaintexts and tokens do not show themselves.
func TestRedacted(t *testing.T) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	for _, secret := range []any{Plaintext("secret"), Token("secret"), &Decrypted{Plaintext("secret")}, Auth{ClientToken: "secret"}} {
		logger.InfoContext(t.Context(), "x", slog.Any("secret", secret))
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
			fmt.Fprintf(&log, verb, secret)
		}
	}
	for _, shown := range []string{"secret\"", "secret}", "=secret", "736563726574", "115 101", "c2VjcmV0"} {
		if strings.Contains(log.String(), shown) {
			t.Errorf("%q is shown:\n%s", shown, log.String())
		}
	}
}
