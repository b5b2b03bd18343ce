// Package modules has the commands of the noun pkcs11: serve.go serves keys to
// applications that speak PKCS #11, and env.go says what each of them has to be
// told. config.go is what the agent's configuration can say, listen.go its
// socket.
//
// Start with New. The package is internal and may change with any release.
package modules

import (
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast pkcs11`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return terminal.Group("pkcs11", "Keys for programs that speak PKCS #11", a.Connection(a.serve()), a.env())
}

// systemSocket is where the agent of a system listens.
const systemSocket = "/run/holdfast/pkcs11.sock"

// defaultSocket returns where the agent listens when nothing is said: a
// person's own in the person's runtime directory.
func defaultSocket() string {
	if dir := os.Getenv("XDG_RUNTIME_DIR"); os.Getuid() != 0 && filepath.IsAbs(dir) {
		return filepath.Join(dir, "holdfast", "pkcs11.sock")
	}
	return systemSocket
}
