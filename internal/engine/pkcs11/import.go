package pkcs11

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/subtle"
	"fmt"
	"slices"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/transfer"
	"github.com/holdfast-kms/holdfast/internal/weakkey"
)

// Import checks plain material and brings it into the token: encrypted under a
// key that lives for the moment, so that the module's process and what lies
// between see no more of it than they must, or as an object's values where the
// token takes it in no other way.
func (e *Engine) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	const op = "engine/pkcs11.Import"
	if err := ctx.Err(); err != nil {
		return engine.Material{}, unavailable(op, err)
	}
	a, err := e.able(ctx)
	if err != nil {
		return engine.Material{}, e.failure(op, err)
	}
	if !a.uses(kind.Spec, kind.Usage) {
		return engine.Material{}, unsupported(kind.Spec, kind.Usage)
	}
	p, err := engine.ParsePlain(kind.Spec, plain)
	if err != nil {
		return engine.Material{}, err
	}
	defer p.Wipe()
	in := &incoming{able: a, reference: a.newReference(ref, kind), kind: kind}
	if p.Public != nil {
		if in.known, err = engine.MarshalPublic(kind.Spec, p.Public); err != nil {
			return engine.Material{}, err
		}
	}
	err = e.place.Do(ctx, func(ctx context.Context, s *pkcs11.Session) error {
		o, err := in.create(ctx, s, p)
		if err != nil {
			return err
		}
		return in.finish(ctx, s, o)
	})
	return e.taken(ctx, op, ref, in, err)
}

// taken returns the material of a key that has come in, after it was tried.
func (e *Engine) taken(ctx context.Context, op string, ref engine.Ref, in *incoming, err error) (engine.Material, error) {
	r, spec := in.reference, in.kind.Spec
	var m engine.Material
	if err == nil {
		err = e.rehearse(ref, in)
	}
	if err == nil {
		m, err = e.seal(ref, spec, r)
	}
	if err != nil {
		e.abandon(ctx, r)
		return engine.Material{}, e.failure(op, err)
	}
	return m, nil
}

// rehearse has a key that was just taken do what it is for.
func (e *Engine) rehearse(ref engine.Ref, in *incoming) error {
	if in.kind.Spec.Symmetric() || in.kind.Usage == alg.KeyTransfer {
		return nil
	}
	k, err := e.open(ref, in.kind.Spec, in.reference)
	if err != nil {
		return err
	}
	public, err := engine.ParsePublic(in.kind.Spec, in.Public)
	if err != nil {
		return err
	}
	switch in.kind.Usage {
	case alg.SignVerify:
		err = engine.Rehearse(k.Signer, public)
	case alg.KeyAgreement:
		err = engine.RehearseAgreement(k.Agreement, public)
	default:
		a := in.kind.Spec.For(alg.EncryptDecrypt)[0]
		var ciphertext []byte
		if ciphertext, err = public.Encrypt(a, []byte("holdfast")); err == nil {
			_, err = engine.Decrypt(k.Decrypter, a, ciphertext)
		}
	}
	return err
}

// incoming is a key on its way into the token.
type incoming struct {
	*able
	*reference
	kind  engine.Kind
	known []byte // the SubjectPublicKeyInfo, when it is known beforehand
}

// create brings a plain key into the token.
func (in *incoming) create(ctx context.Context, s *pkcs11.Session, p *engine.Plain) (pkcs11.Object, error) {
	plain := p.Secret
	if p.Private != nil {
		var err error
		if plain, err = engine.MarshalPlain(p.Private); err != nil {
			return 0, err
		}
		defer clear(plain)
	}
	o, err := in.createWrapped(ctx, s, plain)
	if !refusal(err) {
		return o, err
	}
	values := valuesOf(p, in.curveOf(in.kind.Spec))
	defer func() {
		for _, v := range values {
			if v.Type != pkcs11.AttrECParams {
				clear(v.Value)
			}
		}
	}()
	return s.CreateObject(ctx, append(in.secretTemplate(in.reference, in.kind), values...))
}

// createWrapped has the token unwrap a key that was wrapped here, under an AES
// key that is given to it for the moment, or, where it takes no such key, under
// an RSA key that it makes for the moment.
func (in *incoming) createWrapped(ctx context.Context, s *pkcs11.Session, plain []byte) (pkcs11.Object, error) {
	mech := in.kwp(pkcs11.CanUnwrap)
	if mech == 0 {
		return in.createUnderRSA(ctx, s, plain)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	defer clear(key)
	by, err := in.temporary(ctx, s, key, pkcs11.AttrUnwrap)
	if refusal(err) {
		return in.createUnderRSA(ctx, s, plain)
	}
	if err != nil {
		return 0, err
	}
	defer discard(ctx, s, by)
	wrapped, err := transfer.WrapKWP(key, plain)
	if err != nil {
		return 0, err
	}
	return s.Unwrap(ctx, pkcs11.Mechanism{Type: mech}, by, wrapped, in.secretTemplate(in.reference, in.kind))
}

func (in *incoming) createUnderRSA(ctx context.Context, s *pkcs11.Session, plain []byte) (pkcs11.Object, error) {
	how := alg.WrapAESKeyWrapSHA256
	if !in.takesHash(how) {
		how = alg.WrapAESKeyWrapSHA1
	}
	if !in.usesRSA(alg.KeyTransfer) || !in.takesHash(how) || !in.has(pkcs11.MechRSAPKCSKeyPairGen, pkcs11.CanGenerateKeyPair) {
		return 0, pkcs11.RVMechanismInvalid
	}
	public, private, err := s.GenerateKeyPair(ctx, pkcs11.Mechanism{Type: pkcs11.MechRSAPKCSKeyPairGen}, in.keep([]pkcs11.Attribute{
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Number(pkcs11.AttrModulusBits, uint64(2048)),
		pkcs11.Bytes(pkcs11.AttrPublicExponent, []byte{1, 0, 1}), pkcs11.Bool(pkcs11.AttrWrap, true),
	}), in.keep([]pkcs11.Attribute{
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrPrivate, true), pkcs11.Bool(pkcs11.AttrSensitive, true),
		pkcs11.Bool(pkcs11.AttrExtractable, false), pkcs11.Bool(pkcs11.AttrUnwrap, true), pkcs11.Bool(pkcs11.AttrDecrypt, in.undoes()),
	}))
	if err != nil {
		return 0, err
	}
	defer discard(ctx, s, public)
	defer discard(ctx, s, private)
	spki, err := publicOf(ctx, s, public, alg.RSA2048)
	if err != nil {
		return 0, err
	}
	under, err := engine.ParsePublic(alg.RSA2048, spki)
	if err != nil {
		return 0, err
	}
	k, ok := under.Key().(*rsa.PublicKey)
	if !ok {
		return 0, fmt.Errorf("%T is no RSA key", under.Key())
	}
	wrapped, err := transfer.Wrap(nil, k, how, plain)
	if err != nil {
		return 0, err
	}
	return in.unwrapTwice(ctx, s, &kek{private, k.Size(), how}, wrapped, in.secretTemplate(in.reference, in.kind))
}

// valuesOf returns what an object is made of.
func valuesOf(p *engine.Plain, curve []byte) []pkcs11.Attribute {
	switch k := p.Private.(type) {
	case *rsa.PrivateKey:
		k.Precompute()
		size := k.Size()
		number := func(t pkcs11.AttributeType, n interface{ FillBytes([]byte) []byte }, size int) pkcs11.Attribute {
			return pkcs11.Bytes(t, n.FillBytes(make([]byte, size)))
		}
		return []pkcs11.Attribute{
			number(pkcs11.AttrModulus, k.N, size), pkcs11.Bytes(pkcs11.AttrPublicExponent, exponent(k.E)),
			number(pkcs11.AttrPrivateExponent, k.D, size),
			number(pkcs11.AttrPrime1, k.Primes[0], size/2), number(pkcs11.AttrPrime2, k.Primes[1], size/2),
			number(pkcs11.AttrExponent1, k.Precomputed.Dp, size/2), number(pkcs11.AttrExponent2, k.Precomputed.Dq, size/2),
			number(pkcs11.AttrCoefficient, k.Precomputed.Qinv, size/2),
		}
	case *ecdsa.PrivateKey:
		d, err := k.Bytes()
		if err != nil {
			return nil // the curves of the table have one
		}
		return []pkcs11.Attribute{pkcs11.Bytes(pkcs11.AttrECParams, curve), pkcs11.Bytes(pkcs11.AttrValue, d)}
	case *secp256k1.PrivateKey:
		return []pkcs11.Attribute{pkcs11.Bytes(pkcs11.AttrECParams, curve), pkcs11.Bytes(pkcs11.AttrValue, k.Serialize())}
	case ed25519.PrivateKey:
		return []pkcs11.Attribute{pkcs11.Bytes(pkcs11.AttrECParams, curve), pkcs11.Bytes(pkcs11.AttrValue, k.Seed())}
	}
	return []pkcs11.Attribute{pkcs11.Bytes(pkcs11.AttrValue, slices.Clone(p.Secret))}
}

// exponent returns a public exponent without leading zeros.
func exponent(e int) []byte {
	var b []byte
	for ; e > 0; e >>= 8 {
		b = append([]byte{byte(e)}, b...)
	}
	return b
}

// finish checks a key that has just come into the token and lays its public
// half beside it. What does not hold up is destroyed.
func (in *incoming) finish(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
	defer func() {
		if err != nil {
			discard(ctx, s, o)
		}
	}()
	if in.kind.Spec.Symmetric() {
		return in.checkSecret(ctx, s, o)
	}
	if in.Public, err = in.publicHalf(ctx, s, o); err != nil {
		return err
	}
	public, err := engine.ParsePublic(in.kind.Spec, in.Public)
	if err != nil {
		return err
	}
	if err := weakkey.Check(public, nil); err != nil {
		return err
	}
	// Only other programs need the object: that a token takes no public keys
	// does no harm here.
	if _, err := s.CreateObject(ctx, in.publicTemplate(in.reference, in.kind, in.publicValues(public)...)); err != nil && !refusal(err) {
		return err
	}
	return nil
}

// publicValues returns what an object of a public key is made of.
func (a *able) publicValues(p *engine.PublicKey) []pkcs11.Attribute {
	if k, ok := p.Key().(*rsa.PublicKey); ok {
		return []pkcs11.Attribute{
			pkcs11.Bytes(pkcs11.AttrModulus, k.N.Bytes()), pkcs11.Bytes(pkcs11.AttrPublicExponent, exponent(k.E)),
		}
	}
	return []pkcs11.Attribute{
		pkcs11.Bytes(pkcs11.AttrECParams, a.curveOf(p.Spec())), pkcs11.Bytes(pkcs11.AttrECPoint, octets(pointOf(p))),
	}
}

// checkSecret refuses a secret key that is one byte repeated: there are 256 of
// these, and each gives itself away by what it makes of a message.
func (in *incoming) checkSecret(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
	want := in.kind.Spec.Info().Bits / 8
	message := []byte("holdfast")
	nonce := make([]byte, gcmNonce)
	_, _ = rand.Read(nonce) // never fails
	var made []byte
	if in.kind.Spec.Info().Family == alg.AES {
		made, err = s.Encrypt(ctx, gcmMechanism(nonce, nil), o, message)
	} else {
		made, err = s.Sign(ctx, pkcs11.Mechanism{Type: macMechanism(in.kind.Spec)}, o, message)
	}
	if err != nil {
		return err
	}
	for b := range 256 {
		if subtle.ConstantTimeCompare(made, in.produce(slices.Repeat([]byte{byte(b)}, want), nonce, message)) == 1 {
			return engine.OneByte()
		}
	}
	return nil
}

// produce returns what a secret key of a value makes of a message.
func (in *incoming) produce(secret, nonce, message []byte) []byte {
	if in.kind.Spec.Info().Family == alg.AES {
		block, err := aes.NewCipher(secret)
		if err != nil {
			return nil // 32 bytes are a key
		}
		c, err := cipher.NewGCM(block)
		if err != nil {
			return nil
		}
		return c.Seal(nil, nonce, message, nil)
	}
	h := hmac.New(in.kind.Spec.For(alg.GenerateVerifyMAC)[0].Info().Hash.New, secret)
	h.Write(message)
	return h.Sum(nil)
}
