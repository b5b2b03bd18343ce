package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/server"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// versions is what `holdfast version` prints.
type versions struct {
	Client client.ServerVersion  `json:"client"`
	Server *client.ServerVersion `json:"server,omitempty"`
}

// newVersionCommand is `holdfast version`.
func newVersionCommand(a *terminal.App) *cobra.Command {
	var remote bool
	cmd := &cobra.Command{Use: "version", Short: "Print the version, with --server the server's too", Args: cobra.NoArgs}
	cmd.Flags().BoolVar(&remote, "server", false, "ask the server for its version as well")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v := versions{Client: server.Version()}
		if !remote {
			return showVersions(a, v)
		}
		return a.Remote(func(ctx context.Context, c *client.Client, _ []string) (err error) {
			if v.Server, err = c.Version(ctx); err != nil {
				return err
			}
			return showVersions(a, v)
		})(cmd, args)
	}
	return a.Connection(cmd)
}

func showVersions(a *terminal.App, v versions) error {
	return a.Show(v, func(w *terminal.Table) {
		w.Row("holdfast", v.Client.Version, v.Client.Revision, v.Client.Go)
		if v.Server != nil {
			w.Row("server", v.Server.Version, v.Server.Revision, v.Server.Go)
		}
	})
}
