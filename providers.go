package holdfast

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
)

// Provider is a place of keys as Providers know it. *Place is one; a program's
// own can be another, whose keys NewKey makes.
type Provider interface {
	// Open opens a key by its name in the place.
	Open(ctx context.Context, key string) (*Key, error)
	Close() error
}

// Providers are places of keys by names of the program's own, such as "aws"
// and "on-premises". All methods may be called at the same time.
type Providers struct {
	mu     sync.Mutex
	places map[string]Provider // guarded by mu
	opened map[Ref]*Key        // guarded by mu
}

// Ref names a key of a named provider.
type Ref struct{ Provider, Key string }

// NewProviders returns a registry with nothing in it. Close ends what is
// registered.
func NewProviders() *Providers {
	return &Providers{places: map[string]Provider{}, opened: map[Ref]*Key{}}
}

// Register gives a provider a name, and the registry the provider: its Close
// closes it. A name that is taken is AlreadyExists.
func (p *Providers) Register(name string, provider Provider) error {
	const op = "registering the provider"
	if name == "" || provider == nil {
		return refuse(InvalidArgument, op, name, "a provider has a name and a place")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.places[name] != nil {
		return refuse(AlreadyExists, op, name, "the name is taken")
	}
	p.places[name] = provider
	return nil
}

// Names returns the names that are registered, sorted.
func (p *Providers) Names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Sorted(maps.Keys(p.places))
}

// Get returns the provider of a name, or NotFound.
func (p *Providers) Get(name string) (Provider, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if provider := p.places[name]; provider != nil {
		return provider, nil
	}
	return nil, refuse(NotFound, "looking for the provider", name, "no provider has the name")
}

// Open opens a key of a named provider. The registry keeps it: the next Open
// returns the same one.
func (p *Providers) Open(ctx context.Context, name, key string) (*Key, error) {
	provider, err := p.Get(name)
	if err != nil {
		return nil, err
	}
	ref := Ref{name, key}
	p.mu.Lock()
	known := p.opened[ref]
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	k, err := provider.Open(ctx, key)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	first := p.opened[ref]
	if first == nil {
		p.opened[ref], first = k, k
	}
	p.mu.Unlock()
	if first != k {
		_ = k.Close() // somebody was faster, and it was never used
	}
	return first, nil
}

// Sign signs a message with a key of a named provider, by an algorithm as
// Key.Algorithms has them; "" is the key's first.
func (p *Providers) Sign(ctx context.Context, name, key string, message []byte, algorithm string) ([]byte, error) {
	k, err := p.Open(ctx, name, key)
	if err != nil {
		return nil, err
	}
	return k.SignWith(ctx, algorithm, message)
}

// Verify checks what Sign made.
func (p *Providers) Verify(ctx context.Context, name, key string, message, signature []byte, algorithm string) error {
	k, err := p.Open(ctx, name, key)
	if err != nil {
		return err
	}
	return k.Verify(ctx, algorithm, message, signature)
}

// Close closes all keys and providers and forgets them.
func (p *Providers) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, k := range p.opened {
		errs = append(errs, k.Close())
	}
	for _, place := range p.places {
		errs = append(errs, place.Close())
	}
	clear(p.opened)
	clear(p.places)
	return errors.Join(errs...)
}
