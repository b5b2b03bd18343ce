package operation

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/ciphertext"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/succession"
)

// Operator does what keys do. All methods may be called at the same time. Errors
// are *fault.Error.
type Operator struct {
	guard     *guard.Guard
	keys      *catalog.Catalog
	engines   *material.Engines
	usable    func(*catalog.Entry) error
	line      *succession.Line
	admission *Admission
}

// New returns an operator of the keys that an admission knows.
func New(g *guard.Guard, a *Admission, line *succession.Line) *Operator {
	return &Operator{guard: g, keys: a.Keys, engines: a.Engines, usable: a.Usable, line: line, admission: a}
}

// noteContext records an encryption context, which is no secret: whoever
// decrypts must know it. One that is too long is refused here already, before
// policies with wildcards are compared with it.
func noteContext(v *guard.Visit, pairs []key.Tag) error {
	size := 0
	for _, p := range pairs {
		v.Note("context:"+p.Key, p.Value)
		size += ciphertext.Size(p)
	}
	if size > ciphertext.MaxContext {
		return ciphertext.TooLong()
	}
	return nil
}

// checkLength refuses plaintexts and messages that no API lets through.
func checkLength(what string, b []byte, limit int) error {
	if len(b) == 0 || len(b) > limit {
		return fault.Because(fault.InvalidArgument, fault.MessageTooLong, "the %s must have 1 to %d bytes", what, limit)
	}
	return nil
}

// GenerateRandom returns n random bytes (1 to MaxRandom) of the engine.
func (o *Operator) GenerateRandom(ctx context.Context, call *key.Call, n int) ([]byte, error) {
	return guard.Do(ctx, o.guard, call, key.GenerateRandom, func(v *guard.Visit) ([]byte, error) {
		if err := v.Authorize(alias.RealmTarget(call, key.GenerateRandom, nil)); err != nil {
			return nil, err
		}
		if n < 1 || n > MaxRandom {
			return nil, fault.New(fault.InvalidArgument, "the number of random bytes must be 1 to %d", MaxRandom)
		}
		v.NoteInt("bytes", n)
		b := make([]byte, n)
		return b, o.engines.Default().Random(ctx, b)
	})
}

// PublicKey returns the public half of a key's current version. It is in
// Version.Public.
func (o *Operator) PublicKey(ctx context.Context, call *key.Call, ref alias.Ref) (*PublicKeyResult, error) {
	return guard.Do(ctx, o.guard, call, key.GetPublicKey, func(v *guard.Visit) (*PublicKeyResult, error) {
		e, err := alias.Resolve(o.keys, call, ref)
		if err != nil {
			return nil, err
		}
		if err := v.Authorize(e.Target(key.GetPublicKey, &policy.Attributes{Alias: ref.Alias})); err != nil {
			return nil, err
		}
		if err := o.usable(e); err != nil {
			return nil, err
		}
		if e.Key.Spec.Symmetric() {
			return nil, e.At(fault.Because(fault.Unsupported, fault.WrongUsage, "a %s key has no public half", e.Key.Spec))
		}
		if err := Dry(call); err != nil {
			return nil, err
		}
		return &PublicKeyResult{Key: e.Key, Version: e.Key.Current()}, nil
	})
}
