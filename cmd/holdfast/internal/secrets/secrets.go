// Package secrets has the commands of the noun secret: values that are kept
// sealed under a key, with the versions that they had.
//
// Start with New. The package is internal and may change with any release.
package secrets

import (
	"context"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxValue is the longest value, in bytes.
const maxValue = 64 << 10

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast secret`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("secret", "Keep secrets: values sealed under a key, and those they had before",
		a.create(), a.get(), a.put(), a.list(), a.describe(), a.remove(), a.restore()))
}

// secret is a command's secret: its first argument, or --name.
func secret() *terminal.Argument {
	return &terminal.Argument{
		Word: "NAME", Flag: "name", Help: "the secret's name or id", Missing: "no secret is named: give its name with --name",
	}
}

// valueFlag is the file that a value is read from: never the command line,
// which others can see.
func valueFlag(cmd *cobra.Command, path *string, binary *bool) {
	cmd.Flags().StringVar(path, "value-file", "-", "the file with the value, taken byte by byte; - is standard input")
	cmd.Flags().BoolVar(binary, "binary", false, "keep the value as bytes even if it is a text")
}

// read reads a value, and whether it is bytes.
func (a *app) read(path string, binary bool) ([]byte, bool, error) {
	value, err := a.Read(path, maxValue)
	if err != nil {
		return nil, false, err
	}
	if len(value) == 0 {
		return nil, false, terminal.Usagef("the value is empty")
	}
	return value, binary || !utf8.Valid(value), nil
}

func (a *app) create() *cobra.Command {
	id := secret()
	var req client.CreateSecretRequest
	var tags []string
	var path string
	var empty bool
	cmd := id.Add(&cobra.Command{
		Use: "create", Short: "Make a secret of a value",
		Long: "Make a secret. Its value is read from --value-file or standard input, byte by byte: a line's\n" +
			"end is part of it.",
		Example: "  printf '%s' \"$PASSWORD\" | holdfast secret create prod/db --tag team=web\n" +
			"  holdfast secret create tls/key --value-file key.pem --key alias/secrets",
	})
	flags := cmd.Flags()
	flags.StringVar(&req.Description, "description", "", "what the secret is for")
	flags.StringVar(&req.Key, "key", "", "the id or alias of the key that seals it; without it a key of Holdfast's does")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	flags.BoolVar(&empty, "empty", false, "make it without a value")
	valueFlag(cmd, &path, &req.Binary)
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, name string) (err error) {
		req.Name = name
		if !empty {
			if req.Value, req.Binary, err = a.read(path, req.Binary); err != nil {
				return err
			}
			defer clear(req.Value)
		}
		if req.Tags, err = terminal.TagsOf(tags); err != nil {
			return err
		}
		x, err := c.CreateSecret(ctx, &req)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) put() *cobra.Command {
	id := secret()
	var path string
	var binary bool
	cmd := id.Add(&cobra.Command{
		Use: "put", Short: "Give a secret a new value", Example: "  printf '%s' \"$PASSWORD\" | holdfast secret put prod/db",
	})
	valueFlag(cmd, &path, &binary)
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, name string) error {
		value, binary, err := a.read(path, binary)
		if err != nil {
			return err
		}
		defer clear(value)
		x, err := c.PutSecretValue(ctx, name, value, binary)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) get() *cobra.Command {
	id := secret()
	var version, stage, out string
	cmd := id.Add(&cobra.Command{
		Use: "get", Short: "Print the value of a secret, and nothing else",
		Example: "  PASSWORD=$(holdfast secret get prod/db)\n  holdfast secret get tls/key --stage previous --out old.pem",
	})
	flags := cmd.Flags()
	flags.StringVar(&version, "version", "", "the version that is wanted")
	flags.StringVar(&stage, "stage", "", "the stage whose version is wanted; without either flag the current one")
	flags.StringVar(&out, "out", "-", "the file to write; - is standard output")
	terminal.Complete(cmd, "stage", []string{"current", "previous"})
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.SecretValue(ctx, name, version, stage)
		if err != nil {
			return err
		}
		defer clear(x.Value)
		return a.WriteSecret(terminal.Output{Path: out, Encoding: "raw"}, x.Value)
	})
	return cmd
}

func (a *app) list() *cobra.Command {
	var filter client.SecretFilter
	cmd := &cobra.Command{Use: "list", Short: "List secrets", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&filter.Name, "name", "", "only those whose names begin so")
	cmd.Flags().BoolVar(&filter.Deleted, "deleted", false, "those that are deleted, too")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Secret, string, error) {
			l, err := c.Secrets(ctx, filter, p)
			if err != nil {
				return nil, "", err
			}
			return l.Secrets, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("NAME", "VERSIONS", "CHANGED", "LAST READ", "GONE AT")
			for _, x := range all {
				w.Row(x.Name, len(x.Versions), x.ChangedAt, x.AccessedAt, x.DeleteAt)
			}
		})
	})
	return cmd
}

func (a *app) show(x *client.Secret) error {
	return a.Show(x, func(w *terminal.Table) {
		w.Fact("Secret", x.Name)
		w.Fact("Id", x.ID)
		w.Fact("Description", x.Description)
		w.Fact("Key", x.Key)
		w.Fact("Created", x.CreatedAt)
		w.Fact("Changed", x.ChangedAt)
		w.Fact("Last read", x.AccessedAt)
		w.Fact("Gone at", x.DeleteAt)
		for _, t := range x.Tags {
			w.Fact("Tag", t.Key+"="+t.Value)
		}
		for _, v := range x.Versions {
			w.Fact("Version", strings.TrimSpace(v.ID+" "+strings.Join(v.Stages, ", ")))
		}
	})
}

// simple is a command that does one thing to a secret and shows it.
func (a *app) simple(use, short string, act func(*client.Client, context.Context, string) (*client.Secret, error)) *cobra.Command {
	id := secret()
	cmd := id.Add(&cobra.Command{Use: use, Short: short})
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, name string) error {
		x, err := act(c, ctx, name)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) describe() *cobra.Command {
	return a.simple("show", "Show a secret without its values", (*client.Client).Secret)
}

func (a *app) restore() *cobra.Command {
	return a.simple("restore", "Take the deletion of a secret back", (*client.Client).RestoreSecret)
}

func (a *app) remove() *cobra.Command {
	id := secret()
	var days int
	var force, yes bool
	cmd := id.Add(&cobra.Command{
		Use: "delete", Short: "Delete a secret: it can be restored until it is destroyed",
		Long: "Delete a secret. Its values are not to be had from then on; until it is destroyed,\n\"secret restore\" takes that back.",
	})
	cmd.Flags().IntVar(&days, "days", 0, "destroy it after so many days, 7 to 30; without it 30")
	cmd.Flags().BoolVar(&force, "force", false, "destroy it at once")
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, name string) error {
		question := "delete the secret %s"
		if force {
			question = "destroy the secret %s at once, with all its values"
		}
		if err := a.Confirm(yes, question, name); err != nil {
			return err
		}
		x, err := c.DeleteSecret(ctx, name, days, force)
		if err != nil {
			return err
		}
		if force {
			return a.Done("%s is destroyed", x.Name)
		}
		return a.Done("%s will be destroyed at %s", x.Name, terminal.Cell(x.GoneAt))
	})
	return cmd
}
