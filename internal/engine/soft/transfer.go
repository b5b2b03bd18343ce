package soft

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"fmt"

	"filippo.io/mldsa"
	mldsax509 "filippo.io/mldsa/x509"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

var (
	_ engine.Importer = (*Engine)(nil)
	_ engine.Exporter = (*Engine)(nil)
)

// Imports reports whether the table has the spec: this engine takes them all.
func (*Engine) Imports(spec alg.Spec) bool { return spec.Info().Family != 0 }

// Exports reports the same: what this engine makes, it can give away.
func (e *Engine) Exports(spec alg.Spec) bool { return e.Imports(spec) }

// Import checks plain material, has the key sign for itself, and returns it
// wrapped for ref.
func (e *Engine) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	spec := kind.Spec
	const op = "engine/soft.Import"
	if err := ctx.Err(); err != nil {
		return engine.Material{}, unavailable(op, err)
	}
	if !e.Imports(spec) {
		return engine.Material{}, fault.New(fault.Unsupported, "the soft engine takes no keys of type %q", spec)
	}
	if len(plain) > engine.MaxPlain {
		return engine.Material{}, fault.New(fault.InvalidArgument, "the key material has more than %d bytes", engine.MaxPlain)
	}
	s, err := take(spec, plain)
	if err != nil {
		return engine.Material{}, refused(op, spec, err)
	}
	if err := e.rehearse(spec, s); err != nil {
		clear(s.encoded)
		return engine.Material{}, refused(op, spec, err)
	}
	return e.wrap(ref, spec, s)
}

// refused says that material is not a key of the spec. A fault of its own
// stays as it is.
func refused(op string, spec alg.Spec, err error) error {
	if f, ok := err.(*fault.Error); ok { //nolint:errorlint // only the fault itself has a sentence for the caller
		return f
	}
	return &fault.Error{
		Kind: fault.InvalidArgument, Op: op, Public: "the key material is not a sound key of type " + spec.String(), Err: err,
	}
}

// take reads plain material as a secret in the form that is wrapped.
func take(spec alg.Spec, plain []byte) (*secret, error) {
	if spec.Symmetric() {
		return takeRaw(spec, plain)
	}
	info, err := readPrivateKeyInfo(plain)
	if err != nil {
		return nil, err
	}
	s, err := takePrivate(spec, plain, info)
	if err != nil {
		return nil, err
	}
	if err := info.agrees(s.public); err != nil {
		clear(s.encoded)
		return nil, err
	}
	return s, nil
}

// takeRaw reads a symmetric secret. AES and HMAC have no weak keys in the
// mathematical sense; one byte repeated is a buffer that nobody filled.
func takeRaw(spec alg.Spec, plain []byte) (*secret, error) {
	if want := spec.Info().Bits / 8; len(plain) != want {
		return nil, fault.New(fault.InvalidArgument, "a key of type %s has %d bytes, not %d", spec, want, len(plain))
	}
	if bytes.Count(plain, plain[:1]) == len(plain) {
		return nil, fault.Because(fault.InvalidArgument, fault.WeakKey, "the key material is one byte repeated")
	}
	return &secret{encoded: bytes.Clone(plain)}, nil
}

// takePrivate reads an asymmetric key of the spec.
func takePrivate(spec alg.Spec, plain []byte, info *privateKeyInfo) (*secret, error) {
	if spec == alg.Secp256k1 {
		d, err := info.secp256k1()
		if err != nil {
			return nil, err
		}
		k := secp256k1.PrivKeyFromBytes(d) // in range: secp256k1 has seen to that
		defer k.Zero()
		return &secret{encoded: d, public: k.PubKey()}, nil
	}
	private, err := mldsax509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	signer, ok := private.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%T does not sign", private)
	}
	if got := engine.SpecOf(signer.Public()); got != spec {
		return nil, fault.New(fault.InvalidArgument, "the key material is not a key of type %s", spec)
	}
	switch k := private.(type) {
	case *rsa.PrivateKey:
		if err := checkRSA(k); err != nil {
			return nil, err
		}
		return pkcs8(k, k.Public())
	case *mldsa.PrivateKey:
		return &secret{encoded: k.Bytes(), public: k.PublicKey()}, nil
	case *ecdsa.PrivateKey, ed25519.PrivateKey:
		return pkcs8(k, signer.Public())
	}
	return nil, fmt.Errorf("%T is no key of the table", private)
}

// rehearse opens a secret and, where it signs, has it sign and its public half
// verify: a pairwise consistency test (FIPS 140-3 IG 10.3.A).
func (e *Engine) rehearse(spec alg.Spec, s *secret) error {
	k, err := e.open(spec, s.encoded)
	if err != nil || k.Signer == nil {
		return err
	}
	spki, err := engine.MarshalPublic(spec, s.public)
	if err != nil {
		return err
	}
	public, err := engine.ParsePublic(spec, spki)
	if err != nil {
		return err
	}
	a := spec.For(alg.SignVerify)[0]
	m := engine.Message{Form: alg.Raw, Bytes: []byte("holdfast pairwise consistency")}
	signature, err := engine.Sign(k.Signer, a, m)
	if err != nil {
		return err
	}
	if err := public.Verify(a, m, signature); err != nil {
		return fmt.Errorf("the halves are not of one key: %w", err)
	}
	return nil
}

// Export returns the plain form of material that was wrapped for ref.
func (e *Engine) Export(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) ([]byte, error) {
	const op = "engine/soft.Export"
	if err := ctx.Err(); err != nil {
		return nil, unavailable(op, err)
	}
	if !e.Exports(spec) {
		return nil, fault.New(fault.Unsupported, "the soft engine has no keys of type %q", spec)
	}
	encoded, err := e.unwrap(ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	plain, err := plainOf(spec, encoded)
	if err != nil {
		return nil, internal(op, fmt.Errorf("writing material of %s: %w", ref, err))
	}
	return plain, nil
}

// plainOf returns the plain form of an encoded secret, which it takes over.
func plainOf(spec alg.Spec, encoded []byte) ([]byte, error) {
	switch spec { //nolint:exhaustive // the encodings of all other specs are the plain form
	case alg.Secp256k1:
		defer clear(encoded)
		return writeSecp256k1(encoded)
	case alg.MLDSA44, alg.MLDSA65, alg.MLDSA87:
		defer clear(encoded)
		params, _ := engine.MLDSAParameters(spec)
		k, err := mldsa.NewPrivateKey(params, encoded)
		if err != nil {
			return nil, err
		}
		return mldsax509.MarshalPKCS8PrivateKey(k)
	}
	return encoded, nil
}
