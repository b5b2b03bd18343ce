package engine

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Cipher is AES in the modes of alg.RawEncryptDecrypt, where the caller chooses
// what an AEAD chooses itself. Its methods may be called at the same time, and
// keep no reference to what they are given. Errors are InvalidArgument for
// parameters and lengths that the mode does not take, Unsupported for a mode
// that the key's place does not have, and BadCiphertext, with nothing that tells
// why, for all that does not decrypt.
type Cipher interface {
	Encrypt(a alg.Algorithm, p CipherParameters, plaintext []byte) ([]byte, error)
	Decrypt(a alg.Algorithm, p CipherParameters, ciphertext []byte) ([]byte, error)
}

// CipherParameters are what the caller chooses. Those that a mode does not have
// must be empty.
type CipherParameters struct {
	// IV is the initialisation vector: of AESGCMRaw 1 to MaxIV bytes, which must
	// never come twice under one key; of AESCBC, AESCBCPad and AESCTR 16 bytes; of
	// AESKW the 8 bytes of the integrity check, or none for those of RFC 3394
	// section 2.2.3.1.
	IV []byte
	// AssociatedData is AESGCMRaw's, at most MaxAssociated bytes.
	AssociatedData []byte
	// TagBits is the length of AESGCMRaw's tag: 96, 104, 112, 120 or 128 (NIST SP
	// 800-38D section 5.2.1.2); 0 for 128. With an IV of another length than 12
	// bytes it is 128.
	TagBits int
}

// Limits of the parameters in bytes.
const (
	MaxIV         = 256
	MaxAssociated = 1 << 16
)

const (
	gcmIV  = 12 // bytes; SP 800-38D section 5.2.1.1 recommends it
	gcmTag = 16
	kwIV   = 8
)

// Tag returns the length of the tag in bytes.
func (p CipherParameters) Tag() int {
	if p.TagBits == 0 {
		return gcmTag
	}
	return p.TagBits / 8
}

// Empty reports whether there is no parameter.
func (p CipherParameters) Empty() bool {
	return len(p.IV) == 0 && len(p.AssociatedData) == 0 && p.TagBits == 0
}

// Check refuses parameters that a mode does not take, with InvalidArgument.
func (p CipherParameters) Check(a alg.Algorithm) error {
	if a != alg.AESGCMRaw && (len(p.AssociatedData) > 0 || p.TagBits != 0) {
		return fault.New(fault.InvalidArgument, "%s takes neither associated data nor a tag's length", a)
	}
	switch a {
	case alg.AESGCMRaw:
		return p.checkGCM()
	case alg.AESCBC, alg.AESCBCPad, alg.AESCTR:
		if len(p.IV) != aes.BlockSize {
			return fault.New(fault.InvalidArgument, "%s takes an initialisation vector of %d bytes, not %d", a, aes.BlockSize, len(p.IV))
		}
	case alg.AESKW:
		if len(p.IV) != 0 && len(p.IV) != kwIV {
			return fault.New(fault.InvalidArgument, "%s takes an initial value of %d bytes or none, not of %d", a, kwIV, len(p.IV))
		}
	case alg.AESKWP:
		if len(p.IV) != 0 {
			return fault.New(fault.InvalidArgument, "%s has an initial value of its own", a)
		}
	default:
		return fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "algorithm %q is no mode of AES with parameters of the caller's", a)
	}
	return nil
}

func (p CipherParameters) checkGCM() error {
	switch {
	case len(p.IV) == 0 || len(p.IV) > MaxIV:
		return fault.New(fault.InvalidArgument, "%s takes an initialisation vector of 1 to %d bytes, not %d", alg.AESGCMRaw, MaxIV, len(p.IV))
	case len(p.AssociatedData) > MaxAssociated:
		return fault.New(fault.InvalidArgument, "%s takes at most %d bytes of associated data", alg.AESGCMRaw, MaxAssociated)
	case p.TagBits != 0 && (p.TagBits%8 != 0 || p.TagBits < 96 || p.TagBits > 8*gcmTag):
		return fault.New(fault.InvalidArgument, "%s takes a tag of 96, 104, 112, 120 or 128 bits, not %d", alg.AESGCMRaw, p.TagBits)
	case p.Tag() != gcmTag && len(p.IV) != gcmIV:
		return fault.New(fault.InvalidArgument, "%s takes a tag below 128 bits with an initialisation vector of %d bytes only", alg.AESGCMRaw, gcmIV)
	}
	return nil
}

// CheckPlaintext refuses a plaintext of a length in bytes that a mode does not
// take, with InvalidArgument.
func CheckPlaintext(a alg.Algorithm, n int) error {
	switch {
	case a == alg.AESCBC && n%aes.BlockSize != 0:
		return fault.New(fault.InvalidArgument, "%s takes whole blocks of %d bytes, not %d bytes", a, aes.BlockSize, n)
	case a == alg.AESKW && (n < 2*semiblock || n%semiblock != 0): // RFC 3394 section 2
		return fault.New(fault.InvalidArgument, "%s takes 16 bytes or more, a multiple of 8, and not %d", a, n)
	case a == alg.AESKWP && n == 0: // RFC 5649 section 3
		return fault.New(fault.InvalidArgument, "%s takes one byte or more", a)
	}
	return nil
}

// aesCipher does the modes in this process. It has the key and no schedule of
// it, which takes less time to make than memory to keep for keys that are
// seldom used.
type aesCipher struct {
	Redacted
	key []byte
}

// NewCipher returns the modes under an AES key of 16, 24 or 32 bytes, of which
// it keeps a copy. A key of another length is InvalidArgument.
func NewCipher(key []byte) (Cipher, error) {
	if _, err := aes.NewCipher(key); err != nil {
		return nil, fault.New(fault.InvalidArgument, "an AES key has 16, 24 or 32 bytes, not %d", len(key))
	}
	return &aesCipher{key: bytes.Clone(key)}, nil
}

// Encrypt returns the encryption of plaintext; of AESGCMRaw the tag is its end.
func (c *aesCipher) Encrypt(a alg.Algorithm, p CipherParameters, plaintext []byte) ([]byte, error) {
	if err := p.Check(a); err != nil {
		return nil, err
	}
	if err := CheckPlaintext(a, len(plaintext)); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(c.key)
	if err != nil {
		return nil, classify("engine.Cipher", fault.Internal, err)
	}
	switch a { //nolint:exhaustive // Check has refused the others
	case alg.AESGCMRaw:
		aead, err := p.gcm(block)
		if err != nil {
			return nil, err
		}
		return aead.Seal(nil, p.IV, plaintext, p.AssociatedData), nil
	case alg.AESCTR:
		return ctr(block, p.IV, plaintext), nil
	case alg.AESKW:
		return wrapBlocks(block, p.integrity(), plaintext), nil
	case alg.AESKWP:
		return wrapPadded(block, plaintext), nil
	case alg.AESCBCPad:
		plaintext = pad(plaintext)
		defer clear(plaintext)
	}
	out := make([]byte, len(plaintext))
	cipher.NewCBCEncrypter(block, p.IV).CryptBlocks(out, plaintext)
	return out, nil
}

// Decrypt undoes Encrypt.
func (c *aesCipher) Decrypt(a alg.Algorithm, p CipherParameters, ciphertext []byte) ([]byte, error) {
	if err := p.Check(a); err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(c.key)
	if err != nil {
		return nil, classify("engine.Cipher", fault.Internal, err)
	}
	switch a { //nolint:exhaustive // Check has refused the others
	case alg.AESGCMRaw:
		aead, err := p.gcm(block)
		if err != nil {
			return nil, err
		}
		plaintext, err := aead.Open(nil, p.IV, ciphertext, p.AssociatedData)
		return plaintext, classify("engine.Cipher", fault.BadCiphertext, err)
	case alg.AESCTR:
		return ctr(block, p.IV, ciphertext), nil
	case alg.AESKW:
		return unwrapBlocks(block, p.integrity(), ciphertext)
	case alg.AESKWP:
		return unwrapPadded(block, ciphertext)
	}
	if len(ciphertext)%aes.BlockSize != 0 {
		return nil, badCiphertext()
	}
	out := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, p.IV).CryptBlocks(out, ciphertext)
	if a == alg.AESCBCPad {
		return unpad(out)
	}
	return out, nil
}

// gcm returns GCM for the parameters, which were checked.
func (p CipherParameters) gcm(block cipher.Block) (aead cipher.AEAD, err error) {
	switch {
	case len(p.IV) != gcmIV:
		aead, err = cipher.NewGCMWithNonceSize(block, len(p.IV))
	case p.Tag() != gcmTag:
		aead, err = cipher.NewGCMWithTagSize(block, p.Tag())
	default:
		aead, err = cipher.NewGCM(block)
	}
	return aead, classify("engine.Cipher", fault.Internal, err)
}

func ctr(block cipher.Block, iv, in []byte) []byte {
	out := make([]byte, len(in))
	cipher.NewCTR(block, iv).XORKeyStream(out, in)
	return out
}

// pad returns b with the padding of RFC 5652 section 6.3: 1 to 16 bytes, each of
// which says how many they are.
func pad(b []byte) []byte {
	n := aes.BlockSize - len(b)%aes.BlockSize
	return append(slices.Grow(bytes.Clone(b), n), bytes.Repeat([]byte{byte(n)}, n)...)
}

// unpad undoes pad. That a padding is wrong must not show by more than the one
// error, though a caller who may decrypt by AESCBCPad learns by it that it was:
// which is the mode's own weakness (Vaudenay, EUROCRYPT 2002). All bytes of the
// last block are looked at, without a branch on what they are.
func unpad(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, badCiphertext()
	}
	n := int(b[len(b)-1])
	good := subtle.ConstantTimeLessOrEq(1, n) & subtle.ConstantTimeLessOrEq(n, aes.BlockSize)
	for i := range aes.BlockSize {
		inside := subtle.ConstantTimeLessOrEq(i+1, n)
		good &= 1 ^ inside&(1^subtle.ConstantTimeByteEq(b[len(b)-1-i], byte(n))) //nolint:gosec // it was a byte
	}
	if good != 1 {
		clear(b)
		return nil, badCiphertext()
	}
	return b[:len(b)-n], nil
}
