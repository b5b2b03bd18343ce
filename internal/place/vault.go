//go:build !novault

package place

import (
	"context"
	"net/url"
	"os"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/engine/vault"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// newVault returns a place of the keys of a mount of Transit.
func newVault(ctx context.Context, u *URI, set *Settings) (Place, error) {
	authorities, err := pemFile(u.Query["ca"])
	if err != nil {
		return nil, err
	}
	w, err := newWrapper()
	if err != nil {
		return nil, err
	}
	o := vault.Options{
		Settings: set.line(SchemeVault), Address: u.Query["address"], Mount: u.Query["mount"], Namespace: u.Query["namespace"],
		CA: authorities, TokenFile: u.Query["token-file"],
	}
	if id := u.Query["role-id"]; id != "" {
		o.AppRole = &vault.AppRole{RoleID: id, SecretIDFile: u.Query["secret-id-file"]}
	}
	if role := u.Query["kubernetes-role"]; role != "" {
		o.Kubernetes = &vault.Kubernetes{Role: role}
	}
	if err := aimVault(&o); err != nil {
		return nil, err
	}
	e, err := vault.New(ctx, w, o)
	if err != nil {
		return nil, err
	}
	return &enginePlace{
		engine: e,
		name: func(u *URI) string {
			if v := u.Query["version"]; v != "" {
				return u.Key + "/" + v
			}
			return u.Key
		},
		uri: func(place *URI, name string) *URI { return place.with(name) },
		fresh: func(u *URI) (string, error) {
			if u.Query["version"] != "" {
				return "", fault.New(fault.InvalidArgument, "a new key has no version yet: its first is 1")
			}
			return u.Key, nil
		},
	}, nil
}

// aimVault sees to it that the environment's token goes to the server that it
// is for: a URI may be somebody else's.
func aimVault(o *vault.Options) error {
	own := os.Getenv("VAULT_ADDR")
	if o.Address == "" || own == "" || o.TokenFile != "" {
		return nil
	}
	a, err := url.Parse(o.Address)
	b, err2 := url.Parse(own)
	if err != nil || err2 != nil || !strings.EqualFold(a.Host, b.Host) {
		return fault.New(fault.PermissionDenied, "the token is for %s and is not sent to %s: set VAULT_ADDR to it, or give the parameter token-file", own, o.Address)
	}
	return nil
}
