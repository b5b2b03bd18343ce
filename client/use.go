package client

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// PublicKey returns the public half of a key's current version.
func (c *Client) PublicKey(ctx context.Context, key string) (*PublicKey, error) {
	return call[PublicKey](ctx, c, get, path("keys", key, "public-key"), nil, nil)
}

// Sign signs a message of at most 4,096 bytes, or a digest of any message.
func (c *Client) Sign(ctx context.Context, key string, req *SignRequest) (*Signature, error) {
	return call[Signature](ctx, c, post, path("keys", key, "sign"), nil, req)
}

// Verify returns an *Error of the kind BadSignature for a wrong signature.
func (c *Client) Verify(ctx context.Context, key string, req *VerifyRequest) (*Verified, error) {
	return call[Verified](ctx, c, post, path("keys", key, "verify"), nil, req)
}

// Encrypt encrypts at most 4,096 bytes.
func (c *Client) Encrypt(ctx context.Context, key string, req *EncryptRequest) (*Ciphertext, error) {
	return call[Ciphertext](ctx, c, post, path("keys", key, "encrypt"), nil, req)
}

// Decrypt decrypts. A symmetric ciphertext names its key itself.
func (c *Client) Decrypt(ctx context.Context, req *DecryptRequest) (*Plaintext, error) {
	return call[Plaintext](ctx, c, post, path("decrypt"), nil, req)
}

// ReEncrypt encrypts under another key or context; the plaintext stays in
// the server.
func (c *Client) ReEncrypt(ctx context.Context, req *ReEncryptRequest) (*Ciphertext, error) {
	return call[Ciphertext](ctx, c, post, path("re-encrypt"), nil, req)
}

// GenerateDataKey returns random bytes and their ciphertext.
func (c *Client) GenerateDataKey(ctx context.Context, key string, req *DataKeyRequest) (*DataKey, error) {
	return call[DataKey](ctx, c, post, path("keys", key, "data-key"), nil, req)
}

// GenerateMAC returns the code of a message of at most 4,096 bytes.
func (c *Client) GenerateMAC(ctx context.Context, key string, req *MACRequest) (*MAC, error) {
	return call[MAC](ctx, c, post, path("keys", key, "mac"), nil, req)
}

// VerifyMAC returns an *Error of the kind BadSignature for a wrong code.
func (c *Client) VerifyMAC(ctx context.Context, key string, req *VerifyMACRequest) (*Verified, error) {
	return call[Verified](ctx, c, post, path("keys", key, "verify-mac"), nil, req)
}

// DeriveSharedSecret returns the secret that a key shares with the owner of
// another one: what a key derivation function makes keys of, and no key itself.
func (c *Client) DeriveSharedSecret(ctx context.Context, key string, req *SharedSecretRequest) (*SharedSecret, error) {
	return call[SharedSecret](ctx, c, post, path("keys", key, "derive"), nil, req)
}

// Random returns 1 to 1,024 random bytes of the server.
func (c *Client) Random(ctx context.Context, n int) ([]byte, error) {
	r, err := call[native.Random](ctx, c, post, path("random"), nil, native.RandomRequest{Bytes: n})
	if err != nil {
		return nil, err
	}
	return r.Random, nil
}
