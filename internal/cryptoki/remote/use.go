package remote

import (
	"context"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/token"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// use uses one key of the server.
type use struct {
	account *account
	id      string
	spec    alg.Spec
	public  []byte
}

var _ token.Use = (*use)(nil)

// Sign implements token.Use.
func (u *use) Sign(ctx context.Context, a alg.Algorithm, input []byte) ([]byte, error) {
	if fast := u.account.fast; fast != nil {
		if signature, ok := fast.sign(ctx, u, a, input); ok {
			return signature, nil
		}
	}
	req := &client.SignRequest{Algorithm: aws.AlgorithmName(a), Message: input, Form: "RAW"}
	if a.Takes(alg.Digest) {
		req.Form = "DIGEST"
	}
	s, err := u.account.client.Sign(ctx, u.id, req)
	if err != nil {
		return nil, failure("pkcs11.Sign", err)
	}
	return s.Signature, nil
}

// MAC implements token.Use.
func (u *use) MAC(ctx context.Context, a alg.Algorithm, message []byte) ([]byte, error) {
	m, err := u.account.client.GenerateMAC(ctx, u.id, &client.MACRequest{Algorithm: aws.AlgorithmName(a), Message: message})
	if err != nil {
		return nil, failure("pkcs11.MAC", err)
	}
	return m.MAC, nil
}

// Encrypt implements token.Use.
func (u *use) Encrypt(ctx context.Context, a alg.Algorithm, p engine.CipherParameters, plaintext []byte) ([]byte, error) {
	c, err := u.account.client.Encrypt(ctx, u.id, &client.EncryptRequest{
		Algorithm: aws.AlgorithmName(a), Plaintext: plaintext, IV: p.IV, AssociatedData: p.AssociatedData, TagBits: p.TagBits,
	})
	if err != nil {
		return nil, failure("pkcs11.Encrypt", err)
	}
	return c.Ciphertext, nil
}

// Decrypt implements token.Use.
func (u *use) Decrypt(ctx context.Context, a alg.Algorithm, p engine.CipherParameters, ciphertext []byte) ([]byte, error) {
	d, err := u.account.client.Decrypt(ctx, &client.DecryptRequest{
		Key: u.id, Algorithm: aws.AlgorithmName(a), Ciphertext: ciphertext, IV: p.IV, AssociatedData: p.AssociatedData, TagBits: p.TagBits,
	})
	if err != nil {
		return nil, failure("pkcs11.Decrypt", err)
	}
	return d.Plaintext, nil
}

// Derive implements token.Use.
func (u *use) Derive(ctx context.Context, spki []byte) ([]byte, error) {
	s, err := u.account.client.DeriveSharedSecret(ctx, u.id, &client.SharedSecretRequest{
		Algorithm: aws.AlgorithmName(alg.ECDH), PublicKey: spki,
	})
	if err != nil {
		return nil, failure("pkcs11.Derive", err)
	}
	return s.Secret, nil
}
