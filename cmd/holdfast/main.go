// Command holdfast is the server and the command line of Holdfast.
package main

import (
	"context"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// app is what the commands of one run share.
type app struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	a := &app{os.Stdin, os.Stdout, os.Stderr}
	root := &cobra.Command{Use: "holdfast"}
	root.AddCommand(newServerCommand(a), newInitCommand(a), newDevCommand(a))
	if root.ExecuteContext(context.Background()) != nil {
		os.Exit(1)
	}
}
