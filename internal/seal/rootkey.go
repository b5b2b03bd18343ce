package seal

import (
	"slices"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// RootKey is the root key itself, outside of its seal: what a recovery package
// holds. It redacts itself.
type RootKey struct {
	installation string
	secret       []byte
}

// NewRootKey returns the root key of an installation from its bytes, which
// the RootKey owns then.
func NewRootKey(installation string, secret []byte) (*RootKey, error) {
	if installation == "" || len(secret) != keySize {
		return nil, fault.New(fault.InvalidArgument, "%d bytes are no root key", len(secret))
	}
	return &RootKey{installation, secret}, nil
}

// Installation returns the id of the data directory that the key belongs to.
func (k *RootKey) Installation() string { return k.installation }

// ID returns the name of the root key for people: 16 hexadecimal digits.
func (k *RootKey) ID() string { return rootID(check(k.secret, k.installation)) }

// Reveal returns the key's 32 bytes, which are the RootKey's own.
func (k *RootKey) Reveal() []byte { return k.secret }

// Clear forgets the key.
func (k *RootKey) Clear() { clear(k.secret) }

// String keeps the key out of every log.
func (k *RootKey) String() string { return "root key of installation " + k.installation }

// GoString keeps the key out of %#v.
func (k *RootKey) GoString() string { return k.String() }

// MarshalText keeps the key out of JSON and structured logs.
func (k *RootKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Root returns the root key ready for use, without a seal.
func (k *RootKey) Root() (*Root, error) { return newRoot(k.installation, slices.Clone(k.secret)) }
