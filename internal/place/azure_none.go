//go:build noazure

package place

import "context"

// newAzure says that this build has no software for Azure Key Vault.
func newAzure(context.Context, *URI, *Settings) (Place, error) {
	return nil, leftOut("Azure Key Vault", "noazure")
}
