package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(exitCode(err))
}

// run runs one command line. A failure has been told on stderr when it returns.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	a := &app{in: stdin, out: stdout, err: stderr}
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return nil
	}
	if !a.started {
		err = wrongUsage(err)
	}
	a.report(err)
	return err
}

// commands are the nouns of the command line, in the order of the help.
func commands() []func(*app) *cobra.Command {
	return []func(*app) *cobra.Command{
		newDevCommand,
		newInitCommand,
		newServerCommand,
		newKeyCommand,
		newAliasCommand,
		newCACommand,
		newCertCommand,
		newIdentityCommand,
		newAuditCommand,
		newVersionCommand,
	}
}
