package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/agents"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/alarms"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/approvals"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/auditlog"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/authorities"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/byok"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/certificates"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/compliances"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/deployments"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/edges"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/files"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/hsms"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/keyless"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/keys"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/managed"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/modules"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/notices"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/profiles"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/providers"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/roles"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/rotations"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/seals"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/secrets"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/signatures"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/sshkeys"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/topics"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/uris"
	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/users"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func main() {
	worker.Main() // returns at once, except in a process that has a PKCS #11 module
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(terminal.ExitCode(err))
}

// run runs one command line. A failure has been told on stderr when it returns.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	a := &app{App: terminal.App{
		Terminal:  terminal.Terminal{In: stdin, Out: stdout, Err: stderr},
		UserAgent: "holdfast-cli/" + server.Version().Version,
	}}
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
func commands() []func(*terminal.App) *cobra.Command {
	return []func(*terminal.App) *cobra.Command{
		newDevCommand,
		newInitCommand,
		newServerCommand,
		seals.NewUnseal,
		seals.New,
		seals.NewBackup,
		keys.New,
		keys.NewAlias,
		hsms.New,
		providers.New,
		byok.New,
		files.NewEncrypt,
		files.NewDecrypt,
		files.NewRewrap,
		files.NewInspect,
		signatures.NewJWS,
		signatures.NewCMS,
		sshkeys.New,
		sshkeys.NewAgent,
		modules.New,
		uris.New,
		keyless.New,
		authorities.New,
		certificates.New,
		profiles.New,
		inventory.New,
		managed.New,
		agents.New,
		deployments.New,
		edges.New,
		rotations.New,
		alarms.New,
		secrets.New,
		notices.New,
		approvals.New,
		topics.New,
		users.New,
		roles.New,
		roles.NewIssuer,
		auditlog.New,
		compliances.New,
		newVersionCommand,
	}
}
