// Package notices has the commands of the noun notice: what people were told,
// what could not be told, and whether a channel works.
//
// Start with New. The package is internal and may change with any release.
package notices

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast notice`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"notice", "What people are told, and what could not be told", a.list(), a.show(), a.retry(), a.channels(), a.test(),
	))
}

// all returns the notices of a state, of every state for "".
func all(ctx context.Context, c *client.Client, state string) ([]client.Notice, error) {
	return terminal.All(func(p client.Page) ([]client.Notice, string, error) {
		l, err := c.Notices(ctx, state, p)
		if err != nil {
			return nil, "", err
		}
		return l.Notices, l.Next, nil
	})
}

func (a *app) list() *cobra.Command {
	var state string
	var failed bool
	cmd := &cobra.Command{
		Use: "list", Short: "List notices: those that failed first, then those that wait, then the rest", Args: cobra.NoArgs,
		Long: "List notices, each to one receiver. Failed are those that were refused, or given up after the\n" +
			"time that the server's configuration says; collecting are digests whose time has not come.\n" +
			"Delivered ones are kept for 30 days, failed ones for 90.",
		Example: "  holdfast notice list --failed",
	}
	cmd.Flags().StringVar(&state, "state", "", "only those in a state: failed, waiting, collecting, delivered")
	cmd.Flags().BoolVar(&failed, "failed", false, "only those that could not be delivered")
	cmd.MarkFlagsMutuallyExclusive("state", "failed")
	terminal.Complete(cmd, "state", []string{"failed", "waiting", "collecting", "delivered"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if failed {
			state = "failed"
		}
		list, err := all(ctx, c, state)
		if err != nil {
			return err
		}
		return a.Show(list, func(w *terminal.Table) {
			w.Row("NOTICE", "STATE", "CHANNEL", "RECEIVER", "ATTEMPTS", "MADE", "TITLE")
			for i := range list {
				n := &list[i]
				w.Row(n.ID, n.State, n.Channel, terminal.OrDash(n.Target), n.Attempts, n.CreatedAt, n.Title)
			}
		})
	})
	return cmd
}

func (a *app) show() *cobra.Command {
	id := &terminal.Argument{
		Word: "NOTICE", Flag: "notice", Help: "the notice's id",
		Missing: "no notice is named: give its id; \"holdfast notice list\" lists them",
	}
	cmd := id.Add(&cobra.Command{
		Use: "show", Short: "Show a notice, what it is about, and why it failed",
		Example: "  holdfast notice show 0198c0de-7b1e-7000-8000-000000000001",
	})
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		n, err := c.Notice(ctx, id)
		if err != nil {
			return err
		}
		return a.Show(n, func(w *terminal.Table) { facts(w, n) })
	})
	return cmd
}

// facts shows a notice.
func facts(w *terminal.Table, n *client.Notice) {
	w.Fact("Notice", n.ID)
	w.Fact("State", n.State)
	w.Fact("Channel", n.Channel)
	w.Fact("Receiver", n.Target)
	w.Fact("Title", n.Title)
	w.Fact("Made", n.CreatedAt)
	w.Fact("Attempts", n.Attempts)
	w.Fact("Next attempt", n.NextAt)
	w.Fact("Ended", n.EndedAt)
	w.Fact("Failure", n.Error)
	for i := range n.Events {
		e := &n.Events[i]
		w.Fact("Event", e.ID)
		w.Fact("  Kind", fmt.Sprintf("%s, %s", e.Kind, e.Severity))
		w.Fact("  Time", e.Time)
		w.Fact("  Summary", e.Summary)
		w.Fact("  Resource", e.Subject)
		for _, d := range e.Details {
			w.Fact("  "+d.Name, d.Value)
		}
	}
}

func (a *app) retry() *cobra.Command {
	var failed bool
	cmd := &cobra.Command{
		Use: "retry [NOTICE…]", Short: "Have notices tried again that failed, or that wait",
		Long: "Have notices tried again now, and from now on as long as new ones. Each keeps its id, by which\n" +
			"its receiver can tell whether it has it already.",
		Example: "  holdfast notice retry --failed",
	}
	cmd.Flags().BoolVar(&failed, "failed", false, "all that could not be delivered")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, ids []string) error {
		if failed == (len(ids) > 0) {
			return terminal.WrongUsage(errors.New("give either the ids of notices or --failed"))
		}
		if failed {
			list, err := all(ctx, c, "failed")
			if err != nil {
				return err
			}
			for i := range list {
				ids = append(ids, list[i].ID)
			}
		}
		tried := []*client.Notice{}
		for _, id := range ids {
			n, err := c.RetryNotice(ctx, id)
			if err != nil {
				return fmt.Errorf("notice %s: %w", id, err)
			}
			tried = append(tried, n)
		}
		return a.Show(tried, func(w *terminal.Table) {
			w.Row("NOTICE", "STATE", "CHANNEL", "RECEIVER", "TITLE")
			for _, n := range tried {
				w.Row(n.ID, n.State, n.Channel, terminal.OrDash(n.Target), n.Title)
			}
		})
	})
	return cmd
}

func (a *app) channels() *cobra.Command {
	cmd := &cobra.Command{
		Use: "channels", Short: "List the channels that tell of this realm, and how they are", Args: cobra.NoArgs,
		Example: "  holdfast notice channels",
	}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		list, err := c.NoticeChannels(ctx)
		if err != nil {
			return err
		}
		return a.Show(list, func(w *terminal.Table) {
			w.Row("CHANNEL", "KIND", "STATE", "DELIVERED", "GIVEN UP", "WAITING", "SINCE", "RECEIVERS", "CAUSE")
			for i := range list {
				n := &list[i]
				w.Row(n.Name, n.Kind, n.State, n.Delivered, n.GivenUp, n.Waiting, n.OldestAt,
					terminal.OrDash(strings.Join(n.Targets, ", ")), terminal.OrDash(n.Cause))
			}
		})
	})
	return cmd
}

func (a *app) test() *cobra.Command {
	name := &terminal.Argument{
		Word: "CHANNEL", Flag: "channel", Help: "the channel's name in the server's configuration",
		Missing: "no channel is named: give its name; \"holdfast notice channels\" lists them",
	}
	cmd := name.Add(&cobra.Command{
		Use: "test", Short: "Send a message that says that it is a test",
		Long: "Send a message that says that it is a test to every receiver of a channel, at once, and tell\n" +
			"what each said. The command fails if one has not taken it.",
		Example: "  holdfast notice test ops-mail",
	})
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		trial, err := c.TestNoticeChannel(ctx, name)
		if err != nil {
			return err
		}
		failed := 0
		for _, r := range trial.Results {
			if !r.OK {
				failed++
			}
		}
		err = a.Show(trial, func(w *terminal.Table) {
			w.Row("RECEIVER", "RESULT")
			for _, r := range trial.Results {
				result := "taken"
				if !r.OK {
					result = r.Error
				}
				w.Row(terminal.OrDash(r.Target), result)
			}
		})
		if err == nil && failed > 0 {
			err = fmt.Errorf("%d of %d receivers of %s have not taken the message", failed, len(trial.Results), name)
		}
		return err
	})
	return cmd
}
