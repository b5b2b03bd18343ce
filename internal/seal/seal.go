// Package seal holds the root key, under which everything secret in a data
// directory is encrypted. A seal says how the root key itself is kept: in a
// file beside the data, or encrypted under a passphrase, under a key of which
// people have shares, or under a key in an HSM.
//
// Make makes a seal, Unlock opens it at start, Unsealing gathers shares, and a
// Change changes the seal and the root key; a Root encrypts the installation's
// few own secrets, and a Keyring the realms' key material. description.go has
// the format of seal.json.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// keySize is the length of the root key and of realm keys, in bytes.
const keySize = 32

// sealedVersion is the first byte of everything that Root and Keyring
// encrypt. After it come a random nonce of 12 bytes and AES-256-GCM's output
// (NIST SP 800-38D), whose associated data is the purpose, a zero byte, and
// what the caller binds it to.
const sealedVersion = 1

// box encrypts under one key.
type box struct{ aead cipher.AEAD }

func newBox(secret []byte) (box, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return box{}, err
	}
	aead, err := cipher.NewGCM(block)
	return box{aead}, err
}

// seal encrypts plaintext for a purpose and binds it to associated.
func (b box) seal(purpose string, plaintext, associated []byte) []byte {
	nonce := make([]byte, b.aead.NonceSize(), 1+b.aead.NonceSize()+len(plaintext)+b.aead.Overhead())
	_, _ = rand.Read(nonce) // never fails (crypto/rand.Read)
	out := append(make([]byte, 0, cap(nonce)), sealedVersion)
	out = append(out, nonce...)
	return b.aead.Seal(out, nonce, plaintext, bound(purpose, associated))
}

var errNotOurs = errors.New("it was changed, or was encrypted under another key or for another purpose")

// open decrypts what seal made.
func (b box) open(purpose string, sealed, associated []byte) ([]byte, error) {
	n := b.aead.NonceSize()
	if len(sealed) < 1+n || sealed[0] != sealedVersion {
		return nil, fmt.Errorf("decrypting the %s: not in a format that this program knows", purpose)
	}
	plaintext, err := b.aead.Open(nil, sealed[1:1+n], sealed[1+n:], bound(purpose, associated))
	if err != nil {
		return nil, fmt.Errorf("decrypting the %s: %w", purpose, errNotOurs)
	}
	return plaintext, nil
}

func bound(purpose string, associated []byte) []byte {
	return append(append([]byte(purpose), 0), associated...)
}

// Root is an opened seal: the root key, ready for use. It redacts itself.
type Root struct {
	box          box
	check        string
	installation string
	// others are further root keys that the seal gives while the root key is
	// being replaced: Claim chooses, before anything else uses the Root.
	others []candidate
	// tidy removes what an interrupted change has left; Claim calls it.
	tidy func() error
}

// candidate is a root key that the store may be under.
type candidate struct {
	check string
	box   box
}

// Installation returns the random id of the data directory.
func (r *Root) Installation() string { return r.installation }

// ID returns the name of the root key for people: 16 hexadecimal digits.
func (r *Root) ID() string { return rootID(r.check) }

// Seal encrypts one of the installation's own secrets. purpose names what it
// is, associated what it belongs to; Unseal needs the same.
func (r *Root) Seal(purpose string, plaintext, associated []byte) []byte {
	return r.box.seal(purpose, plaintext, associated)
}

// Unseal decrypts what Seal made. An Internal error means that it was changed
// or is not this installation's.
func (r *Root) Unseal(purpose string, sealed, associated []byte) ([]byte, error) {
	plaintext, err := r.box.open(purpose, sealed, associated)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "seal.Unseal", Err: err}
	}
	return plaintext, nil
}

// String keeps the root key out of every log.
func (r *Root) String() string { return "root key of installation " + r.installation }

// GoString keeps the root key out of %#v.
func (r *Root) GoString() string { return r.String() }

// Ephemeral returns a root key that exists only in memory, for servers that
// keep nothing.
func Ephemeral() (*Root, error) {
	return newRoot(newInstallation(), random(keySize))
}

// newRoot returns a Root of one or more root keys, the newest last, which it
// clears.
func newRoot(installation string, keys ...[]byte) (*Root, error) {
	r := &Root{installation: installation}
	for _, k := range keys {
		b, err := newBox(k)
		if err != nil {
			return nil, err
		}
		r.others = append(r.others, candidate{check(k, installation), b})
		clear(k)
	}
	return r, r.choose(r.others[len(r.others)-1].check)
}

// choose has the root key with the check be used.
func (r *Root) choose(check string) error {
	for _, c := range r.others {
		if c.check == check {
			r.check, r.box = c.check, c.box
			return nil
		}
	}
	return fault.New(fault.Unauthenticated,
		"the store is under the root key %s, the seal has %s: one of them is older than the other", rootID(check), r.ID())
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand.Read)
	return b
}

func newInstallation() string { return fmt.Sprintf("%x", random(16)) }
