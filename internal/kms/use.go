package kms

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/alias"
	"github.com/holdfast-kms/holdfast/internal/catalog"
	"github.com/holdfast-kms/holdfast/internal/ciphertext"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/succession"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// use is what an operation wants of a key.
type use struct {
	ref Ref
	// at is the key where it is found already, nil to find it by ref.
	at     *catalog.Entry
	action key.Action
	usage  alg.Usage
	// algorithm is NoAlgorithm where the operation has none.
	algorithm  alg.Algorithm
	attributes policy.Attributes
	// listed refuses further algorithms.
	listed bool
}

// admit finds the key that an operation wants, asks whether the call may use
// it so, and whether the key can be used so.
func (s *Service) admit(v *guard.Visit, u *use) (*catalog.Entry, error) {
	e, err := u.at, error(nil)
	if e == nil {
		e, err = alias.Resolve(s.keys, v.Call, u.ref)
	}
	if err != nil {
		return nil, err
	}
	return e, s.admitEntry(v, e, u)
}

// admitEntry is admit for a key that is found already.
func (s *Service) admitEntry(v *guard.Visit, e *catalog.Entry, u *use) error {
	u.attributes.Algorithm = u.algorithm
	u.attributes.Alias = u.ref.Alias
	if err := v.Authorize(e.Target(u.action, &u.attributes)); err != nil {
		return err
	}
	if err := s.usable(e); err != nil {
		return err
	}
	if err := succession.Permits(e.Key, u.action); err != nil {
		return e.At(err)
	}
	if u.listed && !e.Key.Spec.Lists(u.algorithm) {
		return e.Misfit(u.algorithm)
	}
	return e.Fits(u.usage, u.algorithm)
}

// dry ends a dry run: every check has passed.
func dry(call *key.Call) error {
	if call.DryRun {
		return fault.Because(fault.InvalidArgument, fault.DryRun, "the request would have succeeded, but is a dry run")
	}
	return nil
}

// noteUse records which algorithm and version an operation used.
func noteUse(v *guard.Visit, e *catalog.Entry, a alg.Algorithm, n key.VersionNumber) {
	v.Note("algorithm", a.String())
	if len(e.Key.Versions) > 1 {
		v.NoteInt("version", int(n))
	}
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
func (s *Service) GenerateRandom(ctx context.Context, call *key.Call, n int) ([]byte, error) {
	return guard.Do(ctx, s.guard, call, key.GenerateRandom, func(v *guard.Visit) ([]byte, error) {
		if err := v.Authorize(alias.RealmTarget(call, key.GenerateRandom, nil)); err != nil {
			return nil, err
		}
		if n < 1 || n > MaxRandom {
			return nil, fault.New(fault.InvalidArgument, "the number of random bytes must be 1 to %d", MaxRandom)
		}
		v.NoteInt("bytes", n)
		b := make([]byte, n)
		return b, s.engines.Default().Random(ctx, b)
	})
}

// PublicKey returns the public half of a key's current version. It is in
// Version.Public.
func (s *Service) PublicKey(ctx context.Context, call *key.Call, ref Ref) (*PublicKeyResult, error) {
	return guard.Do(ctx, s.guard, call, key.GetPublicKey, func(v *guard.Visit) (*PublicKeyResult, error) {
		e, err := alias.Resolve(s.keys, call, ref)
		if err != nil {
			return nil, err
		}
		if err := v.Authorize(e.Target(key.GetPublicKey, &policy.Attributes{Alias: ref.Alias})); err != nil {
			return nil, err
		}
		if err := s.usable(e); err != nil {
			return nil, err
		}
		if e.Key.Spec.Symmetric() {
			return nil, e.At(fault.Because(fault.Unsupported, fault.WrongUsage, "a %s key has no public half", e.Key.Spec))
		}
		if err := dry(call); err != nil {
			return nil, err
		}
		return &PublicKeyResult{Key: e.Key, Version: e.Key.Current()}, nil
	})
}

// current returns the opened key of the current version.
func (s *Service) current(ctx context.Context, e *catalog.Entry) (*engine.Key, error) {
	return s.open(ctx, e, e.Key.Current().Number)
}

// open returns the opened key of a version.
func (s *Service) open(ctx context.Context, e *catalog.Entry, n key.VersionNumber) (*engine.Key, error) {
	return s.engines.Open(ctx, e, n)
}

// step marks what a key's engine does, which is told nothing of the request.
func (s *Service) step(ctx context.Context, e *catalog.Entry, name string) *trace.Span {
	span := trace.Start(ctx, name)
	if span != nil {
		span.Set(trace.Engine, e.Key.Engine)
	}
	return span
}
