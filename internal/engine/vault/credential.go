package vault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/hashicorp/vault/api/auth/approle"
	"github.com/hashicorp/vault/api/auth/kubernetes"

	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// Secret is a token or a secret id. It does not show itself.
type Secret string

// Format writes "[redacted]" whatever the verb.
func (Secret) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"[redacted]"`), nil }

// AppRole logs in by the auth method approle.
type AppRole struct {
	// RoleID and one of SecretID and SecretIDFile are the credential. The file is
	// read at each login.
	RoleID       string
	SecretID     Secret
	SecretIDFile string
	// Wrapped says that the secret id is a wrapping token, which is good for one
	// login: use a file that is written anew.
	Wrapped bool
	// Mount is the path of the method. Default: "approle".
	Mount string
}

// Kubernetes logs in by the auth method kubernetes.
type Kubernetes struct {
	// Role is the role that the service account is bound to.
	Role string
	// TokenFile has the service account's token and is read at each login.
	// Default: /var/run/secrets/kubernetes.io/serviceaccount/token.
	TokenFile string
	// Mount is the path of the method. Default: "kubernetes".
	Mount string
}

// source is where tokens come from: each login gets one.
type source interface {
	// login returns a token with its lease.
	login(ctx context.Context, c *api.Client) (*api.Secret, error)
	// ours reports whether the token is the engine's own, to give back.
	ours() bool
}

// newSource returns the source that the options choose.
func newSource(o *Options) (source, error) {
	var chosen []source
	if o.Token != "" {
		chosen = append(chosen, given{read: func() (string, error) { return string(o.Token), nil }})
	}
	if o.TokenFile != "" {
		chosen = append(chosen, given{read: func() (string, error) { return readToken(o.TokenFile) }})
	}
	if a := o.AppRole; a != nil {
		if a.RoleID == "" || (a.SecretID == "") == (a.SecretIDFile == "") {
			return nil, invalid("a login by approle takes a role id, and a secret id or its file")
		}
		chosen = append(chosen, method{a.method})
	}
	if k := o.Kubernetes; k != nil {
		if k.Role == "" {
			return nil, invalid("a login by kubernetes takes a role")
		}
		chosen = append(chosen, method{k.method})
	}
	switch len(chosen) {
	case 0:
		return given{read: usualToken}, nil
	case 1:
		return chosen[0], nil
	}
	return nil, invalid("of the ways to log in to Vault, one is chosen: token, token file, approle or kubernetes")
}

// usualToken returns the token that Vault's own clients would take.
func usualToken() (string, error) {
	if token := strings.TrimSpace(os.Getenv(api.EnvVaultToken)); token != "" {
		return token, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", errors.New("there is no token: neither VAULT_TOKEN nor a home directory is set")
	}
	token, err := readToken(filepath.Join(home, ".vault-token"))
	if errors.Is(err, os.ErrNotExist) {
		return "", errors.New("there is no token: neither VAULT_TOKEN nor ~/.vault-token has one")
	}
	return token, err
}

// readToken returns the token that a file has in one line.
func readToken(file string) (string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return "", fmt.Errorf("reading the token: %w", err)
	}
	defer clear(text)
	token := strings.TrimSpace(string(text))
	if token == "" || len(token) > 8<<10 || strings.ContainsAny(token, " \t\r\n") {
		return "", fmt.Errorf("the file %s has no token", file)
	}
	return token, nil
}

// given is a token that somebody else got.
type given struct{ read func() (string, error) }

func (given) ours() bool { return false }

// login asks how long the token's lease is. Where the token may not ask that,
// it is used for as long as it works.
func (g given) login(ctx context.Context, c *api.Client) (*api.Secret, error) {
	token, err := g.read()
	if err != nil {
		return nil, err
	}
	s := &api.Secret{Auth: &api.SecretAuth{ClientToken: token}}
	c.SetToken(token)
	found, err := c.Auth().Token().LookupSelfWithContext(ctx)
	if err := understood(nil, err); err != nil {
		if e := wire.ErrorOf(err); e != nil && e.Status < http.StatusInternalServerError && e.Status != http.StatusTooManyRequests {
			return s, nil
		}
		return nil, err
	}
	ttl, err := found.TokenTTL()
	if err != nil {
		return s, nil //nolint:nilerr // an answer without it is of a token that does not end
	}
	s.Auth.LeaseDuration = int(ttl / time.Second)
	s.Auth.Renewable, _ = found.TokenIsRenewable()
	return s, nil
}

// method is a login by one of the auth methods.
type method struct {
	make func() (api.AuthMethod, error)
}

func (method) ours() bool { return true }

func (m method) login(ctx context.Context, c *api.Client) (*api.Secret, error) {
	how, err := m.make()
	if err != nil {
		return nil, err
	}
	s, err := how.Login(ctx, c)
	if err != nil {
		return nil, understood(nil, err)
	}
	if s == nil || s.Auth == nil || s.Auth.ClientToken == "" {
		return nil, wrongAnswer("a login without a token")
	}
	return s, nil
}

func (a *AppRole) method() (api.AuthMethod, error) {
	options := []approle.LoginOption{approle.WithMountPath(cmp.Or(a.Mount, "approle"))}
	if a.Wrapped {
		options = append(options, approle.WithWrappingToken())
	}
	return approle.NewAppRoleAuth(a.RoleID, &approle.SecretID{FromString: string(a.SecretID), FromFile: a.SecretIDFile}, options...)
}

func (k *Kubernetes) method() (api.AuthMethod, error) {
	options := []kubernetes.LoginOption{kubernetes.WithMountPath(cmp.Or(k.Mount, "kubernetes"))}
	if k.TokenFile != "" {
		options = append(options, kubernetes.WithServiceAccountTokenPath(k.TokenFile))
	}
	return kubernetes.NewKubernetesAuth(k.Role, options...)
}
