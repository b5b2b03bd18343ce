// Package rotations has the commands of the noun rotation: rules that have
// keys rotated, and what they will do.
//
// Start with New. The package is internal and may change with any release.
package rotations

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

// New returns `holdfast rotation`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("rotation", "Rotate keys by rules, and see what will happen when", a.plan(),
		terminal.Group("rule", "Make, list and remove rules of rotation", a.put(), a.list(), a.remove())))
}

// rule is a command's rule: its first argument, or --rule.
func rule() *terminal.Argument {
	return &terminal.Argument{
		Word: "RULE", Flag: "rule", Help: "the rule's name",
		Missing: "no rule is named: give its name; \"holdfast rotation rule list\" lists them",
	}
}

func (a *app) put() *cobra.Command {
	name := rule()
	var req client.PutRotationRuleRequest
	var tags []string
	var overlap, notice int
	cmd := name.Add(&cobra.Command{
		Use: "put", Short: "Make or change a rule",
		Long: "Make or change a rule. It is about the keys that are as all of its selecting flags say; without\n" +
			"any, about every key. Rules are asked in the order of their names, and the first that is about\n" +
			"a key counts; a key for which \"holdfast key rotation enable\" was said follows that instead.\n" +
			"Symmetric encryption keys get new versions. Other keys get a successor, to which their aliases\n" +
			"go over, while the old key verifies and decrypts until the overlap is over. What only its owner\n" +
			"can rotate is told of. No key rotates sooner than the notice after the rule was put.",
		Example: "  holdfast rotation rule put signing --usage SIGN_VERIFY --period-days 730 --overlap-days 90\n" +
			"  holdfast rotation rule put team-a --tag team=a --mode notify --notice-days 60",
	})
	flags := cmd.Flags()
	flags.StringVar(&req.Description, "description", "", "what it is for")
	flags.StringSliceVar(&req.Keys, "select", nil, "only keys with such an id or alias, \"alias/orders-*\" (repeatable: any of them)")
	flags.StringArrayVar(&tags, "tag", nil, "only keys with a tag, NAME=VALUE, or NAME=* for any value (repeatable: all of them)")
	flags.StringSliceVar(&req.Specs, "spec", nil, "only keys of a spec (repeatable: any of them)")
	flags.StringSliceVar(&req.Usages, "usage", nil, "only keys for a usage (repeatable: any of them)")
	flags.StringSliceVar(&req.Protections, "protection", nil, "only keys kept by software, hsm or external (repeatable: any of them)")
	flags.StringVar(&req.Mode, "mode", "automatic", "automatic, or notify to tell people and no more")
	flags.IntVar(&req.PeriodDays, "period-days", 0, "how old key material gets (default: the server's for the kind of key, 365 for symmetric and 730 for asymmetric)")
	flags.IntVar(&overlap, "overlap-days", 0, "how long a key with a successor still verifies (default: the server's, 90)")
	flags.StringVar(&req.After, "after", "", "what then becomes of it: disable or keep (default: disable, but keep what decrypts)")
	flags.IntVar(&notice, "notice-days", 0, "how many days before people are told (default: the server's, 30)")
	terminal.Complete(cmd, "mode", []string{"automatic", "notify"})
	terminal.Complete(cmd, "after", []string{"disable", "keep"})
	terminal.Complete(cmd, "protection", []string{"software", "hsm", "external"})
	terminal.Complete(cmd, "spec", terminal.SpecNames())
	terminal.Complete(cmd, "usage", terminal.UsageNames())
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) (err error) {
		if req.Tags, err = terminal.TagsOf(tags); err != nil {
			return err
		}
		if flags.Changed("overlap-days") {
			req.OverlapDays = &overlap
		}
		if flags.Changed("notice-days") {
			req.NoticeDays = &notice
		}
		r, err := c.PutRotationRule(ctx, name, &req)
		if err != nil {
			return err
		}
		return a.Show(r, func(w *terminal.Table) { facts(w, r) })
	})
	return cmd
}

// facts shows a rule.
func facts(w *terminal.Table, r *client.RotationRule) {
	w.Fact("Rule", r.Name)
	w.Fact("Description", r.Description)
	w.Fact("Keys", selects(r))
	w.Fact("Mode", r.Mode)
	w.Fact("Period", period(r.PeriodDays))
	w.Fact("Overlap", fmt.Sprintf("%d days", r.OverlapDays))
	w.Fact("After", r.After)
	w.Fact("Notice", fmt.Sprintf("%d days", r.NoticeDays))
	w.Fact("Since", r.Since)
}

func period(days int) string {
	if days == 0 {
		return "the server's default"
	}
	return fmt.Sprintf("%d days", days)
}

// selects says which keys a rule is about.
func selects(r *client.RotationRule) string {
	var parts []string
	for _, list := range []struct {
		name   string
		values []string
	}{{"", r.Keys}, {"spec ", r.Specs}, {"usage ", r.Usages}, {"protection ", r.Protections}} {
		if len(list.values) > 0 {
			parts = append(parts, list.name+strings.Join(list.values, " or "))
		}
	}
	for _, t := range r.Tags {
		parts = append(parts, "tag "+t.Key+"="+t.Value)
	}
	if len(parts) == 0 {
		return "all"
	}
	return strings.Join(parts, ", ")
}

func (a *app) list() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List rules in the order in which they are asked", Args: cobra.NoArgs, Example: "  holdfast rotation rule list",
	}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		l, err := c.RotationRules(ctx)
		if err != nil {
			return err
		}
		return a.Show(l.Rules, func(w *terminal.Table) {
			w.Row("RULE", "MODE", "PERIOD", "OVERLAP", "NOTICE", "KEYS")
			for i := range l.Rules {
				r := &l.Rules[i]
				w.Row(r.Name, r.Mode, period(r.PeriodDays), fmt.Sprintf("%d days", r.OverlapDays), fmt.Sprintf("%d days", r.NoticeDays), selects(r))
			}
		})
	})
	return cmd
}

func (a *app) remove() *cobra.Command {
	name := rule()
	var yes bool
	cmd := name.Add(&cobra.Command{
		Use: "delete", Short: "Remove a rule",
		Long: "Remove a rule. Keys that have successors by it are still disabled when it said.", Example: "  holdfast rotation rule delete signing --yes",
	})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "remove the rotation rule %s", name); err != nil {
			return err
		}
		if err := c.DeleteRotationRule(ctx, name); err != nil {
			return err
		}
		return a.Done("%s is deleted", name)
	})
	return cmd
}
