// Package alarms has the commands of the noun alarm: rules about what is done
// with keys, which are made over the API of Amazon CloudWatch.
//
// Start with New. The package is internal and may change with any release.
package alarms

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast alarm`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("alarm", "Show the alarms about keys, authorities and certificates", a.list()))
}

func (a *app) list() *cobra.Command {
	var filter client.AlarmFilter
	cmd := &cobra.Command{
		Use: "list", Short: "List alarms and how they stand", Args: cobra.NoArgs,
		Long: "List alarms and how they stand: \"ok\", \"alarm\" or \"insufficient-data\". They are made with\n" +
			"any client of Amazon CloudWatch, such as \"aws cloudwatch put-metric-alarm\". With --json also\n" +
			"why they are what they are, and the topics on which they publish.",
		Example: "  holdfast alarm list\n  holdfast alarm list --state alarm --json",
	}
	flags := cmd.Flags()
	flags.StringVar(&filter.Name, "name", "", "only those whose names begin with this")
	flags.StringVar(&filter.State, "state", "", "only those in a state")
	terminal.Complete(cmd, "state", []string{"ok", "alarm", "insufficient-data"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Alarm, string, error) {
			l, err := c.Alarms(ctx, filter, p)
			if err != nil {
				return nil, "", err
			}
			return l.Alarms, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("NAME", "STATE", "SINCE", "METRIC", "RULE")
			for i := range all {
				x := &all[i]
				w.Row(x.Name, x.State, x.Since, metricOf(x), ruleOf(x))
			}
		})
	})
	return cmd
}

// metricOf says which figures an alarm watches.
func metricOf(a *client.Alarm) string {
	parts := []string{a.Metric.Kind, a.Metric.Name}
	for _, p := range []string{a.Metric.Action, a.Metric.ID} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " ")
}

// ruleOf says when an alarm goes off.
func ruleOf(a *client.Alarm) string {
	return fmt.Sprintf("%s %s %g in %d of %d x %ds", a.Statistic, a.Comparison, a.Threshold, a.Datapoints, a.Evaluations, a.Period)
}
