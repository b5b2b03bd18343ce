package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/cmd/holdfast/internal/seals"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// newDevCommand is `holdfast dev`.
func newDevCommand(a *terminal.App) *cobra.Command {
	var file, dir, listen, listenHTTP, pprof string
	var credentials []string
	var inMemory bool
	c := &cobra.Command{
		Use:   "dev",
		Short: "Serve a development server: the whole product on a laptop",
		Long: `Serve the whole product with nothing to set up: makes the data directory when
it is missing, its own TLS certificate and an administrator, and writes
DIR/env, a file to source that points every client at the server. Prints
"ready https://…" when it serves. POST /dev/reset empties it.`,
		Example: `  holdfast dev --dir ./kms &
  source ./kms/env
  aws kms create-key`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			settings, err := seals.Settings(file, dir, listen)
			if err != nil {
				return err
			}
			settings.Issuers.PlainLoopback = true
			dev := &server.Dev{ListenHTTP: listenHTTP, InMemory: inMemory}
			for _, address := range []string{listenHTTP, pprof} {
				if address != "" && !config.Loopback(address) {
					return fault.New(fault.InvalidArgument, "%s is not a loopback address", address)
				}
			}
			for _, text := range credentials {
				parsed, err := server.ParseDevCredential(text)
				if err != nil {
					return err
				}
				dev.Credentials = append(dev.Credentials, parsed)
			}
			root, err := devRoot(cmd.Context(), &settings, inMemory, &a.Terminal)
			if err != nil {
				return err
			}
			return serve(cmd.Context(), server.Options{Config: settings, Root: root, Dev: dev, Pprof: pprof}, a.Out, a.Err)
		},
	}
	f := c.Flags()
	f.StringVar(&file, "config", "", "configuration file (YAML)")
	f.StringVar(&dir, "dir", "holdfast-dev", "data directory; made when it is missing")
	f.StringVar(&listen, "listen", "", "address of the TLS listener (default 127.0.0.1:8443)")
	f.StringVar(&listenHTTP, "listen-http", "", "loopback address of a second listener, without TLS")
	f.BoolVar(&inMemory, "in-memory", false, "keep nothing: no keys, no certificates, no audit log on disk")
	f.StringArrayVar(&credentials, "aws-credential", nil, "ID:SECRET[:ACCOUNT] of an account's root (repeatable)")
	f.StringVar(&pprof, "pprof", "", "loopback address for Go's profiles (default none)")
	return c
}

// devMarker is the file that tells a development server's directory from one
// that "holdfast init" made: what a development server does to its own, such
// as emptying it, must never happen to the other.
const devMarker = "dev"

// devRoot opens the root key of a development server, and makes it at first.
func devRoot(ctx context.Context, c *config.Config, inMemory bool, t *terminal.Terminal) (*seal.Root, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("making the data directory: %w", err)
	}
	marker := filepath.Join(c.Data, devMarker)
	_, err := os.Stat(marker)
	switch ours := err == nil; {
	case !seal.Exists(c.Data):
		if err := os.WriteFile(marker, nil, 0o600); err != nil {
			return nil, fmt.Errorf("marking the data directory: %w", err)
		}
	case !ours:
		return nil, fault.New(fault.WrongState, "%s was made by \"holdfast init\": serve it with \"holdfast server\"", c.Data)
	}
	if inMemory {
		return seal.Ephemeral()
	}
	if !seal.Exists(c.Data) {
		f := seals.Flags{Method: string(seal.InFile)}
		return f.Make(ctx, c, t)
	}
	return seals.OpenRoot(ctx, c, t)
}
