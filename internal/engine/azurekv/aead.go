package azurekv

import (
	"cmp"
	"context"
	"encoding/hex"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// A ciphertext of an AES key of a Managed HSM is
//
//	format    1 byte: 1, or 2 for one with a version
//	version   16 bytes, of format 2: the version of the key that encrypted
//	iv        12 bytes, which the Managed HSM chose
//	box       as long as the plaintext
//	tag       16 bytes
//
// The version makes old ciphertexts of a key decrypt that was adopted without
// one, and is rotated where it lives. A key of one version writes none: the same
// key imported into two places decrypts what either encrypted.
const (
	formatPlain     = 1
	formatVersioned = 2

	versionSize = 16
	ivSize      = 12
	tagSize     = 16

	overhead          = 1 + ivSize + tagSize
	versionedOverhead = overhead + versionSize
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
		if k.Version != "" {
			at.Version = ""
		}
		ciphertext, err = pack(at.Version, answer.KeyOperationResult, len(plaintext))
		return err
	})
	return ciphertext, lost(err)
}

func gcm() *azkeys.EncryptionAlgorithm {
	return new(azkeys.EncryptionAlgorithm(azure.EncryptionOf(alg.AES256, alg.AESGCM)))
}

// pack returns the ciphertext of an answer, with a version unless that is "".
func pack(version string, r azkeys.KeyOperationResult, size int) ([]byte, error) {
	if len(r.IV) != ivSize || len(r.AuthenticationTag) != tagSize || len(r.Result) != size {
		return nil, foreign("a ciphertext of %d, %d and %d bytes", len(r.IV), len(r.Result), len(r.AuthenticationTag))
	}
	out := append(make([]byte, 0, versionedOverhead+size), formatPlain)
	if version != "" {
		v, err := hex.DecodeString(version)
		if err != nil || len(v) != versionSize || hex.EncodeToString(v) != version {
			return nil, foreign("a version %q that is not 32 hexadecimal digits", version)
		}
		out = append(append(out[:0], formatVersioned), v...)
	}
	return append(append(append(out, r.IV...), r.Result...), r.AuthenticationTag...), nil
}

// unpack is the reverse of pack.
func unpack(ciphertext []byte) (version string, p azkeys.KeyOperationParameters, ok bool) {
	if len(ciphertext) <= overhead {
		return "", p, false
	}
	rest := ciphertext[1:]
	switch {
	case ciphertext[0] == formatVersioned && len(ciphertext) > versionedOverhead:
		version, rest = hex.EncodeToString(rest[:versionSize]), rest[versionSize:]
	case ciphertext[0] != formatPlain:
		return "", p, false
	}
	end := len(rest) - tagSize
	p = azkeys.KeyOperationParameters{Algorithm: gcm(), IV: rest[:ivSize], Value: rest[ivSize:end], AuthenticationTag: rest[end:]}
	return version, p, true
}

// unseal decrypts. A version that the key does not have is one of the ways in
// which a ciphertext can be wrong.
func (e *Engine) unseal(ctx context.Context, k *remote.Reference, ciphertext, associated []byte) ([]byte, error) {
	version, p, ok := unpack(ciphertext)
	if !ok || k.Version != "" && version != "" && version != k.Version {
		return nil, badCiphertext()
	}
	p.AdditionalAuthenticatedData = associated
	one := *k
	one.Version = cmp.Or(version, k.Version)
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
