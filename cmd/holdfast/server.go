package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/seals"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// newServerCommand is `holdfast server`.
func newServerCommand(a *terminal.App) *cobra.Command {
	var file, data, listen, pprof string
	c := &cobra.Command{
		Use:   "server",
		Short: "Serve a data directory",
		Long: `Serve a data directory that "holdfast init" made, until SIGTERM or SIGINT.

Settings come from the configuration file; --data and --listen go before it.
SIGHUP has the TLS certificate read again. The line "ready https://…" on
standard output says that the server serves; the log goes to standard error.

A data directory that is sealed by shares starts sealed: "sealed https://…" says
so, and "ready https://…" comes once "holdfast unseal" has brought enough of
them.`,
		Example: `  holdfast init --data /var/lib/holdfast
  holdfast server --data /var/lib/holdfast
  holdfast server --config /etc/holdfast.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := seals.Settings(file, data, listen)
			if err != nil {
				return err
			}
			if pprof != "" && !config.Loopback(pprof) {
				return fault.New(fault.InvalidArgument, "--pprof %s is not a loopback address", pprof)
			}
			o := server.Options{Config: settings, Pprof: pprof}
			status, err := seal.Inspect(settings.Data)
			if err != nil {
				return err
			}
			if status.OnlyShares() {
				o.Shares, err = seal.NewUnsealing(settings.Data)
			} else {
				o.Root, err = seals.OpenRoot(cmd.Context(), &settings, &a.Terminal)
			}
			if err != nil {
				return err
			}
			return serve(cmd.Context(), o, a.Out, a.Err)
		},
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "configuration file (YAML)")
	f.StringVar(&data, "data", "", "data directory (default /var/lib/holdfast)")
	f.StringVar(&listen, "listen", "", "address of the TLS listener (default 127.0.0.1:8443)")
	f.StringVar(&pprof, "pprof", "", "loopback address for Go's profiles (default none)")
	return c
}

// serve runs a server until the process is told to stop.
func serve(ctx context.Context, o server.Options, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	o.Log = slog.New(trace.Logs(terminal.Logger(o.Config.Log, stderr).Handler()))
	slog.SetDefault(o.Log) // for what lies too deep to be handed a logger
	o.Ready = func(url string) error {
		_, err := fmt.Fprintln(stdout, "ready "+url)
		return err
	}
	o.Sealed = func(url string) error {
		_, err := fmt.Fprintln(stdout, "sealed "+url)
		return err
	}
	return server.Run(ctx, o)
}
