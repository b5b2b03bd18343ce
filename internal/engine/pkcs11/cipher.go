package pkcs11

import (
	"context"
	"encoding/binary"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// modes does AES in the token with parameters of the caller's. AES key wrap is
// there of tokens that have it for data, too: many have it for their own objects
// only (C_WrapKey).
type modes struct{ handle }

var _ engine.Cipher = (*modes)(nil)

// modeMechanism returns a mode with its parameters, which were checked.
func modeMechanism(a alg.Algorithm, p engine.CipherParameters) pkcs11.Mechanism {
	m := pkcs11.Mechanism{Raw: p.IV}
	switch a { //nolint:exhaustive // the others were refused
	case alg.AESGCMRaw:
		m = pkcs11.Mechanism{Type: pkcs11.MechAESGCM, GCM: &pkcs11.GCM{IV: p.IV, AAD: p.AssociatedData, TagBits: uint64(8 * p.Tag())}} //nolint:gosec // at most 128
	case alg.AESCBC:
		m.Type = pkcs11.MechAESCBC
	case alg.AESCBCPad:
		m.Type = pkcs11.MechAESCBCPad
	case alg.AESCTR: // CK_AES_CTR_PARAMS: CK_ULONG ulCounterBits, CK_BYTE cb[16]
		m.Type = pkcs11.MechAESCTR
		m.Raw = append(binary.NativeEndian.AppendUint64(nil, 128), p.IV...)
	case alg.AESKW:
		m.Type = pkcs11.MechAESKeyWrap
	case alg.AESKWP:
		m.Type = pkcs11.MechAESKeyWrapKWP
	}
	return m
}

// Encrypt encrypts in the token.
func (c *modes) Encrypt(a alg.Algorithm, p engine.CipherParameters, plaintext []byte) ([]byte, error) {
	if err := engine.CheckPlaintext(a, len(plaintext)); err != nil {
		return nil, err
	}
	return c.do(a, p, func(ctx context.Context, m pkcs11.Mechanism) ([]byte, error) {
		return hsm.Encrypt(ctx, c.engine.place, c.at, m, plaintext)
	})
}

// Decrypt decrypts in the token.
func (c *modes) Decrypt(a alg.Algorithm, p engine.CipherParameters, ciphertext []byte) ([]byte, error) {
	return c.do(a, p, func(ctx context.Context, m pkcs11.Mechanism) (plaintext []byte, err error) {
		if len(ciphertext) < leastCiphertext(a, p) {
			return nil, badCiphertext()
		}
		err = c.engine.place.Use(ctx, c.at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
			plaintext, err = s.Decrypt(ctx, m, o, ciphertext)
			if refusal(err) && !lacking(err) {
				return badCiphertext()
			}
			return err
		})
		return plaintext, err
	})
}

// leastCiphertext returns how many bytes a ciphertext of a mode has at least:
// tokens take strange views of nothing.
func leastCiphertext(a alg.Algorithm, p engine.CipherParameters) int {
	switch a { //nolint:exhaustive // the others may be empty
	case alg.AESGCMRaw:
		return p.Tag()
	case alg.AESCBCPad, alg.AESKWP:
		return 16
	case alg.AESKW:
		return 24
	}
	return 0
}

// do calls the token for a mode that it may have.
func (c *modes) do(a alg.Algorithm, p engine.CipherParameters, call func(context.Context, pkcs11.Mechanism) ([]byte, error)) ([]byte, error) {
	if err := p.Check(a); err != nil {
		return nil, err
	}
	if err := c.allows(alg.RawEncryptDecrypt); err != nil {
		return nil, err
	}
	ctx, cancel := c.engine.context()
	defer cancel()
	able, err := c.engine.lately(ctx)
	if err != nil {
		return nil, c.engine.failure("engine/pkcs11.Cipher", err)
	}
	m := modeMechanism(a, p)
	lacks := fault.New(fault.Unsupported, "the HSM does not encrypt by %s", a)
	if !able.has(m.Type, pkcs11.CanEncrypt|pkcs11.CanDecrypt) || a == alg.AESGCMRaw && !able.gcm {
		return nil, lacks
	}
	out, err := call(ctx, m)
	if lacking(err) {
		return nil, lacks
	}
	return out, c.engine.failure("engine/pkcs11.Cipher", err)
}
