package mechanism

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"math/big"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// Signature is how a mechanism signs and verifies with a key.
type Signature struct {
	// Hash hashes the message; 0 where the mechanism is over the input itself.
	Hash   crypto.Hash
	method method
	key    Key
	// pss and salt are those of RSASSA-PSS.
	pss  crypto.Hash
	salt int
}

// NewSignature returns how a mechanism signs, or verifies, with a key. The
// error is a pkcs11.RV.
func NewSignature(m p11kit.Mechanism, k Key) (Signature, error) {
	r, err := lookup(m.Type, signs, k)
	if err != nil {
		return Signature{}, err
	}
	s := Signature{Hash: r.hash, method: r.method, key: k}
	switch {
	case r.method == rsaPSS:
		return s, s.setPSS(m)
	case m.Parameter != nil:
		return Signature{}, pkcs11.RVMechanismParamInvalid
	}
	return s, nil
}

// setPSS takes the parameter of RSASSA-PSS. A salt of no bytes is refused: all
// keys here salt, and for crypto/rsa no length is "any".
func (s *Signature) setPSS(m p11kit.Mechanism) error {
	p, ok := m.PSS()
	s.pss = hashOf(p.Hash)
	if !ok || s.pss == 0 || p.MGF != mgfOf(s.pss) || s.Hash != 0 && s.Hash != s.pss || p.SaltLen == 0 || p.SaltLen > uint64(s.key.bytes()) { //nolint:gosec // sizes are positive
		return pkcs11.RVMechanismParamInvalid
	}
	s.salt = int(p.SaltLen) //nolint:gosec // just checked
	return nil
}

// MAC reports whether the mechanism is a MAC, and returns the algorithm. That
// is alg.NoAlgorithm for a hash of which the table has no MAC.
func (s Signature) MAC() (alg.Algorithm, bool) {
	a, _ := named(alg.MAC, s.Hash)
	return a, s.method == mac
}

// Buffers reports whether the input is needed as a whole: for mechanisms that
// do not hash, and for MACs, which the key computes.
func (s Signature) Buffers() bool { return s.Hash == 0 || s.method == mac }

// Size returns the length of a signature in bytes.
func (s Signature) Size() int {
	switch s.method {
	case mac:
		return s.Hash.Size()
	case ecdsaDER:
		return 2 * s.key.bytes()
	case edDSA:
		return ed25519.SignatureSize
	default:
		return s.key.bytes()
	}
}

// Input returns the algorithm by which a private key signs, and what it signs:
// input is the digest where Hash is set, what came otherwise. What the named
// algorithms cannot do is a pkcs11.RV.
func (s Signature) Input(input []byte) (alg.Algorithm, []byte, error) {
	switch s.method { //nolint:exhaustive // the others do not sign with private keys
	case rsaPKCS1:
		return s.pkcs1(input)
	case rsaRaw:
		// A block that is padded for a signature already is signed as CKM_RSA_PKCS
		// would. Nothing else is: a key that signs any number at all decrypts, too.
		inner, ok := unpadSignature(input, s.key.bytes())
		if !ok {
			return 0, nil, pkcs11.RVKeyFunctionNotPermitted
		}
		return s.pkcs1(inner)
	case rsaPSS:
		a, ok := named(alg.PSS, s.pss)
		switch {
		case len(input) != s.pss.Size():
			return 0, nil, pkcs11.RVDataLenRange
		case !ok || s.salt != s.pss.Size():
			return 0, nil, pkcs11.RVMechanismParamInvalid
		}
		return a, input, nil
	case ecdsaDER:
		return s.ecdsa(input)
	case edDSA:
		return alg.Ed25519Pure, input, nil
	}
	return 0, nil, pkcs11.RVMechanismInvalid
}

// pkcs1 names the algorithm of a digest, of a DigestInfo, or of neither.
func (s Signature) pkcs1(input []byte) (alg.Algorithm, []byte, error) {
	if s.Hash != 0 {
		a, ok := named(alg.PKCS1, s.Hash)
		if !ok {
			return 0, nil, pkcs11.RVMechanismInvalid
		}
		return a, input, nil
	}
	if h, digest := parseDigestInfo(input); h != 0 {
		if a, ok := named(alg.PKCS1, h); ok {
			return a, digest, nil
		}
	}
	switch n := len(input); {
	case n == crypto.MD5SHA1.Size():
		return alg.PKCS1MD5SHA1, input, nil
	case n > s.key.bytes()-pkcs1Overhead:
		return 0, nil, pkcs11.RVDataLenRange
	}
	return alg.PKCS1Plain, input, nil
}

// pkcs1Overhead is what the padding of PKCS #1 v1.5 takes at least (RFC 8017
// section 9.2).
const pkcs1Overhead = 11

// parseDigestInfo returns the hash and the digest of a DigestInfo, or neither.
func parseDigestInfo(b []byte) (crypto.Hash, []byte) {
	for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512, crypto.SHA1, crypto.SHA224} {
		if n := len(b) - h.Size(); n > 0 && bytes.Equal(engine.DigestInfo(h, b[n:]), b) {
			return h, b[n:]
		}
	}
	return 0, nil
}

// unpadSignature takes the padding of RSASSA-PKCS1-v1_5 off a block of size
// bytes. Nothing of it is secret.
func unpadSignature(block []byte, size int) ([]byte, bool) {
	if len(block) != size || size < pkcs1Overhead || block[0] != 0 || block[1] != 1 {
		return nil, false
	}
	rest := bytes.TrimLeft(block[2:], "\xff")
	if len(rest) == 0 || rest[0] != 0 || size-len(rest) < pkcs1Overhead-1 {
		return nil, false
	}
	return rest[1:], true
}

// digestSizes has the named algorithms' digests, the shortest first.
var digestSizes = []crypto.Hash{crypto.SHA1, crypto.SHA224, crypto.SHA256, crypto.MD5SHA1, crypto.SHA384, crypto.SHA512}

// ecdsa names the algorithm of a digest by its length. ECDSA takes the
// leftmost bits of a digest as a number (FIPS 186-5 section 6.4.1), so that one
// of any other length has the signature of the digest that is longer by zeros on
// the left, or of its leftmost bytes.
func (s Signature) ecdsa(input []byte) (alg.Algorithm, []byte, error) {
	size := s.key.bytes()
	if len(input) == 0 {
		return 0, nil, pkcs11.RVDataLenRange
	}
	if a, ok := s.exactly(input); ok {
		return a, input, nil
	}
	if len(input) > size && s.key.Bits%8 == 0 {
		input = input[:size]
	}
	for _, h := range digestSizes {
		if n := h.Size(); n >= len(input) && (n <= size || n == len(input)) && h != crypto.MD5SHA1 {
			padded := make([]byte, n)
			copy(padded[n-len(input):], input)
			if a, ok := s.exactly(padded); ok {
				return a, padded, nil
			}
		}
	}
	return 0, nil, pkcs11.RVDataLenRange
}

// exactly returns the algorithm that takes digests of just this length.
func (s Signature) exactly(digest []byte) (alg.Algorithm, bool) {
	for _, h := range digestSizes {
		if h.Size() != len(digest) || s.Hash != 0 && s.Hash != h {
			continue
		}
		if a, ok := named(alg.ECDSA, h); ok && s.key.Spec.Has(a) {
			return a, true
		}
	}
	return alg.NoAlgorithm, false
}

// Output turns a signature of Holdfast's into the standard's form.
func (s Signature) Output(signature []byte) ([]byte, error) {
	if s.method != ecdsaDER {
		return signature, nil
	}
	raw, err := engine.DecodeECDSA(s.key.Spec, signature)
	if err != nil {
		return nil, err
	}
	return raw, nil
}

// Verify checks a signature with a public key: nil, or a pkcs11.RV. Input is
// that of Input.
func (s Signature) Verify(public crypto.PublicKey, input, signature []byte) error {
	if len(signature) != s.Size() {
		return pkcs11.RVSignatureLenRange
	}
	ok := false
	switch k := public.(type) {
	case *rsa.PublicKey:
		ok = s.verifyRSA(k, input, signature)
	case *ecdsa.PublicKey:
		half := len(signature) / 2
		r, v := new(big.Int).SetBytes(signature[:half]), new(big.Int).SetBytes(signature[half:])
		ok = ecdsa.Verify(k, input, r, v)
	case ed25519.PublicKey:
		ok = ed25519.Verify(k, input, signature)
	}
	if !ok {
		return pkcs11.RVSignatureInvalid
	}
	return nil
}

func (s Signature) verifyRSA(k *rsa.PublicKey, input, signature []byte) bool {
	switch s.method { //nolint:exhaustive // the others are not RSA's
	case rsaPKCS1:
		return rsa.VerifyPKCS1v15(k, s.Hash, input, signature) == nil
	case rsaPSS:
		return rsa.VerifyPSS(k, s.pss, input, signature, &rsa.PSSOptions{SaltLength: s.salt}) == nil
	case rsaRaw:
		block, err := rawPublic(k, signature)
		return err == nil && len(input) <= len(block) && bytes.Equal(block[len(block)-len(input):], input) &&
			len(bytes.Trim(block[:len(block)-len(input)], "\x00")) == 0
	}
	return false
}
