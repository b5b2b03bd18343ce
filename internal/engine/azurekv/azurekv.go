// Package azurekv is the engine whose keys live in Azure Key Vault or in a
// Managed HSM: they are made there, or come into it, and never leave. What
// Holdfast keeps is a sealed reference.
//
// Start with New. Which keys there are is data (able.go); every request goes
// through a remote.Line, in client.go; what the service's errors mean is in
// errors.go. Each version of a Holdfast key is a key of its own in the vault,
// under the name of remote.KeyName. Ciphertexts of AES keys are described in
// aead.go.
//
// The package is internal and may change with any release.
package azurekv

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azcertificates"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// Options sets an engine up.
type Options struct {
	remote.Settings
	// Vault is the URL of the vault or Managed HSM, such as
	// https://contoso.vault.azure.net. It must be given.
	Vault string
	// ManagedHSM says that Vault is a Managed HSM. Default: what its name says
	// (contoso.managedhsm.azure.net).
	ManagedHSM bool
	// HSM has keys made and imported in hardware, which takes a vault of the
	// Premium tier. Default: no, but of a Managed HSM always.
	HSM bool
	// Identity is who the server is to Azure. Default: the chain of
	// azidentity.DefaultAzureCredential (environment, workload identity, managed
	// identity, the tools of a developer).
	Identity *Identity
	// Credential gives tokens in place of Identity. Default: none.
	Credential azcore.TokenCredential
	// CA are the certificates that Vault and the authority may chain to. Default:
	// the system's.
	CA *x509.CertPool
	// Transport sends requests in place of the engine's own client, which is the
	// only one that knows CA. Default: none.
	Transport policy.Transporter
	// DisableChallengeResourceVerification has tokens sent to a vault that asks
	// for those of another domain: who answers under the vault's name then gets a
	// token that other vaults take. Default: no.
	DisableChallengeResourceVerification bool
	// Purge ends keys at once instead of leaving them to the vault's own waiting
	// period; it takes the permission to purge and a vault without purge
	// protection. Default: no.
	Purge bool
	// Poll is how long the engine waits between two looks at a key that is being
	// recovered or purged. Default: 1 s.
	Poll time.Duration
}

// Engine implements engine.Engine over a vault or a Managed HSM.
type Engine struct {
	line    *remote.Line
	box     engine.Box
	does    remote.Operations // with a key of one version
	follows remote.Operations // with a key of whatever version is current
	vault   azure.Identifier  // only its Host
	managed bool
	hsm     bool
	purge   bool
	poll    time.Duration
	name    string

	keys         *azkeys.Client
	certificates *azcertificates.Client
	client       *http.Client // nil where Options.Transport is used
}

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Importer  = (*Engine)(nil)
	_ engine.Adopter   = (*Engine)(nil)
	_ engine.Maker     = (*Engine)(nil)
	_ engine.Lister    = (*Engine)(nil)
	_ engine.Keeper    = (*Engine)(nil)
	_ engine.Namer     = (*Engine)(nil)
	_ engine.Protector = (*Engine)(nil)
)

// New returns an engine for the keys of a vault. It reaches nothing. Options that
// do not go together are InvalidArgument.
func New(ctx context.Context, w engine.Wrapper, o Options) (*Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "engine/azurekv.New", Err: err}
	}
	host, err := vaultHost(o.Vault)
	if err != nil {
		return nil, fault.New(fault.InvalidArgument, "the vault %q: %v", o.Vault, err)
	}
	if w == nil || o.Name == "" {
		return nil, fault.New(fault.InvalidArgument, "an engine over a vault needs a name, and something to seal references with")
	}
	e := &Engine{
		line: remote.NewLine(o.Settings, classify), box: remote.Box(w, "azurekv"), name: o.Name, vault: azure.Identifier{Host: host, Collection: azure.Keys},
		managed: o.ManagedHSM || azure.ManagedHSMHost(host), purge: o.Purge, poll: cmp.Or(o.Poll, time.Second),
	}
	e.hsm = o.HSM || e.managed
	e.does = remote.Operations{Sign: e.sign, Verify: e.verify, Decrypt: e.decrypt, Seal: e.seal, Unseal: e.unseal, Overhead: overhead, MAC: e.mac}
	e.follows = e.does
	e.follows.Overhead = versionedOverhead
	if err := e.connect(&o); err != nil {
		return nil, err
	}
	return e, nil
}

// vaultHost returns the host of a vault's URL.
func vaultHost(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("not the https URL of a vault")
	}
	host := strings.TrimSuffix(strings.ToLower(u.Host), ":443")
	if _, err := azure.ParseIdentifier("https://" + host + "/keys/a"); err != nil {
		return "", err
	}
	return host, nil
}

// Name returns the engine's configured name.
func (e *Engine) Name() string { return e.name }

// Protection returns key.HSM where keys are made in hardware, else key.Outside.
func (e *Engine) Protection() key.Protection {
	if e.hsm {
		return key.HSM
	}
	return key.Outside
}

// Health returns how the vault is and what was sent to it.
func (e *Engine) Health() remote.Health { return e.line.Health() }

// Close gives up the connections that are open and unused. The engine can be
// used again after it.
func (e *Engine) Close() error {
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	return nil
}

// Supports reports whether the vault makes keys of the spec for the usage.
func (e *Engine) Supports(spec alg.Spec, usage alg.Usage) bool {
	a, ok := able(spec, usage)
	return ok && (e.managed || !a.managed)
}

// Imports reports whether the vault takes keys of the spec.
func (e *Engine) Imports(spec alg.Spec) bool {
	for _, u := range spec.Info().Usages {
		if e.Supports(spec, u) {
			return true
		}
	}
	return false
}

// Random fills b: from the Managed HSM's random source, or from this process's,
// for a vault has none.
func (e *Engine) Random(ctx context.Context, b []byte) error {
	if !e.managed {
		_, _ = rand.Read(b) // never fails
		return nil
	}
	for len(b) > 0 {
		n := min(len(b), azure.MaxRandomBytes)
		err := e.do(ctx, "Random", remote.Repeatable, func(ctx context.Context) error {
			got, err := e.keys.GetRandomBytes(ctx, azkeys.GetRandomBytesParameters{Count: new(int32(n))}, nil) //nolint:gosec // at most 128
			if err == nil && len(got.Value) != n {
				err = foreign("random bytes: %d, not %d", len(got.Value), n)
			}
			copy(b, got.Value)
			clear(got.Value)
			return err
		})
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}
