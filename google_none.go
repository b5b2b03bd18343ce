//go:build nogcp

package holdfast

import "context"

// newGoogle says that this build has no software for Google Cloud KMS.
func newGoogle(context.Context, *URI, *settings) (place, error) {
	return nil, leftOut("Google Cloud KMS", "nogcp")
}
