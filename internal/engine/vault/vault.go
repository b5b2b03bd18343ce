// Package vault is the engine whose keys live in the Transit secrets engine of
// HashiCorp Vault or OpenBao, reached by HashiCorp's API client.
//
// Start with New. Each version of a key here is a key of its own there, by the
// name that remote.KeyName gives it. What Transit does with which key is a
// table (able.go); its errors are read in errors.go, and session.go gets tokens
// and keeps them.
//
// Where the two products differ:
//   - OpenBao disables a key by soft deletion; HashiCorp's Transit cannot, and
//     SetEnabled is Unsupported there.
//   - Deletion is at once and for good in both: Recover is Unsupported.
//
// A signature or a code names the version of the key that made it, and is
// refused here when it is not the one that was asked for. Asymmetric keys and
// those for codes stay at the version that was current when they were made or
// adopted; encryption follows the key's rotation in Transit.
//
// The package is internal and may change with any release.
package vault

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// Options set an engine up. How to log in is one of Token, TokenFile, AppRole
// and Kubernetes; without any it is what Vault's own clients take: VAULT_TOKEN,
// then the file .vault-token in the home directory.
type Options struct {
	remote.Settings
	// Address is the server's URL: https, or http to a loopback address or over a
	// Transport. Default: VAULT_ADDR, then https://127.0.0.1:8200.
	Address string
	// Namespace is where the mount and the login are. Default: VAULT_NAMESPACE,
	// then none.
	Namespace string
	// Mount is the path of the Transit engine. Default: "transit".
	Mount string
	// CA are the certificates in PEM that the server's is checked against.
	// Default: those that VAULT_CACERT and VAULT_CAPATH name, then the system's.
	CA []byte
	// Transport carries the requests. Default: one of its own. With it, CA is the
	// transport's affair.
	Transport http.RoundTripper

	// Token is a token. It is renewed while its lease can be.
	Token Secret
	// TokenFile has a token, such as an agent's sink: it is read again when the
	// token has ended.
	TokenFile string
	// AppRole and Kubernetes log in, and log in again before the lease ends.
	AppRole    *AppRole
	Kubernetes *Kubernetes
}

// Engine implements engine.Engine over a mount of Transit.
type Engine struct {
	line    *remote.Line
	box     engine.Box
	mount   string
	session *session
	does    remote.Operations
}

var (
	_ engine.Engine    = (*Engine)(nil)
	_ engine.Importer  = (*Engine)(nil)
	_ engine.Adopter   = (*Engine)(nil)
	_ engine.Maker     = (*Engine)(nil)
	_ engine.Lister    = (*Engine)(nil)
	_ engine.Keeper    = (*Engine)(nil)
	_ engine.Protector = (*Engine)(nil)
	_ engine.Namer     = (*Engine)(nil)
)

// New returns an engine for the keys of a mount. It reaches no server. Options
// that contradict each other are InvalidArgument.
func New(ctx context.Context, w engine.Wrapper, o Options) (*Engine, error) {
	if err := ctx.Err(); err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Op: "engine/vault.New", Public: "the caller has gone", Err: err}
	}
	if w == nil || o.Name == "" {
		return nil, invalid("an engine over Vault needs a name, and something to seal references with")
	}
	o.Mount = strings.Trim(cmp.Or(o.Mount, "transit"), "/")
	for segment := range strings.SplitSeq(o.Mount, "/") {
		if !wire.ValidName(segment) {
			return nil, invalid("%.60q is no path of a mount", o.Mount)
		}
	}
	o.Attempt = cmp.Or(o.Attempt, 10*time.Second)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	s, err := newSession(o)
	if err != nil {
		return nil, err
	}
	e := &Engine{line: remote.NewLine(o.Settings, classify), box: remote.Box(w, "vault"), mount: o.Mount, session: s}
	e.does = remote.Operations{
		Sign: e.sign, Verify: e.verify, Decrypt: e.decrypt, Seal: e.seal, Unseal: e.unseal, Overhead: wire.CompactOverhead, MAC: e.mac,
	}
	return e, nil
}

func invalid(format string, args ...any) error {
	return fault.New(fault.InvalidArgument, "%s", fmt.Sprintf(format, args...))
}

// checkAddress refuses what is no address of a server, and one to which the
// token and plaintexts would travel in the clear.
func checkAddress(address string, own bool) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" && u.Scheme != "unix" || u.Host == "" && u.Scheme != "unix" || u.User != nil {
		return invalid("%.100q is no address of a Vault server", address)
	}
	if u.Scheme == "http" && !own && !remote.Loopback(u.Hostname()) {
		return invalid("%.100q would have the token and plaintexts sent unencrypted: use https, or an agent on this machine", address)
	}
	return nil
}

// Name returns the engine's configured name.
func (e *Engine) Name() string { return e.line.Name() }

// Protection returns key.Outside.
func (*Engine) Protection() key.Protection { return key.Outside }

// Health returns how the server is now.
func (e *Engine) Health() remote.Health { return e.line.Health() }

// Close ends the renewal of the token, gives back one that the engine logged
// in for, and closes the connections. The engine and its keys must not be used
// any more.
func (e *Engine) Close() error { return e.session.close() }

// Random fills b from the server's random source.
func (e *Engine) Random(ctx context.Context, b []byte) error {
	for len(b) > 0 {
		n := min(len(b), wire.MaxRandom)
		err := e.do(ctx, "Random", remote.Repeatable, func(ctx context.Context) error {
			r, err := call[wire.Random](ctx, e, http.MethodPut, "random", wire.RandomRequest{Bytes: n})
			if err != nil {
				return err
			}
			defer clear(r.Data.RandomBytes)
			if copy(b[:n], r.Data.RandomBytes) != n || len(r.Data.RandomBytes) != n {
				return wrongAnswer("%d random bytes instead of %d", len(r.Data.RandomBytes), n)
			}
			return nil
		})
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// Supports reports whether Transit makes keys of the spec for the usage.
func (*Engine) Supports(spec alg.Spec, usage alg.Usage) bool { return len(algorithms(spec, usage)) > 0 }

// Imports reports whether Transit takes keys of the spec: all that it makes.
func (*Engine) Imports(spec alg.Spec) bool { return len(usages(spec)) > 0 }

// do sends a request on the engine's line.
func (e *Engine) do(ctx context.Context, op string, how remote.How, send func(context.Context) error) error {
	return e.line.Do(ctx, "engine/vault."+op, how, send)
}
