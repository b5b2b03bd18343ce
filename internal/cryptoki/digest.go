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
	if s.digest.hash != nil {
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
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	d := &s.digest
	switch {
	case d.hash == nil:
		return pkcs11.RVOperationNotInitialized
	case d.parts:
		return pkcs11.RVOperationActive
	case !room.Holds(d.hash.Size()):
		c.w.Length(d.hash.Size())
		return nil
	}
	d.hash.Write(data)
	c.w.Bytes(d.hash.Sum(nil))
	*d = digesting{}
	return nil
}

func (c *call) digestUpdate(context.Context) error {
	handle, part := c.r.Uint(), c.r.Bytes()
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.digest.hash == nil {
		return pkcs11.RVOperationNotInitialized
	}
	s.digest.hash.Write(part)
	s.digest.parts = true
	return nil
}

func (c *call) digestFinal(context.Context) error {
	handle, room := c.r.Uint(), c.r.Room()
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.digest.hash == nil {
		return pkcs11.RVOperationNotInitialized
	}
	if c.output(room, s.digest.hash.Sum(nil)) {
		s.digest = digesting{}
	}
	return nil
}
