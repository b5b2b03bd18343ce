//go:build !novault

package providers

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/engine/vault"
)

// openVault opens an engine over a Transit engine of Vault or OpenBao.
func openVault(ctx context.Context, o *opening) (Engine, error) {
	c := o.config.Vault
	roots, err := contentOf("ca_certificate", c.CACertificate)
	if err != nil {
		return nil, err
	}
	options := vault.Options{
		Settings: o.settings, Address: c.Address, Namespace: c.Namespace, Mount: c.Mount, CA: roots, TokenFile: c.TokenFile,
	}
	if a := c.AppRole; a != nil {
		options.AppRole = &vault.AppRole{RoleID: a.RoleID, SecretIDFile: a.SecretIDFile, Wrapped: a.Wrapped, Mount: a.Mount}
	}
	if k := c.Kubernetes; k != nil {
		options.Kubernetes = &vault.Kubernetes{Role: k.Role, TokenFile: k.TokenFile, Mount: k.Mount}
	}
	return opened(vault.New(ctx, o.wrapper, options))
}
