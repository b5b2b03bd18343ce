// Package transfer has the forms in which a key travels encrypted from one
// place to another: the wrappings of alg.Wrapping under an RSA key, AES Key
// Wrap with Padding, and the transfer blob, a file with the extension .byok.
//
// Start with Wrap and Unwrap. Nothing here keeps a key or decides who may have
// one; the private half of a wrapping key is reached through Private, so that
// it may be anywhere.
//
// Whatever is wrong with an encryption, Unwrap says so by one and the same
// error: an attacker who sends changed ciphertexts learns nothing else from it
// (Bleichenbacher 1998, Manger 2001).
package transfer

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // RSAES-OAEP with SHA-1, which transfer blobs have: OAEP needs no collision resistance (RFC 8017 section 7.1)
	_ "crypto/sha256"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// keySize is the length in bytes of the AES key that Wrap makes for one
// transfer.
const keySize = 32

// Private is the private half of an RSA key, as far as Unwrap needs it.
type Private interface {
	// Size is the length of the modulus in bytes.
	Size() int
	// OAEP decrypts RSAES-OAEP with the hash, MGF1 with the same one, and an
	// empty label (RFC 8017 section 7.1.2). What its error says, nobody sees.
	OAEP(h crypto.Hash, ciphertext []byte) ([]byte, error)
	// SessionKey decrypts RSAES-PKCS1-v1_5 as rsa.DecryptPKCS1v15SessionKey
	// does: where the padding is wrong or the length not that of key, key stays
	// as it is, there is no error, and it takes the same time.
	SessionKey(ciphertext, key []byte) error
}

// Hash returns the hash of a wrapping's RSAES-OAEP, 0 of one that has none.
func Hash(how alg.Wrapping) crypto.Hash {
	switch how {
	case alg.WrapOAEPSHA1, alg.WrapAESKeyWrapSHA1:
		return crypto.SHA1
	case alg.WrapOAEPSHA256, alg.WrapAESKeyWrapSHA256:
		return crypto.SHA256
	case alg.NoWrapping, alg.WrapPKCS1:
	}
	return 0
}

// TwoSteps reports whether a wrapping encrypts an AES key by RSA and the key
// itself by that (CKM_RSA_AES_KEY_WRAP): only such a one has room for
// asymmetric keys.
func TwoSteps(how alg.Wrapping) bool {
	return how == alg.WrapAESKeyWrapSHA1 || how == alg.WrapAESKeyWrapSHA256
}

// Wrap encrypts the plain form of a key under an RSA public key. Random nil
// means the operating system's generator. A key that is too long for the
// wrapping is InvalidArgument with the reason MessageTooLong.
func Wrap(random io.Reader, under *rsa.PublicKey, how alg.Wrapping, plain []byte) ([]byte, error) {
	if random == nil {
		random = rand.Reader
	}
	switch how {
	case alg.WrapOAEPSHA1, alg.WrapOAEPSHA256:
		return encryptOAEP(random, under, how, plain)
	case alg.WrapPKCS1:
		if limit := under.Size() - 11; len(plain) > limit { // RFC 8017 section 7.2.1
			return nil, tooLong(how, under, limit)
		}
		wrapped, err := rsa.EncryptPKCS1v15(random, under, plain) //nolint:staticcheck // clients choose it: alg.WrapPKCS1 says when
		return wrapped, internal("transfer.Wrap", err)
	case alg.WrapAESKeyWrapSHA1, alg.WrapAESKeyWrapSHA256:
		return wrapTwice(random, under, how, plain)
	case alg.NoWrapping:
	}
	return nil, unknown(how)
}

func encryptOAEP(random io.Reader, under *rsa.PublicKey, how alg.Wrapping, plain []byte) ([]byte, error) {
	h := Hash(how)
	if limit := under.Size() - 2*h.Size() - 2; len(plain) > limit { // RFC 8017 section 7.1.1
		return nil, tooLong(how, under, limit)
	}
	wrapped, err := rsa.EncryptOAEP(h.New(), random, under, plain, nil)
	return wrapped, internal("transfer.Wrap", err)
}

// wrapTwice does what CKM_RSA_AES_KEY_WRAP does (PKCS #11 3.1 section 6.1.20).
func wrapTwice(random io.Reader, under *rsa.PublicKey, how alg.Wrapping, plain []byte) ([]byte, error) {
	var key [keySize]byte
	defer clear(key[:])
	if _, err := io.ReadFull(random, key[:]); err != nil {
		return nil, internal("transfer.Wrap", err)
	}
	rest, err := WrapKWP(key[:], plain)
	if err != nil {
		return nil, err
	}
	first, err := encryptOAEP(random, under, how, key[:])
	if err != nil {
		return nil, err
	}
	return append(first, rest...), nil
}

// Unwrap decrypts what Wrap made. Size is how many bytes a symmetric key has,
// which WrapPKCS1 cannot do without and no other wrapping asks for. Whatever is
// wrong with the encryption, the error is the one that Refused returns. The
// bytes are the caller's, who overwrites them after use.
func Unwrap(k Private, how alg.Wrapping, size int, wrapped []byte) ([]byte, error) {
	switch how {
	case alg.WrapOAEPSHA1, alg.WrapOAEPSHA256:
		return decryptOAEP(k, how, wrapped)
	case alg.WrapPKCS1:
		return sessionKey(k, size, wrapped)
	case alg.WrapAESKeyWrapSHA1, alg.WrapAESKeyWrapSHA256:
		first, rest, err := Split(k.Size(), wrapped)
		if err != nil {
			return nil, err
		}
		key, err := decryptOAEP(k, how, first)
		if err != nil {
			return nil, err
		}
		defer clear(key)
		return UnwrapKWP(key, rest)
	case alg.NoWrapping:
	}
	return nil, unknown(how)
}

func decryptOAEP(k Private, how alg.Wrapping, wrapped []byte) ([]byte, error) {
	if len(wrapped) != k.Size() {
		return nil, Refused()
	}
	plain, err := k.OAEP(Hash(how), wrapped)
	if err != nil {
		return nil, reached(err)
	}
	return plain, nil
}

// sessionKey decrypts RSAES-PKCS1-v1_5. The decryption leaves a wrong key as
// it was, in constant time; that it did is seen by the random bytes that were
// there before. The caller is told, where TLS would go on with those bytes: a
// key that nobody has must not be taken for the one that was sent. What is
// told is one bit of padding and length together, of which Bleichenbacher's
// attack needs many millions, each one a call that was authorised and is on
// record.
func sessionKey(k Private, size int, wrapped []byte) ([]byte, error) {
	if size < MinKWP {
		return nil, fault.New(fault.InvalidArgument, "%s takes symmetric keys only", alg.WrapPKCS1)
	}
	if len(wrapped) != k.Size() {
		return nil, Refused()
	}
	before := make([]byte, size)
	_, _ = rand.Read(before) // never fails
	key := append([]byte(nil), before...)
	if err := k.SessionKey(wrapped, key); err != nil {
		return nil, reached(err)
	}
	if subtle.ConstantTimeCompare(before, key) == 1 {
		return nil, Refused()
	}
	return key, nil
}

// Split cuts what one of the wrappings with two steps made under a modulus of
// so many bytes into the encrypted AES key and the key that is encrypted under
// it.
func Split(modulus int, wrapped []byte) (key, rest []byte, err error) {
	if modulus <= 0 || len(wrapped) < modulus+kwpSize(MinKWP) {
		return nil, nil, Refused()
	}
	return wrapped[:modulus:modulus], wrapped[modulus:], nil
}

// GoKey returns the Private of a key of crypto/rsa.
func GoKey(k *rsa.PrivateKey) Private { return goKey{k} }

type goKey struct{ k *rsa.PrivateKey }

func (g goKey) Size() int { return g.k.Size() }

func (g goKey) OAEP(h crypto.Hash, ciphertext []byte) ([]byte, error) {
	return rsa.DecryptOAEP(h.New(), nil, g.k, ciphertext, nil)
}

func (g goKey) SessionKey(ciphertext, key []byte) error {
	return rsa.DecryptPKCS1v15SessionKey(nil, g.k, ciphertext, key) //nolint:staticcheck // see sessionKey for how its result is used
}

// Format shows nothing of the key.
func (goKey) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// Refused returns the one error of every encryption that does not decrypt.
func Refused() error {
	return fault.New(fault.BadCiphertext, "the wrapped key cannot be decrypted with this key")
}

// reached lets through that the key could not be reached; all else that a
// decryption says is Refused.
func reached(err error) error {
	if k := fault.KindOf(err); k == fault.Unavailable || k == fault.LimitExceeded {
		return err
	}
	return Refused()
}

func tooLong(how alg.Wrapping, under *rsa.PublicKey, limit int) error {
	return fault.Because(fault.InvalidArgument, fault.MessageTooLong,
		"%s under an RSA key of %d bits has room for %d bytes", how, under.N.BitLen(), limit)
}

func unknown(how alg.Wrapping) error {
	return fault.New(fault.InvalidArgument, "%q is no way of wrapping a key", how)
}

func internal(op string, err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Internal, Op: op, Err: err}
}
