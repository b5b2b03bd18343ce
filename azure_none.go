//go:build noazure

package holdfast

import "context"

// newAzure says that this build has no software for Azure Key Vault.
func newAzure(context.Context, *URI, *settings) (place, error) {
	return nil, leftOut("Azure Key Vault", "noazure")
}
