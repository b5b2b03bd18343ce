//go:build !unix

package audit

import (
	"os"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

func lockDir(dir string) (*os.File, error) {
	return nil, fault.New(fault.Unsupported, "no audit log in %s: this system has no flock", dir)
}

func diskFull(error) bool { return false }
