//go:build nogcp

package place

import "context"

// newGoogle says that this build has no software for Google Cloud KMS.
func newGoogle(context.Context, *URI, *Settings) (Place, error) {
	return nil, leftOut("Google Cloud KMS", "nogcp")
}
