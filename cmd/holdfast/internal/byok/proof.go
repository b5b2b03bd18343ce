package byok

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// prove shows that a key which has arrived is the one that was sent, and that
// it works. It returns in words what was shown.
func prove(ctx context.Context, c *client.Client, s source, k *client.Key) (string, error) {
	spec, _ := aws.ParseSpec(k.Spec)
	usage, _ := aws.ParseUsage(k.Usage)
	challenge := []byte("holdfast byok move " + rand.Text())
	switch {
	case spec.Symmetric() && usage == alg.GenerateVerifyMAC:
		return proveMAC(ctx, c, s, k, challenge)
	case usage == alg.RawEncryptDecrypt:
		return "its wrapping was intact", nil // a key that encrypts as it is told shows nothing by it
	case spec.Symmetric():
		return proveRoundTrip(ctx, c, k, challenge)
	}
	p, err := c.PublicKey(ctx, k.ID)
	if err != nil {
		return "", terminal.Explain(err, c.Address())
	}
	public, err := engine.ParsePublic(spec, s.public())
	if err != nil {
		return "", terminal.Plain(err)
	}
	if !bytes.Equal(p.SPKI, s.public()) {
		return "", errors.New("the moved key has another public half than the source")
	}
	switch usage {
	case alg.SignVerify:
		return proveSignature(ctx, c, k, public, challenge)
	case alg.EncryptDecrypt:
		return proveDecryption(ctx, c, k, public, challenge)
	case alg.NoUsage, alg.GenerateVerifyMAC, alg.KeyTransfer, alg.KeyAgreement, alg.RawEncryptDecrypt:
	}
	return "the public half is the source's", nil
}

// proveSignature has the moved key sign, and verifies with the source's
// public key.
func proveSignature(ctx context.Context, c *client.Client, k *client.Key, public *engine.PublicKey, challenge []byte) (string, error) {
	a := public.Spec().For(alg.SignVerify)[0]
	sig, err := c.Sign(ctx, k.ID, &client.SignRequest{Algorithm: aws.AlgorithmName(a), Form: aws.FormName(alg.Raw), Message: challenge})
	if err != nil {
		return "", terminal.Explain(err, c.Address())
	}
	if err := public.Verify(a, engine.Message{Form: alg.Raw, Bytes: challenge}, sig.Signature); err != nil {
		return "", fmt.Errorf("the moved key's signature does not verify with the source's public key: %w", terminal.Plain(err))
	}
	return "a signature by the moved key (" + aws.AlgorithmName(a) + ") verifies with the source's public key", nil
}

// proveDecryption encrypts under the source's public key, and has the moved
// key decrypt.
func proveDecryption(ctx context.Context, c *client.Client, k *client.Key, public *engine.PublicKey, challenge []byte) (string, error) {
	a := alg.OAEPSHA256
	ciphertext, err := public.Encrypt(a, challenge)
	if err != nil {
		return "", terminal.Plain(err)
	}
	p, err := c.Decrypt(ctx, &client.DecryptRequest{Key: k.ID, Algorithm: aws.AlgorithmName(a), Ciphertext: ciphertext})
	if err != nil {
		return "", terminal.Explain(err, c.Address())
	}
	if !bytes.Equal(p.Plaintext, challenge) {
		return "", errors.New("the moved key decrypts to something else")
	}
	return "the moved key decrypts what was encrypted with the source's public key (" + aws.AlgorithmName(a) + ")", nil
}

// proveMAC compares the codes of both keys.
func proveMAC(ctx context.Context, c *client.Client, s source, k *client.Key, challenge []byte) (string, error) {
	m, err := c.GenerateMAC(ctx, k.ID, &client.MACRequest{Algorithm: k.Algorithms[0], Message: challenge})
	if err != nil {
		return "", terminal.Explain(err, c.Address())
	}
	want, err := s.mac(ctx, challenge)
	if err != nil {
		return "", err
	}
	if subtle.ConstantTimeCompare(want, m.MAC) != 1 {
		return "", errors.New("the moved key makes other codes than the source")
	}
	return "both keys make the same code (" + k.Algorithms[0] + ")", nil
}

// proveRoundTrip has the moved key encrypt and decrypt. That it is the same
// key its arrival has shown: AES-KWP (RFC 5649) checks what it unwraps.
func proveRoundTrip(ctx context.Context, c *client.Client, k *client.Key, challenge []byte) (string, error) {
	e, err := c.Encrypt(ctx, k.ID, &client.EncryptRequest{Plaintext: challenge})
	if err != nil {
		return "", terminal.Explain(err, c.Address())
	}
	p, err := c.Decrypt(ctx, &client.DecryptRequest{Key: k.ID, Ciphertext: e.Ciphertext})
	if err != nil {
		return "", terminal.Explain(err, c.Address())
	}
	if !bytes.Equal(p.Plaintext, challenge) {
		return "", errors.New("the moved key decrypts to something else than it has encrypted")
	}
	return "the moved key encrypts and decrypts, and its wrapping was intact", nil
}
