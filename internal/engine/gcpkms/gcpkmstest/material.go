package gcpkmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"filippo.io/mldsa"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k256 "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/wire/gcp"
)

// What keys are is read from the names of the algorithms, and not from the
// table that engines use: a mistake in that is seen so.

// material is what a version is made of.
type material struct {
	spec   alg.Spec
	secret []byte // of symmetric keys
	handle []byte // what ciphertexts name the version by
	signer crypto.Signer
}

// words returns the parts of an algorithm's name.
func words(a gcp.Algorithm) []string { return strings.Split(a.String(), "_") }

// rsaBits returns the size of an RSA algorithm's keys, or 0.
func rsaBits(a gcp.Algorithm) int {
	w := words(a)
	if w[0] != "RSA" {
		return 0
	}
	for _, part := range w {
		if n, err := strconv.Atoi(part); err == nil {
			return n
		}
	}
	return 0
}

// hashOf returns the hash that an algorithm's name ends in, or 0.
func hashOf(a gcp.Algorithm) crypto.Hash {
	w := words(a)
	return map[string]crypto.Hash{
		"SHA1": crypto.SHA1, "SHA224": crypto.SHA224, "SHA256": crypto.SHA256, "SHA384": crypto.SHA384, "SHA512": crypto.SHA512,
	}[w[len(w)-1]]
}

// specOf returns the spec of an algorithm that the server has, or NoSpec.
func specOf(a gcp.Algorithm) alg.Spec {
	w := words(a)
	switch {
	case a == kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION:
		return alg.AES256
	case w[0] == "HMAC":
		return alg.ParseSpec("hmac-" + strings.TrimPrefix(w[1], "SHA")) // none for SHA1
	case w[0] == "RSA":
		return alg.ParseSpec("rsa-" + strconv.Itoa(rsaBits(a)))
	case strings.HasPrefix(a.String(), "PQ_SIGN_ML_DSA_"):
		return alg.ParseSpec("ml-dsa-" + w[4])
	}
	return map[string]alg.Spec{
		"EC_SIGN_P256_SHA256": alg.P256, "EC_SIGN_P384_SHA384": alg.P384, "EC_SIGN_SECP256K1_SHA256": alg.Secp256k1, "EC_SIGN_ED25519": alg.Ed25519,
	}[a.String()]
}

// purposeOf returns the purpose that goes with an algorithm.
func purposeOf(a gcp.Algorithm) gcp.Purpose {
	w := words(a)
	switch {
	case slices.Contains(w, "SIGN"):
		return kmspb.CryptoKey_ASYMMETRIC_SIGN
	case slices.Contains(w, "DECRYPT"):
		return kmspb.CryptoKey_ASYMMETRIC_DECRYPT
	case w[0] == "HMAC":
		return kmspb.CryptoKey_MAC
	}
	return kmspb.CryptoKey_ENCRYPT_DECRYPT
}

// makes reports whether there are such keys.
func makes(p gcp.Purpose, a gcp.Algorithm, l gcp.Level) error {
	switch {
	case specOf(a) == alg.NoSpec && a != kmspb.CryptoKeyVersion_HMAC_SHA1: // which engines have no word for
		return invalid("Algorithm %s is not supported.", a)
	case purposeOf(a) != p:
		return invalid("Algorithm %s is not valid for purpose %s.", a, p)
	case l != kmspb.ProtectionLevel_SOFTWARE && l != kmspb.ProtectionLevel_HSM:
		return invalid("Protection level %s is not supported.", l)
	case specOf(a) == alg.Secp256k1 && l != kmspb.ProtectionLevel_HSM, words(a)[0] == "PQ" && l != kmspb.ProtectionLevel_SOFTWARE:
		return invalid("Algorithm %s is not supported for protection level %s.", a, l)
	}
	return nil
}

// newMaterial makes the material of a key.
func (s *Server) newMaterial(a gcp.Algorithm) (*material, error) {
	m := &material{spec: specOf(a), handle: make([]byte, handleSize)}
	_, _ = rand.Read(m.handle) // never fails
	switch purposeOf(a) {      //nolint:exhaustive // all others have two halves
	case kmspb.CryptoKey_ENCRYPT_DECRYPT:
		m.secret = make([]byte, 32)
	case kmspb.CryptoKey_MAC:
		m.secret = make([]byte, hashOf(a).Size())
	}
	if m.secret != nil {
		_, _ = rand.Read(m.secret) // never fails
		return m, nil
	}
	var err error
	m.signer, err = s.newSigner(m.spec)
	return m, err
}

func (s *Server) newSigner(spec alg.Spec) (crypto.Signer, error) {
	switch info := spec.Info(); info.Family { //nolint:exhaustive // the symmetric ones are no signers
	case alg.RSA:
		return s.newRSA(info.Bits)
	case alg.K256:
		k, err := secp256k1.GeneratePrivateKeyFromRand(rand.Reader)
		return &k256Signer{private: k}, err
	case alg.EdDSA:
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	case alg.MLDSA:
		params, _ := engine.MLDSAParameters(spec)
		return mldsa.GenerateKey(params)
	}
	return ecdsa.GenerateKey(map[alg.Spec]elliptic.Curve{alg.P256: elliptic.P256(), alg.P384: elliptic.P384()}[spec], rand.Reader)
}

// newRSA returns the RSA key of a size. All keys of a server's are that one: a
// key of 4,096 bits takes seconds, and those of other types are enough to tell
// whether the right key was used.
func (s *Server) newRSA(bits int) (*rsa.PrivateKey, error) {
	s.mu.Lock()
	once := s.rsa[bits]
	if once == nil {
		once = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, bits) })
		s.rsa[bits] = once
	}
	s.mu.Unlock()
	return once()
}

// readMaterial reads material that was imported.
func readMaterial(a gcp.Algorithm, plain []byte) (*material, error) {
	m := &material{spec: specOf(a), handle: make([]byte, handleSize)}
	_, _ = rand.Read(m.handle) // never fails
	p, err := engine.ParsePlain(m.spec, plain)
	if err != nil {
		return nil, err
	}
	m.secret = p.Secret
	switch k := p.Private.(type) {
	case nil:
	case *secp256k1.PrivateKey:
		m.signer = &k256Signer{private: k}
	case crypto.Signer:
		m.signer = k
	default:
		return nil, errors.New("not a key that signs")
	}
	return m, nil
}

// k256Signer signs on secp256k1. An HSM returns either of the two values of s:
// so does it, the higher one every second time.
type k256Signer struct {
	engine.Redacted
	private *secp256k1.PrivateKey
}

// Public returns the public half.
func (k *k256Signer) Public() crypto.PublicKey { return k.private.PubKey() }

// Sign signs a digest.
func (k *k256Signer) Sign(_ io.Reader, digest []byte, _ crypto.SignerOpts) ([]byte, error) {
	signature := k256.Sign(k.private, digest)
	r, s := signature.R(), signature.S()
	if digest[0]&1 == 1 {
		s.Negate()
	}
	rb, sb := r.Bytes(), s.Bytes()
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(asn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(new(big.Int).SetBytes(rb[:]))
		b.AddASN1BigInt(new(big.Int).SetBytes(sb[:]))
	})
	return b.Bytes()
}
