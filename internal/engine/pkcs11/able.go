package pkcs11

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"slices"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// able is what a token can do: what it lists, and what the list does not tell
// and it was tried for, with objects that live no longer than the session.
type able struct {
	caps *hsm.Capabilities // nil in everything
	// oaep are the hashes with which RSAES-OAEP works in the token itself.
	oaep map[crypto.Hash]bool
	// curves are those that the mechanisms' list does not tell apart.
	curves map[alg.Spec]bool
	// gcm says that AES-GCM takes the nonce that it is given.
	gcm bool
	// agrees says that the token agrees by ECDH and shows the secret.
	agrees bool
	// otherPad says that CKM_AES_KEY_WRAP_PAD is not RFC 5649: the number is
	// older than that meaning of it.
	otherPad bool
	// pads says that zeros are appended to what is wrapped, to a multiple of 8
	// bytes, before that is done which RFC 5649 says.
	pads bool
	// edNamed says that the token knows Ed25519 by its name only.
	edNamed bool
	// edStays says that an Ed25519 key cannot be wrapped, extractable or not.
	edStays bool
}

// everything is what the package can do with a token that has it all.
func everything() *able {
	return &able{
		oaep: map[crypto.Hash]bool{crypto.SHA1: true, crypto.SHA256: true}, gcm: true, agrees: true,
		curves: map[alg.Spec]bool{alg.Secp256k1: true, alg.Ed25519: true},
	}
}

// lately returns what the token was last found to be able to do, for
// operations that need not know the latest.
func (e *Engine) lately(ctx context.Context) (*able, error) {
	if a := e.known.Load(); a != nil {
		return a, nil
	}
	return e.able(ctx)
}

// able returns what the token can do. It is asked once, and again when its
// list of mechanisms is another one.
func (e *Engine) able(ctx context.Context) (*able, error) {
	caps, err := e.place.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	if a := e.known.Load(); a != nil && same(a.caps, caps) {
		return a, nil
	}
	e.probing.Lock()
	defer e.probing.Unlock()
	if a := e.known.Load(); a != nil && same(a.caps, caps) {
		return a, nil
	}
	a := &able{caps: caps, oaep: map[crypto.Hash]bool{}, curves: map[alg.Spec]bool{}}
	if err := e.place.Do(ctx, a.probe); err != nil {
		return nil, err
	}
	e.known.Store(a)
	a.declare(ctx, e)
	return a, nil
}

func same(a, b *hsm.Capabilities) bool { return a == b || slices.Equal(a.Mechanisms, b.Mechanisms) }

// probe tries what the list of mechanisms does not tell. Only that the token
// is out of reach is an error.
func (a *able) probe(ctx context.Context, s *pkcs11.Session) error {
	for _, try := range []func(context.Context, *pkcs11.Session) error{a.probeOAEP, a.probeCurves, a.probeAgreement, a.probeGCM, a.probePad} {
		if err := try(ctx, s); err != nil && !refusal(err) {
			return err
		}
	}
	return nil
}

// probeOAEP encrypts with a public key that is none: a modulus is not looked
// at before it is used. A token that does not take it is believed.
func (a *able) probeOAEP(ctx context.Context, s *pkcs11.Session) error {
	hashes := []crypto.Hash{crypto.SHA1, crypto.SHA256}
	for _, h := range hashes {
		a.oaep[h] = a.has(pkcs11.MechRSAPKCSOAEP, 0)
	}
	if !a.has(pkcs11.MechRSAPKCSOAEP, pkcs11.CanEncrypt) {
		return nil
	}
	modulus := make([]byte, 256)
	_, _ = rand.Read(modulus) // never fails
	modulus[0] |= 0x80
	modulus[255] |= 1
	object, err := a.session(ctx, s, pkcs11.ClassPublicKey, pkcs11.KeyRSA,
		pkcs11.Bytes(pkcs11.AttrModulus, modulus), pkcs11.Bytes(pkcs11.AttrPublicExponent, []byte{1, 0, 1}),
		pkcs11.Bool(pkcs11.AttrEncrypt, true))
	if err != nil {
		return err
	}
	defer discard(ctx, s, object)
	for _, h := range hashes {
		_, err := s.Encrypt(ctx, oaepMechanism(h), object, []byte("probe"))
		a.oaep[h] = err == nil
		if err != nil && !refusal(err) {
			return err
		}
	}
	return nil
}

// probeCurves makes pairs on the curves that not every token has.
func (a *able) probeCurves(ctx context.Context, s *pkcs11.Session) error {
	for _, spec := range []alg.Spec{alg.Secp256k1, alg.Ed25519} {
		if !a.has(pairMechanism(spec), pkcs11.CanGenerateKeyPair) {
			continue
		}
		err := a.probeCurve(ctx, s, spec)
		if spec == alg.Ed25519 && !a.curves[spec] && refusal(err) {
			a.edNamed = true
			err = a.probeCurve(ctx, s, spec)
		}
		if err != nil && !refusal(err) {
			return err
		}
	}
	return nil
}

func (a *able) probeCurve(ctx context.Context, s *pkcs11.Session, spec alg.Spec) error {
	public, private, err := s.GenerateKeyPair(ctx, pkcs11.Mechanism{Type: pairMechanism(spec)},
		a.keep([]pkcs11.Attribute{
			pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bytes(pkcs11.AttrECParams, a.curveOf(spec)), pkcs11.Bool(pkcs11.AttrVerify, true),
		}), a.keep([]pkcs11.Attribute{
			pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrPrivate, true), pkcs11.Bool(pkcs11.AttrSensitive, true),
			pkcs11.Bool(pkcs11.AttrExtractable, true), pkcs11.Bool(pkcs11.AttrSign, true),
		}))
	a.curves[spec] = err == nil
	if err != nil {
		return err
	}
	defer discard(ctx, s, public)
	defer discard(ctx, s, private)
	if spec != alg.Ed25519 || a.kwp(pkcs11.CanWrap) == 0 {
		return nil
	}
	under, err := a.wrappingKey(ctx, s)
	if err != nil {
		return err
	}
	defer discard(ctx, s, under)
	_, err = s.Wrap(ctx, pkcs11.Mechanism{Type: a.kwp(pkcs11.CanWrap)}, under, private)
	a.edStays = err != nil
	return err
}

// wrappingKey makes an AES key of the session, which wraps and can be wrapped.
func (a *able) wrappingKey(ctx context.Context, s *pkcs11.Session) (pkcs11.Object, error) {
	return s.GenerateKey(ctx, pkcs11.Mechanism{Type: pkcs11.MechAESKeyGen}, a.keep(append([]pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyAES),
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Bool(pkcs11.AttrExtractable, true),
		pkcs11.Number(pkcs11.AttrValueLen, uint64(32)),
	}, uses(pkcs11.AttrWrap)...)))
}

// probeGCM encrypts and decrypts. Tokens that choose nonces themselves, as
// SP 800-38D section 8.2 wants of approved modules, decrypt nothing with the
// one that they were given.
func (a *able) probeGCM(ctx context.Context, s *pkcs11.Session) error {
	if !a.has(pkcs11.MechAESGCM, pkcs11.CanEncrypt|pkcs11.CanDecrypt) || !a.has(pkcs11.MechAESKeyGen, pkcs11.CanGenerate) {
		return nil
	}
	object, err := s.GenerateKey(ctx, pkcs11.Mechanism{Type: pkcs11.MechAESKeyGen}, a.keep([]pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyAES),
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Number(pkcs11.AttrValueLen, uint64(32)),
		pkcs11.Bool(pkcs11.AttrEncrypt, true), pkcs11.Bool(pkcs11.AttrDecrypt, true),
	}))
	if err != nil {
		return err
	}
	defer discard(ctx, s, object)
	nonce := make([]byte, gcmNonce)
	_, _ = rand.Read(nonce) // never fails
	plaintext := []byte("probe")
	ciphertext, err := s.Encrypt(ctx, gcmMechanism(nonce, plaintext), object, plaintext)
	if err != nil {
		return err
	}
	again, err := s.Decrypt(ctx, gcmMechanism(nonce, plaintext), object, ciphertext)
	a.gcm = err == nil && bytes.Equal(again, plaintext) && len(ciphertext) == len(plaintext)+gcmTag
	return err
}

// probePad compares what the token makes of AES-KWP with RFC 5649.
func (a *able) probePad(ctx context.Context, s *pkcs11.Session) error {
	key, secret := make([]byte, 32), bytes.Repeat([]byte{1, 2, 3, 4}, 5) // 20 bytes: no multiple of 8
	_, _ = rand.Read(key)                                                // never fails
	defer clear(key)
	wrapped, err := transfer.WrapKWP(key, secret)
	if err != nil {
		return err
	}
	if mech := a.kwp(pkcs11.CanUnwrap); mech != 0 {
		by, err := a.temporary(ctx, s, key, pkcs11.AttrUnwrap)
		if err != nil {
			return err // a token that takes no keys in the clear is believed
		}
		defer discard(ctx, s, by)
		o, err := s.Unwrap(ctx, pkcs11.Mechanism{Type: mech}, by, wrapped, a.scratch(false))
		a.otherPad = err != nil
		if err != nil {
			return err
		}
		discard(ctx, s, o)
	}
	if mech := a.kwp(pkcs11.CanWrap); mech != 0 {
		under, err := a.temporary(ctx, s, key, pkcs11.AttrWrap)
		if err != nil {
			return err
		}
		defer discard(ctx, s, under)
		o, err := s.CreateObject(ctx, append(a.scratch(true), pkcs11.Bytes(pkcs11.AttrValue, secret)))
		if err != nil {
			return err
		}
		defer discard(ctx, s, o)
		made, err := s.Wrap(ctx, pkcs11.Mechanism{Type: mech}, under, o)
		a.pads = err == nil && !bytes.Equal(made, wrapped)
		return err
	}
	return nil
}

// temporary makes an AES key of the session, of a value.
func (a *able) temporary(ctx context.Context, s *pkcs11.Session, key []byte, use pkcs11.AttributeType) (pkcs11.Object, error) {
	return a.session(ctx, s, pkcs11.ClassSecretKey, pkcs11.KeyAES, append(uses(use),
		pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Bool(pkcs11.AttrExtractable, false), pkcs11.Bytes(pkcs11.AttrValue, key))...)
}

// scratch is the template of a secret of the session that does nothing.
func (a *able) scratch(extractable bool) []pkcs11.Attribute {
	return a.keep(append([]pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyGenericSecret),
		pkcs11.Bool(pkcs11.AttrToken, false), pkcs11.Bool(pkcs11.AttrSensitive, true), pkcs11.Bool(pkcs11.AttrExtractable, extractable),
	}, uses()...))
}

// declare notes what is done in Go, or in more steps, for this token.
func (a *able) declare(ctx context.Context, e *Engine) {
	if !a.has(pkcs11.MechRSAPKCS, pkcs11.CanSign) {
		return // no RSA at all
	}
	for h, word := range map[crypto.Hash]string{crypto.SHA1: "SHA-1", crypto.SHA256: "SHA-256"} {
		if a.oaep[h] {
			continue
		}
		if a.rawDecrypts() {
			e.gap(ctx, Gap{
				"RSAES-OAEP with " + word,
				"the token does the RSA and the padding is undone here; of a key that comes in by two steps, the AES key is in this process for a moment, the key itself never",
			})
		}
	}
	if !a.has(pkcs11.MechRSAPKCSPSS, pkcs11.CanSign) && a.rawSigns() {
		e.gap(ctx, gapPSS())
	}
	if a.pads {
		e.gap(ctx, Gap{"AES-KWP of a length that is no multiple of 8", "the token appends zeros to a key that leaves it, which the receiver has to cut off"})
	}
	if !a.has(pkcs11.MechRSAAESKeyWrap, pkcs11.CanUnwrap) && a.kwp(pkcs11.CanUnwrap) != 0 {
		e.gap(ctx, Gap{"CKM_RSA_AES_KEY_WRAP", "the token does its two steps one after the other"})
	}
}

func gapPSS() Gap {
	return Gap{"RSASSA-PSS", "the token does the RSA and the padding is made here"}
}

func (a *able) has(m pkcs11.MechanismType, flags pkcs11.MechanismFlags) bool {
	return a.caps == nil || a.caps.Has(m, flags)
}

func (a *able) fits(m pkcs11.MechanismType, flags pkcs11.MechanismFlags, size int) bool {
	return a.caps == nil || a.caps.Fits(m, flags, uint64(size)) //nolint:gosec // sizes of the table
}

func (a *able) rawDecrypts() bool { return a.has(pkcs11.MechRSAX509, pkcs11.CanDecrypt) }

func (a *able) rawSigns() bool { return a.has(pkcs11.MechRSAX509, pkcs11.CanSign) }

// kwp returns the mechanism by which the token wraps, or unwraps, as RFC 5649
// says; 0 when it has none.
func (a *able) kwp(flag pkcs11.MechanismFlags) pkcs11.MechanismType {
	switch {
	case a.has(pkcs11.MechAESKeyWrapKWP, flag):
		return pkcs11.MechAESKeyWrapKWP
	case a.has(pkcs11.MechAESKeyWrapPad, flag) && !a.otherPad:
		return pkcs11.MechAESKeyWrapPad
	}
	return 0
}

// makes reports whether the token makes keys of the spec for the usage.
func (a *able) makes(spec alg.Spec, usage alg.Usage) bool {
	if !a.uses(spec, usage) {
		return false
	}
	switch info := spec.Info(); info.Family {
	case alg.AES, alg.HMAC:
		return a.has(secretMechanism(spec), pkcs11.CanGenerate) // some say a size in bits, others in bytes
	case alg.RSA, alg.EC:
		return a.fits(pairMechanism(spec), pkcs11.CanGenerateKeyPair, info.Bits)
	case alg.K256, alg.EdDSA:
		return a.has(pairMechanism(spec), pkcs11.CanGenerateKeyPair)
	case alg.MLDSA:
	}
	return false
}

// uses reports whether a key of the spec that is in the token has all that the
// usage needs.
func (a *able) uses(spec alg.Spec, usage alg.Usage) bool {
	if !spec.Allows(usage) {
		return false
	}
	switch info := spec.Info(); info.Family {
	case alg.AES:
		if usage == alg.RawEncryptDecrypt {
			return a.has(pkcs11.MechAESCBC, pkcs11.CanEncrypt|pkcs11.CanDecrypt)
		}
		return a.gcm
	case alg.HMAC:
		return a.has(macMechanism(spec), pkcs11.CanSign)
	case alg.EC:
		if usage == alg.KeyAgreement {
			return a.agrees
		}
		return a.has(pkcs11.MechECDSA, pkcs11.CanSign)
	case alg.K256:
		return a.has(pkcs11.MechECDSA, pkcs11.CanSign) && a.curves[spec]
	case alg.EdDSA:
		return a.has(pkcs11.MechEdDSA, pkcs11.CanSign) && a.curves[spec]
	case alg.RSA:
		return a.usesRSA(usage)
	case alg.MLDSA:
	}
	return false
}

func (a *able) usesRSA(usage alg.Usage) bool {
	switch usage {
	case alg.SignVerify:
		return a.has(pkcs11.MechRSAPKCS, pkcs11.CanSign)
	case alg.EncryptDecrypt:
		return a.oaep[crypto.SHA256] || a.rawDecrypts()
	case alg.KeyTransfer:
		return a.has(pkcs11.MechRSAAESKeyWrap, pkcs11.CanUnwrap) ||
			a.kwp(pkcs11.CanUnwrap) != 0 && (a.oaep[crypto.SHA1] && a.has(pkcs11.MechRSAPKCSOAEP, pkcs11.CanUnwrap) || a.rawDecrypts())
	case alg.NoUsage, alg.GenerateVerifyMAC, alg.KeyAgreement, alg.RawEncryptDecrypt:
	}
	return false
}
