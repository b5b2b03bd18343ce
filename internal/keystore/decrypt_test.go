package keystore

import (
	"bytes"
	"crypto"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"testing"

	"github.com/youmark/pkcs8"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// cheap is a derivation that costs next to nothing.
func cheap() pkcs8.KDFOpts {
	return pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 2, HMACHash: crypto.SHA256}
}

// sealed returns a text encrypted under a passphrase.
func sealed(t testing.TB, plain []byte, d pkcs8.KDFOpts, c pkcs8.Cipher) []byte {
	t.Helper()
	der, err := encrypt(plain, []byte("correct horse"), d, c)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: typeEncrypted, Bytes: der})
}

func TestDecryptKey(t *testing.T) {
	plain := []byte("any key, for it is not parsed")
	for name, text := range map[string][]byte{
		"PBKDF2":       sealed(t, plain, cheap(), pkcs8.AES256CBC),
		"SHA-1":        sealed(t, plain, pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: 1, HMACHash: crypto.SHA1}, pkcs8.AES128CBC),
		"AES-192":      sealed(t, plain, cheap(), pkcs8.AES192CBC),
		"scrypt":       sealed(t, plain, pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 16, BlockSize: 8, ParallelizationParameter: 1}, pkcs8.AES256CBC),
		"whole blocks": sealed(t, append(plain, "..."...), cheap(), pkcs8.AES256CBC),
	} {
		if !Encrypted(text) {
			t.Errorf("%s: it is not seen to be encrypted", name)
		}
		got, err := DecryptKey(text, []byte("correct horse"))
		if err != nil || !bytes.HasPrefix(got, plain) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
		if got, err := DecryptKey(text, []byte("battery staple")); err == nil && bytes.HasPrefix(got, plain) || err != nil && fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s under another passphrase: %v", name, err)
		}
	}
}

// TestDecryptKeyRefused has what is encrypted in other ways, and what would cost
// too much.
func TestDecryptKeyRefused(t *testing.T) {
	plain := []byte("a key")
	good := sealed(t, plain, cheap(), pkcs8.AES256CBC)
	dear := func(iterations int) []byte {
		return sealed(t, plain, pkcs8.PBKDF2Opts{SaltSize: 8, IterationCount: iterations, HMACHash: crypto.SHA256}, pkcs8.AES256CBC)
	}
	little := cost{1000, 1 << 20}
	for name, tt := range map[string]struct {
		text []byte
		want fault.Kind
	}{
		"nothing":            {nil, fault.InvalidArgument},
		"not encrypted":      {pem.EncodeToMemory(&pem.Block{Type: typeKey, Bytes: plain}), fault.InvalidArgument},
		"two keys":           {append(bytes.Clone(good), good...), fault.InvalidArgument},
		"no ASN.1":           {pem.EncodeToMemory(&pem.Block{Type: typeEncrypted, Bytes: plain}), fault.Unsupported},
		"another cipher":     {sealed(t, plain, cheap(), pkcs8.TripleDESCBC), fault.InvalidArgument},
		"too many rounds":    {dear(1001), fault.InvalidArgument},
		"as many as can be":  {dear(1000), fault.Internal}, // that is: no error
		"too much of scrypt": {sealed(t, plain, pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 1 << 11, BlockSize: 8, ParallelizationParameter: 1}, pkcs8.AES256CBC), fault.InvalidArgument},
	} {
		_, err := little.decryptKey(tt.text, []byte("correct horse"))
		if name == "as many as can be" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err == nil || fault.KindOf(err) != tt.want {
			t.Errorf("%s: %v, want one of the kind %q", name, err, tt.want)
		}
	}
}

// FuzzDecryptKey: a text is decrypted, or refused by a fault; what is decrypted
// can be encrypted and decrypted again.
func FuzzDecryptKey(f *testing.F) {
	f.Add(sealed(f, []byte("a key"), cheap(), pkcs8.AES256CBC))
	f.Add(sealed(f, []byte("a key"), pkcs8.ScryptOpts{SaltSize: 8, CostParameter: 16, BlockSize: 8, ParallelizationParameter: 1}, pkcs8.AES128CBC))
	f.Add([]byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		little := cost{100, 64 << 10}
		plain, err := little.decryptKey(text, []byte("correct horse"))
		if err != nil {
			if _, ok := errors.AsType[*fault.Error](err); !ok {
				t.Errorf("%v is no fault", err)
			}
			return
		}
		again, err := little.decryptKey(sealed(t, plain, cheap(), pkcs8.AES256CBC), []byte("correct horse"))
		if err != nil || !bytes.Equal(again, plain) {
			t.Errorf("%x becomes %x, %v", plain, again, err)
		}
		block, _ := pem.Decode(text)
		var e encryptedPrivateKeyInfo
		if rest, err := asn1.Unmarshal(block.Bytes, &e); err != nil || len(rest) > 0 {
			t.Errorf("what was decrypted is no EncryptedPrivateKeyInfo: %v", err)
		}
	})
}
