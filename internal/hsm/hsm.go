// Package hsm is tokens of PKCS #11 modules as the rest of Holdfast uses them:
// sessions that are renewed when they are lost, keys that are found again by
// their address, clear errors while a token is away, recovery without a
// restart. Several tokens that hold the same keys are a Group.
//
// Start with Open, and use a Token or a Group as a Place. The package is
// internal and may change with any release.
package hsm

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Place is where keys are: a Token, or a Group of them. All methods may be
// called at the same time. Errors are *fault.Error: Unavailable for what may
// pass (a token that is away, a full queue), NotFound and Conflict for an
// address that none or several objects have, else what the token's refusal
// means; the token's own answer, a pkcs11.RV, stays in the error's chain.
//
// A call that has begun is carried to its end, or to the token's own deadline,
// also when ctx ends: a session left in the middle of a call would be lost.
type Place interface {
	// Name is the configured name.
	Name() string
	// Capabilities returns what the tokens can do: of a Group, what all of them
	// can that were ever reached. They are known also while a token is away.
	Capabilities(ctx context.Context) (*Capabilities, error)
	// Sign signs data, or computes a MAC, with the key at an address.
	Sign(ctx context.Context, at Address, m pkcs11.Mechanism, data []byte) ([]byte, error)
	// Use runs f with a session and the object at an address. What it may count
	// on is as with Do.
	Use(ctx context.Context, at Address, f func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) error) error
	// Do runs f with a session, which is f's alone while it runs. When the
	// session, the login or the module is lost in the middle, f is run again with
	// another session, but only while nothing that f did can have changed the
	// token: making, changing or destroying an object of the token is never
	// repeated. What f makes beside (session objects) it destroys itself.
	Do(ctx context.Context, f func(ctx context.Context, s *pkcs11.Session) error) error
	// Find lists objects. Of a Group it lists what any token has, once.
	Find(ctx context.Context, q Query) ([]Found, error)
	// Destroy ends every object at an address for good, on every token. None
	// there is no error.
	Destroy(ctx context.Context, at Address) error
}

// Encrypt encrypts data with the key at an address.
func Encrypt(ctx context.Context, p Place, at Address, m pkcs11.Mechanism, data []byte) ([]byte, error) {
	return Give(ctx, p, at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) ([]byte, error) {
		return s.Encrypt(ctx, m, o, data)
	})
}

// Decrypt decrypts data with the key at an address. What the token does not
// take as a ciphertext is BadCiphertext.
func Decrypt(ctx context.Context, p Place, at Address, m pkcs11.Mechanism, data []byte) ([]byte, error) {
	return Give(ctx, p, at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) ([]byte, error) {
		return s.Decrypt(ctx, m, o, data)
	})
}

// Random fills b from the token's random source.
func Random(ctx context.Context, p Place, b []byte) error {
	return p.Do(ctx, func(ctx context.Context, s *pkcs11.Session) error {
		for rest := b; len(rest) > 0; {
			got, err := s.Random(ctx, min(len(rest), maxRandom))
			if err != nil {
				return err
			}
			if len(got) == 0 {
				return pkcs11.RVRandomNoRNG
			}
			rest = rest[copy(rest, got):]
			clear(got)
		}
		return nil
	})
}

// maxRandom is how many bytes are asked of a token at once.
const maxRandom = 1024

// Give runs f as Place.Use does, and returns what f gave when all of it went
// well.
func Give(ctx context.Context, p Place, at Address, f func(context.Context, *pkcs11.Session, pkcs11.Object) ([]byte, error)) ([]byte, error) {
	var out []byte
	err := p.Use(ctx, at, func(ctx context.Context, s *pkcs11.Session, o pkcs11.Object) (err error) {
		out, err = f(ctx, s, o)
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
