package engine

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" //nolint:gosec // RSAES-OAEP with SHA-1, which AWS KMS has: OAEP needs no collision resistance (RFC 8017 section 7.1)
	_ "crypto/sha256"
	_ "crypto/sha512"
	"errors"

	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Message is what a signature covers, in the form in which it came.
type Message struct {
	Form  alg.Form
	Bytes []byte
}

// Options returns what tells a Key's Signer the algorithm, and the form of an
// ML-DSA message.
func Options(a alg.Algorithm, f alg.Form) crypto.SignerOpts {
	info := a.Info()
	switch info.Scheme {
	case alg.PSS:
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: info.Hash}
	case alg.PrehashEdDSA:
		return &ed25519.Options{Hash: info.Hash}
	case alg.PureMLDSA:
		return mldsaOptions(f)
	default:
		return info.Hash
	}
}

// Sign signs a message with an algorithm of the signer's spec: it hashes a
// Raw message where the algorithm hashes, and checks the form and length of
// one that comes as a digest or as mu. ECDSA signatures are DER.
func Sign(s crypto.Signer, a alg.Algorithm, m Message) ([]byte, error) {
	digest, err := m.signed(SpecOf(s.Public()), a)
	if err != nil {
		return nil, err
	}
	signature, err := s.Sign(rand.Reader, digest, Options(a, m.Form))
	return signature, classify("engine.Sign", fault.Internal, err)
}

// signed returns what a key of the spec signs of a message by an algorithm.
func (m Message) signed(spec alg.Spec, a alg.Algorithm) ([]byte, error) {
	if err := usable(spec, a, alg.SignVerify); err != nil {
		return nil, err
	}
	digest, err := m.digest(a)
	if err != nil {
		return nil, err
	}
	return digest, CheckDigest(spec, a, digest)
}

// Verify checks a signature: nil, or a BadSignature error. PSS signatures
// must have a salt as long as the hash.
func (p *PublicKey) Verify(a alg.Algorithm, m Message, signature []byte) error {
	digest, err := m.signed(p.spec, a)
	if err != nil {
		return err
	}
	if !p.verify(a, Message{m.Form, digest}, signature) {
		return fault.New(fault.BadSignature, "the signature does not verify")
	}
	return nil
}

// verify checks a signature of what digest returned.
func (p *PublicKey) verify(a alg.Algorithm, m Message, signature []byte) bool {
	switch k := p.key.(type) {
	case *rsa.PublicKey:
		return verifyRSA(k, a, m.Bytes, signature)
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, m.Bytes, signature)
	case *secp256k1.PublicKey:
		return verifySecp256k1(k, m.Bytes, signature)
	case ed25519.PublicKey:
		return ed25519.VerifyWithOptions(k, m.Bytes, signature, &ed25519.Options{Hash: a.Info().Hash}) == nil
	case *mldsa.PublicKey:
		return verifyMLDSA(k, m, signature)
	}
	return false
}

func verifyRSA(k *rsa.PublicKey, a alg.Algorithm, digest, signature []byte) bool {
	info := a.Info()
	if info.Scheme == alg.PSS {
		exact := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(k, info.Hash, digest, signature, exact) == nil
	}
	return rsa.VerifyPKCS1v15(k, info.Hash, digest, signature) == nil
}

// Encrypt encrypts by RSAES-OAEP with an empty label. RSARaw only decrypts:
// whoever pads a message can raise it to the public exponent as well.
func (p *PublicKey) Encrypt(a alg.Algorithm, plaintext []byte) ([]byte, error) {
	if err := usable(p.spec, a, alg.EncryptDecrypt); err != nil {
		return nil, err
	}
	if a == alg.RSARaw {
		return nil, fault.Because(fault.InvalidArgument, fault.WrongAlgorithm, "%s only decrypts", a)
	}
	k, ok := p.key.(*rsa.PublicKey)
	if !ok {
		return nil, fault.New(fault.Internal, "a key of type %q has no public half to encrypt with", p.spec)
	}
	if limit := p.spec.MaxPlaintext(a); len(plaintext) > limit {
		return nil, fault.Because(fault.InvalidArgument, fault.MessageTooLong,
			"%s under a key of type %s cannot encrypt more than %d bytes", a, p.spec, limit)
	}
	ciphertext, err := rsa.EncryptOAEP(a.Info().Hash.New(), rand.Reader, k, plaintext, nil)
	return ciphertext, classify("engine.Encrypt", fault.Internal, err)
}

// Decrypt decrypts RSAES-OAEP with an empty label, or by RSARaw, whose result is
// as long as the modulus. Whatever is wrong with a ciphertext, the error is the
// same BadCiphertext.
func Decrypt(d crypto.Decrypter, a alg.Algorithm, ciphertext []byte) ([]byte, error) {
	spec := SpecOf(d.Public())
	if err := usable(spec, a, alg.EncryptDecrypt); err != nil {
		return nil, err
	}
	if len(ciphertext) != spec.Info().Bits/8 {
		return nil, badCiphertext()
	}
	var opts crypto.DecrypterOpts = &rsa.OAEPOptions{Hash: a.Info().Hash}
	if a == alg.RSARaw {
		opts = RawRSA{}
	}
	plaintext, err := d.Decrypt(rand.Reader, ciphertext, opts)
	return plaintext, classify("engine.Decrypt", fault.BadCiphertext, err)
}

// classify makes err a *fault.Error of the kind, unless it is one already. A
// BadCiphertext carries no cause: there is nothing to tell apart.
func classify(op string, kind fault.Kind, err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	if kind == fault.BadCiphertext {
		return badCiphertext()
	}
	return &fault.Error{Kind: kind, Op: op, Err: err}
}

func badCiphertext() error {
	return fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key")
}

// usable reports whether a key of the spec can use the algorithm for the usage.
func usable(spec alg.Spec, a alg.Algorithm, u alg.Usage) error {
	if !spec.Has(a) || a.Info().Usage != u {
		return fault.Because(fault.InvalidArgument, fault.WrongAlgorithm,
			"algorithm %q does not go with a key of type %q", a, spec)
	}
	return nil
}

// Digest returns what a signature with the algorithm is of, for whoever has a
// place check it: the hash of a Raw message, or what came as a digest, as mu, or
// for an algorithm that does not hash. A form or a length that the algorithm
// does not take is InvalidArgument.
func (m Message) Digest(a alg.Algorithm) ([]byte, error) { return m.digest(a) }

// digest returns what the scheme signs: the hash of a Raw message, or the
// message itself once its form and length are checked.
func (m Message) digest(a alg.Algorithm) ([]byte, error) {
	if !a.Takes(m.Form) {
		return nil, fault.New(fault.InvalidArgument, "algorithm %s does not take a message in this form", a)
	}
	h := a.Info().Hash
	switch m.Form {
	case alg.Digest:
		if a == alg.PKCS1Plain { // how much fits depends on the key
			return m.Bytes, nil
		}
		return m.Bytes, m.checkLength(a, h.Size())
	case alg.ExternalMu:
		return m.Bytes, m.checkLength(a, muSize)
	default: // Raw: Takes has refused the zero Form
		if h == 0 {
			return m.Bytes, nil
		}
		sum := h.New()
		sum.Write(m.Bytes)
		return sum.Sum(nil), nil
	}
}

func (m Message) checkLength(a alg.Algorithm, want int) error {
	if len(m.Bytes) == want {
		return nil
	}
	return fault.Because(fault.InvalidArgument, fault.DigestLength,
		"algorithm %s takes a digest of %d bytes, not %d", a, want, len(m.Bytes))
}
