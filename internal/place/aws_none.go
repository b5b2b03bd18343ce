//go:build noaws

package place

import "context"

// newAWS says that this build has no software for AWS KMS.
func newAWS(context.Context, *URI, *Settings) (Place, error) { return nil, leftOut("AWS KMS", "noaws") }
