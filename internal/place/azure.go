//go:build !noazure

package place

import (
	"cmp"
	"context"
	"os"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/engine/azurekv"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// newAzure returns a place of the keys of a vault or Managed HSM.
func newAzure(ctx context.Context, u *URI, set *Settings) (Place, error) {
	identity, err := azureIdentity(u)
	if err != nil {
		return nil, err
	}
	roots, err := pool(u.Query["ca"])
	if err != nil {
		return nil, err
	}
	w, err := newWrapper()
	if err != nil {
		return nil, err
	}
	e, err := azurekv.New(ctx, w, azurekv.Options{
		Settings: set.line(SchemeAzure), Vault: "https://" + u.Host, HSM: u.Query["hsm"] == "true", Identity: identity, CA: roots,
		DisableChallengeResourceVerification: u.Query["challenge"] == "any",
	})
	if err != nil {
		return nil, err
	}
	return &enginePlace{
		engine: e,
		name: func(u *URI) string {
			if strings.HasPrefix(u.Key, "certificates/") {
				return "https://" + u.Host + "/" + u.Key
			}
			return u.Key
		},
		uri: func(place *URI, id string) *URI {
			_, name, _ := strings.Cut(id, "/keys/")
			return place.with(name)
		},
		fresh: func(u *URI) (string, error) {
			if strings.Contains(u.Key, "/") {
				return "", fault.New(fault.InvalidArgument, "a new key has a name and no version: Azure chooses that")
			}
			return u.Key, nil
		},
	}, nil
}

// azureIdentity returns who the program is to Azure; nil for what the environment
// says.
func azureIdentity(u *URI) (*azurekv.Identity, error) {
	i := &azurekv.Identity{
		Tenant: u.Query["tenant"], Client: u.Query["client-id"], ManagedIdentity: u.Query["managed-identity"] == "true",
		Authority: u.Query["authority"], DisableInstanceDiscovery: u.Query["authority"] != "",
	}
	if path := u.Query["client-certificate"]; path != "" {
		text, mode, err := readFile(path)
		if err != nil {
			return nil, err
		}
		if err := private(path, mode); err != nil {
			return nil, err
		}
		i.Certificate = text
	}
	if i.Authority != "" && !i.ManagedIdentity && len(i.Certificate) == 0 {
		// The chain of the environment would ask about the authority at Microsoft's.
		i.Tenant, i.Client = cmp.Or(i.Tenant, os.Getenv("AZURE_TENANT_ID")), cmp.Or(i.Client, os.Getenv("AZURE_CLIENT_ID"))
		i.ClientSecret = os.Getenv("AZURE_CLIENT_SECRET")
	}
	return i, nil
}
