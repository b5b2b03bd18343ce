package place

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
	calls "github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/native"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
)

// PINVariable has the PIN of a token, ModuleVariable the path of the PKCS #11
// library of URIs that name none.
const (
	PINVariable    = "HOLDFAST_PIN"
	ModuleVariable = "HOLDFAST_PKCS11_MODULE"
)

// maxPIN is the longest PIN that is read, in bytes.
const maxPIN = 4 << 10

// tokenEngine is an engine with the token that it is over.
type tokenEngine struct {
	*pkcs11.Engine
	token *hsm.Token
}

// Close closes the token.
func (t *tokenEngine) Close() error { return t.token.Close() }

// newToken returns a place of the keys of a token. One that is away shows when a
// key is opened.
func newToken(ctx context.Context, u *URI, set *Settings) (Place, error) {
	c, err := tokenConfig(u.token, set)
	if err != nil {
		return nil, err
	}
	t, err := hsm.Open(ctx, *c)
	switch {
	case errors.Is(err, calls.ErrStatic):
		return nil, fault.New(fault.Unsupported, "this program was built without support for PKCS #11 modules (build tag static)")
	case err != nil:
		return nil, err
	}
	w, err := newWrapper()
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	e, err := pkcs11.New(t, w, pkcs11.Options{Timeout: set.Timeout, Log: set.Log})
	if err != nil {
		return nil, errors.Join(err, t.Close())
	}
	return &enginePlace{
		engine: &tokenEngine{e, t}, name: objectName, uri: objectURI,
		fresh: func(u *URI) (string, error) { return objectName(u), nil },
	}, nil
}

// objectName returns the URI of an object without what says how its token is
// reached, for which the engine has no use.
func objectName(u *URI) string {
	o := *u.token
	o.Slot, o.ModulePath, o.ModuleName, o.PINSource, o.PIN = nil, "", "", "", nil
	return o.String()
}

// objectURI returns the URI of an object of a token.
func objectURI(place *URI, name string) *URI {
	o, err := uri.Parse(name)
	if err != nil { // the engine has written it
		return place.with(name)
	}
	token := *place.token
	token.Object, token.ID, token.Class = o.Object, o.ID, o.Class
	return ofToken(&token)
}

// tokenConfig returns how a token is opened.
func tokenConfig(u *uri.URI, set *Settings) (*hsm.Config, error) {
	c := &hsm.Config{Log: set.Log, PIN: pinOf(u, set), Sessions: set.Sessions}
	switch {
	case u.Serial != "":
		c.Name, c.Serial = u.Serial, u.Serial
	case u.Token != "":
		c.Name, c.Token = u.Token, u.Token
	case u.Slot != nil:
		c.Name, c.Slot = "token", u.Slot
	default:
		return nil, fault.New(fault.InvalidArgument, "the PKCS #11 URI does not say which token: token=, serial= or slot-id=")
	}
	if err := findModule(u, c); err != nil {
		return nil, err
	}
	c.Environment = environment()
	if !set.Isolated {
		c.Launch = func(_ context.Context, path string, _ map[string]string) (calls.Module, error) {
			return native.Shared(path)
		}
	}
	return c, nil
}

// findModule finds the library: by its path, by its name among the known
// makers' and in the folders where distributions install them, or by the
// environment.
func findModule(u *uri.URI, c *hsm.Config) error {
	c.Module = u.ModulePath
	if c.Module == "" && u.ModuleName == "" {
		c.Module = os.Getenv(ModuleVariable)
	}
	name := cmp.Or(u.ModuleName, strings.TrimSuffix(filepath.Base(c.Module), ".so"))
	for _, p := range preset.All() {
		if p.Name == name || anyNamed(p.Modules, name) {
			c.Preset = p
			break
		}
	}
	if c.Module == "" {
		c.Module = cmp.Or(c.Preset.Find(), installed(name))
	}
	if _, err := os.Stat(c.Module); err != nil {
		return fault.New(fault.InvalidArgument, "no PKCS #11 library is named, or it is not found: give module-path in the URI, or set %s", ModuleVariable)
	}
	return nil
}

// installed returns the path of a library where distributions install them, ""
// if it is not there.
func installed(name string) string {
	for _, dir := range []string{"/usr/lib/pkcs11", "/usr/lib64/pkcs11", "/usr/lib/x86_64-linux-gnu/pkcs11", "/usr/lib/aarch64-linux-gnu/pkcs11", "/usr/local/lib/pkcs11"} {
		for _, file := range []string{"lib" + name + ".so", name + ".so"} {
			path := filepath.Join(dir, file)
			if _, err := os.Stat(path); err == nil {
				return path
			}
		}
	}
	return ""
}

// anyNamed reports whether one of the paths is that of a library of a name, with
// or without "lib" and the suffix.
func anyNamed(paths []string, name string) bool {
	for _, p := range paths {
		base := strings.TrimSuffix(filepath.Base(p), ".so")
		if base == name || base == "lib"+name {
			return true
		}
	}
	return false
}

// environment returns the program's own for a library's process, without the
// credentials of servers.
func environment() map[string]string {
	env := map[string]string{}
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		if name != "" && !strings.HasPrefix(name, "HOLDFAST_") && !strings.HasPrefix(name, "AWS_") && !strings.HasPrefix(name, "AZURE_") && !strings.HasPrefix(name, "VAULT_") {
			env[name] = value
		}
	}
	return env
}

// pinOf returns what reads a token's PIN: from its URI, the file that this
// names, WithPIN, or the environment. Without any nobody logs in.
func pinOf(u *uri.URI, set *Settings) func() ([]byte, error) {
	switch {
	case len(u.PIN) > 0:
		return func() ([]byte, error) { return bytes.Clone(u.PIN), nil }
	case u.PINSource != "":
		return func() ([]byte, error) { return readPIN(u.PINSource) }
	case set.PIN != nil:
		return set.PIN
	case os.Getenv(PINVariable) != "":
		return func() ([]byte, error) { return []byte(os.Getenv(PINVariable)), nil }
	}
	return nil
}

func readPIN(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the URI names it
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxPIN))
	return bytes.TrimRight(text, "\r\n"), err
}

var _ engine.Maker = (*tokenEngine)(nil)
