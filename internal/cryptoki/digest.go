package cryptoki

import (
	"context"
	"hash"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/mechanism"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// digesting is a digest that is being made.
type digesting struct {
	hash  hash.Hash // nil when there is none
	parts bool
}

func (op *digesting) active() bool { return op.hash != nil }

// digestOf returns the session's digest.
func digestOf(s *session) *digesting { return &s.digest }

func (c *call) digestInit(context.Context) error {
	handle, m := c.r.Uint(), c.r.Mechanism()
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if m.Null {
		s.digest = digesting{}
		return nil
	}
	if s.digest.active() {
		return pkcs11.RVOperationActive
	}
	h, ok := mechanism.Digest(m.Type)
	switch {
	case !ok:
		return pkcs11.RVMechanismInvalid
	case m.Parameter != nil:
		return pkcs11.RVMechanismParamInvalid
	}
	s.digest = digesting{hash: h.New()}
	return nil
}

// digestOnce is C_Digest.
func (c *call) digestOnce(context.Context) error {
	handle, data, room := c.r.Uint(), c.r.Bytes(), c.r.Room()
	s, op, err := ongoing(c, handle, digestOf)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch {
	case op.parts:
		return pkcs11.RVOperationActive
	case !room.Holds(op.hash.Size()):
		c.w.Length(op.hash.Size())
		return nil
	}
	op.hash.Write(data)
	c.w.Bytes(op.hash.Sum(nil))
	*op = digesting{}
	return nil
}

func (c *call) digestUpdate(context.Context) error {
	handle, part := c.r.Uint(), c.r.Bytes()
	s, op, err := ongoing(c, handle, digestOf)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	op.hash.Write(part)
	op.parts = true
	return nil
}

func (c *call) digestFinal(context.Context) error {
	handle, room := c.r.Uint(), c.r.Room()
	s, op, err := ongoing(c, handle, digestOf)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if c.output(room, op.hash.Sum(nil)) {
		*op = digesting{}
	}
	return nil
}
