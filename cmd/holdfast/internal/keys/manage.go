package keys

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// simpleKeyVerb is a verb that takes a key and answers nothing.
func (a *app) simpleKeyVerb(use, short, done string, act func(*client.Client, context.Context, string) error) *cobra.Command {
	var key keyArgument
	cmd := key.add(a, &cobra.Command{Use: use, Short: short})
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		if err := act(c, ctx, name); err != nil {
			return err
		}
		return a.Done("%s %s", name, done)
	})
	return cmd
}

func (a *app) keyEnable() *cobra.Command {
	return a.simpleKeyVerb("enable", "Let a disabled key be used again", "is enabled", (*client.Client).EnableKey)
}

func (a *app) keyDisable() *cobra.Command {
	return a.simpleKeyVerb("disable", "Stop all use of a key", "is disabled", (*client.Client).DisableKey)
}

func (a *app) keyDelete() *cobra.Command {
	var key keyArgument
	var days int
	var yes bool
	cmd := key.add(a, &cobra.Command{
		Use: "delete", Short: "Schedule a key's destruction",
		Long: "Schedule a key's destruction: it cannot be used from now on, and is destroyed for\n" +
			"good when the waiting period ends. Until then \"key undelete\" takes it back.",
	})
	cmd.Flags().IntVar(&days, "days", 30, "the waiting period, 7 to 30 days")
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "destroy the key %s in %d days", name, days); err != nil {
			return err
		}
		k, err := c.ScheduleDeletion(ctx, name, days)
		if err != nil {
			return err
		}
		return a.showKey(keyView{Key: k})
	})
	return cmd
}

func (a *app) keyUndelete() *cobra.Command {
	var key keyArgument
	cmd := key.add(a, &cobra.Command{Use: "undelete", Short: "Take a scheduled destruction back; the key is disabled then"})
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		k, err := c.CancelDeletion(ctx, name)
		if err != nil {
			return err
		}
		return a.showKey(keyView{Key: k})
	})
	return cmd
}

func (a *app) keyRotate() *cobra.Command {
	var key keyArgument
	cmd := key.add(a, &cobra.Command{
		Use: "rotate", Short: "Make a new version of a key now",
		Long: "Make a new version of a symmetric key now. Its id stays, and what older versions\nencrypted still decrypts.",
	})
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		k, err := c.Rotate(ctx, name)
		if err != nil {
			return err
		}
		return a.showKey(keyView{Key: k})
	})
	return cmd
}

func (a *app) keyRotation() *cobra.Command {
	var enable, show, list keyArgument
	var days int
	on := enable.add(a, &cobra.Command{Use: "enable", Short: "Rotate a key by the clock"})
	on.Flags().IntVar(&days, "days", 365, "the time between rotations, 90 to 2560 days")
	on.RunE = a.onKey(&enable, func(ctx context.Context, c *client.Client, name string) error {
		if err := c.EnableRotation(ctx, name, days); err != nil {
			return err
		}
		return a.Done("%s rotates every %d days", name, days)
	})
	status := show.add(a, &cobra.Command{Use: "show", Short: "Show a key's rule"})
	status.RunE = a.onKey(&show, func(ctx context.Context, c *client.Client, name string) error {
		r, err := c.Rotation(ctx, name)
		if err != nil {
			return err
		}
		return a.Show(r, func(w *terminal.Table) {
			w.Fact("Enabled", r.Enabled)
			w.Fact("Period", terminal.Cell(r.PeriodDays)+" days")
			w.Fact("Next", r.NextAt)
			w.Fact("On demand", terminal.Cell(r.OnDemandCount)+" so far")
		})
	})
	past := list.add(a, &cobra.Command{Use: "list", Short: "List a key's past rotations"})
	past.RunE = a.onKey(&list, a.listRotations)
	return terminal.Group("rotation", "Manage rotation by the clock", on,
		a.simpleKeyVerb("disable", "Stop rotating a key by the clock", "does not rotate any more", (*client.Client).DisableRotation),
		status, past)
}

func (a *app) listRotations(ctx context.Context, c *client.Client, name string) error {
	all, err := terminal.All(func(p client.Page) ([]client.Version, string, error) {
		l, err := c.Rotations(ctx, name, p)
		if err != nil {
			return nil, "", err
		}
		return l.Versions, l.Next, nil
	})
	if err != nil {
		return err
	}
	return a.Show(all, func(w *terminal.Table) {
		w.Row("VERSION", "CREATED", "BY", "MATERIAL")
		for _, v := range all {
			w.Row(v.Number, v.CreatedAt, v.RotatedBy, v.MaterialID)
		}
	})
}

func (a *app) keyPolicy() *cobra.Command {
	var get, put keyArgument
	var out terminal.Output
	var in string
	var bypass bool
	show := get.add(a, &cobra.Command{Use: "get", Short: "Print a key's policy"})
	show.Flags().StringVar(&out.Path, "out", "-", "the file to write; - is standard output")
	show.RunE = a.onKey(&get, func(ctx context.Context, c *client.Client, name string) error {
		p, err := c.Policy(ctx, name)
		if err != nil {
			return err
		}
		out.Encoding = "raw"
		return a.WriteBytes(out, []byte(p.Document+"\n"), p)
	})
	set := put.add(a, &cobra.Command{Use: "put", Short: "Replace a key's policy"})
	set.Flags().StringVar(&in, "in", "-", "the file with the policy; - is standard input")
	set.Flags().BoolVar(&bypass, "bypass-lockout", false, "take a policy that shuts the caller out")
	set.RunE = a.onKey(&put, func(ctx context.Context, c *client.Client, name string) error {
		text, err := a.Read(in, terminal.MaxDocument)
		if err != nil {
			return err
		}
		if err := c.PutPolicy(ctx, name, client.Policy{Document: string(text)}, bypass); err != nil {
			return err
		}
		return a.Done("%s has a new policy", name)
	})
	return terminal.Group("policy", "Manage who may do what with a key", show, set)
}

func (a *app) keyTag() *cobra.Command {
	var key keyArgument
	var tags []string
	cmd := key.add(a, &cobra.Command{Use: "tag", Short: "Set tags of a key", Example: "  holdfast key tag release --tag team=web"})
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	terminal.Require(cmd, "tag")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		list, err := terminal.TagsOf(tags)
		if err != nil {
			return err
		}
		if err := c.Tag(ctx, name, list...); err != nil {
			return err
		}
		return a.Done("%s is tagged", name)
	})
	return cmd
}

func (a *app) keyUntag() *cobra.Command {
	var key keyArgument
	var tags []string
	cmd := key.add(a, &cobra.Command{Use: "untag", Short: "Remove tags of a key", Example: "  holdfast key untag release --tag team"})
	cmd.Flags().StringArrayVar(&tags, "tag", nil, "a tag's name (repeatable)")
	terminal.Require(cmd, "tag")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		if err := c.Untag(ctx, name, tags...); err != nil {
			return err
		}
		return a.Done("%s is untagged", name)
	})
	return cmd
}

func (a *app) keyDescribe() *cobra.Command {
	var key keyArgument
	var text string
	cmd := key.add(a, &cobra.Command{Use: "describe", Short: "Give a key a description"})
	cmd.Flags().StringVar(&text, "description", "", "a text for people")
	terminal.Require(cmd, "description")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		if err := c.DescribeKey(ctx, name, text); err != nil {
			return err
		}
		return a.Done("%s has a new description", name)
	})
	return cmd
}
