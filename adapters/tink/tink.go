// Package tink has Tink encrypt with keys that package holdfast opens: keys of
// a Holdfast server, of clouds, of PKCS #11 tokens, and of files.
//
// A client is registered one time. The URI of a key is Prefix and a URI of
// package holdfast:
//
//	registry.RegisterKMSClient(tink.NewClient())
//	kek, err := client.GetAEAD("holdfast-kms://holdfast:///alias/kek")
//	encryption := aead.NewKMSEnvelopeAEAD2(aead.AES256GCMKeyTemplate(), kek)
//
// The key has to be an AES key that encrypts and decrypts. Most places take 4
// KiB of plaintext at most: Tink's envelope encryption is for more, and for less
// traffic.
//
// The package follows semantic versioning.
package tink

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/tink-crypto/tink-go/v2/core/registry"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/holdfast-kms/holdfast"
)

// Prefix is what the URIs of keys begin with.
const Prefix = "holdfast-kms://"

// Client opens keys for Tink. It keeps each that it has opened. All methods may
// be called at the same time.
type Client struct {
	prefix string
	opts   []holdfast.Option

	mu   sync.Mutex
	keys map[string]*holdfast.Key // by their URIs; guarded by mu
}

var _ registry.KMSClient = (*Client)(nil)

// NewClient returns a client for all keys.
func NewClient(opts ...holdfast.Option) *Client {
	return &Client{prefix: Prefix, opts: opts, keys: map[string]*holdfast.Key{}}
}

// NewClientFor returns a client for the keys whose URIs begin with a prefix,
// itself one that begins with Prefix: for a program that reaches one place with
// other options than another.
func NewClientFor(prefix string, opts ...holdfast.Option) (*Client, error) {
	if !strings.HasPrefix(prefix, Prefix) {
		return nil, fmt.Errorf("the prefix %q does not begin with %s", prefix, Prefix)
	}
	c := NewClient(opts...)
	c.prefix = prefix
	return c, nil
}

// Supported reports whether a URI is one for this client.
func (c *Client) Supported(uri string) bool { return strings.HasPrefix(uri, c.prefix) }

// GetAEAD opens the key of a URI. What it returns is a tink.AEADWithContext as
// well.
func (c *Client) GetAEAD(uri string) (tink.AEAD, error) {
	return c.AEAD(context.Background(), uri)
}

// AEAD opens the key of a URI, as GetAEAD does, within a context.
func (c *Client) AEAD(ctx context.Context, uri string) (*AEAD, error) {
	if !c.Supported(uri) {
		return nil, fmt.Errorf("the URI does not begin with %s", c.prefix)
	}
	key, err := c.open(ctx, strings.TrimPrefix(uri, Prefix))
	if err != nil {
		return nil, err
	}
	aead, err := key.AEAD()
	if err != nil {
		return nil, err
	}
	return &AEAD{aead}, nil
}

// open returns a key that is open already, or opens it. Places that are slow
// keep nobody else waiting.
func (c *Client) open(ctx context.Context, uri string) (*holdfast.Key, error) {
	if key, ok := c.opened(uri, nil); ok {
		return key, nil
	}
	key, err := holdfast.Open(ctx, uri, c.opts...)
	if err != nil {
		return nil, err
	}
	first, ok := c.opened(uri, key)
	if ok {
		err = key.Close()
	}
	return first, err
}

// opened returns the key that is open by a URI, and whether there was one
// already; if not, it is the one given.
func (c *Client) opened(uri string, key *holdfast.Key) (*holdfast.Key, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.keys[uri]; ok {
		return known, true
	}
	if key != nil {
		c.keys[uri] = key
	}
	return key, false
}

// Close closes all keys. What GetAEAD returned is of no use afterwards; another
// GetAEAD opens the key again.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []error
	for _, key := range c.keys {
		all = append(all, key.Close())
	}
	clear(c.keys)
	return errors.Join(all...)
}

// AEAD encrypts with a key where it lives.
type AEAD struct{ aead holdfast.AEAD }

var (
	_ tink.AEAD            = (*AEAD)(nil)
	_ tink.AEADWithContext = (*AEAD)(nil)
)

// Encrypt encrypts a plaintext. The associated data is authenticated.
func (a *AEAD) Encrypt(plaintext, associatedData []byte) ([]byte, error) {
	return a.aead.Encrypt(plaintext, associatedData)
}

// Decrypt undoes Encrypt.
func (a *AEAD) Decrypt(ciphertext, associatedData []byte) ([]byte, error) {
	return a.aead.Decrypt(ciphertext, associatedData)
}

// EncryptWithContext is Encrypt, which it does not begin if the context is over.
// How long it takes at most is holdfast.WithTimeout's to say.
func (a *AEAD) EncryptWithContext(ctx context.Context, plaintext, associatedData []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return a.Encrypt(plaintext, associatedData)
}

// DecryptWithContext is Decrypt, which it does not begin if the context is over.
func (a *AEAD) DecryptWithContext(ctx context.Context, ciphertext, associatedData []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return a.Decrypt(ciphertext, associatedData)
}
