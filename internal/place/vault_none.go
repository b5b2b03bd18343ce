//go:build novault

package place

import "context"

// newVault says that this build has no software for Vault.
func newVault(context.Context, *URI, *Settings) (Place, error) {
	return nil, leftOut("Vault", "novault")
}
