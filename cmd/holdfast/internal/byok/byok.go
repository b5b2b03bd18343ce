// Package byok has the commands of the noun byok: how a key that was made
// elsewhere comes here, or goes on from here, encrypted all the way.
//
// kek.go has the key exchange keys under which keys come in, import.go takes a
// transfer blob, wrap.go makes one, inspect.go tells what is in one, and
// move.go does the whole in one command. source.go is where a key comes from
// and proof.go how it is shown that it arrived. Nothing here writes key
// material that is not wrapped, to a file or to a terminal.
//
// Start with New. The package is internal and may change with any release.
package byok

import (
	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast byok`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"byok", "Bring keys from elsewhere, encrypted all the way",
		terminal.Group("kek", "Key exchange keys, under which other keys come in", a.kekCreate(), a.kekDownload(), a.kekList()),
		a.importBlob(), a.wrap(), a.inspect(), a.move(),
	))
}
