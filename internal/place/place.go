// Package place has the places where keys are, each reached by a URI: the clouds,
// PKCS #11 tokens, Holdfast servers and files. It is what the public package
// holdfast, at the root, is made of; its errors are those of packages fault and
// client.
//
// Start with Connect. uri.go and scheme.go have the URIs, engine.go what places
// over an engine have in common. The software of a cloud is left out by a build
// tag: noaws, noazure, nogcp, novault.
//
// The package is internal and may change with any release.
package place

import (
	"context"
	"crypto/ecdh"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Settings are how a place is reached and used, beside what its URI says.
type Settings struct {
	// Passphrase gives that of an encrypted key file, and PIN that of a token; nil
	// for what a variable has. The bytes are overwritten after use.
	Passphrase, PIN func() ([]byte, error)
	// Timeout bounds an operation of a key. It must be given.
	Timeout time.Duration
	// Log gets what an operator should know. It must be given.
	Log *slog.Logger
	// Server is how a Holdfast server is reached; nil for what the environment
	// says.
	Server *client.Config
	// Isolated has PKCS #11 libraries run in processes of their own.
	Isolated bool
	// Sessions is how many sessions are open at a PKCS #11 token; 0 for package
	// hsm's default.
	Sessions int
	// Native has the RSA keys of files used by the system's libcrypto, where it is:
	// for programs that use them often.
	Native bool
}

// attempt bounds one request to a service.
const attempt = 10 * time.Second

// Place is a place of keys. All methods may be called at the same time. A key's
// name is that of URI.Key.
type Place interface {
	// Open finds a key.
	Open(ctx context.Context, u *URI) (*Opened, error)
	// Create makes a key and returns its URI.
	Create(ctx context.Context, u *URI, kind engine.Kind) (*URI, error)
	// List returns the keys that are there; u is the URI of the place.
	List(ctx context.Context, u *URI) ([]Listed, error)
	// Random fills b.
	Random(ctx context.Context, b []byte) error
	Close() error
}

// Opened is a key as a place gives it.
type Opened struct {
	Spec alg.Spec
	// Usage is the key's first one: what it does if the key itself does not say
	// which algorithms it has.
	Usage alg.Usage
	// Public is there for asymmetric keys.
	Public *engine.PublicKey
	Key    *engine.Key
	// Name is the type of keys that package alg does not have, and Exchange what
	// they do.
	Name     string
	Exchange ecdh.KeyExchanger
}

// TypeName returns the key's type, such as "rsa-2048".
func (o *Opened) TypeName() string {
	if o.Name != "" {
		return o.Name
	}
	return o.Spec.String()
}

// Listed is a key of a place.
type Listed struct {
	URI string
	// Spec is "" for a key that cannot be used; Type says then what it is. State
	// is an engine.Condition's name, or "".
	Spec, Type, State string
}

// Connect reaches the place that a URI names.
func Connect(ctx context.Context, u *URI, set *Settings) (Place, error) {
	switch u.Scheme {
	case SchemeAWS:
		return newAWS(ctx, u, set)
	case SchemeAzure:
		return newAzure(ctx, u, set)
	case SchemeGoogle:
		return newGoogle(ctx, u, set)
	case SchemeVault:
		return newVault(ctx, u, set)
	case SchemePKCS11:
		return newToken(ctx, u, set)
	case SchemeHoldfast:
		return newServer(u, set)
	case SchemeFile:
		return newFiles(set)
	}
	return nil, fault.New(fault.Unsupported, "there is no support for the scheme %s", u.Scheme)
}
