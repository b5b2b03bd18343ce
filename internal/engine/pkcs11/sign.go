package pkcs11

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// handle is an opened key, of any type.
type handle struct {
	engine *Engine
	spec   alg.Spec
	at     hsm.Address
	usages []string
}

// allows refuses a use that is not the key's. The token does so too.
func (h *handle) allows(u alg.Usage) error {
	if slices.Contains(h.usages, u.String()) {
		return nil
	}
	return fault.Because(fault.InvalidArgument, fault.WrongUsage, "the key is not for %q", u)
}

// Format shows which key it is, whatever the verb.
func (h *handle) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, h.at.String()) }

// privateKey is an opened key with a public half.
type privateKey struct {
	handle
	public *engine.PublicKey
}

// Public returns the public half.
func (k *privateKey) Public() crypto.PublicKey { return k.public.Key() }

// Sign signs a digest, or a message where the algorithm has no hash.
func (k *privateKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	a, err := engine.SigningAlgorithm(k.spec, digest, opts)
	if err != nil {
		return nil, err
	}
	if err := k.allows(alg.SignVerify); err != nil {
		return nil, err
	}
	ctx, cancel := k.engine.context()
	defer cancel()
	signature, err := k.sign(ctx, a, digest)
	if err != nil {
		return nil, k.engine.failure("engine/pkcs11.Sign", err)
	}
	return signature, nil
}

func (k *privateKey) sign(ctx context.Context, a alg.Algorithm, digest []byte) ([]byte, error) {
	switch a.Info().Scheme {
	case alg.PKCS1:
		return k.checked(a, digest)(k.token(ctx, pkcs11.Mechanism{Type: pkcs11.MechRSAPKCS}, engine.DigestInfo(a.Info().Hash, digest)))
	case alg.PSS:
		return k.checked(a, digest)(k.signPSS(ctx, a.Info().Hash, digest))
	case alg.ECDSA:
		if size := (k.spec.Info().Bits + 7) / 8; len(digest) > size { // FIPS 186-5 section 6.4.1, step 2; not every token does it
			digest = digest[:size]
		}
		raw, err := k.token(ctx, pkcs11.Mechanism{Type: pkcs11.MechECDSA}, digest)
		if err != nil {
			return nil, err
		}
		signature, err := engine.EncodeECDSA(k.spec, raw)
		if err != nil {
			return nil, internal("engine/pkcs11.Sign", err)
		}
		return signature, nil
	case alg.PureEdDSA:
		return k.token(ctx, pkcs11.Mechanism{Type: pkcs11.MechEdDSA}, digest)
	case alg.PrehashEdDSA:
		return k.signPrehash(ctx, a, digest)
	case alg.GCM, alg.OAEP, alg.PureMLDSA, alg.MAC, alg.Agreement, alg.RSAPrimitive, alg.CipherMode:
	}
	return nil, fault.New(fault.Unsupported, "the HSM does not sign by %s", a)
}

func (k *privateKey) token(ctx context.Context, m pkcs11.Mechanism, data []byte) ([]byte, error) {
	return k.engine.place.Sign(ctx, k.at, m, data)
}

// checked returns what verifies a signature of RSA before it leaves: a faulty
// one can give the key away (Boneh, DeMillo and Lipton 1997), and verifying
// takes a fortieth of the time of signing.
func (k *privateKey) checked(a alg.Algorithm, digest []byte) func([]byte, error) ([]byte, error) {
	return func(signature []byte, err error) ([]byte, error) {
		if err != nil {
			return nil, err
		}
		if size := k.spec.Info().Bits / 8; len(signature) < size { // a leading zero that the token left out
			signature = append(make([]byte, size-len(signature)), signature...)
		}
		if err := k.public.Verify(a, engine.Message{Form: alg.Digest, Bytes: digest}, signature); err != nil {
			return nil, internal("engine/pkcs11.Sign", fmt.Errorf("the token's signature by %s does not verify", a))
		}
		return signature, nil
	}
}

// signPrehash signs by Ed25519ph. A token that does not know the parameter may
// take no notice of it, and then signs something else.
func (k *privateKey) signPrehash(ctx context.Context, a alg.Algorithm, digest []byte) ([]byte, error) {
	signature, err := k.token(ctx, pkcs11.Mechanism{Type: pkcs11.MechEdDSA, EdDSA: &pkcs11.EdDSA{Prehash: true}}, digest)
	if err == nil {
		err = k.public.Verify(a, engine.Message{Form: alg.Digest, Bytes: digest}, signature)
	}
	switch {
	case err == nil:
		return signature, nil
	case lacking(err), fault.KindOf(err) == fault.BadSignature:
		return nil, fault.New(fault.Unsupported, "the HSM does not sign by %s", a)
	}
	return nil, err
}

// mac computes HMAC in the token.
type mac struct {
	handle
	mechanism pkcs11.Mechanism
	size      int
}

var _ engine.MAC = (*mac)(nil)

// Sum appends the code of message to dst.
func (m *mac) Sum(dst, message []byte) ([]byte, error) {
	if err := m.allows(alg.GenerateVerifyMAC); err != nil {
		return nil, err
	}
	ctx, cancel := m.engine.context()
	defer cancel()
	code, err := m.engine.place.Sign(ctx, m.at, m.mechanism, message)
	if err != nil {
		return nil, m.engine.failure("engine/pkcs11.Sum", err)
	}
	if len(code) != m.size {
		return nil, internal("engine/pkcs11.Sum", fmt.Errorf("the token's code has %d bytes, not %d", len(code), m.size))
	}
	return append(dst, code...), nil
}
