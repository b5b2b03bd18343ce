package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// passphraseVariable holds the passphrase of a sealed data directory.
const passphraseVariable = "HOLDFAST_PASSPHRASE" //nolint:gosec // the name of a variable

// newServerCommand is `holdfast server`.
func newServerCommand(a *terminal.App) *cobra.Command {
	var file, data, listen, pprof string
	c := &cobra.Command{
		Use:   "server",
		Short: "Serve a data directory",
		Long: `Serve a data directory that "holdfast init" made, until SIGTERM or SIGINT.

Settings come from the configuration file; --data and --listen go before it.
SIGHUP has the TLS certificate read again. The line "ready https://…" on
standard output says that the server serves; the log goes to standard error.`,
		Example: `  holdfast init --data /var/lib/holdfast
  holdfast server --data /var/lib/holdfast
  holdfast server --config /etc/holdfast.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := settings(file, data, listen)
			if err != nil {
				return err
			}
			if pprof != "" && !config.Loopback(pprof) {
				return fault.New(fault.InvalidArgument, "--pprof %s is not a loopback address", pprof)
			}
			ask := func() ([]byte, error) { return passphrase(&settings, &a.Terminal) }
			root, err := seal.Open(settings.Data, ask)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), server.Options{Config: settings, Root: root, Pprof: pprof}, a.Out, a.Err)
		},
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "configuration file (YAML)")
	f.StringVar(&data, "data", "", "data directory (default /var/lib/holdfast)")
	f.StringVar(&listen, "listen", "", "address of the TLS listener (default 127.0.0.1:8443)")
	f.StringVar(&pprof, "pprof", "", "loopback address for Go's profiles (default none)")
	return c
}

// settings reads a configuration file, if there is one, and puts what the
// command line says over it.
func settings(file, data, listen string) (config.Config, error) {
	c := config.Default()
	if file != "" {
		var err error
		if c, err = config.Load(file); err != nil {
			return c, err
		}
	}
	if data != "" {
		absolute, err := filepath.Abs(data)
		if err != nil {
			return c, err
		}
		c.Data = absolute
	}
	if listen != "" {
		c.Listen = listen
	}
	return c, c.Validate()
}

// serve runs a server until the process is told to stop.
func serve(ctx context.Context, o server.Options, stdout, stderr io.Writer) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	o.Log = logger(o.Config.Log, stderr)
	slog.SetDefault(o.Log) // for what lies too deep to be handed a logger
	o.Ready = func(url string) error {
		_, err := fmt.Fprintln(stdout, "ready "+url)
		return err
	}
	return server.Run(ctx, o)
}

func logger(c config.Log, w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// passphrase returns the passphrase of a data directory: from the file that
// is configured, the environment, or the terminal.
func passphrase(c *config.Config, t *terminal.Terminal) ([]byte, error) {
	if c.Seal.PassphraseFile != "" {
		text, err := os.ReadFile(c.Seal.PassphraseFile)
		return []byte(strings.TrimRight(string(text), "\r\n")), err
	}
	if text := os.Getenv(passphraseVariable); text != "" {
		return []byte(text), nil
	}
	return t.AskSecret("Passphrase of "+c.Data,
		"the root key needs a passphrase: set "+passphraseVariable+" or seal.passphrase_file, or start from a terminal")
}
