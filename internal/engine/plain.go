package engine

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"
	"math/big"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Plain is plain material as it was read and checked.
type Plain struct {
	Redacted
	// Secret is that of AES and HMAC, a copy; nil for all others.
	Secret []byte
	// Private is *rsa.PrivateKey, *ecdsa.PrivateKey, ed25519.PrivateKey,
	// *secp256k1.PrivateKey or *mldsa.PrivateKey; nil for AES and HMAC.
	Private crypto.PrivateKey
	// Public is its public half, as PublicKey.Key has it.
	Public crypto.PublicKey
}

// Wipe overwrites the key, as far as its type shows its numbers: what
// crypto/rsa keeps beside them, and an ML-DSA key, go with the garbage.
func (p *Plain) Wipe() {
	clear(p.Secret)
	switch k := p.Private.(type) {
	case *rsa.PrivateKey:
		for _, n := range append([]*big.Int{k.D, k.Precomputed.Dp, k.Precomputed.Dq, k.Precomputed.Qinv}, k.Primes...) {
			if n != nil {
				clear(n.Bits())
			}
		}
	case *ecdsa.PrivateKey:
		clear(k.D.Bits()) //nolint:staticcheck // deprecated for those who compute with it
	case *secp256k1.PrivateKey:
		k.Zero()
	case ed25519.PrivateKey:
		clear(k)
	}
}

// ParsePlain reads plain material, for engines that take it. It keeps no
// reference to plain. Its errors are those of Importer.Import: what is no key
// of the spec, inconsistent in itself, or known to be weak.
func ParsePlain(spec alg.Spec, plain []byte) (*Plain, error) {
	if len(plain) > MaxPlain {
		return nil, fault.New(fault.InvalidArgument, "the key material has more than %d bytes", MaxPlain)
	}
	p, err := parsePlain(spec, plain)
	if err != nil {
		return nil, Unsound(spec, err)
	}
	return p, nil
}

// Unsound says that material is no sound key of the spec. A fault of its own
// stays as it is.
func Unsound(spec alg.Spec, err error) error {
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // only the fault itself has a sentence for the caller
		return f
	}
	return &fault.Error{
		Kind: fault.InvalidArgument, Op: "engine.Import", Public: "the key material is not a sound key of type " + spec.String(), Err: err,
	}
}

func parsePlain(spec alg.Spec, plain []byte) (*Plain, error) {
	if spec.Symmetric() {
		return parseSecret(spec, plain)
	}
	info, err := readPrivateKeyInfo(plain)
	if err != nil {
		return nil, err
	}
	p, err := parsePrivate(spec, plain, info)
	if err != nil {
		return nil, err
	}
	if err := info.agrees(p.Public); err != nil {
		return nil, err
	}
	return p, nil
}

// parseSecret reads a symmetric secret. AES and HMAC have no weak keys in the
// mathematical sense; one byte repeated is a buffer that nobody filled.
func parseSecret(spec alg.Spec, plain []byte) (*Plain, error) {
	if want := spec.Info().Bits / 8; len(plain) != want {
		return nil, fault.New(fault.InvalidArgument, "a key of type %s has %d bytes, not %d", spec, want, len(plain))
	}
	if bytes.Count(plain, plain[:1]) == len(plain) {
		return nil, OneByte()
	}
	return &Plain{Secret: bytes.Clone(plain)}, nil
}

// OneByte says that a symmetric key is one byte repeated.
func OneByte() error {
	return fault.Because(fault.InvalidArgument, fault.WeakKey, "the key material is one byte repeated")
}

// parsePrivate reads an asymmetric key of the spec.
func parsePrivate(spec alg.Spec, plain []byte, info *privateKeyInfo) (*Plain, error) {
	if spec == alg.Secp256k1 {
		d, err := info.secp256k1()
		if err != nil {
			return nil, err
		}
		defer clear(d)
		k := secp256k1.PrivKeyFromBytes(d) // in range: secp256k1 has seen to that
		return &Plain{Private: k, Public: k.PubKey()}, nil
	}
	private, err := mldsax509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%T does not sign", private)
	}
	if got := SpecOf(signer.Public()); got != spec {
		return nil, fault.New(fault.InvalidArgument, "the key material is not a key of type %s", spec)
	}
	switch k := private.(type) {
	case *rsa.PrivateKey:
		if err := checkRSA(k); err != nil {
			return nil, err
		}
	case *mldsa.PrivateKey:
		return &Plain{Private: k, Public: k.PublicKey()}, nil
	case *ecdsa.PrivateKey, ed25519.PrivateKey:
	default:
		return nil, fmt.Errorf("%T is no key of the table", private)
	}
	return &Plain{Private: private, Public: signer.Public()}, nil
}

// CutPadding returns plain material without the zeros that some tokens append
// before they wrap it by AES-KWP (SoftHSM 2.6 does, to a multiple of 8 bytes): at
// most 7 bytes that say nothing.
func CutPadding(spec alg.Spec, plain []byte) []byte {
	end := spec.Info().Bits / 8
	if !spec.Symmetric() {
		in := cryptobyte.String(plain)
		if !in.SkipASN1(cbasn1.SEQUENCE) {
			return plain
		}
		end = len(plain) - len(in)
	}
	if end < len(plain) && len(plain)-end < 8 && len(plain)%8 == 0 && bytes.Count(plain[end:], []byte{0}) == len(plain)-end {
		return plain[:end]
	}
	return plain
}

// MarshalPlain returns the plain form of a private key of the types of
// Plain.Private.
func MarshalPlain(private crypto.PrivateKey) ([]byte, error) {
	if k, ok := private.(*secp256k1.PrivateKey); ok {
		return writeSecp256k1(k)
	}
	return mldsax509.MarshalPKCS8PrivateKey(private)
}

// Rehearse has a key that was just taken sign and its public half verify: a
// pairwise consistency test (FIPS 140-3 IG 10.3.A).
func Rehearse(s crypto.Signer, public *PublicKey) error {
	a := public.spec.For(alg.SignVerify)[0]
	m := Message{Form: alg.Raw, Bytes: []byte("holdfast pairwise consistency")}
	signature, err := Sign(s, a, m)
	if err != nil {
		return err
	}
	if err := public.Verify(a, m, signature); err != nil {
		return fmt.Errorf("the halves are not of one key: %w", err)
	}
	return nil
}
