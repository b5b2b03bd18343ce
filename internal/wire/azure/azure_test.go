package azure

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// TestSignatureNames is the table of what signs with which key, in both
// directions (RFC 7518 section 3.1, RFC 8812 section 3.2).
func TestSignatureNames(t *testing.T) {
	rsa := map[string]string{
		"RS256": "rsa-pkcs1-sha256", "RS384": "rsa-pkcs1-sha384", "RS512": "rsa-pkcs1-sha512",
		"PS256": "rsa-pss-sha256", "PS384": "rsa-pss-sha384", "PS512": "rsa-pss-sha512",
	}
	want := map[string]map[string]string{
		"rsa-2048": rsa, "rsa-3072": rsa, "rsa-4096": rsa,
		"p-256": {"ES256": "ecdsa-sha256"}, "p-384": {"ES384": "ecdsa-sha384"}, "p-521": {"ES512": "ecdsa-sha512"}, "secp256k1": {"ES256K": "ecdsa-sha256"},
		"hmac-256": {"HS256": "hmac-sha256"}, "hmac-384": {"HS384": "hmac-sha384"}, "hmac-512": {"HS512": "hmac-sha512"},
	}
	got := map[string]map[string]string{}
	for _, spec := range alg.Specs() {
		for _, a := range spec.Info().Algorithms {
			name := SignatureOf(spec, a)
			if name == "" {
				continue
			}
			if got[spec.String()] == nil {
				got[spec.String()] = map[string]string{}
			}
			got[spec.String()][string(name)] = a.String()
			if name.For(spec) != a || !name.Known() {
				t.Errorf("%s with %s reads back as %s", name, spec, name.For(spec))
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if SignatureAlgorithm("ES256").For(alg.Secp256k1) != alg.NoAlgorithm || SignatureAlgorithm("ES256").For(alg.P384) != alg.NoAlgorithm || SignatureAlgorithm("none").Known() {
		t.Error("an algorithm goes with another key than its own")
	}
}

// TestEncryptionNames is the same for encryption.
func TestEncryptionNames(t *testing.T) {
	for name, want := range map[EncryptionAlgorithm]alg.Algorithm{"RSA-OAEP": alg.OAEPSHA1, "RSA-OAEP-256": alg.OAEPSHA256, "RSA1_5": 0, "A256GCM": 0, "none": 0} {
		if got := name.For(alg.RSA3072); got != want {
			t.Errorf("%s with RSA is %s, want %s", name, got, want)
		}
	}
	if EncryptionOf(alg.AES256, alg.AESGCM) != "A256GCM" || EncryptionAlgorithm("A256GCM").For(alg.AES256) != alg.AESGCM || EncryptionOf(alg.AES256, alg.OAEPSHA1) != "" {
		t.Error("AES-256-GCM has another name")
	}
	for name, want := range map[EncryptionAlgorithm]bool{"A256GCM": true, "A128KW": true, "RSA1_5": true, "CKM_AES_KEY_WRAP_PAD": true, "A512GCM": false, "": false} {
		if name.Known() != want {
			t.Errorf("%q is known: %t", name, !want)
		}
	}
}

// TestKeyTypes is what keys of each spec are.
func TestKeyTypes(t *testing.T) {
	for spec, want := range map[alg.Spec][3]string{
		alg.RSA2048: {"RSA", "RSA-HSM", ""}, alg.RSA4096: {"RSA", "RSA-HSM", ""}, alg.P256: {"EC", "EC-HSM", "P-256"}, alg.P384: {"EC", "EC-HSM", "P-384"},
		alg.P521: {"EC", "EC-HSM", "P-521"}, alg.Secp256k1: {"EC", "EC-HSM", "P-256K"}, alg.AES256: {"oct", "oct-HSM", ""}, alg.HMAC512: {"oct", "oct-HSM", ""},
		alg.Ed25519: {}, alg.MLDSA44: {}, alg.NoSpec: {},
	} {
		software, hardware, curve := KeyTypeOf(spec, false), KeyTypeOf(spec, true), CurveOf(spec)
		if got := [3]string{string(software), string(hardware), string(curve)}; got != want {
			t.Errorf("%s: %v, want %v", spec, got, want)
		}
		if curve != "" && curve.Spec() != spec {
			t.Errorf("%s reads back as %s", curve, curve.Spec())
		}
		if software.InHSM() || hardware != "" && !hardware.InHSM() || hardware.Software() != software || software.Software() != software {
			t.Errorf("%s: %s and %s are not of one kind", spec, software, hardware)
		}
	}
}

// TestOperations is what key_ops mean, in both directions.
func TestOperations(t *testing.T) {
	for _, spec := range alg.Specs() {
		for _, u := range spec.Info().Usages {
			ops := OperationsFor(u)
			for _, other := range alg.Usages() {
				if got := Allows(ops, spec, other); got != (other == u && u != alg.KeyAgreement && u != alg.RawEncryptDecrypt) {
					t.Errorf("%v allow %s of %s: %t", ops, other, spec, got)
				}
			}
		}
	}
	for _, tt := range []struct {
		ops  []KeyOperation
		spec alg.Spec
		u    alg.Usage
		want bool
	}{
		{[]KeyOperation{UnwrapKey}, alg.RSA2048, alg.EncryptDecrypt, true},
		{[]KeyOperation{Encrypt, WrapKey}, alg.RSA2048, alg.EncryptDecrypt, false},
		{[]KeyOperation{Verify}, alg.P256, alg.SignVerify, false},
		{[]KeyOperation{WrapKey, UnwrapKey}, alg.AES256, alg.EncryptDecrypt, false},
		{[]KeyOperation{Decrypt}, alg.AES256, alg.EncryptDecrypt, false},
		{nil, alg.P256, alg.SignVerify, false},
		{OperationsFor(alg.SignVerify), alg.AES256, alg.SignVerify, false},
	} {
		if got := Allows(tt.ops, tt.spec, tt.u); got != tt.want {
			t.Errorf("%v allow %s of %s: %t", tt.ops, tt.u, tt.spec, got)
		}
	}
	if OperationsFor(alg.NoUsage) != nil {
		t.Error("no usage has operations")
	}
}

// TestIdentifiers is which names are read, and how they are written.
func TestIdentifiers(t *testing.T) {
	for text, want := range map[string]Identifier{
		"https://contoso.vault.azure.net/keys/web":                                    {"contoso.vault.azure.net", Keys, "web", ""},
		"https://contoso.vault.azure.net/keys/web/":                                   {"contoso.vault.azure.net", Keys, "web", ""},
		"https://Contoso.vault.azure.net/keys/Web-1/78deebed173b48e48f55abf87ed4cf71": {"contoso.vault.azure.net", Keys, "Web-1", "78deebed173b48e48f55abf87ed4cf71"},
		"https://127.0.0.1:8443/certificates/site/ABC":                                {"127.0.0.1:8443", Certificates, "site", "ABC"},
		"https://[::1]:8443/deletedkeys/k":                                            {"[::1]:8443", DeletedKeys, "k", ""},
	} {
		got, err := ParseIdentifier(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseIdentifier(got.String()); err != nil || again != got {
			t.Errorf("%s reads back as %+v, %v", got, again, err)
		}
	}
	for _, text := range []string{
		"", "web", "http://v/keys/web", "https://v", "https://v/", "https://v/keys", "https://v/keys/", "https://v/keys//v", "https://v/keys/a/b/c", "https://v/rooms/a",
		"https:///keys/a", "https://me@v/keys/a", "https://v/keys/a?x=y", "https://v/keys/a?", "https://v/keys/a#", "https://v/keys/a_b", "https://v/keys/a%2fb",
		"https://v/keys/" + strings.Repeat("a", 128), "https://v/keys/a/b-c", "https://v:/keys/a", "https://v w/keys/a", "//v/keys/a",
	} {
		if got, err := ParseIdentifier(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
	a := Identifier{"v", Keys, "Web", "1"}
	if !a.Same(Identifier{"V", Keys, "web", "2"}) || a.Same(Identifier{"w", Keys, "web", "1"}) || a.Same(Identifier{"v", Secrets, "web", "1"}) || a.Same(Identifier{"v", Keys, "wed", "1"}) {
		t.Error("Same is wrong")
	}
	for host, want := range map[string]bool{
		"a.managedhsm.azure.net": true, "A.MANAGEDHSM.azure.cn": true, "a.managedhsm.localhost:8443": true, "managedhsm.vault.azure.net": false, "a.vault.azure.net": false, "127.0.0.1": false,
	} {
		if ManagedHSMHost(host) != want {
			t.Errorf("%s is a Managed HSM: %t", host, !want)
		}
	}
}

// TestChallenge is the header in the forms in which vaults write it.
func TestChallenge(t *testing.T) {
	full := Challenge{Authorization: "https://login.microsoftonline.com/t", Resource: "https://vault.azure.net"}
	for text, want := range map[string]Challenge{
		`Bearer authorization="https://login.microsoftonline.com/t", resource="https://vault.azure.net"`:                                           full,
		`bearer authorization="https://login.microsoftonline.com/t" resource="https://vault.azure.net"`:                                            full,
		`Bearer resource="https://vault.azure.net",authorization="https://login.microsoftonline.com/t"`:                                            full,
		`Bearer authorization="https://login.microsoftonline.com/t", scope="https://vault.azure.net/.default", error_description="what, is wrong"`: full,
		`Bearer authorization="https://l/t", resource="r", error="insufficient_claims", claims="eyJ9"`:                                             {"https://l/t", "r", "insufficient_claims", "eyJ9"},
	} {
		got, err := ParseChallenge(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if again, err := ParseChallenge(got.String()); err != nil || again != got {
			t.Errorf("%s reads back as %+v, %v", got, again, err)
		}
	}
	if full.Tenant() != "t" {
		t.Errorf("the tenant is %q", full.Tenant())
	}
	for _, text := range []string{
		"", "Bearer", "Bearer ", `Basic realm="x"`, `Bearer authorization="https://l/t"`, `Bearer resource="r"`, `Bearer authorization="https:", resource="r"`,
		`Bearer authorization="https://l", resource="r"`, `Bearer authorization="http://l/t", resource="r"`, `Bearer authorization="https://l/t", resource="r`,
		`Bearer authorization=https://l/t, resource=r`, `Bearer authorization="https://l/t", resource="r", resource="s"`, `Bearer authorization="https://l/t\"", resource="r"`,
	} {
		if got, err := ParseChallenge(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
	for host, want := range map[string]string{
		"contoso.vault.azure.net": "https://vault.azure.net", "x.managedhsm.azure.net": "https://managedhsm.azure.net", "a.vault.localhost:8443": "https://vault.localhost:8443",
	} {
		if got := ResourceOf(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

// TestErrors is the body of a refusal as different versions of the service write
// it.
func TestErrors(t *testing.T) {
	for text, want := range map[string]Error{
		`{"error":{"code":"KeyNotFound","message":"m"}}`:                                             {KeyNotFound, "m", ""},
		`{"error":{"code":"Forbidden","message":"m","innererror":{"code":"KeyDisabled"}}}`:           {Forbidden, "m", KeyDisabled},
		`{"error":{"code":"Forbidden","message":"m","innerError":{"code":"KeyDisabled"}}}`:           {Forbidden, "m", KeyDisabled},
		`{"error":{"code":"Forbidden","innererror":{"code":"A","innererror":{"code":"B"}}}}`:         {Forbidden, "", "B"},
		`{"error":{"code":"Forbidden","innererror":{"code":"A","innererror":null}},"other":[1,2,3]}`: {Forbidden, "", "A"},
	} {
		if got, err := ParseError([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "{}", `{"error":"x"}`, "<html>", `{"error":null}`} {
		if got, err := ParseError([]byte(text)); err == nil {
			t.Errorf("%s is read as %+v", text, got)
		}
	}
}

// TestBytes is base64url, written without padding and read in every form.
func TestBytes(t *testing.T) {
	want := []byte{0xfb, 0xff, 0xfe, 1}
	for _, text := range []string{"-__-AQ", "-__-AQ==", "+//+AQ", "+//+AQ=="} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err != nil || !slices.Equal(b, want) {
			t.Errorf("%s: %x, %v", text, b, err)
		}
	}
	if text, err := Bytes(want).MarshalText(); err != nil || string(text) != "-__-AQ" {
		t.Errorf("%s, %v", text, err)
	}
	for _, text := range []string{"a", "a b", "?", "=a"} {
		var b Bytes
		if err := b.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %x", text, b)
		}
	}
}
