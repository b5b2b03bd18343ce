package aws

import (
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
)

// TestEncryptionContext: the context is authenticated, whole, in any order,
// and no two contexts are taken for each other.
func TestEncryptionContext(t *testing.T) {
	_, c := setup(t)
	key := newKey(t, c, "", "").KeyId
	contexts := []map[string]string{
		nil,
		{"ab": "c"},
		{"a": "bc"},
		{"abc": ""},
		{"": "abc"},
		{"a": "b", "c": "d"},
		{"a": "bc", "d": ""},
		{"a": "b", "c": "d", "e": "f"},
		{"a": `b","c":"d`},
		{"a=b,c": "d"},
		{"A": "bc"},
		{"ä": "ö"},
		{"a\u0308": "o\u0308"}, // the same to the eye, not the same
	}
	for i, sealed := range contexts {
		blob := encrypt(t, c, key, []byte("x"), sealed).CiphertextBlob
		for j, opened := range contexts {
			_, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob, EncryptionContext: maps.Clone(opened)})
			if i == j && err != nil {
				t.Errorf("%q: %v", sealed, err)
			}
			if i != j && code(err) != "InvalidCiphertextException" {
				t.Errorf("sealed with %q, opened with %q: %v", sealed, opened, err)
			}
		}
	}
}

// TestCiphertextIsAuthenticated changes every byte of a ciphertext in turn. A
// ciphertext that names a key which is not there is answered as the service
// does: it does not say whether the key exists.
func TestCiphertextIsAuthenticated(t *testing.T) {
	_, c := setup(t)
	blob := encrypt(t, c, newKey(t, c, "", "").KeyId, []byte("x"), nil).CiphertextBlob
	for i := range blob {
		blob[i] ^= 0x10
		_, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob})
		if got := code(err); got != "InvalidCiphertextException" && got != "AccessDeniedException" {
			t.Errorf("byte %d of %d changed: %v", i, len(blob), err)
		}
		blob[i] ^= 0x10
	}
	for _, n := range []int{1, 8, 40, len(blob) - 1} {
		_, err := c.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: blob[:n]})
		if got := code(err); got != "InvalidCiphertextException" {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
}
