//go:build noaws

package holdfast

import "context"

// newAWS says that this build has no software for AWS KMS.
func newAWS(context.Context, *URI, *settings) (place, error) { return nil, leftOut("AWS KMS", "noaws") }
