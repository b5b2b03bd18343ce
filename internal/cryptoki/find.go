package cryptoki

import (
	"bytes"
	"context"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/object"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

func (c *call) findInit(ctx context.Context) error {
	handle, template := c.r.Uint(), object.Template(c.r.Attributes())
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.finding {
		return pkcs11.RVOperationActive
	}
	if err := template.Check(); err != nil {
		return err
	}
	if err := c.app.refresh(ctx, s.slot); err != nil {
		return err
	}
	s.finding, s.found = true, nil
	for _, e := range c.app.visible(s) {
		if e.Matches(template) {
			s.found = append(s.found, e.handle)
		}
	}
	return nil
}

func (c *call) find(context.Context) error {
	handle, room := c.r.Uint(), c.r.Room()
	s, err := c.enter(handle)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if !s.finding {
		return pkcs11.RVOperationNotInitialized
	}
	n := min(len(s.found), room.Size)
	c.w.Uints(s.found[:n])
	s.found = s.found[n:]
	return nil
}

func (c *call) findFinal(context.Context) error {
	s, err := c.enter(c.r.Uint())
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if !s.finding {
		return pkcs11.RVOperationNotInitialized
	}
	s.finding, s.found = false, nil
	return nil
}

func (c *call) objectSize(context.Context) error {
	handle, of := c.r.Uint(), c.r.Uint()
	_, e, err := c.objectOf(handle, of)
	if err != nil {
		return err
	}
	c.w.Uint(e.Size())
	return nil
}

// objectOf returns a session and an object, after all arguments are read.
func (c *call) objectOf(handle, of uint64) (*session, *entry, error) {
	s, err := c.sessionOf(handle)
	if err != nil {
		return nil, nil, err
	}
	e, err := c.app.object(s, of, pkcs11.RVObjectHandleInvalid)
	return s, e, err
}

// attributeValue is C_GetAttributeValue: what can be told is told, whatever else
// cannot (PKCS #11 version 2.40, section 5.7).
func (c *call) attributeValue(ctx context.Context) error {
	handle, of, wanted := c.r.Uint(), c.r.Uint(), c.r.Wanted()
	_, e, err := c.objectOf(handle, of)
	if err != nil {
		return err
	}
	answer := pkcs11.RVOK
	c.w.Count(len(wanted))
	for _, want := range wanted {
		value, err := e.attribute(ctx, want.Type)
		switch {
		case err != nil:
			answer = worse(answer, rvOf(err))
			c.w.Attribute(pkcs11.Attribute{Type: want.Type})
		case want.Room == 0:
			c.w.AttributeLength(want.Type, len(value))
		case want.Room < len(value):
			answer = worse(answer, pkcs11.RVBufferTooSmall)
			c.w.Attribute(pkcs11.Attribute{Type: want.Type})
		default:
			c.w.Attribute(pkcs11.Attribute{Type: want.Type, Value: value})
		}
	}
	switch answer { //nolint:exhaustive // these come with the attributes
	case pkcs11.RVOK, pkcs11.RVAttributeSensitive, pkcs11.RVAttributeTypeInvalid, pkcs11.RVBufferTooSmall:
		c.w.Uint(uint64(answer))
		return nil
	}
	return answer
}

// worse returns the answer for several attributes: any will do that is true of
// one (section 5.7), but an error that is none of an attribute's says more.
func worse(a, b pkcs11.RV) pkcs11.RV {
	switch a { //nolint:exhaustive // an error stays
	case pkcs11.RVOK, pkcs11.RVAttributeSensitive, pkcs11.RVAttributeTypeInvalid, pkcs11.RVBufferTooSmall:
		return b
	}
	return a
}

// attribute returns the value of an attribute, be it one of the key's material
// where that may be shown.
func (e *entry) attribute(ctx context.Context, t pkcs11.AttributeType) ([]byte, error) {
	v, err := e.Attribute(t)
	if err != pkcs11.RVAttributeSensitive || !e.Shows() || e.material == nil { //nolint:errorlint // Attribute returns it as it is
		return v, err
	}
	material, err := e.material(ctx)
	if err != nil {
		return nil, err
	}
	defer clear(material)
	v, err = e.Material(t, material)
	return bytes.Clone(v), err
}

// setAttributeValue is C_SetAttributeValue: labels and IDs change, of a pair
// both halves'. Saying again what is, is allowed.
func (c *call) setAttributeValue(ctx context.Context) error {
	handle, of, template := c.r.Uint(), c.r.Uint(), object.Template(c.r.Attributes())
	s, e, err := c.objectOf(handle, of)
	if err != nil {
		return err
	}
	if err := template.Check(); err != nil {
		return err
	}
	label, id := e.Label, e.ID
	for _, a := range template {
		switch a.Type {
		case pkcs11.AttrLabel:
			label = string(a.Value)
		case pkcs11.AttrID:
			id = bytes.Clone(a.Value)
		default:
			if !e.Matches(object.Template{a}) {
				return pkcs11.RVAttributeReadOnly
			}
		}
	}
	if len(label) > object.MaxLabel || len(id) > object.MaxID {
		return pkcs11.RVAttributeValueInvalid
	}
	return c.rename(ctx, s, e, label, id)
}

func (c *call) rename(ctx context.Context, s *session, e *entry, label string, id []byte) error {
	a := c.app
	if e.session != nil {
		renamed := *e
		changed := *e.Object
		changed.Label, changed.ID = label, id
		renamed.Object = &changed
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.objects[e.handle] == e {
			a.objects[e.handle] = &renamed
		}
		return nil
	}
	if err := mayWrite(s); err != nil {
		return err
	}
	h, err := a.holder(ctx, s.slot)
	if err != nil {
		return err
	}
	if err := h.Rename(ctx, e.id, label, id); err != nil {
		return a.expired(ctx, s.slot, err)
	}
	return a.refresh(ctx, s.slot)
}

// mayWrite refuses to change the token in a session that only reads.
func mayWrite(s *session) error {
	if !s.writes {
		return pkcs11.RVSessionReadOnly
	}
	return nil
}

// destroyObject is C_DestroyObject.
func (c *call) destroyObject(ctx context.Context) error {
	handle, of := c.r.Uint(), c.r.Uint()
	s, e, err := c.objectOf(handle, of)
	switch {
	case err != nil:
		return err
	case e.Fixed:
		return pkcs11.RVActionProhibited
	case e.session != nil:
		c.app.forget(e)
		e.wipe()
		return nil
	}
	if err := mayWrite(s); err != nil {
		return err
	}
	h, err := c.app.holder(ctx, s.slot)
	if err != nil {
		return err
	}
	if err := h.Destroy(ctx, e.id); err != nil {
		return c.app.expired(ctx, s.slot, err)
	}
	c.app.forget(e)
	return nil
}
