package files

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/envelope"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// located is a key that is opened when it is used: where one is out of reach,
// another one may not be.
type located struct {
	app *app
	uri string
}

var (
	_ envelope.Recipient = (*located)(nil)
	_ envelope.Identity  = (*located)(nil)
)

// locate reads the URIs of keys.
func (a *app) locate(uris []string) ([]*located, error) {
	var all []*located
	for _, text := range uris {
		u, err := holdfast.ParseURI(text)
		if err != nil {
			return nil, terminal.WrongUsage(err)
		}
		// What stands in a file has no PIN in it: String leaves it out.
		if slices.ContainsFunc(all, func(k *located) bool { return k.uri == u.String() }) {
			return nil, terminal.Usagef("the key %s comes twice", u)
		}
		all = append(all, &located{a, u.String()})
	}
	return all, nil
}

// recipients returns keys as for whom a file is.
func recipients(keys []*located) []envelope.Recipient {
	all := make([]envelope.Recipient, len(keys))
	for i, k := range keys {
		all[i] = k
	}
	return all
}

// URI returns where the key is.
func (l *located) URI() string { return l.uri }

// Wrap opens the key and has it wrap a file key.
func (l *located) Wrap(ctx context.Context, fileKey, binding []byte) (_ envelope.Method, _ []byte, err error) {
	k, err := l.app.OpenKey(ctx, l.uri)
	if err != nil {
		return "", nil, brief(err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	r, err := recipient(l.uri, k)
	if err != nil {
		return "", nil, err
	}
	method, wrapped, err := r.Wrap(ctx, fileKey, binding)
	return method, wrapped, brief(err)
}

// recipient returns a key as it can wrap: what it encrypts with, or the public
// half of what decrypts, or of what agrees on secrets.
func recipient(uri string, k *holdfast.Key) (envelope.Recipient, error) {
	if aead, err := k.AEAD(); err == nil {
		return envelope.NewAEAD(uri, aead), nil
	}
	if public, ok := k.Public().(*rsa.PublicKey); ok {
		for _, hash := range []struct {
			algorithm string
			hash      crypto.Hash
		}{{"rsa-oaep-sha256", crypto.SHA256}, {"rsa-oaep-sha1", crypto.SHA1}} {
			if slices.Contains(k.Algorithms(), hash.algorithm) {
				return envelope.NewRSA(uri, public, hash.hash)
			}
		}
	}
	if agreement, err := k.Agreement(); err == nil {
		return envelope.NewHPKE(uri, agreement.PublicKey())
	}
	if public, ok := k.Public().(*ecdsa.PublicKey); ok && strings.HasPrefix(uri, holdfast.SchemeFile+":") {
		p, err := public.ECDH() // a file with a public key says nothing of its use
		if err != nil {
			return nil, err
		}
		return envelope.NewHPKE(uri, p)
	}
	return nil, fmt.Errorf("the key (%s) neither encrypts nor agrees on secrets", k.Spec())
}

// Unwrap opens the key and has it unwrap a file key.
func (l *located) Unwrap(ctx context.Context, s envelope.Stanza, binding []byte) (_ []byte, err error) {
	k, err := l.app.OpenKey(ctx, l.uri)
	if err != nil {
		return nil, brief(err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	id, err := identity(l.uri, k, s.Method)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", envelope.ErrMethod, err)
	}
	fileKey, err := id.Unwrap(ctx, s, binding)
	return fileKey, brief(err)
}

// brief returns a key's error without the key's URI, beside which it is told.
func brief(err error) error {
	e, ok := errors.AsType[*holdfast.Error](err)
	if !ok || e.Error() != err.Error() { // something else is said as well
		return err
	}
	short := *e
	short.Op, short.URI = "", ""
	return &short
}

// identity returns a key as it can unwrap by a method.
func identity(uri string, k *holdfast.Key, m envelope.Method) (envelope.Identity, error) {
	switch {
	case m == envelope.AEADMethod:
		aead, err := k.AEAD()
		return envelope.NewAEAD(uri, aead), err
	case strings.HasPrefix(string(m), "RSA-"):
		d, err := k.Decrypter()
		return envelope.NewRSAIdentity(uri, d), err
	}
	agreement, err := k.Agreement()
	return envelope.NewHPKEIdentity(uri, agreement), err
}

// identities returns the keys to decrypt with: those that are named, or
// without any those of the file itself that may be followed.
func (a *app) identities(named []string, e *envelope.Envelope) ([]envelope.Identity, error) {
	var all []envelope.Identity
	keys, err := a.locate(named)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		all = append(all, k)
	}
	if len(named) > 0 {
		return all, nil
	}
	for _, s := range e.Recipients() {
		if err := follow(s.URI); err != nil {
			all = append(all, &strange{s.URI, err})
			continue
		}
		all = append(all, &located{a, s.URI})
	}
	return all, nil
}

// strange is a key that a file names, and to which nobody goes because of it.
type strange struct {
	uri string
	err error
}

// URI returns where the key is.
func (s *strange) URI() string { return s.uri }

// Unwrap says why nobody goes there.
func (s *strange) Unwrap(context.Context, envelope.Stanza, []byte) ([]byte, error) { return nil, s.err }

// follow reports what speaks against opening a key just because a file names
// it: whoever wrote the file chose the URI.
func follow(text string) error {
	u, err := holdfast.ParseURI(text)
	if err == nil {
		err = holdfast.CheckForeign(u)
	}
	if err != nil {
		return fmt.Errorf("%w: name it with --key if you trust it", err)
	}
	return nil
}
