package keyserver

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rsa"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/place"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// operationTimeout bounds an operation of a key.
const operationTimeout = 20 * time.Second

// Key is a key that is served.
type Key struct {
	// Name is the file's path or the URI, without a PIN.
	Name string
	// SKI is what clients find it by.
	SKI    [wire.SKISize]byte
	Spec   alg.Spec
	opened *place.Opened
	signer crypto.Signer
}

// Set are the keys that are served at a time. It does not change.
type Set struct {
	keys     []*Key
	bySKI    map[[wire.SKISize]byte]*Key
	byDigest map[[32]byte]*Key
	// byServer and byID are of certificates beside the keys.
	byServer map[string][]*Key
	byID     map[string]*Key
	sealing  engine.AEAD // nil for none
	places   map[string]place.Place
	settings place.Settings
}

// Keys returns the keys in the order of the configuration.
func (s *Set) Keys() []*Key { return s.keys }

// openSet opens every key of a configuration. Any that cannot be opened is an
// error: a server that serves half of its keys is found out by its clients.
func openSet(ctx context.Context, c *Config, isolated bool, log *slog.Logger) (_ *Set, err error) {
	s := &Set{
		bySKI: map[[wire.SKISize]byte]*Key{}, byDigest: map[[32]byte]*Key{}, byServer: map[string][]*Key{}, byID: map[string]*Key{},
		places:   map[string]place.Place{},
		settings: place.Settings{Timeout: operationTimeout, Log: log, Isolated: isolated, Native: true},
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for i := range c.PrivateKeyStores {
		if err := s.openStore(ctx, &c.PrivateKeyStores[i]); err != nil {
			return nil, err
		}
	}
	if len(s.keys) == 0 {
		return nil, fault.New(fault.NotFound, "private_key_stores: there is no key in them")
	}
	if c.SealKey != "" {
		if err := s.openSealing(ctx, c.SealKey); err != nil {
			return nil, about("seal_key", err)
		}
	}
	return s, nil
}

func (s *Set) openStore(ctx context.Context, store *Store) error {
	switch {
	case store.Dir != "":
		return s.openDir(ctx, store.Dir)
	case store.File != "":
		return s.openFile(ctx, store.File)
	}
	u, sessions, err := readURI(store.URI)
	if err != nil {
		return err
	}
	return s.add(ctx, u, sessions)
}

// openFile opens the key of a PEM file.
func (s *Set) openFile(ctx context.Context, path string) error {
	return s.add(ctx, &place.URI{Scheme: place.SchemeFile, Key: filepath.Clean(path), Query: map[string]string{}}, 0)
}

// about says which key an error is about.
func about(name string, err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		named := *f
		named.Public = name + ": " + cmp.Or(f.Public, f.Kind.String())
		return &named
	}
	return fmt.Errorf("%s: %w", name, err)
}

// at returns the place of a key, which keys share.
func (s *Set) at(ctx context.Context, u *place.URI, sessions int) (place.Place, error) {
	name := place.SchemeFile
	if u.Scheme != place.SchemeFile {
		name = place.Of(u).String()
	}
	if p, ok := s.places[name]; ok {
		return p, nil
	}
	settings := s.settings
	settings.Sessions = sessions
	p, err := place.Connect(ctx, u, &settings)
	if err == nil {
		s.places[name] = p
	}
	return p, err
}

// open opens a key.
func (s *Set) open(ctx context.Context, u *place.URI, sessions int) (*place.Opened, string, error) {
	name := u.String()
	if u.Scheme == place.SchemeFile {
		name = u.Key
	}
	p, err := s.at(ctx, u, sessions)
	if err != nil {
		return nil, name, about(name, err)
	}
	opened, err := p.Open(ctx, u)
	if err != nil {
		return nil, name, about(name, err)
	}
	return opened, name, nil
}

// add opens a key and has it served.
func (s *Set) add(ctx context.Context, u *place.URI, sessions int) error {
	opened, name, err := s.open(ctx, u, sessions)
	if err != nil {
		return err
	}
	switch {
	case opened.Public == nil || opened.Key.Signer == nil && opened.Key.Decrypter == nil:
		return fault.New(fault.Unsupported, "%s is no private key", name)
	case !served(opened.Spec):
		return fault.New(fault.Unsupported, "%s: the protocol has no keys of type %s", name, opened.TypeName())
	}
	k := &Key{Name: name, Spec: opened.Spec, opened: opened, signer: signer{opened.Key.Signer, opened.Public}}
	if k.SKI, err = wire.SKIOf(opened.Public.SPKI()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if _, twice := s.bySKI[k.SKI]; twice {
		return nil // in two stores, the first of which goes before
	}
	s.keys = append(s.keys, k)
	s.bySKI[k.SKI] = k
	if public, ok := opened.Public.Key().(*rsa.PublicKey); ok {
		s.byDigest[wire.Digest(public)] = k
	}
	return nil
}

// served reports whether the protocol has operations for keys of a spec.
func served(spec alg.Spec) bool {
	switch spec.Info().Family { //nolint:exhaustive // the others are not TLS's, or have no number in the protocol
	case alg.RSA, alg.EC, alg.EdDSA:
		return true
	}
	return false
}

// signer is a place's signer, with the public half as package engine knows it.
type signer struct {
	crypto.Signer
	public *engine.PublicKey
}

// Public returns the public half.
func (s signer) Public() crypto.PublicKey { return s.public.Key() }

// decrypter is a place's decrypter in the same way.
type decrypter struct {
	crypto.Decrypter
	public *engine.PublicKey
}

// Public returns the public half.
func (d decrypter) Public() crypto.PublicKey { return d.public.Key() }

// openSealing opens the key that seals.
func (s *Set) openSealing(ctx context.Context, text string) error {
	u, sessions, err := readURI(text)
	if err != nil {
		return err
	}
	opened, name, err := s.open(ctx, u, sessions)
	if err != nil {
		return err
	}
	if s.sealing = opened.Key.AEAD; s.sealing == nil {
		return fault.New(fault.Unsupported, "%s is no symmetric key that encrypts", name)
	}
	return nil
}

// Close gives up the places.
func (s *Set) Close() error {
	var failures []error
	for _, p := range s.places {
		failures = append(failures, p.Close())
	}
	return errors.Join(failures...)
}

// String returns the key's name with its SKI, for the log.
func (k *Key) String() string {
	return k.Name + " (" + k.Spec.String() + ", ski " + hex.EncodeToString(k.SKI[:]) + ")"
}

// sign signs a payload.
func (k *Key) sign(a alg.Algorithm, f alg.Form, payload []byte) ([]byte, error) {
	if k.opened.Key.Signer == nil {
		return nil, fault.New(fault.Unsupported, "the key does not sign")
	}
	return engine.Sign(k.signer, a, engine.Message{Form: f, Bytes: payload})
}

// decrypt does RSADP.
func (k *Key) decrypt(a alg.Algorithm, payload []byte) ([]byte, error) {
	if k.opened.Key.Decrypter == nil {
		return nil, fault.New(fault.Unsupported, "the key does not decrypt")
	}
	return engine.Decrypt(decrypter{k.opened.Key.Decrypter, k.opened.Public}, a, payload)
}
