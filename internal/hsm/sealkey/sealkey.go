// Package sealkey is a key in a token under which the server's root key is
// wrapped.
//
// Start with New. The package is internal and may change with any release.
package sealkey

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Key is an AES-256 key in a token under which a secret is wrapped: the
// root key of the server. It never leaves the token.
//
// What Wrap returns is, in bytes:
//
//	0      version: 1
//	1      how: 1 for AES-GCM, 2 for AES key wrap with padding (RFC 5649)
//	GCM:   2-13 the nonce, then the ciphertext and its tag of 16 bytes; the
//	       associated data are "holdfast seal key 1", a NUL, and the label
//	wrap:  2- the wrapped bytes, as CKM_AES_KEY_WRAP_PAD or _KWP makes them
type Key struct {
	place hsm.Place
	label string
}

const (
	sealVersion = 1
	sealGCM     = 1
	sealWrap    = 2
	sealHeader  = 2
	sealNonce   = 12
	sealTag     = 16
	// maxSealed bounds what is wrapped.
	maxSealed = 4096
)

// New returns the key of a label in a place. It is made there when Wrap
// does not find it. In a Group it has to be brought to every token.
func New(p hsm.Place, label string) *Key { return &Key{p, label} }

func (k *Key) address() hsm.Address { return hsm.Address{Label: k.label, Class: pkcs11.ClassSecretKey} }

func (k *Key) associated() []byte { return []byte("holdfast seal key 1\x00" + k.label) }

// Wrap encrypts a secret of 1 to 4,096 bytes under the key.
func (k *Key) Wrap(ctx context.Context, secret []byte) ([]byte, error) {
	if k.label == "" || len(secret) == 0 || len(secret) > maxSealed {
		return nil, fault.New(fault.InvalidArgument, "a seal key has a label, and wraps between 1 and %d bytes", maxSealed)
	}
	able, err := k.place.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	how, err := sealHow(able)
	if err != nil {
		return nil, err
	}
	wrap := func() ([]byte, error) {
		if how == sealGCM {
			return k.wrapGCM(ctx, secret)
		}
		return k.wrapPad(ctx, able, secret)
	}
	out, err := wrap()
	if fault.KindOf(err) == fault.NotFound {
		if err := k.make(ctx, able); err != nil {
			return nil, err
		}
		out, err = wrap()
	}
	return out, err
}

// sealHow returns how a token can wrap.
func sealHow(able *hsm.Capabilities) (byte, error) {
	switch {
	case !able.Fits(pkcs11.MechAESKeyGen, pkcs11.CanGenerate, 32):
	case able.Has(pkcs11.MechAESGCM, pkcs11.CanEncrypt|pkcs11.CanDecrypt):
		return sealGCM, nil
	case padding(able) != 0:
		return sealWrap, nil
	}
	return 0, fault.New(fault.Unsupported, "the token %q cannot hold a seal key: it has neither AES-GCM nor AES key wrap with padding", able.Token.Label)
}

// padding returns the mechanism of a token that wraps as RFC 5649 says.
func padding(able *hsm.Capabilities) pkcs11.MechanismType {
	for _, m := range []pkcs11.MechanismType{pkcs11.MechAESKeyWrapKWP, pkcs11.MechAESKeyWrapPad} {
		if able.Has(m, pkcs11.CanWrap|pkcs11.CanUnwrap) {
			return m
		}
	}
	return 0
}

// make makes the key.
func (k *Key) make(ctx context.Context, able *hsm.Capabilities) error {
	id := make([]byte, 16)
	if _, err := rand.Read(id); err != nil {
		return fmt.Errorf("random bytes: %w", err)
	}
	template := able.Template(
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey),
		pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyAES),
		pkcs11.Number(pkcs11.AttrValueLen, uint64(32)),
		pkcs11.Bool(pkcs11.AttrToken, true),
		pkcs11.Bool(pkcs11.AttrPrivate, true),
		pkcs11.Bool(pkcs11.AttrSensitive, true),
		pkcs11.Bool(pkcs11.AttrExtractable, false),
		pkcs11.Bool(pkcs11.AttrEncrypt, true),
		pkcs11.Bool(pkcs11.AttrDecrypt, true),
		pkcs11.Bool(pkcs11.AttrWrap, true),
		pkcs11.Bool(pkcs11.AttrUnwrap, true),
		pkcs11.Text(pkcs11.AttrLabel, k.label),
		pkcs11.Bytes(pkcs11.AttrID, id),
	)
	return k.place.Do(ctx, func(ctx context.Context, s *pkcs11.Session) error {
		_, err := s.GenerateKey(ctx, pkcs11.Mechanism{Type: pkcs11.MechAESKeyGen}, template)
		return err
	})
}

func (k *Key) wrapGCM(ctx context.Context, secret []byte) ([]byte, error) {
	nonce := make([]byte, sealNonce)
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("random bytes: %w", err)
	}
	sealed, err := hsm.Encrypt(ctx, k.place, k.address(), k.gcm(nonce), secret)
	if err != nil {
		return nil, err
	}
	return append(append([]byte{sealVersion, sealGCM}, nonce...), sealed...), nil
}

func (k *Key) gcm(nonce []byte) pkcs11.Mechanism {
	return pkcs11.Mechanism{Type: pkcs11.MechAESGCM, GCM: &pkcs11.GCM{IV: nonce, AAD: k.associated(), TagBits: sealTag * 8}}
}

// wrapPad wraps the secret as the value of an object that ends with the call.
func (k *Key) wrapPad(ctx context.Context, able *hsm.Capabilities, secret []byte) ([]byte, error) {
	value := able.Template(
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey),
		pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyGenericSecret),
		pkcs11.Bool(pkcs11.AttrToken, false),
		pkcs11.Bool(pkcs11.AttrExtractable, true),
		pkcs11.Bytes(pkcs11.AttrValue, secret),
	)
	sealed, err := hsm.Give(ctx, k.place, k.address(), func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) ([]byte, error) {
		subject, err := s.CreateObject(ctx, value)
		if err != nil {
			return nil, err
		}
		out, err := s.Wrap(ctx, pkcs11.Mechanism{Type: padding(able)}, o, subject)
		if derr := s.DestroyObject(ctx, subject); err == nil {
			err = derr
		}
		return out, err
	})
	if err != nil {
		return nil, err
	}
	return append([]byte{sealVersion, sealWrap}, sealed...), nil
}

// Unwrap decrypts what Wrap returned. What it did not return, or what was made
// under another key, is BadCiphertext.
func (k *Key) Unwrap(ctx context.Context, wrapped []byte) ([]byte, error) {
	if len(wrapped) < sealHeader || wrapped[0] != sealVersion {
		return nil, errSealed()
	}
	rest := wrapped[sealHeader:]
	switch how := wrapped[1]; {
	case how == sealGCM && len(rest) > sealNonce+sealTag:
		return hsm.Decrypt(ctx, k.place, k.address(), k.gcm(rest[:sealNonce]), rest[sealNonce:])
	case how == sealWrap && len(rest) >= 16:
		return k.unwrapPad(ctx, rest)
	}
	return nil, errSealed()
}

func errSealed() error {
	return fault.New(fault.BadCiphertext, "this is nothing that a seal key has wrapped")
}

// unwrapPad unwraps the secret as the value of an object that ends with the
// call, and reads it.
func (k *Key) unwrapPad(ctx context.Context, sealed []byte) ([]byte, error) {
	able, err := k.place.Capabilities(ctx)
	if err != nil {
		return nil, err
	}
	m := padding(able)
	if m == 0 {
		return nil, fault.New(fault.Unsupported, "the token %q has no AES key wrap with padding", able.Token.Label)
	}
	value := able.Template(
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey),
		pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyGenericSecret),
		pkcs11.Bool(pkcs11.AttrToken, false),
		pkcs11.Bool(pkcs11.AttrSensitive, false),
		pkcs11.Bool(pkcs11.AttrExtractable, true),
	)
	return hsm.Give(ctx, k.place, k.address(), func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) ([]byte, error) {
		subject, err := s.Unwrap(ctx, pkcs11.Mechanism{Type: m}, o, sealed, value)
		if err != nil {
			return nil, err
		}
		a, err := s.Attributes(ctx, subject, pkcs11.AttrValue)
		if derr := s.DestroyObject(ctx, subject); err == nil {
			err = derr
		}
		if err != nil {
			return nil, err
		}
		if len(a) != 1 || len(a[0].Value) == 0 {
			return nil, pkcs11.RVAttributeSensitive
		}
		return a[0].Value, nil
	})
}
