package kms_test

import (
	"bytes"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// parameters returns some that a mode takes.
func parameters(a alg.Algorithm) engine.CipherParameters {
	switch a { //nolint:exhaustive // the others have none
	case alg.AESGCMRaw:
		return engine.CipherParameters{IV: make([]byte, 12), AssociatedData: []byte("a"), TagBits: 96}
	case alg.AESCBC, alg.AESCBCPad, alg.AESCTR:
		return engine.CipherParameters{IV: make([]byte, 16)}
	}
	return engine.CipherParameters{}
}

// rawRoundTrip encrypts and decrypts as the caller says, and compares with this
// process's own AES.
func rawRoundTrip(t *testing.T, f *fixture, k *key.Key, a alg.Algorithm) {
	t.Helper()
	plain := bytes.Repeat([]byte("sixteen bytes..."), 4096) // MaxRawText
	req := &kms.EncryptRequest{Key: refTo(k), Algorithm: a, Plaintext: plain, Cipher: parameters(a)}
	out, err := f.Encrypt(t.Context(), f.admin(), req)
	must(t, err)
	if out.Key.Name != k.Name || out.Algorithm != a {
		t.Errorf("%s: encrypted by %s with %s", a, out.Key.Name, out.Algorithm)
	}
	if len(out.Ciphertext) > kms.MaxRawText { // which decrypts in no request
		plain = plain[:1024]
		req.Plaintext = plain
		out, err = f.Encrypt(t.Context(), f.admin(), req)
		must(t, err)
	}
	back, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Key: refTo(k), Algorithm: a, Ciphertext: out.Ciphertext, Cipher: req.Cipher})
	if must(t, err); !bytes.Equal(back.Plaintext, plain) {
		t.Errorf("%s: decrypted something else", a)
	}
	_, err = f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Algorithm: a, Ciphertext: out.Ciphertext, Cipher: req.Cipher})
	want(t, err, fault.InvalidArgument, fault.Unspecified)
	_, err = f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Key: refTo(k), Algorithm: a, Ciphertext: make([]byte, kms.MaxRawText+1), Cipher: req.Cipher})
	want(t, err, fault.InvalidArgument, fault.MessageTooLong)
}

// bareRoundTrip undoes what was raised to the public exponent.
func bareRoundTrip(t *testing.T, f *fixture, k *key.Key) {
	t.Helper()
	public, err := f.PublicKey(t.Context(), f.admin(), refTo(k))
	must(t, err)
	p, err := engine.ParsePublic(k.Spec, public.Version.Public)
	must(t, err)
	n, ok := p.Key().(*rsa.PublicKey)
	if !ok {
		t.Fatalf("a %T", p.Key())
	}
	block := append([]byte{0, 2}, bytes.Repeat([]byte{9}, n.Size()-2)...)
	c := new(big.Int).Exp(new(big.Int).SetBytes(block), big.NewInt(int64(n.E)), n.N).FillBytes(make([]byte, n.Size()))
	back, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Key: refTo(k), Algorithm: alg.RSARaw, Ciphertext: c})
	if must(t, err); !bytes.Equal(back.Plaintext, block) {
		t.Errorf("decrypted %x", back.Plaintext)
	}
	if d := (audit.Detail{Name: "algorithm", Value: "rsa-raw"}); !slices.Contains(f.log.last().Details, d) {
		t.Errorf("the audit entry does not say which algorithm it was: %v", f.log.last().Details)
	}
	_, err = f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Key: refTo(k), Algorithm: alg.RSARaw, Ciphertext: c, Cipher: engine.CipherParameters{TagBits: 128}})
	want(t, err, fault.InvalidArgument, fault.Unspecified)
}

// TestRawKeysStay says that a raw AES key gets no other material: its ciphertexts
// do not say which made them.
func TestRawKeysStay(t *testing.T) {
	f := newFixture(t)
	for _, spec := range []alg.Spec{alg.AES128, alg.AES192, alg.AES256} {
		k := f.create(spec, alg.RawEncryptDecrypt)
		want(t, f.EnableRotation(t.Context(), f.admin(), refTo(k), 365), fault.Unsupported, fault.Unspecified)
		_, err := f.RotateOnDemand(t.Context(), f.admin(), refTo(k))
		want(t, err, fault.Unsupported, fault.Unspecified)
		if way, why := succession.WayOf(k); way != succession.ByOwner || why == "" {
			t.Errorf("%s gets new material by %v (%s)", spec, way, why)
		}
	}
	_, err := f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES128, Usage: alg.EncryptDecrypt})
	want(t, err, fault.InvalidArgument, fault.IncompatibleUsage)
	_, err = f.CreateKey(t.Context(), f.admin(), &kms.CreateKeyRequest{Spec: alg.AES128})
	want(t, err, fault.InvalidArgument, fault.UsageRequired)
}

// TestRawNeedsItsUsage says that a signing key does the bare operation for
// nobody, and that a policy can keep it from one that decrypts.
func TestRawNeedsItsUsage(t *testing.T) {
	f := newFixture(t)
	sig := f.create(alg.RSA2048, alg.SignVerify)
	_, err := f.Decrypt(t.Context(), f.admin(), &kms.DecryptRequest{Key: refTo(sig), Algorithm: alg.RSARaw, Ciphertext: make([]byte, 256)})
	want(t, err, fault.InvalidArgument, fault.WrongUsage)

	k := f.create(alg.RSA2048, alg.EncryptDecrypt)
	f.people["careful"] = []*policy.Policy{compile(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*"},
		{"Effect":"Deny","Action":"kms:Decrypt","Resource":"*","Condition":{"StringEquals":{"kms:EncryptionAlgorithm":"RSA_RAW"}}}]}`)}
	req := &kms.DecryptRequest{Key: refTo(k), Algorithm: alg.RSARaw, Ciphertext: make([]byte, 256)}
	_, err = f.Decrypt(t.Context(), f.as("careful"), req)
	want(t, err, fault.PermissionDenied, fault.DeniedByIdentityPolicy)
	_, err = f.Decrypt(t.Context(), f.admin(), req)
	must(t, err)
}
