package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(terminal.ExitCode(err))
}

// run runs one command line. A failure has been told on stderr when it returns.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	a := &app{Terminal: terminal.Terminal{In: stdin, Out: stdout, Err: stderr}}
	root := newRoot(a)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return nil
	}
	if !a.started {
		err = terminal.WrongUsage(err)
	}
	a.Report(err)
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
