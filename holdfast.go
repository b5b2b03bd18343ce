// Package holdfast opens keys by their URIs, wherever they live, and uses them
// where they are: in AWS KMS, Azure Key Vault and Managed HSM, Google Cloud
// KMS, the transit engine of HashiCorp Vault and OpenBao, a PKCS #11 token, a
// Holdfast server, or a file.
//
// Start with Open. The Key that it returns is a crypto.Signer and, where it can
// be, gives a crypto.Decrypter, an AEAD, a MAC and a key agreement. Connect
// reaches a place of keys (one vault, one region, one token) and keeps the
// connection for several keys; Providers gives places names, signs with a key
// of a named one, and fails over between places that hold the same key. CSR,
// SelfSigned and SignCertificate make what X.509 needs of a key that stays put.
//
// The forms of URIs and their parameters are in docs/library.md. A program that
// does not want the software of a cloud leaves it out by a build tag: noaws,
// noazure, nogcp, novault.
//
// The package follows semantic versioning. No type of a cloud's SDK is in its
// API.
package holdfast

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
	"github.com/holdfast-kms/holdfast/internal/place"
)

// Open opens the key that a URI names. The key keeps a connection of its own
// to where it lives, which Key.Close ends; Connect shares one among keys.
func Open(ctx context.Context, uri string, opts ...Option) (*Key, error) {
	return alone(ctx, uri, opts, func(p *Place) (*Key, error) { return p.Open(ctx, uri) })
}

// Create makes a key of a spec, such as "rsa-2048", "p-256", "ed25519",
// "aes-256" or "hmac-256", under the name in a URI, and opens it. A name that is
// taken is AlreadyExists.
func Create(ctx context.Context, uri, spec string, opts ...Option) (*Key, error) {
	return alone(ctx, uri, opts, func(p *Place) (*Key, error) { return p.Create(ctx, uri, spec) })
}

// alone has a key of a place that is the key's own.
func alone(ctx context.Context, uri string, opts []Option, get func(*Place) (*Key, error)) (*Key, error) {
	p, err := Connect(ctx, uri, opts...)
	if err != nil {
		return nil, err
	}
	k, err := get(p)
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	k.closer = p.Close
	return k, nil
}

// List lists the keys of the place that a URI names; a key in it is not
// looked at.
func List(ctx context.Context, uri string, opts ...Option) ([]Listed, error) {
	p, err := Connect(ctx, uri, opts...)
	if err != nil {
		return nil, err
	}
	keys, err := p.List(ctx)
	return keys, errors.Join(err, p.Close())
}

// Option is how a place is reached and used.
type Option func(*settings)

// settings are what the Options set.
type settings struct {
	place.Settings
	usage   string
	foreign bool
}

// defaultTimeout bounds an operation of a key.
const defaultTimeout = 30 * time.Second

// settingsOf applies options.
func settingsOf(opts []Option) *settings {
	s := &settings{Settings: place.Settings{Timeout: defaultTimeout, Log: slog.New(slog.DiscardHandler)}}
	for _, o := range opts {
		o(s)
	}
	return s
}

// WithUsage says what a key that is made is for: "sign-verify",
// "encrypt-decrypt", "mac" or, where the place has it, "key-agreement". Without
// it a key signs if its spec can.
func WithUsage(usage string) Option { return func(s *settings) { s.usage = usage } }

// WithPassphrase gives the passphrase of an encrypted key file. Without it
// the variable HOLDFAST_PASSPHRASE has it. The bytes are overwritten after use.
func WithPassphrase(ask func() ([]byte, error)) Option {
	return func(s *settings) { s.Passphrase = ask }
}

// WithPIN gives the PIN of a PKCS #11 token whose URI has neither pin-source
// nor pin-value. Without it the variable HOLDFAST_PIN has it. The bytes are
// overwritten after use.
func WithPIN(ask func() ([]byte, error)) Option { return func(s *settings) { s.PIN = ask } }

// WithTimeout bounds each operation of a key, with all repetitions, as a
// crypto.Signer has no context. Without it that is 30 s.
func WithTimeout(d time.Duration) Option { return func(s *settings) { s.Timeout = d } }

// WithLog gives the log that gets what an operator should know. Without it
// nothing is logged.
func WithLog(log *slog.Logger) Option { return func(s *settings) { s.Log = log } }

// WithServer says how a Holdfast server is reached, in the place of the
// variables HOLDFAST_ADDR, HOLDFAST_CACERT, HOLDFAST_ACCESS_KEY_ID and so on. A
// host in a URI must be that of its Address; the parameters come before CACert
// and Region.
func WithServer(c client.Config) Option { return func(s *settings) { s.Server = &c } }

// WithForeignURI is for URIs that are somebody else's, as those in the header of
// an encrypted file: CheckForeign looks at them. The environment says then how a
// place is reached.
func WithForeignURI() Option { return func(s *settings) { s.foreign = true } }

// Main is for programs that use WithModuleProcess, which call it first in main
// and in TestMain. It returns at once, except in a process that is a PKCS #11
// library's own.
func Main() { worker.Main() }

// WithModuleProcess has a PKCS #11 library run in a process of its own, so that
// one that crashes or hangs harms nothing else, and is started again. The
// program has to call Main first. Without it the library is loaded into the
// program, one time for all who use it.
func WithModuleProcess() Option { return func(s *settings) { s.Isolated = true } }

// The variables that have what a URI and the Options do not say.
const (
	PassphraseVariable = place.PassphraseVariable // the passphrase of encrypted key files
	PINVariable        = place.PINVariable        // the PIN of tokens
	ModuleVariable     = place.ModuleVariable     // the path of the PKCS #11 library of URIs that name none
)
