package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// A reference, version 1, is an engine.Box with the label
// "holdfast/pkcs11/reference" around the JSON of reference.
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

// algorithms returns those of the spec that go with the usages.
func (r *reference) algorithms(spec alg.Spec) []alg.Algorithm {
	var list []alg.Algorithm
	for _, u := range r.Usages {
		list = append(list, spec.AllFor(alg.ParseUsage(u))...)
	}
	return list
}

// seal returns the reference as material.
func (e *Engine) seal(ref engine.Ref, spec alg.Spec, r *reference) (engine.Material, error) {
	wrapped, err := e.box.SealJSON(ref, spec, r)
	return engine.Material{Wrapped: wrapped, Public: r.Public}, err
}

// unseal reads material.
func (e *Engine) unseal(ref engine.Ref, spec alg.Spec, wrapped []byte) (*reference, error) {
	r := &reference{}
	return r, e.box.OpenJSON(ref, spec, wrapped, r)
}

// Destroy ends the objects of a key that the engine made. A key that was
// adopted stays in the token: it was there before, and others may use it.
func (e *Engine) Destroy(ctx context.Context, ref engine.Ref, wrapped []byte) error {
	spec, err := e.box.Spec(ref, wrapped)
	if err != nil {
		return err
	}
	r, err := e.unseal(ref, spec, wrapped)
	if err != nil || r.Adopted {
		return err
	}
	return e.destroy(ctx, r)
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
