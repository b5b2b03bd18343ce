package azurekv

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// A ciphertext of an AES key of a Managed HSM is
//
//	format    1 byte: 1
//	version   16 bytes: the version of the key that encrypted
//	iv        12 bytes, which the Managed HSM chose
//	box       as long as the plaintext
//	tag       16 bytes
//
// The version makes old ciphertexts of a key decrypt that was adopted without
// one, and is rotated where it lives.
const (
	format      = 1
	versionSize = 16
	ivSize      = 12
	tagSize     = 16
	overhead    = 1 + versionSize + ivSize + tagSize
)

// seal encrypts.
func (e *Engine) seal(ctx context.Context, k *remote.Reference, plaintext, associated []byte) ([]byte, error) {
	if len(plaintext) == 0 {
		return nil, nothing("encrypt")
	}
	id, err := e.in(k)
	if err != nil {
		return nil, err
	}
	var ciphertext []byte
	err = e.do(ctx, "Seal", remote.Repeatable, func(ctx context.Context) error {
		answer, err := e.keys.Encrypt(ctx, id.Name, id.Version, azkeys.KeyOperationParameters{
			Algorithm: gcm(), Value: plaintext, AdditionalAuthenticatedData: associated,
		}, nil)
		if err != nil {
			return err
		}
		at, err := same(id, answer.KID)
		if err != nil {
			return err
		}
		ciphertext, err = pack(at.Version, answer.KeyOperationResult, len(plaintext))
		return err
	})
	return ciphertext, lost(err)
}

func gcm() *azkeys.EncryptionAlgorithm {
	return new(azkeys.EncryptionAlgorithm(azure.EncryptionOf(alg.AES256, alg.AESGCM)))
}

// pack returns the ciphertext of an answer.
func pack(version string, r azkeys.KeyOperationResult, size int) ([]byte, error) {
	v, err := hex.DecodeString(version)
	if err != nil || len(v) != versionSize || hex.EncodeToString(v) != version {
		return nil, &strange{fmt.Sprintf("a version %q that is not 32 hexadecimal digits", version)}
	}
	if len(r.IV) != ivSize || len(r.AuthenticationTag) != tagSize || len(r.Result) != size {
		return nil, foreign("a ciphertext of %d, %d and %d bytes", len(r.IV), len(r.Result), len(r.AuthenticationTag))
	}
	out := append(make([]byte, 0, overhead+size), format)
	out = append(append(out, v...), r.IV...)
	return append(append(out, r.Result...), r.AuthenticationTag...), nil
}

// unpack is the reverse of pack.
func unpack(ciphertext []byte) (version string, p azkeys.KeyOperationParameters, ok bool) {
	if len(ciphertext) <= overhead || ciphertext[0] != format {
		return "", p, false
	}
	rest, end := ciphertext[1+versionSize:], len(ciphertext)-1-versionSize-tagSize
	p = azkeys.KeyOperationParameters{Algorithm: gcm(), IV: rest[:ivSize], Value: rest[ivSize:end], AuthenticationTag: rest[end:]}
	return hex.EncodeToString(ciphertext[1 : 1+versionSize]), p, true
}

// unseal decrypts. A version that the key does not have is one of the ways in
// which a ciphertext can be wrong.
func (e *Engine) unseal(ctx context.Context, k *remote.Reference, ciphertext, associated []byte) ([]byte, error) {
	version, p, ok := unpack(ciphertext)
	if !ok || k.Version != "" && version != k.Version {
		return nil, badCiphertext()
	}
	p.AdditionalAuthenticatedData = associated
	one := *k
	one.Version = version
	plaintext, err := e.operate(ctx, "Unseal", &one, p)
	if fault.KindOf(err) == fault.NotFound && k.Version == "" {
		if there := e.there(ctx, k); there == nil {
			return nil, badCiphertext()
		}
	}
	return plaintext, lost(err)
}

// there returns nil when a key is in the vault, in whatever version.
func (e *Engine) there(ctx context.Context, k *remote.Reference) error {
	id, err := e.in(k)
	if err == nil {
		_, err = e.get(ctx, "Unseal", id)
	}
	return err
}
