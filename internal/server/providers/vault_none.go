//go:build novault

package providers

import "context"

// openVault refuses: this build leaves the engine out.
func openVault(context.Context, *opening) (Engine, error) { return nil, leftOut("vault") }
