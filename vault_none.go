//go:build novault

package holdfast

import "context"

// newVault says that this build has no software for Vault.
func newVault(context.Context, *URI, *settings) (place, error) {
	return nil, leftOut("Vault", "novault")
}
