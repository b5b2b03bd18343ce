package cryptoki

import (
	"context"
	"crypto/sha256"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// crypting is an encryption or a decryption.
type crypting struct {
	key   *entry // nil when there is none
	how   mechanism.Encryption
	parts bool
	input
	// result is one for which there was no room, of the input with the digest of:
	// the application asks again with more.
	result []byte
	of     [sha256.Size]byte
}

func (op *crypting) active() bool { return op.key != nil }

// end ends the operation.
func (op *crypting) end(a *application) {
	op.drop(a)
	clear(op.result)
	*op = crypting{}
}

// encrypting reports whether the call is one of encryption.
func (c *call) encrypting() bool { return c.id <= p11kit.CallEncryptFinal }

// crypting returns the session's operation that the call is about.
func (c *call) crypting(s *session) *crypting {
	if c.encrypting() {
		return &s.encrypt
	}
	return &s.decrypt
}

// cryptInit is C_EncryptInit and C_DecryptInit.
func (c *call) cryptInit(context.Context) error {
	handle, m, with := c.r.Uint(), c.r.Mechanism(), c.r.Uint()
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	op := c.crypting(s)
	if m.Null {
		op.end(c.app)
		return nil
	}
	if op.active() {
		return pkcs11.RVOperationActive
	}
	use, can := object.Decrypt, pkcs11.CanDecrypt
	if c.encrypting() {
		use, can = object.Encrypt, pkcs11.CanEncrypt
	}
	key, err := c.app.keyFor(s, with, use)
	if err != nil {
		return err
	}
	how, err := encryptionOf(m, can, key)
	if err != nil {
		return err
	}
	*op = crypting{key: key, how: how}
	return nil
}

// encryptionOf returns how a mechanism encrypts, decrypts, wraps or unwraps
// with a key.
func encryptionOf(m p11kit.Mechanism, can pkcs11.MechanismFlags, key *entry) (mechanism.Encryption, error) {
	how, err := mechanism.NewEncryption(m, can, key.mechanismKey())
	if err == nil && key.Class == pkcs11.ClassPrivateKey {
		err = how.ForPrivate()
	}
	return how, err
}

// crypt is C_Encrypt and C_Decrypt.
func (c *call) crypt(ctx context.Context) error {
	handle, data, room := c.r.Uint(), c.r.Bytes(), c.r.Room()
	s, op, err := ongoing(c, handle, c.crypting)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if op.parts {
		return pkcs11.RVOperationActive
	}
	return c.finish(ctx, op, data, room)
}

// cryptUpdate is C_EncryptUpdate and C_DecryptUpdate: a part is kept, and the
// result comes with the final call. Nothing that was decrypted is shown before
// all of it is known to be sound.
func (c *call) cryptUpdate(context.Context) error {
	handle, part := c.r.Uint(), c.r.Bytes()
	c.r.Room()
	s, op, err := ongoing(c, handle, c.crypting)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	op.parts = true
	if err := op.append(c.app, part); err != nil {
		op.end(c.app)
		return err
	}
	c.w.Bytes(nil)
	return nil
}

// cryptFinal is C_EncryptFinal and C_DecryptFinal.
func (c *call) cryptFinal(ctx context.Context) error {
	handle, room := c.r.Uint(), c.r.Room()
	s, op, err := ongoing(c, handle, c.crypting)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	return c.finish(ctx, op, op.buf, room)
}

// finish gives the result where there is room for it, and its length otherwise:
// the operation is then still there.
func (c *call) finish(ctx context.Context, op *crypting, in []byte, room p11kit.Room) error {
	if room.Null {
		c.w.Length(op.how.Bound(len(in), c.encrypting()))
		return nil
	}
	if sum := sha256.Sum256(in); op.result == nil || op.of != sum {
		clear(op.result)
		result, err := op.run(ctx, in, c.encrypting())
		if err != nil {
			slot := op.key.slot
			op.end(c.app)
			return c.app.expired(ctx, slot, err)
		}
		op.result, op.of = result, sum
	}
	if c.output(room, op.result) {
		op.end(c.app)
	}
	return nil
}

func (op *crypting) run(ctx context.Context, in []byte, encrypting bool) ([]byte, error) {
	if encrypting {
		return op.key.encrypt(ctx, op.how, in)
	}
	return op.key.decrypt(ctx, op.how, in)
}

// encrypt encrypts with a public or a secret key.
func (e *entry) encrypt(ctx context.Context, how mechanism.Encryption, plaintext []byte) ([]byte, error) {
	if e.Class == pkcs11.ClassPublicKey {
		return how.EncryptPublic(e.Key.Public.Key, plaintext)
	}
	return e.use.Encrypt(ctx, how.Algorithm, how.Parameters, plaintext)
}

// decrypt decrypts with a private or a secret key.
func (e *entry) decrypt(ctx context.Context, how mechanism.Encryption, ciphertext []byte) ([]byte, error) {
	if e.Class == pkcs11.ClassPrivateKey && len(ciphertext) != e.mechanismKey().Bits/8 {
		return nil, pkcs11.RVEncryptedDataLenRange
	}
	plaintext, err := e.use.Decrypt(ctx, how.Algorithm, how.Parameters, ciphertext)
	if err != nil {
		return nil, err
	}
	return how.Open(plaintext)
}
