package pkcs11

import (
	"context"
	"crypto"
	"crypto/rsa"
	"fmt"
	"io"
	"math/big"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/padding"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// signPSS signs by RSASSA-PSS with a salt as long as the hash. Where the token
// does not do it, or not with this hash, the padding is made here and the token
// does the RSA (CKM_RSA_X_509).
func (k *privateKey) signPSS(ctx context.Context, h crypto.Hash, digest []byte) ([]byte, error) {
	signature, err := k.token(ctx, pssMechanism(h), digest)
	if err == nil || !lacking(err) {
		return signature, err
	}
	padded, err := padding.PSS(h, digest, k.spec.Info().Bits)
	if err != nil {
		return nil, internal("engine/pkcs11.Sign", err)
	}
	signature, err = k.token(ctx, pkcs11.Mechanism{Type: pkcs11.MechRSAX509}, padded)
	if err == nil {
		k.engine.gap(ctx, gapPSS())
	}
	return signature, err
}

func pssMechanism(h crypto.Hash) pkcs11.Mechanism {
	p := map[crypto.Hash]pkcs11.PSS{
		crypto.SHA1:   {Hash: pkcs11.MechSHA1, MGF: pkcs11.MGF1SHA1, SaltLen: 20},
		crypto.SHA224: {Hash: pkcs11.MechSHA224, MGF: pkcs11.MGF1SHA224, SaltLen: 28},
		crypto.SHA256: {Hash: pkcs11.MechSHA256, MGF: pkcs11.MGF1SHA256, SaltLen: 32},
		crypto.SHA384: {Hash: pkcs11.MechSHA384, MGF: pkcs11.MGF1SHA384, SaltLen: 48},
		crypto.SHA512: {Hash: pkcs11.MechSHA512, MGF: pkcs11.MGF1SHA512, SaltLen: 64},
	}[h]
	return pkcs11.Mechanism{Type: pkcs11.MechRSAPKCSPSS, PSS: &p}
}

// decrypter decrypts with an opened RSA key.
type decrypter struct{ *privateKey }

// Decrypt decrypts RSAES-OAEP with *rsa.OAEPOptions of the table, or does the
// bare operation with engine.RawRSA. Whatever is wrong with a ciphertext, the
// answer is the same error.
func (d *decrypter) Decrypt(_ io.Reader, ciphertext []byte, opts crypto.DecrypterOpts) ([]byte, error) {
	a, err := engine.DecryptionAlgorithm(d.spec, opts)
	if err != nil {
		return nil, err
	}
	if err := d.allows(alg.EncryptDecrypt); err != nil {
		return nil, err
	}
	ctx, cancel := d.engine.context()
	defer cancel()
	able, err := d.engine.lately(ctx)
	if err != nil {
		return nil, d.engine.failure("engine/pkcs11.Decrypt", err)
	}
	var plaintext []byte
	err = d.engine.place.Use(ctx, d.at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
		if a == alg.RSARaw {
			plaintext, err = d.raw(ctx, able, o, s, ciphertext)
			return err
		}
		plaintext, err = able.decryptOAEP(ctx, s, o, a.Info().Hash, d.spec.Info().Bits/8, ciphertext)
		return err
	})
	if err != nil {
		return nil, d.engine.failure("engine/pkcs11.Decrypt", err)
	}
	return plaintext, nil
}

// decryptOAEP decrypts RSAES-OAEP under a modulus of size bytes: in the token,
// or where it does not have the hash, by its RSA and the padding undone here.
func (a *able) decryptOAEP(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, h crypto.Hash, size int, ciphertext []byte) ([]byte, error) {
	if len(ciphertext) != size {
		return nil, badCiphertext()
	}
	if a.oaep[h] {
		plaintext, err := s.Decrypt(ctx, oaepMechanism(h), o, ciphertext)
		if refusal(err) && !lacking(err) {
			return nil, badCiphertext()
		}
		if err == nil || !lacking(err) || !a.rawDecrypts() {
			return plaintext, err
		}
	}
	padded, err := rawRSA(ctx, s, o, ciphertext)
	if err != nil {
		return nil, err
	}
	defer clear(padded)
	return unpadOAEP(h, padded)
}

// rawRSA has the token do the private operation on a number as long as the
// modulus.
func rawRSA(ctx context.Context, s *pkcs11.Session, o pkcs11.Object, c []byte) ([]byte, error) {
	em, err := s.Decrypt(ctx, pkcs11.Mechanism{Type: pkcs11.MechRSAX509}, o, c)
	switch {
	case refusal(err) && !lacking(err):
		return nil, badCiphertext() // a number above the modulus
	case err != nil:
		return nil, err
	case len(em) > len(c):
		return nil, internal("engine/pkcs11.Decrypt", fmt.Errorf("the token decrypts %d bytes under a modulus of %d", len(em), len(c)))
	}
	defer clear(em)
	padded := make([]byte, len(c)) // some tokens leave leading zeros out
	copy(padded[len(c)-len(em):], em)
	return padded, nil
}

// raw is RSARaw, whose result is checked before it leaves.
func (d *decrypter) raw(ctx context.Context, a *able, o pkcs11.Object, s *pkcs11.Session, c []byte) ([]byte, error) {
	public, ok := d.public.Key().(*rsa.PublicKey)
	if !ok {
		return nil, internal("engine/pkcs11.Decrypt", fmt.Errorf("the key is no RSA key"))
	}
	if !a.rawDecrypts() {
		return nil, fault.New(fault.Unsupported, "the HSM does not decrypt by %s", alg.RSARaw)
	}
	if len(c) != public.Size() || new(big.Int).SetBytes(c).Cmp(public.N) >= 0 { // both are public
		return nil, badCiphertext()
	}
	m, err := rawRSA(ctx, s, o, c)
	if err == nil && !engine.Inverts(public, m, c) {
		return nil, internal("engine/pkcs11.Decrypt", fmt.Errorf("the token's result of RSA is not the inverse"))
	}
	return m, err
}

// unpadOAEP undoes the padding of RSAES-OAEP with an empty label. em is
// overwritten.
func unpadOAEP(h crypto.Hash, em []byte) ([]byte, error) {
	message, err := padding.OAEP(padding.Scheme{Hash: h, MGF: h}, em)
	if err != nil {
		return nil, badCiphertext()
	}
	return message, nil
}

func badCiphertext() error {
	return fault.New(fault.BadCiphertext, "the ciphertext cannot be decrypted with this key")
}
