package operation

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/material"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/succession"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// Admission lets operations to keys, and opens those for them.
type Admission struct {
	Keys    *catalog.Catalog
	Engines *material.Engines
	// Usable returns an error for a key whose state forbids its use.
	Usable func(*catalog.Entry) error
}

// Use is what an operation wants of a key.
type Use struct {
	Ref alias.Ref
	// At is the key where it is found already, nil to find it by Ref.
	At     *catalog.Entry
	Action key.Action
	Usage  alg.Usage
	// Algorithm is NoAlgorithm where the operation has none.
	Algorithm  alg.Algorithm
	Attributes policy.Attributes
	// Listed refuses further algorithms.
	Listed bool
}

// Admit finds the key that an operation wants, asks whether the call may use
// it so, and whether the key can be used so.
func (a *Admission) Admit(v *guard.Visit, u *Use) (*catalog.Entry, error) {
	e, err := u.At, error(nil)
	if e == nil {
		e, err = alias.Resolve(a.Keys, v.Call, u.Ref)
	}
	if err != nil {
		return nil, err
	}
	return e, a.AdmitEntry(v, e, u)
}

// AdmitEntry is Admit for a key that is found already.
func (a *Admission) AdmitEntry(v *guard.Visit, e *catalog.Entry, u *Use) error {
	u.Attributes.Algorithm = u.Algorithm
	u.Attributes.Alias = u.Ref.Alias
	if err := v.Authorize(e.Target(u.Action, &u.Attributes)); err != nil {
		return err
	}
	if err := a.Usable(e); err != nil {
		return err
	}
	if err := succession.Permits(e.Key, u.Action); err != nil {
		return e.At(err)
	}
	if u.Listed && !e.Key.Spec.Lists(u.Algorithm) {
		return e.Misfit(u.Algorithm)
	}
	return e.Fits(u.Usage, u.Algorithm)
}

// Dry ends a dry run: every check has passed.
func Dry(call *key.Call) error {
	if call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the request would have succeeded, but is a dry run")
	}
	return nil
}

// NoteUse records which algorithm and version an operation used.
func NoteUse(v *guard.Visit, e *catalog.Entry, a alg.Algorithm, n key.VersionNumber) {
	v.Note("algorithm", a.String())
	if len(e.Key.Versions) > 1 {
		v.NoteInt("version", int(n))
	}
}

// Current returns the opened key of the current version.
func (a *Admission) Current(ctx context.Context, e *catalog.Entry) (*engine.Key, error) {
	return a.Open(ctx, e, e.Key.Current().Number)
}

// Open returns the opened key of a version.
func (a *Admission) Open(ctx context.Context, e *catalog.Entry, n key.VersionNumber) (*engine.Key, error) {
	return a.Engines.Open(ctx, e, n)
}

// Step marks what a key's engine does, which is told nothing of the request.
func Step(ctx context.Context, e *catalog.Entry, name string) *trace.Span {
	span := trace.Start(ctx, name)
	if span != nil {
		span.Set(trace.Engine, e.Key.Engine)
	}
	return span
}
