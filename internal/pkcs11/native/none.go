//go:build !linux || (!amd64 && !arm64) || static

package native

import "github.com/holdfast-kms/holdfast/internal/pkcs11"

// Open returns pkcs11.ErrStatic: this build has no way to load libraries.
func Open(string) (pkcs11.Module, error) { return nil, pkcs11.ErrStatic }
