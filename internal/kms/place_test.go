package kms_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/x509"
	"slices"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// place is another engine: it works as the soft one does, and keeps account of
// what it made and what was ended, as a token does.
type place struct {
	*ready
	name string

	mu     sync.Mutex // guards what follows
	live   map[engine.Ref]bool
	broken error // of Destroy
	// found is what Adopt finds, by name.
	found map[string]adoptable
}

type adoptable struct {
	kind     engine.Kind
	material engine.Material
	ref      engine.Ref // that it was made for
}

var (
	_ engine.Adopter   = (*place)(nil)
	_ engine.Protector = (*place)(nil)
)

// newPlace adds an engine to the fixture's. Whoever uses it opens the door anew.
func (f *fixture) newPlace(name string) *place {
	p := &place{ready: &ready{Engine: f.engine(), key: f.keys}, name: name, live: map[engine.Ref]bool{}, found: map[string]adoptable{}}
	f.others = append(f.others, p)
	return p
}

func (p *place) Name() string { return p.name }

func (p *place) Protection() key.Protection { return key.HSM }

func (p *place) born(ref engine.Ref, m engine.Material, err error) (engine.Material, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.live[ref] = true
	}
	return m, err
}

func (p *place) Generate(ctx context.Context, ref engine.Ref, kind engine.Kind) (engine.Material, error) {
	m, err := p.ready.Generate(ctx, ref, kind)
	return p.born(ref, m, err)
}

func (p *place) Import(ctx context.Context, ref engine.Ref, kind engine.Kind, plain []byte) (engine.Material, error) {
	m, err := p.Engine.Import(ctx, ref, kind, plain)
	return p.born(ref, m, err)
}

func (p *place) Open(ctx context.Context, ref engine.Ref, spec alg.Spec, wrapped []byte) (*engine.Key, error) {
	p.mu.Lock()
	alive := p.live[ref]
	for _, a := range p.found {
		if string(a.material.Wrapped) == string(wrapped) {
			ref, alive = a.ref, true
		}
	}
	p.mu.Unlock()
	if !alive {
		return nil, fault.New(fault.Internal, "%s has no material of %s", p.name, ref)
	}
	k, err := p.Engine.Open(ctx, ref, spec, wrapped)
	if err == nil && k.Unwrapper != nil {
		k.Unwrapper = &unwrapping{k.Unwrapper, p}
	}
	return k, err
}

// unwrapping keeps account of what comes in wrapped.
type unwrapping struct {
	engine.Unwrapper
	into *place
}

func (u *unwrapping) Unwrap(ctx context.Context, ref engine.Ref, kind engine.Kind, how alg.Wrapping, wrapped []byte) (engine.Material, error) {
	m, err := u.Unwrapper.Unwrap(ctx, ref, kind, how, wrapped)
	return u.into.born(ref, m, err)
}

func (p *place) Destroy(_ context.Context, ref engine.Ref, _ []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken == nil {
		delete(p.live, ref)
	}
	return p.broken
}

func (p *place) Adopt(_ context.Context, _ engine.Ref, name string) (engine.Kind, engine.Material, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	a, ok := p.found[name]
	if !ok {
		return engine.Kind{}, engine.Material{}, fault.New(fault.NotFound, "no key is called %s", name)
	}
	return a.kind, a.material, nil
}

// breaks sets what Destroy returns.
func (p *place) breaks(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.broken = err
}

// count returns how much material is alive.
func (p *place) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.live)
}

// stores are key stores that tests connect and disconnect.
type stores struct {
	mu        sync.Mutex // guards what follows
	known     []string
	connected map[string]engine.Engine
}

func (s *stores) Engine(r key.RealmID, at, store string) (engine.Engine, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.known, store) || r != realm || at != region {
		return nil, fault.Because(fault.NotFound, fault.NoSuchKeyStore, "there is no key store %s", store)
	}
	if e, ok := s.connected[store]; ok {
		return e, nil
	}
	return nil, fault.Because(fault.WrongState, fault.KeyStoreDisconnected, "the key store is not connected")
}

// connect connects the store cks-1 to an engine, or, with nil, disconnects it.
func (s *stores) connect(e engine.Engine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.connected == nil {
		s.connected = map[string]engine.Engine{}
	}
	if delete(s.connected, "cks-1"); e != nil {
		s.connected["cks-1"] = e
	}
}

// verifySPKI verifies an ECDSA signature over "m" with P-384, without any of
// ours.
func verifySPKI(t *testing.T, spki, signature []byte) {
	t.Helper()
	public, err := x509.ParsePKIXPublicKey(spki)
	must(t, err)
	sum := sha512.Sum384([]byte("m"))
	if !ecdsa.VerifyASN1(public.(*ecdsa.PublicKey), sum[:], signature) {
		t.Error("the signature is not right")
	}
}
