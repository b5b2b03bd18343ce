package holdfast

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
	keyEngine
	// name returns what Adopt takes for a URI.
	name func(*URI) string
	// fresh returns what Make takes for a URI, or why a new key cannot have it.
	fresh func(*URI) (string, error)
	// uri returns the URI of what Make or List returned, in the place of another
	// URI.
	uri func(place *URI, name string) *URI
}

var _ place = (*enginePlace)(nil)

func (p *enginePlace) close() error { return p.Close() }

func (p *enginePlace) random(ctx context.Context, b []byte) error { return p.Random(ctx, b) }

// open adopts a key.
func (p *enginePlace) open(ctx context.Context, u *URI) (*opened, error) {
	ref := refOf("library")
	kind, m, err := p.Adopt(ctx, ref, p.name(u))
	if err != nil {
		return nil, err
	}
	return openMaterial(ctx, p.keyEngine, ref, kind, m)
}

func (p *enginePlace) create(ctx context.Context, u *URI, kind engine.Kind) (*URI, error) {
	name, err := p.fresh(u)
	if err != nil {
		return nil, err
	}
	_, err = p.Make(ctx, name, kind)
	return u, err // it has the name that the URI says
}

// list returns what is on all pages.
func (p *enginePlace) list(ctx context.Context, u *URI) ([]Listed, error) {
	var keys []Listed
	for page := ""; ; {
		some, next, err := p.List(ctx, page)
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
func (s *settings) line(name string) remote.Settings {
	return remote.Settings{Name: name, Timeout: s.timeout, Attempt: min(s.timeout, attempt), Log: s.log}
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
