package aws

import (
	"fmt"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// Everything that the table of algorithms names has a name here, one of its
// own, that reads back as the same.
func TestNamesAreComplete(t *testing.T) {
	complete(t, alg.Specs(), SpecName, ParseSpec)
	complete(t, append(alg.Algorithms(), alg.FurtherAlgorithms()...), AlgorithmName, ParseAlgorithm)
	complete(t, alg.Usages(), UsageName, ParseUsage)
	complete(t, []alg.Form{alg.Raw, alg.Digest, alg.ExternalMu}, FormName, ParseForm)
	complete(t, alg.Wrappings(), WrappingName, ParseWrapping)
	complete(t, key.Actions(), ActionName, ParseAction)
	for _, o := range []key.Origin{key.Generated, key.Imported, key.External} {
		if OriginName(o) == "" {
			t.Errorf("origin %s has no name", o)
		}
	}
}

func complete[T comparable](t *testing.T, values []T, name func(T) string, parse func(string) (T, bool)) {
	t.Helper()
	if len(values) == 0 {
		t.Fatalf("no values of %T", *new(T))
	}
	for _, v := range values {
		if back, ok := parse(name(v)); name(v) == "" || !ok || back != v {
			t.Errorf("%s %v is called %q, which is %v", fmt.Sprintf("%T", v), v, name(v), back)
		}
	}
	if v, ok := parse("SM2"); ok {
		t.Errorf("SM2 is %v", v)
	}
	if v, ok := parse(""); ok {
		t.Errorf("the empty name is %v", v)
	}
	if got := name(*new(T)); got != "" {
		t.Errorf("no %T is called %q", *new(T), got)
	}
}

// The names that differ most from the core's, as clients know them.
func TestNames(t *testing.T) {
	for got, want := range map[string]string{
		SpecName(alg.AES256):           "SYMMETRIC_DEFAULT",
		SpecName(alg.Secp256k1):        "ECC_SECG_P256K1",
		SpecName(alg.Ed25519):          "ECC_NIST_EDWARDS25519",
		AlgorithmName(alg.AESGCM):      "SYMMETRIC_DEFAULT",
		AlgorithmName(alg.PKCS1SHA384): "RSASSA_PKCS1_V1_5_SHA_384",
		AlgorithmName(alg.Ed25519ph):   "ED25519_PH_SHA_512",
		AlgorithmName(alg.MLDSAPure):   "ML_DSA_SHAKE_256",
		UsageName(alg.SignVerify):      "SIGN_VERIFY",
		FormName(alg.ExternalMu):       "EXTERNAL_MU",
		OriginName(key.Generated):      "AWS_KMS",
		ActionName(key.GenerateMAC):    "kms:GenerateMac",
		ActionName(key.ReadAudit):      "cloudtrail:LookupEvents",
	} {
		if got != want {
			t.Errorf("called %q, want %q", got, want)
		}
	}
}
