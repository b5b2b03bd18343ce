package auditlog

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) sinks() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the sinks, how far each is, and why it failed last", Args: cobra.NoArgs,
		Long: "List where the server's configuration sends the audit log (audit.sinks). Position is the last\n" +
			"entry that a sink has, lag how many it has not, and how old the oldest of them is.",
		Example: "  holdfast audit sink list",
	}
	list.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := c.AuditSinks(ctx)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("SINK", "KIND", "TARGET", "FORMAT", "POSITION", "LAG", "OLDEST", "STATE", "DELIVERED", "ERROR")
			for i := range all {
				s := &all[i]
				oldest := (time.Duration(s.LagSeconds) * time.Second).String()
				w.Row(s.Name, s.Kind, s.Target, s.Format, s.Position, s.LagEntries, oldest, sinkState(s), s.DeliveredAt, terminal.OrDash(s.Error))
			}
		})
	})
	return terminal.Group("sink", "Where the audit log is sent", list)
}

func sinkState(s *client.AuditSink) string {
	switch {
	case s.Behind:
		return "behind"
	case s.Error != "":
		return "failing"
	}
	return "ok"
}

func (a *app) holds() *cobra.Command {
	return terminal.Group("hold", "Legal holds: times whose entries are kept, however old they get", a.addHold(), a.listHolds(), a.removeHold())
}

func (a *app) addHold() *cobra.Command {
	var from, to, reason string
	cmd := &cobra.Command{
		Use: "add NAME", Short: "Keep the audit log of a time", Args: cobra.ExactArgs(1),
		Long: "Keep every file of the audit log that has entries of a time, until the hold is removed. Without\n" +
			"--from it reaches back to the log's beginning, without --to it has no end. A hold keeps what\n" +
			"there is: what retention has removed already does not come back.",
		Example: "  holdfast audit hold add case-4711 --from 2026-01-01T00:00:00Z --to 2026-04-01T00:00:00Z --reason \"case 4711\"",
	}
	flags := cmd.Flags()
	flags.StringVar(&from, "from", "", "the time's beginning: RFC 3339, or a time ago such as 720h")
	flags.StringVar(&to, "to", "", "the time's end, itself not in it: RFC 3339, or a time ago")
	flags.StringVar(&reason, "reason", "", "why; it is needed")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		req := &client.AddAuditHoldRequest{Name: args[0], Reason: reason}
		var err error
		if req.From, err = terminal.Moment("from", from); err != nil {
			return err
		}
		if req.Until, err = terminal.Moment("to", to); err != nil {
			return err
		}
		h, err := c.AddAuditHold(ctx, req)
		if err != nil {
			return err
		}
		return a.Show(h, func(w *terminal.Table) {
			w.Fact("Hold", h.Name)
			w.Fact("From", edge(h.From, "the beginning"))
			w.Fact("To", edge(h.Until, "no end"))
			w.Fact("Reason", h.Reason)
		})
	})
	return cmd
}

// edge is a bound of a hold.
func edge(t time.Time, none string) string {
	if t.IsZero() {
		return none
	}
	return terminal.Cell(t)
}

func (a *app) listHolds() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the holds", Args: cobra.NoArgs, Example: "  holdfast audit hold list"}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := c.AuditHolds(ctx)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("HOLD", "FROM", "TO", "MADE", "BY", "REASON")
			for i := range all {
				h := &all[i]
				w.Row(h.Name, edge(h.From, "the beginning"), edge(h.Until, "no end"), h.CreatedAt, h.CreatedBy, h.Reason)
			}
		})
	})
	return cmd
}

func (a *app) removeHold() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "remove NAME", Short: "End a hold: what is too old is removed from then on", Args: cobra.ExactArgs(1),
		Example: "  holdfast audit hold remove case-4711",
	}
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		if err := a.Confirm(yes, "Entries that only the hold %s keeps will be removed for good: end it", args[0]); err != nil {
			return err
		}
		if err := c.RemoveAuditHold(ctx, args[0]); err != nil {
			return err
		}
		return a.Done("The hold %s has ended.", args[0])
	})
	return cmd
}
