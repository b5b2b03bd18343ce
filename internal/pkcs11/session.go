package pkcs11

import "context"

// Session is an open session of a module. One goroutine at a time uses it.
type Session struct {
	Module Module
	Handle SessionHandle
}

// Open opens a session with the token in a slot.
func Open(ctx context.Context, m Module, slot SlotID, readWrite bool) (*Session, error) {
	r, err := m.Call(ctx, &Call{Function: FnOpenSession, Slot: slot, Flag: readWrite})
	if err != nil {
		return nil, err
	}
	return &Session{m, SessionHandle(r.Handle)}, nil
}

func (s *Session) call(ctx context.Context, c *Call) (*Result, error) {
	c.Session = s.Handle
	return s.Module.Call(ctx, c)
}

// Close closes the session.
func (s *Session) Close(ctx context.Context) error {
	_, err := s.call(ctx, &Call{Function: FnCloseSession})
	return err
}

// Login logs the application in: every session of the module with this token
// is logged in then.
func (s *Session) Login(ctx context.Context, who UserType, pin []byte) error {
	_, err := s.call(ctx, &Call{Function: FnLogin, User: who, Data: pin})
	return err
}

// Logout logs the application out.
func (s *Session) Logout(ctx context.Context) error {
	_, err := s.call(ctx, &Call{Function: FnLogout})
	return err
}

// InitPIN sets the user's PIN; the security officer must be logged in.
func (s *Session) InitPIN(ctx context.Context, pin []byte) error {
	_, err := s.call(ctx, &Call{Function: FnInitPIN, Data: pin})
	return err
}

// SetPIN changes the PIN of whoever is logged in.
func (s *Session) SetPIN(ctx context.Context, old, pin []byte) error {
	_, err := s.call(ctx, &Call{Function: FnSetPIN, Data: old, Extra: pin})
	return err
}

// Find returns at most limit objects that have all attributes of the template.
func (s *Session) Find(ctx context.Context, template []Attribute, limit int) ([]Object, error) {
	r, err := s.call(ctx, &Call{Function: FnFind, Template: template, Limit: limit})
	if err != nil {
		return nil, err
	}
	found := make([]Object, len(r.Handles))
	for i, h := range r.Handles {
		found[i] = Object(h)
	}
	return found, nil
}

// Attributes returns attributes of an object, in the order asked for. One that
// it does not have, or does not show, has a nil Value.
func (s *Session) Attributes(ctx context.Context, o Object, types ...AttributeType) ([]Attribute, error) {
	r, err := s.call(ctx, &Call{Function: FnAttributes, Subject: o, Types: types})
	if err != nil {
		return nil, err
	}
	return r.Attributes, nil
}

// SetAttributes changes attributes of an object.
func (s *Session) SetAttributes(ctx context.Context, o Object, to []Attribute) error {
	_, err := s.call(ctx, &Call{Function: FnSetAttributes, Subject: o, Template: to})
	return err
}

// CreateObject makes an object of the values that the template has.
func (s *Session) CreateObject(ctx context.Context, template []Attribute) (Object, error) {
	return s.object(ctx, &Call{Function: FnCreateObject, Template: template})
}

// CopyObject copies an object, with some attributes changed.
func (s *Session) CopyObject(ctx context.Context, o Object, template []Attribute) (Object, error) {
	return s.object(ctx, &Call{Function: FnCopyObject, Subject: o, Template: template})
}

// DestroyObject ends an object for good.
func (s *Session) DestroyObject(ctx context.Context, o Object) error {
	_, err := s.call(ctx, &Call{Function: FnDestroyObject, Subject: o})
	return err
}

// GenerateKey makes a secret key.
func (s *Session) GenerateKey(ctx context.Context, m Mechanism, template []Attribute) (Object, error) {
	return s.object(ctx, &Call{Function: FnGenerateKey, Mechanism: m, Template: template})
}

// GenerateKeyPair makes a key pair.
func (s *Session) GenerateKeyPair(ctx context.Context, m Mechanism, publicHalf, privateHalf []Attribute) (public, private Object, err error) {
	r, err := s.call(ctx, &Call{Function: FnGenerateKeyPair, Mechanism: m, Template: publicHalf, Private: privateHalf})
	if err != nil {
		return 0, 0, err
	}
	return Object(r.Handle), Object(r.Private), nil
}

// Sign signs data, or computes a MAC.
func (s *Session) Sign(ctx context.Context, m Mechanism, k Object, data []byte) ([]byte, error) {
	return s.data(ctx, &Call{Function: FnSign, Mechanism: m, Key: k, Data: data})
}

// Verify checks a signature or MAC; a wrong one is RVSignatureInvalid.
func (s *Session) Verify(ctx context.Context, m Mechanism, k Object, data, signature []byte) error {
	_, err := s.call(ctx, &Call{Function: FnVerify, Mechanism: m, Key: k, Data: data, Extra: signature})
	return err
}

// Encrypt encrypts data.
func (s *Session) Encrypt(ctx context.Context, m Mechanism, k Object, data []byte) ([]byte, error) {
	return s.data(ctx, &Call{Function: FnEncrypt, Mechanism: m, Key: k, Data: data})
}

// Decrypt decrypts data.
func (s *Session) Decrypt(ctx context.Context, m Mechanism, k Object, data []byte) ([]byte, error) {
	return s.data(ctx, &Call{Function: FnDecrypt, Mechanism: m, Key: k, Data: data})
}

// Wrap returns a key encrypted under another one.
func (s *Session) Wrap(ctx context.Context, m Mechanism, under, subject Object) ([]byte, error) {
	return s.data(ctx, &Call{Function: FnWrap, Mechanism: m, Key: under, Subject: subject})
}

// Unwrap makes a key of one that is encrypted under another.
func (s *Session) Unwrap(ctx context.Context, m Mechanism, by Object, wrapped []byte, template []Attribute) (Object, error) {
	return s.object(ctx, &Call{Function: FnUnwrap, Mechanism: m, Key: by, Data: wrapped, Template: template})
}

// Derive makes a key of another one and the mechanism's parameter.
func (s *Session) Derive(ctx context.Context, m Mechanism, of Object, template []Attribute) (Object, error) {
	return s.object(ctx, &Call{Function: FnDerive, Mechanism: m, Key: of, Template: template})
}

// Random returns n bytes of the token's random source.
func (s *Session) Random(ctx context.Context, n int) ([]byte, error) {
	return s.data(ctx, &Call{Function: FnRandom, Limit: n})
}

func (s *Session) object(ctx context.Context, c *Call) (Object, error) {
	r, err := s.call(ctx, c)
	if err != nil {
		return 0, err
	}
	return Object(r.Handle), nil
}

func (s *Session) data(ctx context.Context, c *Call) ([]byte, error) {
	r, err := s.call(ctx, c)
	if err != nil {
		return nil, err
	}
	return r.Data, nil
}
