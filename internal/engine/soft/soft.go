// Package soft is the engine whose keys live in this process: made with Go's
// cryptography, kept wrapped by the seal, and opened in memory.
//
// Start with New. RSA private-key operations run in the system's libcrypto
// where there is one (see native.go), because it is up to four times faster;
// all else, and RSA without it, is pure Go. Material's encoding is in
// material.go, the ciphertext's in aead.go.
//
// Secrets are overwritten where Go lets us: encodings and derived keys are,
// the standard library's parsed keys are not and go with the garbage. No
// value of this package shows key material to fmt, slog or encoding/json.
package soft

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Name is the engine's name in key records.
const Name = "soft"

// Options sets an engine up. The zero Options are good ones.
type Options struct {
	// Library is the file name or path of OpenSSL's libcrypto, version 3.
	// Empty means DefaultLibrary, found where the system's loader looks. A
	// library that is missing or fails its self-test is logged and left alone.
	Library string
	// PureGo keeps all operations in Go and loads no library.
	PureGo bool
	// RSALane is how many RSA private-key operations run at the same time.
	// Zero means GOMAXPROCS: all processors' worth, and still no queue of them
	// in the scheduler for others to stand in.
	RSALane int
	// Pregenerate is how many RSA keys of a spec are kept made in advance, by
	// one goroutine per spec, from a second after Ready on. Making one takes up
	// to 0.3 s of a processor; one that waits takes about 3 KB. Empty means none.
	Pregenerate map[alg.Spec]int
	// Log gets the library's fate. Nil means slog.Default.
	Log *slog.Logger
}

// Engine implements engine.Engine.
type Engine struct {
	box   engine.Box
	rsa   *rsaUnit
	stock *stock
}

var _ engine.Engine = (*Engine)(nil)

// New returns an engine that keeps material under w. Close it after use.
func New(w engine.Wrapper, o Options) (*Engine, error) {
	if w == nil {
		return nil, fault.New(fault.InvalidArgument, "the soft engine needs something to wrap keys with")
	}
	for spec, n := range o.Pregenerate {
		if spec.Info().Family != alg.RSA || n < 0 {
			return nil, fault.New(fault.InvalidArgument, "keys of type %q cannot be made in advance", spec)
		}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Engine{box: engine.Box{Wrapper: w, Label: materialLabel, Version: materialVersion}, rsa: newRSAUnit(o), stock: newStock(o.Pregenerate)}, nil
}

// Ready tells the engine that the server's start is over, so that what it does
// in advance takes no time from that. It is called at most once.
func (e *Engine) Ready() { e.stock.begin() }

// Close stops what New started, and waits for it. Keys that are open stay
// usable.
func (e *Engine) Close() error {
	e.stock.close()
	return nil
}

// Name returns "soft".
func (*Engine) Name() string { return Name }

// Supports reports whether the table has the spec with the usage: this engine
// has the whole table.
func (*Engine) Supports(spec alg.Spec, usage alg.Usage) bool { return spec.Allows(usage) }

// Generate makes a key and returns it wrapped for ref.
func (e *Engine) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	if err := ctx.Err(); err != nil {
		return engine.Material{}, unavailable("engine/soft.Generate", err)
	}
	s, err := e.generate(ctx, kind.Spec)
	if err != nil {
		return engine.Material{}, err
	}
	return e.wrap(ref, kind.Spec, s)
}

// Open unwraps material that Generate made for the same ref and spec.
func (e *Engine) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, unavailable("engine/soft.Open", err)
	}
	encoded, err := e.unwrap(ref, spec, wrapped)
	if err != nil {
		return nil, err
	}
	defer clear(encoded)
	k, err := e.open(spec, encoded)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "engine/soft.Open", Err: fmt.Errorf("reading material of %s: %w", ref, err)}
	}
	return k, nil
}

// Destroy does nothing: the material exists only as what was wrapped.
func (*Engine) Destroy(context.Context, engine.Ref, []byte) error { return nil }

// Random fills b from the operating system's generator.
func (*Engine) Random(_ context.Context, b []byte) error {
	_, err := rand.Read(b) // never fails: it ends the process instead
	return err
}

// RSA says where RSA private-key operations run.
type RSA struct {
	// Library is the native library's own name and version, such as "OpenSSL
	// 3.0.19 27 Jan 2026"; empty in pure Go.
	Library string
	// Why says why there is no library, or why it was given up; nil else.
	Why error
	// Fallbacks counts the operations that the library failed and Go did.
	Fallbacks uint64
}

// RSA returns where RSA private-key operations run at the moment.
func (e *Engine) RSA() RSA { return e.rsa.status() }

func unavailable(op string, err error) error {
	return &fault.Error{Kind: fault.Unavailable, Op: op, Public: "the call was given up before the key was reached", Err: err}
}
