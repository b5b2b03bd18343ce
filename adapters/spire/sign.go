package spire

import (
	"crypto"
	"fmt"
	"slices"

	keymanagerv1 "github.com/spiffe/spire-plugin-sdk/proto/spire/plugin/server/keymanager/v1"

	"github.com/holdfast-kms/holdfast"
)

// hashes are those that package holdfast signs with.
var hashes = map[keymanagerv1.HashAlgorithm]struct {
	suffix string
	hash   crypto.Hash
}{
	keymanagerv1.HashAlgorithm_SHA256: {"-sha256", crypto.SHA256},
	keymanagerv1.HashAlgorithm_SHA384: {"-sha384", crypto.SHA384},
	keymanagerv1.HashAlgorithm_SHA512: {"-sha512", crypto.SHA512},
}

func invalid(format string, args ...any) error {
	return &holdfast.Error{Kind: holdfast.InvalidArgument, Detail: fmt.Sprintf(format, args...)}
}

// algorithmOf returns the name of the algorithm that SPIRE asks for.
func algorithmOf(t keymanagerv1.KeyType, req *keymanagerv1.SignDataRequest) (string, error) {
	family, name := "rsa-pkcs1", req.GetHashAlgorithm()
	if t == keymanagerv1.KeyType_EC_P256 || t == keymanagerv1.KeyType_EC_P384 {
		family = "ecdsa"
	}
	pss := req.GetPssOptions()
	if pss != nil {
		if family == "ecdsa" {
			return "", invalid("PSS options go with RSA keys, and the key is %s", t)
		}
		family, name = "rsa-pss", pss.GetHashAlgorithm()
	}
	h, ok := hashes[name]
	if !ok {
		return "", invalid("the hash is SHA256, SHA384 or SHA512, not %s", name)
	}
	if len(req.GetData()) != h.hash.Size() {
		return "", invalid("a digest by %s has %d bytes, not %d", name, h.hash.Size(), len(req.GetData()))
	}
	// As crypto/rsa has them, -1 is as long as the hash, and 0 leaves the length
	// to the signer.
	if salt := pss.GetSaltLength(); pss != nil && !slices.Contains([]int32{-1, 0, int32(h.hash.Size())}, salt) { //nolint:gosec // of a hash
		return "", invalid("the salt is as long as the hash, %d bytes, not %d", h.hash.Size(), salt)
	}
	return family + h.suffix, nil
}
