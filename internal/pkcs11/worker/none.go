//go:build !linux

package worker

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// Main does nothing: there are no such processes on this system.
func Main() {}

// Process does not exist on this system.
type Process struct{}

// Start returns pkcs11.ErrStatic.
func Start(context.Context, Config) (*Process, error) { return nil, pkcs11.ErrStatic }

// Call returns pkcs11.ErrGone.
func (*Process) Call(context.Context, *pkcs11.Call) (*pkcs11.Result, error) {
	return nil, pkcs11.ErrGone
}

// Close does nothing.
func (*Process) Close() error { return nil }

// Done returns nil.
func (*Process) Done() <-chan struct{} { return nil }

// Err returns pkcs11.ErrGone.
func (*Process) Err() error { return pkcs11.ErrGone }

// PID returns 0.
func (*Process) PID() int { return 0 }
