package aws

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// imports has the cases of the operations that bring material in. What comes
// of the material is in test/compat/byok.
var imports = map[string]func(*testing.T, *target, *kms.Client){
	"GetParametersForImport": func(t *testing.T, tg *target, c *kms.Client) {
		id := newExternal(t, c)
		for _, spec := range []types.WrappingKeySpec{"RSA_2048", "RSA_3072", "RSA_4096"} {
			for _, algorithm := range []types.AlgorithmSpec{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"} {
				p := parametersOf(t, c, id, algorithm, spec)
				left := time.Until(*p.ParametersValidTo)
				if *p.KeyId != tg.arn("key/"+*id) || left < 23*time.Hour || left > 25*time.Hour {
					t.Errorf("%s %s: %s until %s", spec, algorithm, *p.KeyId, p.ParametersValidTo)
				}
			}
		}
		own := newKey(t, c, "", "")
		_, err := c.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: own.KeyId, WrappingAlgorithm: "RSAES_OAEP_SHA_256", WrappingKeySpec: "RSA_2048"})
		refused(t, err, "UnsupportedOperationException", *own.Arn+" origin is AWS_KMS which is not valid for this operation.")
	},
	"ImportKeyMaterial": func(t *testing.T, tg *target, c *kms.Client) {
		id := newExternal(t, c)
		material := randomBytes(32)
		until := time.Now().Add(time.Hour).Truncate(time.Second)
		out := bring(t, c, id, material, &until)
		m := describe(t, c, id)
		if *out.KeyId != tg.arn("key/"+*id) || len(aws.ToString(out.KeyMaterialId)) != 64 || aws.ToString(m.CurrentKeyMaterialId) != *out.KeyMaterialId {
			t.Errorf("the answer is %s %s, the key has %s", *out.KeyId, aws.ToString(out.KeyMaterialId), aws.ToString(m.CurrentKeyMaterialId))
		}
		if m.KeyState != types.KeyStateEnabled || m.ExpirationModel != types.ExpirationModelTypeKeyMaterialExpires || m.ValidTo == nil || !m.ValidTo.Equal(until) {
			t.Errorf("metadata %+v", m)
		}
		sealed, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
		if err != nil {
			t.Fatal(err)
		}
		opened, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "plaintext", opened.Plaintext, []byte("x"))
		p := parametersOf(t, c, id, "RSAES_OAEP_SHA_256", "RSA_2048")
		_, err = c.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
			KeyId: id, ImportToken: p.ImportToken, EncryptedKeyMaterial: make([]byte, 256), ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		})
		refused(t, err, "InvalidCiphertextException", "")
	},
	"DeleteImportedKeyMaterial": func(t *testing.T, tg *target, c *kms.Client) {
		id := newExternal(t, c)
		material := randomBytes(32)
		first := bring(t, c, id, material, nil)
		out, err := c.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: id})
		if err != nil {
			t.Fatal(err)
		}
		if *out.KeyId != tg.arn("key/"+*id) || aws.ToString(out.KeyMaterialId) != *first.KeyMaterialId {
			t.Errorf("the answer is %s %s", *out.KeyId, aws.ToString(out.KeyMaterialId))
		}
		_, err = c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: id, Plaintext: []byte("x")})
		refused(t, err, "KMSInvalidStateException", tg.arn("key/"+*id)+" is pending import.")
		if again := bring(t, c, id, material, nil); *again.KeyMaterialId != *first.KeyMaterialId {
			t.Errorf("the same material has another id, %s", *again.KeyMaterialId)
		}
	},
}

// newExternal makes a symmetric key without material.
func newExternal(t *testing.T, c *kms.Client) *string {
	t.Helper()
	out, err := c.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeExternal, Description: aws.String(t.Name())})
	if err != nil {
		t.Fatal(err)
	}
	if m := out.KeyMetadata; m.KeyState != types.KeyStatePendingImport || m.Enabled || m.Origin != types.OriginTypeExternal {
		t.Errorf("metadata %+v", m)
	}
	t.Cleanup(func() {
		in := &kms.ScheduleKeyDeletionInput{KeyId: out.KeyMetadata.KeyId, PendingWindowInDays: aws.Int32(7)}
		if _, err := c.ScheduleKeyDeletion(context.Background(), in); err != nil {
			t.Logf("scheduling the deletion of a test's key: %v", err)
		}
	})
	return out.KeyMetadata.KeyId
}

func parametersOf(t *testing.T, c *kms.Client, id *string, algorithm types.AlgorithmSpec, spec types.WrappingKeySpec) *kms.GetParametersForImportOutput {
	t.Helper()
	p, err := c.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: id, WrappingAlgorithm: algorithm, WrappingKeySpec: spec})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// bring imports material until a time, or for good.
func bring(t *testing.T, c *kms.Client, id *string, material []byte, until *time.Time) *kms.ImportKeyMaterialOutput {
	t.Helper()
	p := parametersOf(t, c, id, "RSAES_OAEP_SHA_256", "RSA_2048")
	in := &kms.ImportKeyMaterialInput{KeyId: id, ImportToken: p.ImportToken, EncryptedKeyMaterial: sealTo(t, p.PublicKey, material), ValidTo: until}
	if until == nil {
		in.ExpirationModel = types.ExpirationModelTypeKeyMaterialDoesNotExpire
	}
	out, err := c.ImportKeyMaterial(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// sealTo encrypts material to a wrapping key by RSAES_OAEP_SHA_256.
func sealTo(t *testing.T, spki, material []byte) []byte {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(spki)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, public.(*rsa.PublicKey), material, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sealed
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// importPolicy lets its user make keys for material of the user's own alone,
// and bring it by strong wrappings and for a limited time.
const importPolicy = `{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": "kms:CreateKey", "Resource": "*", "Condition": {"StringEquals": {"kms:KeyOrigin": "EXTERNAL"}}},
  {"Effect": "Allow", "Action": "kms:GetParametersForImport", "Resource": "*", "Condition": {
    "StringLike": {"kms:WrappingAlgorithm": "*SHA_256"}, "StringEquals": {"kms:WrappingKeySpec": ["RSA_3072", "RSA_4096"]}}},
  {"Effect": "Allow", "Action": "kms:ImportKeyMaterial", "Resource": "*", "Condition": {
    "StringEquals": {"kms:ExpirationModel": "KEY_MATERIAL_EXPIRES"}, "DateLessThan": {"kms:ValidTo": "%s"}}}
]}`

// TestImportConditions holds that the condition keys of imports decide.
func TestImportConditions(t *testing.T) {
	tg, admin := setup(t)
	creds, _ := newUser(t, tg, fmt.Sprintf(importPolicy, time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)))
	user := tg.kms(creds)
	_, err := user.CreateKey(t.Context(), &kms.CreateKeyInput{})
	denied(t, err, "kms:CreateKey")
	made, err := user.CreateKey(t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeExternal})
	if err != nil {
		t.Fatal(err)
	}
	id := made.KeyMetadata.KeyId
	t.Cleanup(func() {
		in := &kms.ScheduleKeyDeletionInput{KeyId: id, PendingWindowInDays: aws.Int32(7)}
		if _, err := admin.ScheduleKeyDeletion(context.Background(), in); err != nil {
			t.Logf("scheduling the deletion of a test's key: %v", err)
		}
	})
	for _, c := range []struct {
		algorithm types.AlgorithmSpec
		spec      types.WrappingKeySpec
	}{{"RSAES_OAEP_SHA_1", "RSA_3072"}, {"RSAES_OAEP_SHA_256", "RSA_2048"}} {
		_, err := user.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{KeyId: id, WrappingAlgorithm: c.algorithm, WrappingKeySpec: c.spec})
		denied(t, err, "kms:GetParametersForImport")
	}
	p := parametersOf(t, user, id, "RSAES_OAEP_SHA_256", "RSA_3072")
	in := &kms.ImportKeyMaterialInput{KeyId: id, ImportToken: p.ImportToken, EncryptedKeyMaterial: sealTo(t, p.PublicKey, randomBytes(32))}
	in.ExpirationModel = types.ExpirationModelTypeKeyMaterialDoesNotExpire
	_, err = user.ImportKeyMaterial(t.Context(), in)
	denied(t, err, "kms:ImportKeyMaterial")
	in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, aws.Time(time.Now().Add(48*time.Hour))
	_, err = user.ImportKeyMaterial(t.Context(), in)
	denied(t, err, "kms:ImportKeyMaterial")
	in.ValidTo = aws.Time(time.Now().Add(time.Hour))
	if _, err := user.ImportKeyMaterial(t.Context(), in); err != nil {
		t.Error(err)
	}
	_, err = user.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: id})
	denied(t, err, "kms:DeleteImportedKeyMaterial")
}
