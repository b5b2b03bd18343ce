package managed

import (
	"context"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/renewal"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// ruleFlags are the flags of a rule of renewal.
type ruleFlags struct {
	set  *pflag.FlagSet
	rule client.RenewalRule
}

func (f *ruleFlags) add(cmd *cobra.Command) {
	f.set = cmd.Flags()
	f.set.StringVar(&f.rule.Before, "renew-before", "", "renew so long before the end at the latest, such as 30d or 36h")
	f.set.Float64Var(&f.rule.Share, "renew-share", 0, "renew when this part of the lifetime is left, such as 0.33")
	f.set.StringVar(&f.rule.Key, "renew-key", "", "the key of the next certificate: new or same; without it new")
	f.set.StringVar(&f.rule.Jitter, "renew-jitter", "", "renew up to so much earlier, to spread many; without it a twentieth of the lifetime, at most a day")
	terminal.Complete(cmd, "renew-key", []string{"new", "same"})
}

// given returns the rule of the flags, nil where none of them is given.
func (f *ruleFlags) given() (*client.RenewalRule, error) {
	given := false
	for _, name := range []string{"renew-before", "renew-share", "renew-key", "renew-jitter"} {
		given = given || f.set.Changed(name)
	}
	if !given {
		return nil, nil //nolint:nilnil // no rule is a rule: the usual one
	}
	if _, err := renewal.Text(f.rule).Rule(); err != nil {
		return nil, terminal.WrongUsage(err)
	}
	return &f.rule, nil
}

func (a *app) update() *cobra.Command {
	id := certificate()
	var flags ruleFlags
	var drop bool
	cmd := id.Add(&cobra.Command{
		Use: "update", Short: "Change when and how a managed certificate is renewed",
		Long: "Give a managed certificate a rule of renewal of its own, as a whole, or take it away. With a\n" +
			"rule it is renewed whether anybody has exported it or not.",
		Example: "  holdfast managed update 5c9f… --renew-before 30d\n" +
			"  holdfast managed update 5c9f… --renew-share 0.33 --renew-key same\n" +
			"  holdfast managed update 5c9f… --renew-default",
	})
	flags.add(cmd)
	cmd.Flags().BoolVar(&drop, "renew-default", false, "take the certificate's own rule away")
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		rule, err := flags.given()
		if err != nil {
			return err
		}
		if (rule == nil) != drop {
			return terminal.Usagef("give a rule by --renew-before, --renew-share, --renew-key or --renew-jitter, or take it away by --renew-default")
		}
		x, err := c.UpdateManaged(ctx, id, &client.UpdateManagedRequest{Renewal: rule, DropRenewal: drop})
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) plan() *cobra.Command {
	var within string
	cmd := &cobra.Command{
		Use: "plan", Short: "List what is renewed when, and why then", Args: cobra.NoArgs,
		Example: "  holdfast managed plan --within 14d",
	}
	cmd.Flags().StringVar(&within, "within", "", "only what is renewed within so much time, such as 14d")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		var until time.Time
		if within != "" {
			d, err := renewal.ParseDuration(within)
			if err != nil {
				return terminal.WrongUsage(err)
			}
			until = time.Now().Add(d)
		}
		all, err := terminal.All(func(p client.Page) ([]client.Managed, string, error) {
			l, err := c.ManagedPlan(ctx, until, p)
			if err != nil {
				return nil, "", err
			}
			return l.Managed, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("RENEWAL", "WHY", "DOMAIN", "VALID UNTIL", "RULE", "ID")
			for _, x := range all {
				w.Row(x.RenewalDue, x.RenewalCause, x.Domain, x.NotAfter, ruleText(&x), x.ID)
			}
		})
	})
	return cmd
}

// ruleText returns a certificate's rule in a few words.
func ruleText(x *client.Managed) string {
	if x.RenewalRule == nil {
		return ""
	}
	rule, err := renewal.Text(*x.RenewalRule).Rule()
	if err != nil {
		return "?" // of a later server
	}
	text := rule.String()
	if x.RenewalFrom != "certificate" {
		text += " (" + x.RenewalFrom + ")"
	}
	return text
}
