package remote

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/keyless"
)

// Keyless says where signatures are made.
type Keyless struct {
	// Servers are key servers, as keyless.Config has them.
	Servers []string
	// ServerName is the name in their certificates; each server's host without it.
	ServerName string
	// CACert is a PEM file of the certificates to trust; that of the server of the
	// native API without it.
	CACert string
	// Connections is how many are kept to each; 0 for the client's default.
	Connections int
}

// fast makes an account's signatures over Keyless SSL.
type fast struct {
	client *keyless.Client
	log    *slog.Logger

	mu   sync.RWMutex            // guards keys
	keys map[string]*keyless.Key // by their SubjectPublicKeyInfo; nil of kinds that the protocol does not have
}

// maxFastKeys bounds what is kept of keys to sign with.
const maxFastKeys = 10000

func newFast(t *Token, c credential) (*fast, error) {
	k, own := t.config.Keyless, t.config.Server
	settings, err := trust(k, own.CACert)
	if err != nil {
		return nil, unconnected(err)
	}
	config := keyless.Config{
		Servers: k.Servers, TLS: settings, Connections: k.Connections, Log: t.log, Region: own.Region,
		AccessKeyID: c.id, SecretAccessKey: c.secret, SessionToken: c.session,
	}
	switch {
	case c.own && own.ClientCertificate != "":
		settings.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tls.LoadX509KeyPair(own.ClientCertificate, own.ClientKey)
			return &pair, err
		}
	case c.own:
		config.AccessKeyID, config.SecretAccessKey, config.SessionToken = own.AccessKeyID, own.SecretAccessKey, own.SessionToken
	}
	made, err := keyless.New(config)
	if err != nil {
		return nil, unconnected(err)
	}
	return &fast{client: made, log: t.log, keys: map[string]*keyless.Key{}}, nil
}

func unconnected(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Op: "pkcs11.Login", Public: "the key server cannot be asked", Err: err}
}

// trust returns how key servers are reached.
func trust(k *Keyless, serversCA string) (*tls.Config, error) {
	settings := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: k.ServerName}
	file := k.CACert
	if file == "" {
		file = serversCA
	}
	if file == "" {
		return settings, nil
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, fmt.Errorf("reading the certificates to trust: %w", err)
	}
	settings.RootCAs = x509.NewCertPool()
	if !settings.RootCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("the file %s has no certificate in PEM", file)
	}
	return settings, nil
}

// sign signs where it can. What the protocol does not have, and what failed,
// is left to the native API, which says why it fails.
func (f *fast) sign(ctx context.Context, u *use, a alg.Algorithm, input []byte) ([]byte, bool) {
	opts, ok := optionsOf(a)
	if !ok {
		return nil, false
	}
	k := f.key(u)
	if k == nil {
		return nil, false
	}
	signature, err := k.SignContext(ctx, input, opts)
	if err != nil {
		f.log.DebugContext(ctx, "a signature was not made over Keyless SSL", slog.String("key", u.id), slog.Any("cause", err))
		return nil, false
	}
	return signature, true
}

// optionsOf returns how Keyless SSL is asked for an algorithm.
func optionsOf(a alg.Algorithm) (crypto.SignerOpts, bool) {
	info := a.Info()
	switch info.Scheme { //nolint:exhaustive // the protocol has no other scheme
	case alg.PKCS1, alg.ECDSA:
		return info.Hash, info.Hash != 0
	case alg.PSS:
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: info.Hash}, info.Hash >= crypto.SHA256
	case alg.PureEdDSA:
		return crypto.Hash(0), true
	}
	return nil, false
}

// key returns what signs with a key, nil of a kind that the protocol does not
// have.
func (f *fast) key(u *use) *keyless.Key {
	f.mu.RLock()
	k, known := f.keys[string(u.public)]
	f.mu.RUnlock()
	if known {
		return k
	}
	public, err := x509.ParsePKIXPublicKey(u.public)
	if err == nil {
		k, err = f.client.Key(public)
	}
	if err != nil {
		k = nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.keys) >= maxFastKeys {
		clear(f.keys)
	}
	f.keys[string(u.public)] = k
	return k
}

func (f *fast) close() {
	if err := f.client.Close(); err != nil {
		f.log.DebugContext(context.Background(), "closing the connections to the key server", slog.Any("cause", err))
	}
}
