// Package pkcs11 is the engine whose keys live in HSMs: they are made in a
// token of a PKCS #11 module, or come into it encrypted, and never leave it in
// the clear. What Holdfast keeps is a sealed reference.
//
// Start with New. What a token can do is asked of the token (able.go); where
// it lacks something that can be done without a private key leaving it, Go
// does that, and says so in the log and by Engine.Gaps. Keys are found by the
// reference that reference.go describes, and look in the token as
// template.go says.
//
// The package is internal and may change with any release.
package pkcs11

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Options sets an engine up. The zero Options are good ones.
type Options struct {
	// Timeout bounds an operation of an opened key, which has no context of its
	// own. Zero means 30 seconds.
	Timeout time.Duration
	// Log gets what the token lacks. Nil means slog.Default.
	Log *slog.Logger
}

// Engine implements engine.Engine over a place where HSM keys are.
type Engine struct {
	place   hsm.Place
	box     engine.Box
	timeout time.Duration
	log     *slog.Logger

	known   atomic.Pointer[able]
	probing sync.Mutex // held while the token is asked what it can do

	mu   sync.Mutex
	gaps map[string]Gap // guarded by mu: by what is lacking
}

var (
	_ engine.Engine       = (*Engine)(nil)
	_ engine.Importer     = (*Engine)(nil)
	_ engine.WrapExporter = (*Engine)(nil)
	_ engine.Adopter      = (*Engine)(nil)
	_ engine.Protector    = (*Engine)(nil)
)

// Gap is something that the token lacks and that is done in another way.
type Gap struct {
	// Lacks is what the token does not have, such as "RSAES-OAEP with SHA-256".
	Lacks string
	// Instead is what is done, and where.
	Instead string
}

// New returns an engine for the keys of a place. It reaches no token.
func New(place hsm.Place, w engine.Wrapper, o Options) (*Engine, error) {
	if place == nil || w == nil {
		return nil, fault.New(fault.InvalidArgument, "an engine over HSMs needs a place, and something to seal references with")
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Engine{
		place: place, box: engine.Box{Wrapper: w, Label: referenceLabel, Version: referenceVersion}, timeout: cmp.Or(o.Timeout, 30*time.Second),
		log: o.Log.With(slog.String("engine", place.Name())), gaps: map[string]Gap{},
	}, nil
}

// Name returns the place's configured name.
func (e *Engine) Name() string { return e.place.Name() }

// Protection returns key.HSM.
func (*Engine) Protection() key.Protection { return key.HSM }

// Supports reports whether the token makes keys of the spec for the usage. Of
// a token that was never reached it says what the package can do.
func (e *Engine) Supports(spec alg.Spec, usage alg.Usage) bool {
	ctx, cancel := e.context()
	defer cancel()
	a, err := e.able(ctx)
	if err != nil {
		return everything().makes(spec, usage)
	}
	return a.makes(spec, usage)
}

// Imports reports whether the token takes plain material of the spec, which
// reaches it encrypted where it can be.
func (e *Engine) Imports(spec alg.Spec) bool {
	ctx, cancel := e.context()
	defer cancel()
	a, err := e.able(ctx)
	if err != nil {
		a = everything()
	}
	return slices.ContainsFunc(spec.Info().Usages, func(u alg.Usage) bool { return a.uses(spec, u) })
}

// Random fills b from the token's random source.
func (e *Engine) Random(ctx context.Context, b []byte) error {
	return e.failure("engine/pkcs11.Random", hsm.Random(ctx, e.place, b))
}

// Gaps returns what the token is known to lack and what is done instead,
// sorted. It asks the token when that was not done before; gaps that show only
// in use are there once they have.
func (e *Engine) Gaps(ctx context.Context) ([]Gap, error) {
	if _, err := e.able(ctx); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.SortedFunc(maps.Values(e.gaps), func(a, b Gap) int { return cmp.Compare(a.Lacks, b.Lacks) }), nil
}

// gap notes a gap, and logs it when it is new.
func (e *Engine) gap(ctx context.Context, g Gap) {
	e.mu.Lock()
	_, known := e.gaps[g.Lacks]
	e.gaps[g.Lacks] = g
	e.mu.Unlock()
	if !known {
		e.log.WarnContext(ctx, "the token lacks something, which is done in another way",
			slog.String("lacks", g.Lacks), slog.String("instead", g.Instead))
	}
}

// context returns the context of an operation whose caller has none.
func (e *Engine) context() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), e.timeout)
}

// failure returns err with what was being done. That an object is not in the
// token where it should be may pass, as a token may come back.
func (*Engine) failure(op string, err error) error {
	if err == nil {
		return nil
	}
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case !ok && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)):
		return unavailable(op, err)
	case !ok:
		return &fault.Error{Kind: fault.Internal, Op: op, Err: err}
	case f.Kind == fault.NotFound:
		return &fault.Error{Kind: fault.Unavailable, Op: op, Public: "the key is not in the HSM where it should be", Err: err}
	}
	return err
}

func unavailable(op string, err error) error {
	return &fault.Error{Kind: fault.Unavailable, Op: op, Public: "the call was given up before the key was reached", Err: err}
}

func internal(op string, err error) error {
	return &fault.Error{Kind: fault.Internal, Op: op, Err: err}
}

func unsupported(spec alg.Spec, usage alg.Usage) error {
	return fault.New(fault.Unsupported, "the HSM has no keys of type %q for %q", spec, usage)
}

// lacking reports whether a token refused a mechanism as such, and not what it
// was asked to do with it: those answers come before the data is looked at
// (C_SignInit and the like).
func lacking(err error) bool {
	rv, ok := errors.AsType[pkcs11.RV](err)
	return ok && slices.Contains([]pkcs11.RV{
		pkcs11.RVMechanismInvalid, pkcs11.RVMechanismParamInvalid, pkcs11.RVArgumentsBad, pkcs11.RVFunctionNotSupported,
	}, rv)
}

// refusal reports whether a token refused a call of a session. A lost session
// and a fault of the token are refusals too, here: package hsm sees them for
// itself, whatever the function that has the session makes of them.
func refusal(err error) bool {
	_, ok := errors.AsType[pkcs11.RV](err)
	return ok
}
