package aws

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

// cryptographic has the cases of the operations that use key material.
var cryptographic = map[string]func(*testing.T, *target, *kms.Client){
	"Encrypt": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		for _, size := range []int{1, 31, 4096} {
			plain := bytes.Repeat([]byte{byte(size)}, size)
			out := encrypt(t, c, m.KeyId, plain, nil)
			if *out.KeyId != *m.Arn || out.EncryptionAlgorithm != types.EncryptionAlgorithmSpecSymmetricDefault {
				t.Errorf("answer for %s with %s", *out.KeyId, out.EncryptionAlgorithm)
			}
			if bytes.Contains(out.CiphertextBlob, plain[:min(size, 16)]) && size > 1 {
				t.Errorf("the ciphertext contains the plaintext")
			}
			equal(t, "decrypted", decrypt(t, c, out.CiphertextBlob, nil).Plaintext, plain)
		}
		a, b := encrypt(t, c, m.KeyId, []byte("same"), nil), encrypt(t, c, m.KeyId, []byte("same"), nil)
		if bytes.Equal(a.CiphertextBlob, b.CiphertextBlob) {
			t.Error("two encryptions of one plaintext are the same")
		}
	},
	"Decrypt": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		blob := encrypt(t, c, m.Arn, []byte("kept"), map[string]string{"a": "1"}).CiphertextBlob
		out := decrypt(t, c, blob, map[string]string{"a": "1"})
		if *out.KeyId != *m.Arn || len(aws.ToString(out.KeyMaterialId)) != 64 {
			t.Errorf("answer for %s, material %q", *out.KeyId, aws.ToString(out.KeyMaterialId))
		}
		equal(t, "plaintext", out.Plaintext, []byte("kept"))
		alias := newAlias(t, c, m.KeyId)
		_, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &alias, CiphertextBlob: blob, EncryptionContext: map[string]string{"a": "1"}})
		if err != nil {
			t.Errorf("with the alias of the right key: %v", err)
		}
	},
	"ReEncrypt": func(t *testing.T, _ *target, c *kms.Client) {
		from, to := newKey(t, c, "", ""), newKey(t, c, "", "")
		blob := encrypt(t, c, from.KeyId, []byte("moved"), map[string]string{"a": "1"}).CiphertextBlob
		out, err := c.ReEncrypt(t.Context(), &kms.ReEncryptInput{
			CiphertextBlob: blob, SourceEncryptionContext: map[string]string{"a": "1"},
			DestinationKeyId: to.KeyId, DestinationEncryptionContext: map[string]string{"b": "2"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if *out.SourceKeyId != *from.Arn || *out.KeyId != *to.Arn || aws.ToString(out.SourceKeyMaterialId) == aws.ToString(out.DestinationKeyMaterialId) {
			t.Errorf("from %s to %s", *out.SourceKeyId, *out.KeyId)
		}
		equal(t, "plaintext", decrypt(t, c, out.CiphertextBlob, map[string]string{"b": "2"}).Plaintext, []byte("moved"))
	},
	"GenerateDataKey": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		for in, want := range map[*kms.GenerateDataKeyInput]int{
			{KeySpec: types.DataKeySpecAes256}: 32,
			{KeySpec: types.DataKeySpecAes128}: 16,
			{NumberOfBytes: aws.Int32(64)}:     64,
			{NumberOfBytes: aws.Int32(1024)}:   1024,
			{NumberOfBytes: aws.Int32(1)}:      1,
		} {
			in.KeyId = m.KeyId
			out, err := c.GenerateDataKey(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Plaintext) != want || *out.KeyId != *m.Arn || len(aws.ToString(out.KeyMaterialId)) != 64 {
				t.Errorf("%d bytes by %s, want %d", len(out.Plaintext), *out.KeyId, want)
			}
			equal(t, "data key", decrypt(t, c, out.CiphertextBlob, nil).Plaintext, out.Plaintext)
		}
	},
	"GenerateDataKeyWithoutPlaintext": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, "", "")
		out, err := c.GenerateDataKeyWithoutPlaintext(t.Context(), &kms.GenerateDataKeyWithoutPlaintextInput{KeyId: m.KeyId, KeySpec: types.DataKeySpecAes256})
		if err != nil {
			t.Fatal(err)
		}
		if got := decrypt(t, c, out.CiphertextBlob, nil); len(got.Plaintext) != 32 {
			t.Errorf("the data key has %d bytes", len(got.Plaintext))
		}
	},
	"GenerateRandom": func(t *testing.T, _ *target, c *kms.Client) {
		seen := map[string]bool{}
		for range 3 {
			out, err := c.GenerateRandom(t.Context(), &kms.GenerateRandomInput{NumberOfBytes: aws.Int32(1024)})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Plaintext) != 1024 || seen[string(out.Plaintext)] {
				t.Errorf("%d bytes, seen before: %t", len(out.Plaintext), seen[string(out.Plaintext)])
			}
			seen[string(out.Plaintext)] = true
		}
	},
	"Sign": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
		raw, digest := []byte("signed"), sum(crypto.SHA256, []byte("signed"))
		for form, message := range map[types.MessageType][]byte{types.MessageTypeRaw: raw, types.MessageTypeDigest: digest, "": raw} {
			out, err := c.Sign(t.Context(), &kms.SignInput{KeyId: m.KeyId, Message: message, MessageType: form, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256})
			if err != nil {
				t.Fatalf("%q: %v", form, err)
			}
			if *out.KeyId != *m.Arn || out.SigningAlgorithm != types.SigningAlgorithmSpecEcdsaSha256 {
				t.Errorf("answer for %s with %s", *out.KeyId, out.SigningAlgorithm)
			}
			// RAW is the digest's signature: either form verifies as the other.
			verify(t, c, m.KeyId, types.MessageTypeDigest, digest, out.Signature)
		}
	},
	"Verify": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
		in := &kms.SignInput{KeyId: m.KeyId, Message: []byte("signed"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}
		out, err := c.Sign(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		verify(t, c, m.KeyId, types.MessageTypeRaw, []byte("signed"), out.Signature)
		_, err = c.Verify(t.Context(), &kms.VerifyInput{KeyId: m.KeyId, Message: []byte("other"), Signature: out.Signature, SigningAlgorithm: in.SigningAlgorithm})
		refused(t, err, "KMSInvalidSignatureException", "")
	},
	"GetPublicKey": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt)
		out, err := c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: m.KeyId})
		if err != nil {
			t.Fatal(err)
		}
		if *out.KeyId != *m.Arn || out.KeySpec != types.KeySpecRsa2048 || out.KeyUsage != types.KeyUsageTypeEncryptDecrypt || len(out.EncryptionAlgorithms) != 2 {
			t.Errorf("answer %+v", out)
		}
		if _, err := x509.ParsePKIXPublicKey(out.PublicKey); err != nil {
			t.Error(err)
		}
		_, err = c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: newKey(t, c, "", "").KeyId})
		refused(t, err, "UnsupportedOperationException", "*")
	},
	"GenerateMac": func(t *testing.T, _ *target, c *kms.Client) {
		for spec, size := range map[types.KeySpec]int{
			types.KeySpecHmac224: 28, types.KeySpecHmac256: 32, types.KeySpecHmac384: 48, types.KeySpecHmac512: 64,
		} {
			m := newKey(t, c, spec, types.KeyUsageTypeGenerateVerifyMac)
			algorithm := types.MacAlgorithmSpec(strings.Replace(string(spec), "_", "_SHA_", 1))
			out, err := c.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: m.KeyId, Message: []byte("m"), MacAlgorithm: algorithm})
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Mac) != size || *out.KeyId != *m.Arn || out.MacAlgorithm != algorithm {
				t.Errorf("%s: %d bytes by %s with %s", spec, len(out.Mac), *out.KeyId, out.MacAlgorithm)
			}
		}
	},
	"DeriveSharedSecret": func(t *testing.T, _ *target, c *kms.Client) {
		for spec, curve := range map[types.KeySpec]ecdh.Curve{
			types.KeySpecEccNistP256: ecdh.P256(), types.KeySpecEccNistP384: ecdh.P384(), types.KeySpecEccNistP521: ecdh.P521(),
		} {
			m := newKey(t, c, spec, types.KeyUsageTypeKeyAgreement)
			if !slices.Equal(m.KeyAgreementAlgorithms, []types.KeyAgreementAlgorithmSpec{types.KeyAgreementAlgorithmSpecEcdh}) || m.SigningAlgorithms != nil {
				t.Errorf("%s: algorithms %v, %v", spec, m.KeyAgreementAlgorithms, m.SigningAlgorithms)
			}
			agrees(t, c, m, curve)
		}
		m := newKey(t, c, types.KeySpecEccNistP256, types.KeyUsageTypeKeyAgreement)
		_, spki := peer(t, ecdh.P384())
		in := &kms.DeriveSharedSecretInput{KeyId: m.KeyId, PublicKey: spki, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh}
		_, err := c.DeriveSharedSecret(t.Context(), in)
		refused(t, err, "ValidationException", noMessage)
		_, in.PublicKey = peer(t, ecdh.P256())
		in.DryRun = aws.Bool(true)
		_, err = c.DeriveSharedSecret(t.Context(), in)
		refused(t, err, "DryRunOperationException", "The request would have succeeded, but the DryRun option is set.")
		in.DryRun = nil
		in.PublicKey[len(in.PublicKey)-1] ^= 1 // no point of the curve
		_, err = c.DeriveSharedSecret(t.Context(), in)
		refused(t, err, "ValidationException", noMessage)
	},
	"VerifyMac": func(t *testing.T, _ *target, c *kms.Client) {
		m := newKey(t, c, types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
		out, err := c.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: m.KeyId, Message: []byte("m"), MacAlgorithm: types.MacAlgorithmSpecHmacSha256})
		if err != nil {
			t.Fatal(err)
		}
		in := &kms.VerifyMacInput{KeyId: m.KeyId, Message: []byte("m"), Mac: out.Mac, MacAlgorithm: types.MacAlgorithmSpecHmacSha256}
		if got, err := c.VerifyMac(t.Context(), in); err != nil || !got.MacValid || *got.KeyId != *m.Arn {
			t.Errorf("got %+v, %v", got, err)
		}
		in.Mac[0] ^= 1
		_, err = c.VerifyMac(t.Context(), in)
		refused(t, err, "KMSInvalidMacException", "")
	},
}

func encrypt(t *testing.T, c *kms.Client, key *string, plain []byte, context map[string]string) *kms.EncryptOutput {
	t.Helper()
	out, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: key, Plaintext: plain, EncryptionContext: context})
	if err != nil {
		t.Fatalf("Encrypt: %v", err)
	}
	return out
}

// decrypt names no key: the ciphertext does.
func decrypt(t *testing.T, c *kms.Client, blob []byte, context map[string]string) *kms.DecryptOutput {
	t.Helper()
	out, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: context})
	if err != nil {
		t.Fatalf("Decrypt: %v", err)
	}
	return out
}

// verify checks an ECDSA_SHA_256 signature.
func verify(t *testing.T, c *kms.Client, key *string, form types.MessageType, message, signature []byte) {
	t.Helper()
	out, err := c.Verify(t.Context(), &kms.VerifyInput{
		KeyId: key, Message: message, MessageType: form, Signature: signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	})
	if err != nil || !out.SignatureValid {
		t.Errorf("Verify of %s: %+v, %v", form, out, err)
	}
}

// noMessage is what the SDK says of an error that it does not know by its code
// and that has no message.
const noMessage = "UnknownError"

// peer returns the other side of a key agreement, and its public half.
func peer(t *testing.T, curve ecdh.Curve) (private *ecdh.PrivateKey, spki []byte) {
	t.Helper()
	private, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err = x509.MarshalPKIXPublicKey(private.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	return private, spki
}

// agrees asserts that a key and crypto/ecdh come to the same secret.
func agrees(t *testing.T, c *kms.Client, m *types.KeyMetadata, curve ecdh.Curve) {
	t.Helper()
	private, spki := peer(t, curve)
	out, err := c.DeriveSharedSecret(t.Context(), &kms.DeriveSharedSecretInput{
		KeyId: m.KeyId, PublicKey: spki, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh,
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.KeyId != *m.Arn || out.KeyAgreementAlgorithm != types.KeyAgreementAlgorithmSpecEcdh || out.KeyOrigin != types.OriginTypeAwsKms || out.CiphertextForRecipient != nil {
		t.Errorf("answer %+v", out)
	}
	public, err := c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: m.KeyId})
	if err != nil {
		t.Fatal(err)
	}
	if len(public.KeyAgreementAlgorithms) != 1 || public.KeyUsage != types.KeyUsageTypeKeyAgreement {
		t.Errorf("public key %+v", public)
	}
	k, err := x509.ParsePKIXPublicKey(public.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	theirs, ok := k.(*ecdsa.PublicKey)
	if !ok {
		t.Fatalf("the public key is a %T", k)
	}
	own, err := theirs.ECDH()
	if err != nil {
		t.Fatal(err)
	}
	want, err := private.ECDH(own)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, string(m.KeySpec), out.SharedSecret, want)
}

func sum(h crypto.Hash, message []byte) []byte {
	w := h.New()
	w.Write(message)
	return w.Sum(nil)
}
