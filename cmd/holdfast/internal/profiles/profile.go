// Package profiles has the commands of the noun profile.
//
// Start with New. The package is internal and may change with any release.
package profiles

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast profile`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("profile", "Manage the kinds of certificates that authorities issue",
		a.list(), a.show(), a.put(), a.remove()))
}

// profile is a command's profile: its first argument, or --profile.
func (a *app) profile() *terminal.Argument {
	return &terminal.Argument{
		Word: "PROFILE", Flag: "profile", Help: "the profile's name", Names: a.ProfileNames(),
		Missing: "no profile is named: give its name with --profile",
	}
}

func (a *app) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the profiles, built in and of your own", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := c.Profiles(ctx)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("PROFILE", "KIND", "DESCRIPTION")
			for _, p := range all {
				kind := "own"
				if p.Builtin {
					kind = "built in"
				}
				w.Row(p.Name, kind, p.Description)
			}
		})
	})
	return cmd
}

func (a *app) show() *cobra.Command {
	name := a.profile()
	var out string
	cmd := name.Add(&cobra.Command{
		Use: "show", Short: "Print a profile as a document, to start one of your own from",
		Example: "  holdfast profile show tls-server --out web.yaml",
	})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		p, err := c.Profile(ctx, name)
		if err != nil {
			return err
		}
		return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, []byte(p.Document), p)
	})
	return cmd
}

func (a *app) put() *cobra.Command {
	name := a.profile()
	var in string
	cmd := name.Add(&cobra.Command{
		Use: "put", Short: "Make a profile, or replace one of your own",
		Long: "Make a profile of a document in YAML or JSON, or replace one of your own. docs/profiles.md\n" +
			"says what a document may hold. What is wrong with it is told with the setting.",
		Example: "  holdfast profile put web --in web.yaml",
	})
	cmd.Flags().StringVar(&in, "in", "-", "the file with the document; - is standard input")
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		text, err := a.Read(in, terminal.MaxDocument)
		if err != nil {
			return err
		}
		p, err := c.PutProfile(ctx, name, string(text))
		if err != nil {
			return err
		}
		if a.JSON {
			return a.Show(p, nil)
		}
		return a.Done("%s is stored", p.Name)
	})
	return cmd
}

func (a *app) remove() *cobra.Command {
	name := a.profile()
	var yes bool
	cmd := name.Add(&cobra.Command{Use: "delete", Short: "Remove a profile of your own; certificates that were issued by it stay"})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		if err := a.Confirm(yes, "remove the profile %s", name); err != nil {
			return err
		}
		if err := c.DeleteProfile(ctx, name); err != nil {
			return err
		}
		return a.Done("%s is removed", name)
	})
	return cmd
}
