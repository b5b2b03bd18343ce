package byok

import (
	"crypto/rsa"
	"crypto/x509"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/test/compat/judge"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// pending makes a key without material.
func (w *world) pending(t *testing.T, k kind) string {
	t.Helper()
	out, err := w.CreateKey(t.Context(), &kms.CreateKeyInput{
		Origin: types.OriginTypeExternal, KeySpec: k.spec, KeyUsage: k.usage, Description: aws.String(t.Name()),
	})
	if err != nil {
		t.Fatal(err)
	}
	m := out.KeyMetadata
	if m.KeyState != types.KeyStatePendingImport || m.Enabled || m.Origin != types.OriginTypeExternal || m.ExpirationModel != "" || m.CurrentKeyMaterialId != nil {
		t.Errorf("a new key is %+v", *m)
	}
	return *m.KeyId
}

// parameters are what a key's owner needs to send its material.
func (w *world) parameters(t *testing.T, id string, how types.AlgorithmSpec, under types.WrappingKeySpec) *kms.GetParametersForImportOutput {
	t.Helper()
	p, err := w.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: &id, WrappingAlgorithm: how, WrappingKeySpec: under})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bring sends the key in the file of dir, which does not expire.
func (w *world) bring(t *testing.T, id, dir, file string, how types.AlgorithmSpec) *kms.ImportKeyMaterialOutput {
	t.Helper()
	p := w.parameters(t, id, how, small)
	out, err := w.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrappings[how].wrap(t, dir, file, p.PublicKey),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// bits is the size of a wrapping key.
var bits = map[types.WrappingKeySpec]int{"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096}

// TestImport brings every kind of key in by every wrapping that it can come
// by, and uses it.
func TestImport(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		k := kinds[name]
		for _, how := range slices.Sorted(maps.Keys(wrappings)) {
			wrap := wrappings[how]
			if strings.HasPrefix(name, "rsa") && !wrap.kwp {
				continue // too long for RSA alone
			}
			if wrap.hash == "" && name != "symmetric" && name != "hmac-256" {
				continue // deprecated by AWS since 2023, and for symmetric keys alone
			}
			under := types.WrappingKeySpecRsa2048
			switch {
			case name == "p-521":
				under = types.WrappingKeySpecRsa3072 // RSA-2048 has no room for it
			case name == "symmetric" && wrap.kwp:
				under = types.WrappingKeySpecRsa4096
			}
			t.Run(name+"/"+string(how), func(t *testing.T) { imported(t, k, how, under) })
		}
	}
}

func imported(t *testing.T, k kind, how types.AlgorithmSpec, under types.WrappingKeySpec) {
	w, dir := setup(t), t.TempDir()
	plain := k.make(t, dir, "key")
	w.untraced(t, t.Name(), plain)
	id := w.pending(t, k)
	_, err := w.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &id, Plaintext: judge.Message})
	if k.usage == types.KeyUsageTypeEncryptDecrypt {
		refused(t, err, "KMSInvalidStateException", arnOf(id)+" is pending import.")
	}

	p := w.parameters(t, id, how, under)
	if got := modulus(t, p.PublicKey); got != bits[under] {
		t.Errorf("the wrapping key has %d bits, want %s", got, under)
	}
	if in := time.Until(*p.ParametersValidTo); *p.KeyId != arnOf(id) || in < 23*time.Hour || in > 25*time.Hour {
		t.Errorf("the parameters are of %s until %s", *p.KeyId, p.ParametersValidTo)
	}
	out, err := w.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: &id, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrappings[how].wrap(t, dir, "key", p.PublicKey),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	})
	if err != nil {
		t.Fatal(err)
	}
	m := w.describe(t, id)
	if m.KeyState != types.KeyStateEnabled || !m.Enabled || m.ExpirationModel != types.ExpirationModelTypeKeyMaterialDoesNotExpire || m.ValidTo != nil {
		t.Errorf("after the import the key is %+v", *m)
	}
	symmetric := k.spec == types.KeySpecSymmetricDefault
	if *out.KeyId != arnOf(id) || (out.KeyMaterialId != nil) != symmetric || symmetric && *out.KeyMaterialId != aws.ToString(m.CurrentKeyMaterialId) {
		t.Errorf("the answer is %s %v, the metadata %v", *out.KeyId, aws.ToString(out.KeyMaterialId), aws.ToString(m.CurrentKeyMaterialId))
	}
	judge.Key(t, w.Client, id, judge.Read(t, dir, "key"))
}

func (w *world) describe(t *testing.T, id string) *types.KeyMetadata {
	t.Helper()
	out, err := w.DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &id})
	if err != nil {
		t.Fatal(err)
	}
	return out.KeyMetadata
}

func arnOf(id string) string { return "arn:aws:kms:us-east-1:123456789012:key/" + id }

// modulus returns the bits of an RSA public key.
func modulus(t *testing.T, public []byte) int {
	t.Helper()
	k, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	numbers, ok := k.(*rsa.PublicKey)
	if !ok {
		t.Fatalf("the wrapping key is a %T", k)
	}
	return numbers.N.BitLen()
}
