package pkcs11

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// A reference, version 1, is
//
//	version   1 byte, 0x01
//	box       what Wrapper.Wrap made of the JSON of reference
//
// with the associated data of engine.Ref.Bind and the label
// "holdfast/pkcs11/reference", so that it opens as no other key, version or
// spec.
//
// A key that the engine makes has in the token the CKA_LABEL "holdfast/KEY
// ID/VERSION" and a CKA_ID of 24 bytes: 16 of the SHA-256 of what the label
// says and the realm, and 8 random ones, so that the remains of a call that
// failed in the middle are never taken for the key that was made after it. In a
// token without such ids the label is "holdfast/" and 14 of these bytes in
// hexadecimal: it must be one of its own, and some have no room for more.
const (
	referenceVersion = 1
	referenceLabel   = "holdfast/pkcs11/reference"
	idLabel          = "holdfast/pkcs11/id"
	// labelPrefix begins the labels of the keys that are made here.
	labelPrefix = "holdfast/"
)

// reference is where a key is and what it may do.
type reference struct {
	ID    []byte       `json:"id,omitempty"`
	Label string       `json:"label,omitempty"`
	Class pkcs11.Class `json:"class"`
	// Usages are those that the object allows: one of a key that was made here.
	Usages     []string `json:"usages"`
	Exportable bool     `json:"exportable,omitempty"`
	// Adopted keys are somebody else's: they are used and never destroyed.
	Adopted bool `json:"adopted,omitempty"`
	// Public is the SubjectPublicKeyInfo, so that it is there while the token is
	// away.
	Public []byte `json:"public,omitempty"`
}

// newReference returns that of a key that is about to be made.
func (a *able) newReference(ref engine.Ref, kind engine.Kind) *reference {
	sum := sha256.Sum256(ref.Bind(idLabel, referenceVersion, alg.NoSpec))
	id := append(make([]byte, 0, 24), sum[:16]...)
	id = id[:24]
	_, _ = rand.Read(id[16:]) // never fails
	r := &reference{
		ID: id, Label: fmt.Sprintf(labelPrefix+"%s/%d", ref.ID, ref.Version), Class: pkcs11.ClassPrivateKey,
		Usages: []string{kind.Usage.String()}, Exportable: kind.Exportable,
	}
	if kind.Spec.Symmetric() {
		r.Class = pkcs11.ClassSecretKey
	}
	if a.omits(pkcs11.AttrID) {
		r.ID, r.Label = nil, fmt.Sprintf(labelPrefix+"%x", id[10:])
	}
	return r
}

// address returns where the key is. The id of a key that was made here is
// enough, and spares tokens that do not search for labels well.
func (r *reference) address() hsm.Address {
	if !r.Adopted && len(r.ID) > 0 {
		return hsm.Address{ID: r.ID, Class: r.Class}
	}
	return hsm.Address{ID: r.ID, Label: r.Label, Class: r.Class}
}

// seal returns the reference as material.
func (e *Engine) seal(ref engine.Ref, spec alg.Spec, r *reference) (engine.Material, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return engine.Material{}, internal("engine/pkcs11.seal", err)
	}
	box, err := e.wrapper.Wrap(ref.Realm, text, ref.Bind(referenceLabel, referenceVersion, spec))
	if err != nil {
		return engine.Material{}, boxError("sealing", ref, err)
	}
	return engine.Material{Wrapped: append([]byte{referenceVersion}, box...), Public: r.Public}, nil
}

// unseal reads material.
func (e *Engine) unseal(ref engine.Ref, spec alg.Spec, wrapped []byte) (*reference, error) {
	if len(wrapped) == 0 || wrapped[0] != referenceVersion {
		return nil, internal("engine/pkcs11.unseal", fmt.Errorf("the reference of %s is in no format that this version of Holdfast knows", ref))
	}
	text, err := e.wrapper.Unwrap(ref.Realm, wrapped[1:], ref.Bind(referenceLabel, wrapped[0], spec))
	if err != nil {
		return nil, boxError("unsealing", ref, err)
	}
	r := &reference{}
	in := json.NewDecoder(bytes.NewReader(text))
	in.DisallowUnknownFields()
	if err := in.Decode(r); err != nil {
		return nil, internal("engine/pkcs11.unseal", fmt.Errorf("reading the reference of %s: %w", ref, err))
	}
	return r, nil
}

// boxError says what the wrapper failed at. That the seal is out of reach for
// the moment stays what it is; all else means that the reference was changed
// or is another key's.
func boxError(doing string, ref engine.Ref, err error) error {
	kind := fault.Internal
	if fault.KindOf(err) == fault.Unavailable {
		kind = fault.Unavailable
	}
	return &fault.Error{Kind: kind, Op: "engine/pkcs11", Err: fmt.Errorf("%s the reference of %s: %w", doing, ref, err)}
}

// Destroy ends the objects of a key that the engine made. A key that was
// adopted stays in the token: it was there before, and others may use it.
func (e *Engine) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	for _, spec := range alg.Specs() { // which one it is, the caller does not say
		r, err := e.unseal(ref, spec, wrapped)
		if err != nil {
			if fault.KindOf(err) == fault.Unavailable {
				return err
			}
			continue
		}
		if r.Adopted {
			return nil
		}
		return e.destroy(ctx, r)
	}
	return boxError("unsealing", ref, fmt.Errorf("it opens as no spec"))
}

// destroy ends both objects of a key: the public half last, so that what is
// left by a call that fails in the middle is still found by Destroy.
func (e *Engine) destroy(ctx context.Context, r *reference) error {
	at := r.address()
	err := e.place.Destroy(ctx, at)
	if err == nil && r.Class == pkcs11.ClassPrivateKey {
		at.Class = pkcs11.ClassPublicKey
		err = e.place.Destroy(ctx, at)
	}
	return e.failure("engine/pkcs11.Destroy", err)
}

// abandon ends what a call made that failed later on. The call's own error is
// the one that counts.
func (e *Engine) abandon(ctx context.Context, r *reference) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.timeout)
	defer cancel()
	if err := e.destroy(ctx, r); err != nil {
		e.log.WarnContext(ctx, "the remains of a key stay in the token", slog.String("label", r.Label), slog.Any("cause", err))
	}
}
