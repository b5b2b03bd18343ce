package holdfast

import (
	"context"
	"maps"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/place"
)

// Place is where keys are: a region of AWS, a vault of Azure, a key ring of
// Google, a mount of Vault, a token, a Holdfast server, a directory. It is a
// Provider. All methods may be called at the same time.
type Place struct {
	uri *URI
	in  place.Place
	set *settings
}

var _ Provider = (*Place)(nil)

// Listed is a key of a place.
type Listed struct {
	// URI names the key, for Open.
	URI string
	// Spec is the key's type and size, such as "rsa-2048"; "" for a key that
	// cannot be used here. Type says then in the place's own words what it is.
	Spec, Type string
	// State is "usable", "disabled", "deleted" or "unusable"; "" where it is not
	// known without opening the key.
	State string
}

// Connect reaches the place that a URI names; a key in it is not looked at.
// Where a credential is wrong, or the place is away, that may show only when a
// key is opened. Place.Close ends the connection.
func Connect(ctx context.Context, uri string, opts ...Option) (*Place, error) {
	const op = "connecting to"
	u, err := ParseURI(uri)
	if err != nil {
		return nil, err
	}
	set := settingsOf(opts)
	if set.foreign {
		if err := place.CheckForeign(u); err != nil {
			return nil, failed(op, u.String(), err)
		}
	}
	in, err := place.Connect(ctx, u, &set.Settings)
	if err != nil {
		return nil, failed(op, u.String(), err)
	}
	return &Place{place.Of(u), in, set}, nil
}

// at returns the URI of a key: key is a URI, which may leave out what says
// which place it is, or a key's name in the place's own words.
func (p *Place) at(key string) (*URI, error) {
	const op = "opening"
	u, err := place.Parse(key)
	if err != nil || u.Scheme != p.uri.Scheme {
		named, err := place.Named(p.uri, key)
		return named, failed(op, "", err)
	}
	at := place.Of(u)
	switch {
	case u.Scheme == place.SchemeFile:
	case place.Bare(u):
		return nil, refuse(InvalidArgument, op, u.String(), "the URI names a place and no key in it")
	case at.String() == p.uri.String():
	case at.Host == "" && len(at.Query) == 0 && u.Scheme != place.SchemeGoogle && u.Scheme != place.SchemePKCS11:
		u.Host = p.uri.Host
		maps.Copy(u.Query, p.uri.Query)
	default:
		return nil, refuse(InvalidArgument, op, u.String(), "the key is in another place than "+p.uri.String())
	}
	return u, nil
}

// Open opens a key by its URI or its name in the place, such as
// "alias/release".
func (p *Place) Open(ctx context.Context, key string) (*Key, error) {
	u, err := p.at(key)
	if err != nil {
		return nil, err
	}
	o, err := p.in.Open(ctx, u)
	if err != nil {
		return nil, failed("opening", u.String(), err)
	}
	return newKey(u.String(), o), nil
}

// Create makes a key of a spec under a name, and opens it.
func (p *Place) Create(ctx context.Context, key, spec string) (*Key, error) {
	const op = "making"
	u, err := p.at(key)
	if err != nil {
		return nil, err
	}
	kind, err := p.kind(spec)
	if err != nil {
		return nil, failed(op, u.String(), err)
	}
	made, err := p.in.Create(ctx, u, kind)
	if err != nil {
		return nil, failed(op, u.String(), err)
	}
	return p.Open(ctx, made.String())
}

// kind returns what a new key is to be.
func (p *Place) kind(name string) (engine.Kind, error) {
	kind := engine.Kind{Spec: alg.ParseSpec(name), Usage: alg.ParseUsage(p.set.usage)}
	if kind.Spec == alg.NoSpec {
		return kind, refuse(InvalidArgument, "", "", "the spec "+name+" is none: rsa-2048, p-256, ed25519, aes-256 and hmac-256 are some")
	}
	if p.set.usage == "" {
		kind.Usage = kind.Spec.Info().Usages[0]
		if kind.Spec.Allows(alg.SignVerify) {
			kind.Usage = alg.SignVerify
		}
	}
	if !kind.Spec.Allows(kind.Usage) {
		return kind, refuse(InvalidArgument, "", "", "a key of the spec "+name+" has no usage "+p.set.usage)
	}
	return kind, nil
}

// List returns the place's keys, in no order.
func (p *Place) List(ctx context.Context) ([]Listed, error) {
	found, err := p.in.List(ctx, p.uri)
	keys := make([]Listed, len(found))
	for i, k := range found {
		keys[i] = Listed(k)
	}
	return keys, failed("listing the keys of", p.uri.String(), err)
}

// Random returns n random bytes of the place's own source; of files, of the
// operating system's.
func (p *Place) Random(ctx context.Context, n int) ([]byte, error) {
	if n < 1 || n > maxRandom {
		return nil, refuse(InvalidArgument, "", p.uri.String(), "between 1 and 65536 random bytes can be had at once")
	}
	b := make([]byte, n)
	if err := p.in.Random(ctx, b); err != nil {
		return nil, failed("taking random bytes of", p.uri.String(), err)
	}
	return b, nil
}

// maxRandom is how many bytes Random returns at most.
const maxRandom = 1 << 16

// URI returns the URI of the place.
func (p *Place) URI() string { return p.uri.String() }

// Close ends the connection. Keys of the place cannot be used after it.
func (p *Place) Close() error { return p.in.Close() }
