package place

import (
	"context"
	"crypto/x509"
	"io"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// keyEngine is an engine whose keys have names of the place's own.
type keyEngine interface {
	engine.Engine
	engine.Adopter
	engine.Maker
	engine.Lister
	io.Closer
}

// enginePlace is a place over an engine.
type enginePlace struct {
	engine keyEngine
	// name returns what Adopt takes for a URI.
	name func(*URI) string
	// fresh returns what Make takes for a URI, or why a new key cannot have it.
	fresh func(*URI) (string, error)
	// uri returns the URI of what Make or List returned, in the place of another
	// URI.
	uri func(place *URI, name string) *URI
}

var _ Place = (*enginePlace)(nil)

// Close closes the engine.
func (p *enginePlace) Close() error { return p.engine.Close() }

// Random asks the engine.
func (p *enginePlace) Random(ctx context.Context, b []byte) error { return p.engine.Random(ctx, b) }

// Open adopts a key.
func (p *enginePlace) Open(ctx context.Context, u *URI) (*Opened, error) {
	ref := refOf("library")
	kind, m, err := p.engine.Adopt(ctx, ref, p.name(u))
	if err != nil {
		return nil, err
	}
	return openMaterial(ctx, p.engine, ref, kind, m)
}

// Create has the engine make a key.
func (p *enginePlace) Create(ctx context.Context, u *URI, kind engine.Kind) (*URI, error) {
	name, err := p.fresh(u)
	if err != nil {
		return nil, err
	}
	_, err = p.engine.Make(ctx, name, kind)
	return u, err // it has the name that the URI says
}

// List returns what is on all pages.
func (p *enginePlace) List(ctx context.Context, u *URI) ([]Listed, error) {
	var keys []Listed
	for page := ""; ; {
		some, next, err := p.engine.List(ctx, page)
		if err != nil {
			return nil, err
		}
		for _, k := range some {
			keys = append(keys, Listed{URI: p.uri(u, k.Name).String(), Spec: k.Kind.Spec.String(), Type: k.Type, State: k.Condition.String()})
		}
		if page = next; page == "" {
			return keys, nil
		}
	}
}

// line returns how an engine treats its service.
func (s *Settings) line(name string) remote.Settings {
	return remote.Settings{Name: name, Timeout: s.Timeout, Attempt: min(s.Timeout, attempt), Log: s.Log}
}

// pool returns the certificates of a PEM file, nil without one.
func pool(path string) (*x509.CertPool, error) {
	text, err := pemFile(path)
	if text == nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.InvalidArgument, "the file %s has no certificate in PEM", path)
	}
	return roots, nil
}

// pemFile returns the text of a file, nil without one.
func pemFile(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	text, _, err := readFile(path)
	return text, err
}
