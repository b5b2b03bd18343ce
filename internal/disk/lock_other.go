//go:build !unix

package disk

import (
	"os"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Lock needs what this system does not have.
func Lock(path string) (*os.File, error) {
	return nil, fault.New(fault.Unsupported, "%s cannot be locked: this system has no flock", path)
}

// Full reports whether an error says that there is no space, for now.
func Full(error) bool { return false }
