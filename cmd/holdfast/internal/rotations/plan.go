package rotations

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

func (a *app) plan() *cobra.Command {
	var months int
	cmd := &cobra.Command{
		Use: "plan", Short: "Show what will happen to keys when", Args: cobra.NoArgs,
		Long: "Show what will happen to every key of the realm in the next months, in the order of time:\n" +
			"\"rotate\" is new material in the key, \"successor\" a new key under the same aliases, \"notify\"\n" +
			"that people are told and nothing else happens, \"disable\" that a key with a successor stops\n" +
			"verifying. Then follow the keys to which nothing happens. With --json also why.",
		Example: "  holdfast rotation plan --months 36",
	}
	cmd.Flags().IntVar(&months, "months", 12, "how far to look ahead, 1 to 120")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if months < 1 || months > 120 {
			return terminal.Usagef("--months is 1 to 120")
		}
		keys, err := terminal.All(func(p client.Page) ([]client.PlannedKey, string, error) {
			l, err := c.RotationPlan(ctx, months, p)
			if err != nil {
				return nil, "", err
			}
			return l.Keys, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(keys, func(w *terminal.Table) { show(w, keys) })
	})
	return cmd
}

// line is a line of a plan: what happens to a key at a time, zero for nothing.
type line struct {
	at     time.Time
	action string
	until  time.Time
	key    *client.PlannedKey
}

// lines puts a plan in the order of time.
func lines(keys []client.PlannedKey) (list []line) {
	for i := range keys {
		k := &keys[i]
		for _, s := range k.Steps {
			list = append(list, line{s.At, s.Action, s.OverlapEnd, k})
		}
		if len(k.Steps) == 0 {
			list = append(list, line{key: k, action: k.Action})
		}
	}
	slices.SortStableFunc(list, func(a, b line) int {
		if a.at.IsZero() != b.at.IsZero() {
			if a.at.IsZero() {
				return 1
			}
			return -1
		}
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(name(a.key), name(b.key)))
	})
	return list
}

// name is how people call a key.
func name(k *client.PlannedKey) string {
	if len(k.Aliases) > 0 {
		return k.Aliases[0]
	}
	return k.Key
}

// show shows a plan.
func show(w *terminal.Table, keys []client.PlannedKey) {
	w.Row("WHEN", "ACTION", "KEY", "SPEC", "RULE", "ROTATED", "OVERLAP ENDS", "WHY")
	for _, l := range lines(keys) {
		when, until := "-", "-"
		switch {
		case !l.at.IsZero():
			when = l.at.UTC().Format(time.DateTime)
		case !l.key.Due.IsZero(): // beyond the time of the plan
			when = "later"
		}
		if !l.until.IsZero() {
			until = l.until.UTC().Format(time.DateOnly)
		}
		rule := l.key.Rule
		if l.key.Own {
			rule = "(the key's own)"
		}
		w.Row(when, l.action, name(l.key), l.key.Spec, terminal.OrDash(rule), l.key.Rotated.UTC().Format(time.DateOnly), until, terminal.OrDash(l.key.Why))
	}
}
