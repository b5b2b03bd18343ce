package engine

import (
	"context"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// This file has what engines are, beside, whose keys live in a service with
// names and states of its own: a cloud's key management.

// Condition is how a key is in a place that keeps a state of each key itself.
type Condition uint8

// The conditions. The zero Condition is none.
const (
	// Usable keys do all that they are for.
	Usable Condition = iota + 1
	// Disabled keys do nothing until somebody enables them.
	Disabled
	// Deleted keys do nothing, and can be recovered while the place's own
	// waiting period lasts.
	Deleted
	// Gone keys are no more.
	Gone
	// Unusable keys cannot be used for a reason of the place's own, such as
	// material that was never imported.
	Unusable
)

var conditionNames = [...]string{Usable: "usable", Disabled: "disabled", Deleted: "deleted", Gone: "gone", Unusable: "unusable"}

// String returns the condition in a lower-case word, "" for none.
func (c Condition) String() string {
	if int(c) < len(conditionNames) {
		return conditionNames[c]
	}
	return ""
}

// Keeper is what an Engine is, beside, when the place where its keys live
// keeps a state of each. All methods may be called at the same time and more
// than once. A key that was adopted is others' as well: SetEnabled, Recover and
// Engine.Destroy leave it alone and return nil.
type Keeper interface {
	// Condition asks the place how a key is.
	Condition(ctx context.Context, ref Ref, spec alg.Spec, wrapped []byte) (Condition, error)
	// SetEnabled disables or enables the key in the place.
	SetEnabled(ctx context.Context, ref Ref, spec alg.Spec, wrapped []byte, enabled bool) error
	// Recover undoes Engine.Destroy while the place still can: the key is Usable
	// or Disabled after it. A key that is Gone is NotFound, a place that deletes
	// at once is Unsupported.
	Recover(ctx context.Context, ref Ref, spec alg.Spec, wrapped []byte) error
}

// Maker is what an Engine is, beside, when a new key can get a name that its
// caller chooses. Such a key is nobody's until it is adopted.
type Maker interface {
	// Make makes a key and returns the name that Adopter.Adopt takes. A name
	// that is taken is AlreadyExists.
	Make(ctx context.Context, name string, kind Kind) (adopt string, err error)
}

// Listed is a key that is in an engine's place.
type Listed struct {
	// Name is what Adopter.Adopt takes.
	Name string
	// Kind is what the key is; of a key that the table does not have, its Spec
	// is NoSpec, and Type says in the place's own words what it is.
	Kind Kind
	Type string
	// Condition is how the key is.
	Condition Condition
	// Made is set when it has the name that this engine gives to keys.
	Made bool
	// Created is when the key was made, Renewed when its current material was;
	// zero where the place does not tell.
	Created, Renewed time.Time
	// Protection says what keeps the material, "" where the place does not tell.
	Protection key.Protection
	// Rotation is how often the place gives the key new material by itself: nil
	// where it does not tell, 0 for never.
	Rotation *time.Duration
}

// Lister is what an Engine is, beside, when it can say what keys are in its
// place.
type Lister interface {
	// List returns some of the keys, and what to give for page to get more, ""
	// at the end. The first page is "".
	List(ctx context.Context, page string) (keys []Listed, next string, err error)
}

// Namer is what an Engine is, beside, when its keys have names in their place.
type Namer interface {
	// NameOf returns a key's name, as Lister and Adopter have it. It asks the
	// place nothing.
	NameOf(ref Ref, spec alg.Spec, wrapped []byte) (string, error)
}

// Verifier is what checks signatures in the place itself: it shows that the
// key is still there and allowed to verify, which PublicKey.Verify does not.
type Verifier interface {
	// Verify returns nil, or a BadSignature error.
	Verify(a alg.Algorithm, m Message, signature []byte) error
}
