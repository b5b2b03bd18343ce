//go:build !noazure

package providers

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/engine/azurekv"
)

// openAzureKV opens an engine over Azure Key Vault.
func openAzureKV(ctx context.Context, o *opening) (Engine, error) {
	c := o.config.AzureKV
	roots, err := pool(c.CACertificate)
	if err != nil {
		return nil, err
	}
	secret, err := secretIn("client_secret_file", c.ClientSecretFile)
	if err != nil {
		return nil, err
	}
	certificate, err := contentOf("client_certificate_file", c.ClientCertificateFile)
	if err != nil {
		return nil, err
	}
	identity := &azurekv.Identity{
		Tenant: c.Tenant, Client: c.Client, ClientSecret: secret, Certificate: certificate, TokenFile: c.WorkloadIdentityFile,
		ManagedIdentity: c.ManagedIdentity != "", Authority: c.Authority, DisableInstanceDiscovery: c.UnknownAuthority,
	}
	if c.ManagedIdentity != "" && c.ManagedIdentity != "system" {
		identity.Client = c.ManagedIdentity
	}
	return opened(azurekv.New(ctx, o.wrapper, azurekv.Options{
		Settings: o.settings, Vault: c.Vault, ManagedHSM: c.ManagedHSM, HSM: c.HSM, Identity: identity, CA: roots, Purge: c.Purge,
		DisableChallengeResourceVerification: c.AnyChallenge,
	}))
}
