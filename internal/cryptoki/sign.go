package cryptoki

import (
	"context"
	"crypto/subtle"
	"hash"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// signing is a signature that is being made, or verified.
type signing struct {
	key  *entry // nil when there is none
	how  mechanism.Signature
	hash hash.Hash // of the parts, where the mechanism hashes
	// parts says that a part has come: the operation ends with a final call.
	parts bool
	input
}

// input is what came in parts and is needed as a whole.
type input struct{ buf []byte }

func (i *input) append(a *application, part []byte) error {
	if err := a.reserve(len(part)); err != nil {
		return err
	}
	i.buf = append(i.buf, part...)
	return nil
}

// drop overwrites what came, and gives its room back.
func (i *input) drop(a *application) {
	if len(i.buf) == 0 {
		return
	}
	_ = a.reserve(-len(i.buf)) // giving back never fails
	clear(i.buf)
	i.buf = nil
}

func (op *signing) active() bool { return op.key != nil }

// end ends the operation.
func (op *signing) end(a *application) {
	op.drop(a)
	*op = signing{}
}

// verifying reports whether the call is one of verification.
func (c *call) verifying() bool { return c.id >= p11kit.CallVerifyInit }

// signing returns the session's operation that the call is about.
func (c *call) signing(s *session) *signing {
	if c.verifying() {
		return &s.verify
	}
	return &s.sign
}

// signInit is C_SignInit and C_VerifyInit.
func (c *call) signInit(context.Context) error {
	handle, m, with := c.r.Uint(), c.r.Mechanism(), c.r.Uint()
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	op := c.signing(s)
	if m.Null {
		op.end(c.app)
		return nil
	}
	if op.active() {
		return pkcs11.RVOperationActive
	}
	use := object.Sign
	if c.verifying() {
		use = object.Verify
	}
	key, err := c.app.keyFor(s, with, use)
	if err != nil {
		return err
	}
	how, err := mechanism.NewSignature(m, key.mechanismKey())
	if err != nil {
		return err
	}
	*op = signing{key: key, how: how}
	return nil
}

// keyFor returns a key that may be used so.
func (a *application) keyFor(s *session, handle uint64, use object.Uses) (*entry, error) {
	e, err := a.object(s, handle, pkcs11.RVKeyHandleInvalid)
	switch {
	case err != nil:
		return nil, err
	case e.Key == nil:
		return nil, pkcs11.RVKeyHandleInvalid
	case e.Key.Can&use == 0:
		return nil, pkcs11.RVKeyFunctionNotPermitted
	}
	return e, nil
}

// sign is C_Sign.
func (c *call) sign(ctx context.Context) error {
	handle, data, room := c.r.Uint(), c.r.Bytes(), c.r.Room()
	return c.finishSigning(ctx, handle, room, once(data))
}

// signFinal is C_SignFinal.
func (c *call) signFinal(ctx context.Context) error {
	handle, room := c.r.Uint(), c.r.Room()
	return c.finishSigning(ctx, handle, room, (*signing).all)
}

// finishSigning makes the signature, once there is room for it.
func (c *call) finishSigning(ctx context.Context, handle uint64, room p11kit.Room, input func(*signing) ([]byte, error)) error {
	s, op, err := ongoing(c, handle, c.signing)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if size := op.how.Size(); !room.Holds(size) {
		c.w.Length(size)
		return nil
	}
	in, err := input(op)
	if err != nil {
		return err
	}
	defer op.end(c.app)
	signature, err := op.make(ctx, in)
	if err != nil {
		return c.app.expired(ctx, s.slot, err)
	}
	c.w.Bytes(signature)
	return nil
}

// signUpdate is C_SignUpdate and C_VerifyUpdate.
func (c *call) signUpdate(context.Context) error {
	handle, part := c.r.Uint(), c.r.Bytes()
	s, op, err := ongoing(c, handle, c.signing)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	op.parts = true
	if op.how.Buffers() {
		if err := op.append(c.app, part); err != nil {
			op.end(c.app)
			return err
		}
		return nil
	}
	if op.hash == nil {
		op.hash = op.how.Hash.New()
	}
	op.hash.Write(part)
	return nil
}

// once takes a message that came as a whole, where no part has come before.
func once(data []byte) func(*signing) ([]byte, error) {
	return func(op *signing) ([]byte, error) {
		if op.parts {
			return nil, pkcs11.RVOperationActive
		}
		return op.whole(data), nil
	}
}

// whole returns what is signed of a message that came as a whole.
func (op *signing) whole(data []byte) []byte {
	if op.how.Buffers() {
		return data
	}
	h := op.how.Hash.New()
	h.Write(data)
	return h.Sum(nil)
}

// all returns what is signed of the parts that came.
func (op *signing) all() ([]byte, error) {
	switch {
	case op.how.Buffers():
		return op.buf, nil
	case op.hash == nil:
		return op.whole(nil), nil
	}
	return op.hash.Sum(nil), nil
}

// make signs.
func (op *signing) make(ctx context.Context, in []byte) ([]byte, error) {
	if a, mac := op.how.MAC(); mac {
		return op.mac(ctx, a, in)
	}
	a, in, err := op.how.Input(in)
	if err != nil {
		return nil, err
	}
	signature, err := op.key.use.Sign(ctx, a, in)
	if err != nil {
		return nil, err
	}
	return op.how.Output(signature)
}

func (op *signing) mac(ctx context.Context, a alg.Algorithm, in []byte) ([]byte, error) {
	switch {
	case op.key.secret != nil:
		return op.key.secret.HMAC(op.how.Hash, in)
	case a == alg.NoAlgorithm:
		return nil, pkcs11.RVMechanismInvalid
	}
	return op.key.use.MAC(ctx, a, in)
}

// verify is C_Verify.
func (c *call) verify(ctx context.Context) error {
	handle, data, signature := c.r.Uint(), c.r.Bytes(), c.r.Bytes()
	return c.finishVerifying(ctx, handle, signature, once(data))
}

// verifyFinal is C_VerifyFinal.
func (c *call) verifyFinal(ctx context.Context) error {
	handle, signature := c.r.Uint(), c.r.Bytes()
	return c.finishVerifying(ctx, handle, signature, (*signing).all)
}

func (c *call) finishVerifying(ctx context.Context, handle uint64, signature []byte, input func(*signing) ([]byte, error)) error {
	s, op, err := ongoing(c, handle, c.signing)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	in, err := input(op)
	if err != nil {
		return err
	}
	defer op.end(c.app)
	if _, mac := op.how.MAC(); !mac {
		return op.how.Verify(op.key.Key.Public.Key, in, signature)
	}
	code, err := op.make(ctx, in)
	switch {
	case err != nil:
		return c.app.expired(ctx, s.slot, err)
	case len(signature) != len(code):
		return pkcs11.RVSignatureLenRange
	case subtle.ConstantTimeCompare(code, signature) != 1:
		return pkcs11.RVSignatureInvalid
	}
	return nil
}
