// Package deployments has the commands of the noun deployment: which
// certificate is in place on which host, as the agents say.
//
// Start with New. The package is internal and may change with any release.
package deployments

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast deployment`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("deployment", "Show which certificates are in place on which hosts", a.list()))
}

func (a *app) list() *cobra.Command {
	var filter client.DeploymentFilter
	cmd := &cobra.Command{
		Use: "list", Short: "List what the agents reported of the certificates on their hosts", Args: cobra.NoArgs,
		Long: "List what the agents reported last of each certificate on each host: \"served\" (a check met\n" +
			"it), \"installed\" (no check is asked for), \"unconfirmed\" (the first one, not met yet),\n" +
			"\"rolled-back\", \"refused\" or \"failed\". With --json also where its files are, and why it failed.",
		Example: "  holdfast deployment list\n  holdfast deployment list --outcome rolled-back --json",
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Host, "host", "", "only those on one host")
	flags.StringVar(&filter.Managed, "managed", "", "only those of a managed certificate, by its id")
	flags.StringVar(&filter.Outcome, "outcome", "", "only those with an outcome")
	terminal.Complete(cmd, "outcome", []string{"served", "installed", "unconfirmed", "rolled-back", "refused", "failed"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Deployment, string, error) {
			l, err := c.Deployments(ctx, filter, p)
			if err != nil {
				return nil, "", err
			}
			return l.Deployments, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("HOST", "CERTIFICATE", "OUTCOME", "IN PLACE", "VALID UNTIL", "REPORTED", "BY")
			for _, d := range all {
				w.Row(d.Host, d.Name, d.Outcome, terminal.OrDash(d.Serving), d.NotAfter, d.ReportedAt, d.Reporter)
			}
		})
	})
	return cmd
}
