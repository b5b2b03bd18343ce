// Package gocloud has the Go Cloud Development Kit keep secrets with keys that
// package holdfast opens: keys of a Holdfast server, of clouds, of PKCS #11
// tokens, and of files.
//
// A program imports the package for its effect, and opens a keeper by a URL:
//
//	import _ "github.com/holdfast-kms/holdfast/adapters/gocloud"
//
//	keeper, err := secrets.OpenKeeper(ctx, "holdfast://kms.example.com/alias/secrets")
//
// "holdfast:///alias/secrets" is a key of the server that the environment
// names, and "holdfast://?uri=…" a key by any URI of package holdfast,
// percent-encoded. The parameters of all others are those that package holdfast
// has for its URIs.
//
// A key is an AES key, or an RSA key that decrypts: that is what there is in
// vaults of Azure. Most places take 4 KiB of plaintext at most, and RSA takes
// less: 190 bytes with 2048 bits.
//
// For As, the package has *holdfast.Error.
//
// The package follows semantic versioning.
package gocloud

import (
	"context"
	"crypto"
	"crypto/rsa"
	"errors"
	"fmt"
	"net/url"
	"slices"

	"gocloud.dev/gcerrors"
	"gocloud.dev/secrets"
	"gocloud.dev/secrets/driver"

	"github.com/holdfast-kms/holdfast"
)

// Scheme is that of the URLs of keepers.
const Scheme = "holdfast"

// Programs import drivers for this effect alone: secrets.OpenKeeper has no other
// way to learn of them.
func init() { //nolint:gochecknoinits // see above
	secrets.DefaultURLMux().RegisterKeeper(Scheme, new(URLOpener))
}

// URLOpener opens keepers by URLs, for a mux of the program's own.
type URLOpener struct {
	// Options are how keys are opened.
	Options []holdfast.Option
}

var _ secrets.KeeperURLOpener = (*URLOpener)(nil)

// OpenKeeperURL opens a keeper by a URL.
func (o *URLOpener) OpenKeeperURL(ctx context.Context, u *url.URL) (*secrets.Keeper, error) {
	uri, err := uriOf(u)
	if err != nil {
		return nil, err
	}
	return OpenKeeper(ctx, uri, o.Options...)
}

// uriOf returns the URI of the key that a URL stands for.
func uriOf(u *url.URL) (string, error) {
	if u.Host != "" || u.Path != "" || !u.Query().Has("uri") {
		return u.String(), nil
	}
	values, err := url.ParseQuery(u.RawQuery)
	if err != nil || len(values) != 1 || len(values["uri"]) != 1 {
		return "", fmt.Errorf("%s://? is followed by uri= and a percent-encoded URI, and nothing else", Scheme)
	}
	return values.Get("uri"), nil
}

// OpenKeeper opens a keeper by a URI of package holdfast.
func OpenKeeper(ctx context.Context, uri string, opts ...holdfast.Option) (*secrets.Keeper, error) {
	key, err := holdfast.Open(ctx, uri, opts...)
	if err != nil {
		return nil, err
	}
	k, err := NewKeeper(key)
	if err != nil {
		return nil, errors.Join(err, key.Close())
	}
	return k, nil
}

// NewKeeper returns a keeper for a key, which is the keeper's from now on: the
// keeper's Close closes it.
func NewKeeper(key *holdfast.Key) (*secrets.Keeper, error) {
	k, err := newKeeper(key)
	if err != nil {
		return nil, err
	}
	return secrets.NewKeeper(k), nil
}

// keeper is a driver.Keeper. One of aead and decrypter is there.
type keeper struct {
	key       *holdfast.Key
	aead      holdfast.AEAD
	decrypter crypto.Decrypter
	oaep      *rsa.OAEPOptions
}

var _ driver.Keeper = (*keeper)(nil)

func newKeeper(key *holdfast.Key) (*keeper, error) {
	aead, err := key.AEAD()
	if err == nil {
		return &keeper{key: key, aead: aead}, nil
	}
	decrypter, noRSA := key.Decrypter()
	if noRSA != nil {
		return nil, errors.Join(err, noRSA)
	}
	oaep := &rsa.OAEPOptions{Hash: crypto.SHA1} // what the places have that have no other
	if slices.Contains(key.Algorithms(), "rsa-oaep-sha256") {
		oaep.Hash = crypto.SHA256
	}
	return &keeper{key: key, decrypter: decrypter, oaep: oaep}, nil
}

// Encrypt encrypts a plaintext.
func (k *keeper) Encrypt(ctx context.Context, plaintext []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.aead == nil {
		return k.key.Encrypt("", plaintext) // by the same hash: SHA-256 where the key has it
	}
	return k.aead.Encrypt(plaintext, nil)
}

// Decrypt undoes Encrypt.
func (k *keeper) Decrypt(ctx context.Context, ciphertext []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if k.aead == nil {
		return k.decrypter.Decrypt(nil, ciphertext, k.oaep)
	}
	return k.aead.Decrypt(ciphertext, nil)
}

// Close closes the key.
func (k *keeper) Close() error { return k.key.Close() }

// ErrorAs has an error as *holdfast.Error.
func (*keeper) ErrorAs(err error, i any) bool {
	target, ok := i.(**holdfast.Error)
	return ok && errors.As(err, target)
}

// codes are what the Go CDK has for the kinds of package holdfast. It has
// nothing for a place that is away: Unavailable is Unknown.
var codes = map[holdfast.Kind]gcerrors.ErrorCode{
	holdfast.Internal:         gcerrors.Internal,
	holdfast.InvalidArgument:  gcerrors.InvalidArgument,
	holdfast.Unauthenticated:  gcerrors.PermissionDenied,
	holdfast.PermissionDenied: gcerrors.PermissionDenied,
	holdfast.NotFound:         gcerrors.NotFound,
	holdfast.AlreadyExists:    gcerrors.AlreadyExists,
	holdfast.WrongState:       gcerrors.FailedPrecondition,
	holdfast.Conflict:         gcerrors.FailedPrecondition,
	holdfast.Unsupported:      gcerrors.Unimplemented,
	holdfast.LimitExceeded:    gcerrors.ResourceExhausted,
	holdfast.BadCiphertext:    gcerrors.InvalidArgument,
	holdfast.BadSignature:     gcerrors.InvalidArgument,
	holdfast.Unavailable:      gcerrors.Unknown,
}

// ErrorCode returns the Go CDK's code of an error.
func (*keeper) ErrorCode(err error) gcerrors.ErrorCode {
	switch {
	case errors.Is(err, context.Canceled):
		return gcerrors.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return gcerrors.DeadlineExceeded
	}
	return codes[holdfast.KindOf(err)]
}
