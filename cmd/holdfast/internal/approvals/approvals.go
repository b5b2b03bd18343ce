// Package approvals has the commands of the noun approval: critical operations
// that wait for a second person.
//
// Start with New. The package is internal and may change with any release.
package approvals

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast approval`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"approval", "Ask for, and give, the approval of critical operations", a.list(), a.show(), a.request(),
		a.decide("approve", "Approve a request of somebody else", "A request may need several persons; then each approves it. The approval lets the request through\n"+
			"once, as long as the rule says. Look at the request first: \"holdfast approval show\".", (*client.Client).Approve),
		a.decide("deny", "Deny a request of somebody else, or take an approval back", "An approval that was not used yet can be denied as well.", (*client.Client).Deny),
		a.cancel(), a.rules(),
	))
}

// states are those of requests.
func states() []string {
	return []string{"draft", "pending", "approved", "used", "denied", "cancelled", "expired"}
}

func (a *app) list() *cobra.Command {
	var state string
	var mine bool
	cmd := &cobra.Command{
		Use: "list", Short: "List requests for approval, the newest first", Args: cobra.NoArgs,
		Long: "List the realm's requests for approval, or with --mine your own, which needs no right. A draft is an\n" +
			"operation that was refused, and for which nobody was asked yet. Requests that have ended are kept\n" +
			"for 90 days.",
		Example: "  holdfast approval list --state pending",
	}
	cmd.Flags().StringVar(&state, "state", "", "only those in a state: "+strings.Join(states(), ", "))
	cmd.Flags().BoolVar(&mine, "mine", false, "only your own, with drafts")
	terminal.Complete(cmd, "state", states())
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		list, err := terminal.All(func(p client.Page) ([]client.Approval, string, error) {
			l, err := c.Approvals(ctx, state, mine, p)
			if err != nil {
				return nil, "", err
			}
			return l.Approvals, l.Next, nil
		})
		if err != nil {
			return err
		}
		slices.SortStableFunc(list, func(a, b client.Approval) int { return b.CreatedAt.Compare(a.CreatedAt) })
		return a.Show(list, func(w *terminal.Table) {
			w.Row("APPROVAL", "STATE", "GIVEN", "ACTION", "RESOURCE", "BY", "EXPIRES", "REASON")
			for i := range list {
				r := &list[i]
				w.Row(r.ID, r.State, given(r), r.Action, terminal.OrDash(visible(r.Resource)), visible(r.Requester), r.ExpiresAt, terminal.OrDash(visible(r.Reason)))
			}
		})
	})
	return cmd
}

// given tells how many have approved of how many.
func given(r *client.Approval) string {
	if r.Needed == 0 {
		return "-"
	}
	return fmt.Sprintf("%d of %d", r.Approvals, r.Needed)
}

// one returns a command about one request.
func (a *app) one(cmd *cobra.Command, act func(ctx context.Context, c *client.Client, id string) (*client.Approval, error)) *cobra.Command {
	id := &terminal.Argument{
		Word: "APPROVAL", Flag: "approval", Help: "the id of the request for approval",
		Missing: "no request is named: give its id, which the refusal told; \"holdfast approval list\" lists them",
	}
	id.Add(cmd).RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		r, err := act(ctx, c, id)
		if err != nil {
			return err
		}
		return a.Show(r, func(w *terminal.Table) { facts(w, r) })
	})
	return cmd
}

const exampleID = "apr-ab2cd3ef4gh5ij6k"

func (a *app) show() *cobra.Command {
	return a.one(&cobra.Command{
		Use: "show", Short: "Show a request for approval, and what exactly it asks for",
		Long: "Show a request for approval: who wants to do what, why, what was said to it, and the request itself\n" +
			"in its API's form. Requests of kinds that may hold secrets are not shown; their digest is.",
		Example: "  holdfast approval show " + exampleID,
	}, func(ctx context.Context, c *client.Client, id string) (*client.Approval, error) {
		return c.Approval(ctx, id)
	})
}

func (a *app) request() *cobra.Command {
	var reason string
	cmd := a.one(&cobra.Command{
		Use: "request", Short: "Ask others to approve what you tried and were refused",
		Long: "Ask others to approve what you tried and were refused, by the id that the refusal tells. Once it is\n" +
			"approved, do the same again, as the same user or session, in the same words: another request needs\n" +
			"another approval.",
		Example: "  holdfast approval request " + exampleID + " --reason \"the payments key is replaced, change 4711\"",
	}, func(ctx context.Context, c *client.Client, id string) (*client.Approval, error) {
		return c.RequestApproval(ctx, id, reason)
	})
	cmd.Flags().StringVar(&reason, "reason", "", "why, in a line, for those who decide")
	terminal.Require(cmd, "reason")
	return cmd
}

// decide returns a command with which others decide.
func (a *app) decide(
	verb, short, long string, do func(c *client.Client, ctx context.Context, id, comment string) (*client.Approval, error),
) *cobra.Command {
	var comment string
	cmd := a.one(&cobra.Command{
		Use: verb, Short: short, Long: long, Example: "  holdfast approval " + verb + " " + exampleID,
	}, func(ctx context.Context, c *client.Client, id string) (*client.Approval, error) {
		return do(c, ctx, id, comment)
	})
	cmd.Flags().StringVar(&comment, "comment", "", "a line for the requester")
	return cmd
}

func (a *app) cancel() *cobra.Command {
	return a.one(&cobra.Command{
		Use: "cancel", Short: "Take a request for approval back, or an approval that was not used",
		Example: "  holdfast approval cancel " + exampleID,
	}, func(ctx context.Context, c *client.Client, id string) (*client.Approval, error) {
		return c.CancelApproval(ctx, id)
	})
}

func (a *app) rules() *cobra.Command {
	cmd := &cobra.Command{
		Use: "rules", Short: "List the rules that make operations critical ones", Args: cobra.NoArgs,
		Long:    "List the rules that make operations critical ones. They are in the server's configuration.",
		Example: "  holdfast approval rules",
	}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		list, err := c.ApprovalRules(ctx)
		if err != nil {
			return err
		}
		return a.Show(list, func(w *terminal.Table) {
			w.Row("RULE", "REQUIRES", "ACTIONS", "RESOURCES", "APPROVERS", "EXPIRES", "VALID")
			for i := range list {
				r := &list[i]
				requires, expires, valid := r.Require, "-", "-"
				if r.Count > 0 {
					requires = fmt.Sprintf("%s by %d", r.Require, r.Count)
					expires, valid = seconds(r.ExpiresSeconds), seconds(r.ValidSeconds)
				}
				w.Row(r.Name, requires, r.Actions, orAll(r.Resources), terminal.OrDash(strings.Join(r.Approvers, ", ")), expires, valid)
			}
		})
	})
	return cmd
}

func seconds(n int64) string { return (time.Duration(n) * time.Second).String() }

func orAll(list []string) string {
	if len(list) == 0 {
		return "all"
	}
	return strings.Join(list, ", ")
}
