//go:build noaws || noazure || nogcp || novault

package place

import "github.com/holdfast-kms/holdfast/internal/fault"

// leftOut is the answer where a build has no software for a cloud.
func leftOut(what, tag string) error {
	return fault.New(fault.Unsupported, "this program was built without %s (build tag %s)", what, tag)
}
