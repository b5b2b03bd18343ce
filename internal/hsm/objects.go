package hsm

import (
	"context"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Query says which objects are looked for; an empty field matches everything.
type Query struct {
	ID    []byte
	Label string
	// Class is nil for all classes.
	Class *pkcs11.Class
	// Limit is how many objects are listed at most. Default: 1,000.
	Limit int
}

// Found is an object of a token as it shows itself to people: nothing secret.
type Found struct {
	// Token is the configured name of the token that has it.
	Token string
	Class pkcs11.Class
	ID    []byte
	Label string
	// Type is the key's type, of keys.
	Type pkcs11.KeyType
	// Bits is the key's size: the modulus of RSA, the field of EC, the length of
	// secret keys. It is 0 when the token does not say.
	Bits int
	// Curve is the DER of CKA_EC_PARAMS, of EC keys.
	Curve []byte
	// Private objects are seen only by who has logged in; what is Sensitive or
	// not Extractable does not leave the token in the clear, or at all; Local
	// keys were made in it.
	Private, Sensitive, Extractable, Local, OnToken bool
	// Uses are what the object may be used for, in the standard's words.
	Uses []string
}

// Address returns where the object is.
func (f *Found) Address() Address { return Address{ID: f.ID, Label: f.Label, Class: f.Class} }

// defaultLimit is how many objects a Query lists.
const defaultLimit = 1000

// Find lists objects. See Place.
func (t *Token) Find(ctx context.Context, q Query) ([]Found, error) {
	var found []Found
	err := t.list(ctx, func(s *session) error {
		// Who is not logged in sees some objects, and not that there are others.
		if _, err := s.process.confirm(ctx, s); err != nil {
			return s.unconfirmed(err)
		}
		handles, err := s.Find(ctx, q.template(), first(q.Limit, defaultLimit))
		if err != nil {
			return err
		}
		found = make([]Found, 0, len(handles))
		for _, h := range handles {
			f, err := describe(ctx, &s.Session, h)
			if err != nil {
				return fmt.Errorf("reading an object: %w", err)
			}
			f.Token = t.cfg.Name
			found = append(found, f)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

func (q *Query) template() []pkcs11.Attribute {
	var t []pkcs11.Attribute
	if q.Class != nil {
		t = append(t, pkcs11.Number(pkcs11.AttrClass, *q.Class))
	}
	if len(q.ID) > 0 {
		t = append(t, pkcs11.Bytes(pkcs11.AttrID, q.ID))
	}
	if q.Label != "" {
		t = append(t, pkcs11.Text(pkcs11.AttrLabel, q.Label))
	}
	return t
}

// shown are the attributes that describe asks for, in its order.
var shown = []pkcs11.AttributeType{
	pkcs11.AttrClass, pkcs11.AttrID, pkcs11.AttrLabel, pkcs11.AttrKeyType,
	pkcs11.AttrModulus, pkcs11.AttrECParams, pkcs11.AttrValueLen,
	pkcs11.AttrPrivate, pkcs11.AttrSensitive, pkcs11.AttrExtractable, pkcs11.AttrLocal, pkcs11.AttrToken,
}

// uses are the attributes that say what an object may be used for.
var uses = []struct {
	attribute pkcs11.AttributeType
	word      string
}{
	{pkcs11.AttrSign, "sign"},
	{pkcs11.AttrVerify, "verify"},
	{pkcs11.AttrEncrypt, "encrypt"},
	{pkcs11.AttrDecrypt, "decrypt"},
	{pkcs11.AttrWrap, "wrap"},
	{pkcs11.AttrUnwrap, "unwrap"},
	{pkcs11.AttrDerive, "derive"},
}

func describe(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (Found, error) {
	types := append([]pkcs11.AttributeType(nil), shown...)
	for _, u := range uses {
		types = append(types, u.attribute)
	}
	a, err := s.Attributes(ctx, o, types...)
	if err != nil {
		return Found{}, err
	}
	if len(a) != len(types) {
		return Found{}, fmt.Errorf("%d attributes for %d", len(a), len(types))
	}
	class, _ := a[0].Uint()
	f := Found{
		Class: pkcs11.Class(class), ID: a[1].Value, Label: string(a[2].Value), Curve: a[5].Value,
		Private: a[7].True(), Sensitive: a[8].True(), Extractable: a[9].True(), Local: a[10].True(), OnToken: a[11].True(),
	}
	kind, isKey := a[3].Uint()
	f.Type = pkcs11.KeyType(kind)
	if isKey {
		f.Bits = pkcs11.KeyBits(f.Type, a[4].Value, a[5].Value, a[6])
	}
	for i, u := range uses {
		if a[len(shown)+i].True() {
			f.Uses = append(f.Uses, u.word)
		}
	}
	return f, nil
}

// Destroy ends every object at an address. See Place.
func (t *Token) Destroy(ctx context.Context, at Address) error {
	if err := at.check(); err != nil {
		return err
	}
	return t.seek(ctx, at, askSurely, func(s *session) error {
		found, err := s.search(ctx, at.template(), defaultLimit)
		switch {
		case err != nil:
			return err
		case len(found) == 0:
			return s.blank(0, nil)
		}
		t.forget(at)
		for _, o := range found {
			if err := s.DestroyObject(ctx, o); err != nil {
				return fmt.Errorf("destroying %s: %w", at, err)
			}
		}
		return nil
	})
}

// forget drops an address from what the processes know.
func (t *Token) forget(at Address) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.processes {
		p.handles.forget(at)
	}
}
