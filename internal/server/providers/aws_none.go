//go:build noaws

package providers

import "context"

// openAWSKMS refuses: this build leaves the engine out.
func openAWSKMS(context.Context, *opening) (Engine, error) { return nil, leftOut("awskms") }
