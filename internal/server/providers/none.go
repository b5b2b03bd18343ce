//go:build noaws || noazure || nogcp || novault

package providers

import "github.com/holdfast-kms/holdfast/internal/fault"

// leftOut is told of a kind that a build does not have.
func leftOut(kind string) error {
	return fault.New(fault.Unsupported, "this build of holdfast has no engine %s: take the provider out of the configuration, or use another build", kind)
}
