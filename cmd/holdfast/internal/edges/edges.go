// Package edges has the command edge, a reverse proxy that ends TLS with keys
// that it does not have.
//
// Start with New. The package is internal and may change with any release.
package edges

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/edge"
	"github.com/holdfast-kms/holdfast/internal/edge/setting"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// New returns `holdfast edge`.
func New(a *terminal.App) *cobra.Command {
	var file string
	var check bool
	cmd := &cobra.Command{
		Use: "edge", Short: "Serve TLS for other servers, with private keys that stay on key servers", Args: cobra.NoArgs,
		Long: "End TLS for the sites that the configuration lists, and hand their requests to the servers\n" +
			"behind. The certificates are files, or managed certificates of a Holdfast server; their private\n" +
			"keys stay on key servers, which make the signatures. It runs until SIGTERM or SIGINT, and then\n" +
			"lets running requests finish. SIGHUP has the configuration, the certificates and the access log\n" +
			"opened again. The line \"ready https://…\" on standard output says that it serves.",
		Example: "  holdfast edge --config /etc/holdfast/edge.yaml\n" +
			"  holdfast edge --config /etc/holdfast/edge.yaml --check-config",
	}
	flags := cmd.Flags()
	flags.StringVar(&file, "config", "", "the edge's configuration file (YAML)")
	flags.BoolVar(&check, "check-config", false, "only read the configuration, and the files that it names")
	terminal.Require(cmd, "config")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		c, err := setting.Load(file)
		if err != nil {
			return terminal.Plain(err)
		}
		o := edge.Options{Config: c, Log: terminal.Logger(c.Log, a.Err), Stderr: a.Err}
		if o.Keys, err = c.KeyServers.Connect(o.Log); err != nil {
			return terminal.Plain(err)
		}
		if o.Managed, err = c.Holdfast.Connect(a.UserAgent); err != nil {
			return terminal.Plain(err)
		}
		if check {
			return terminal.Plain(edge.Check(cmd.Context(), o))
		}
		return run(cmd.Context(), a, file, o)
	}
	return cmd
}

// run serves until the process is told to stop.
func run(ctx context.Context, a *terminal.App, file string, o edge.Options) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	reload := make(chan os.Signal, 1)
	signal.Notify(reload, syscall.SIGHUP)
	defer signal.Stop(reload)
	o.Reload = reload
	o.Again = func() (*setting.Config, error) { return setting.Load(file) }
	o.Ready = func(addresses []string) error {
		_, err := fmt.Fprintln(a.Out, "ready https://"+addresses[0])
		return err
	}
	return edge.Run(ctx, o)
}
