//go:build nogcp

package providers

import "context"

// openGCPKMS refuses: this build leaves the engine out.
func openGCPKMS(context.Context, *opening) (Engine, error) { return nil, leftOut("gcpkms") }
