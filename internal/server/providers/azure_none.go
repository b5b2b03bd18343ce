//go:build noazure

package providers

import "context"

// openAzureKV refuses: this build leaves the engine out.
func openAzureKV(context.Context, *opening) (Engine, error) { return nil, leftOut("azurekv") }
