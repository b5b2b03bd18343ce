package soft

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// selfTestKey is a PKCS #8 RSA-2048 key that protects nothing: the self-test
// needs one, and making one would take longer than a server's start may.
//
//go:embed selftest.der
var selfTestKey []byte

// selfTest compares a native library with crypto/rsa before it gets a real
// key: one signature that has only one right value, one that is random,
// decryption of a good and of a damaged ciphertext, and the bare operation.
func selfTest(p provider) error {
	parsed, err := x509.ParsePKCS8PrivateKey(selfTestKey)
	if err != nil {
		return err
	}
	k, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return errors.New("the self-test's key is no RSA key")
	}
	native, err := p.open(bytes.Clone(selfTestKey))
	if err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	if err := testSignatures(k, native); err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	if err := testDecryption(k, native); err != nil {
		return fmt.Errorf("self-test: %w", err)
	}
	return nil
}

func testSignatures(k *rsa.PrivateKey, native nativeKey) error {
	digest := sha256.Sum256([]byte("holdfast self-test"))
	want, err := rsa.SignPKCS1v15(rand.Reader, k, crypto.SHA256, digest[:])
	if err != nil {
		return err
	}
	got, err := native.sign(alg.PKCS1SHA256, digest[:])
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("a PKCS #1 signature differs from crypto/rsa's")
	}
	got, err = native.sign(alg.PSSSHA256, digest[:])
	if err != nil {
		return err
	}
	if !verifies(&k.PublicKey, alg.PSSSHA256, digest[:], got) {
		return errors.New("a PSS signature does not verify")
	}
	return nil
}

func testDecryption(k *rsa.PrivateKey, native nativeKey) error {
	want := []byte("holdfast self-test")
	ciphertext, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, &k.PublicKey, want, nil)
	if err != nil {
		return err
	}
	got, err := native.decrypt(alg.OAEPSHA256, ciphertext)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("a decryption differs from the plaintext")
	}
	padded, err := native.decrypt(alg.RSARaw, ciphertext)
	if err != nil {
		return err
	}
	if !engine.Inverts(&k.PublicKey, padded, ciphertext) {
		return errors.New("the bare operation is not the inverse of the public one")
	}
	ciphertext[100] ^= 1
	if _, err := native.decrypt(alg.OAEPSHA256, ciphertext); !errors.Is(err, errNotDecrypted) {
		return errors.New("a damaged ciphertext decrypts")
	}
	return nil
}
