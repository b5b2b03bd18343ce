// Package providers has the commands of the noun provider: provider.go tells
// which key services a server has and what is in them, test.go tries one, from
// the server or from here.
//
// Start with New. The package is internal and may change with any release.
package providers

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast provider`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"provider", "Key services in which keys live", a.list(), a.show(), a.keys(), a.test(),
	))
}

func (a *app) list() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the server's key services, and how they are", Args: cobra.NoArgs,
		Example: "  holdfast provider list",
	}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := c.Providers(ctx)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("NAME", "KIND", "STATE", "REQUESTS", "FAILURES", "PLACE")
			for _, p := range all {
				w.Row(p.Name, p.Kind, p.State, p.Requests, p.Failures, p.Place)
			}
		})
	})
	return cmd
}

// provider is a command's provider: its first argument, or --provider.
func (a *app) provider() *terminal.Argument {
	return &terminal.Argument{
		Word: "NAME", Flag: "provider", Help: "the provider", Names: a.ProviderNames(),
		Missing: "no provider is named: give its name; \"holdfast provider list\" lists them",
	}
}

func (a *app) show() *cobra.Command {
	name := a.provider()
	cmd := name.Add(&cobra.Command{
		Use: "show", Short: "Show how a key service is, and what keys can be made in it",
		Example: "  holdfast provider show aws-prod",
	})
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		p, err := c.Provider(ctx, name)
		if err != nil {
			return err
		}
		return a.Show(p, func(w *terminal.Table) {
			w.Fact("Name", p.Name)
			w.Fact("Kind", p.Kind)
			w.Fact("Place", p.Place)
			w.Fact("Protection", p.Protection)
			w.Fact("Realms", p.Realms)
			w.Fact("State", p.State)
			w.Fact("Since", p.Since)
			w.Fact("Cause", p.Cause)
			w.Fact("Requests", fmt.Sprintf("%d, %d of them repeated; %d failed, %d were turned away by the service's limit",
				p.Requests, p.Retries, p.Failures, p.Throttled))
			for _, k := range p.Makes {
				w.Fact("Makes", k.Spec+" for "+k.Usage)
			}
		})
	})
	return cmd
}

func (a *app) keys() *cobra.Command {
	name := a.provider()
	cmd := name.Add(&cobra.Command{
		Use: "keys", Short: "List the keys that are in a key service",
		Long: "List the keys that are in a key service: those that were made from here, with their ids here,\n" +
			"and those of others, which \"holdfast key adopt --provider\" takes by their names. A key that has\n" +
			"the name of a Holdfast's and no id here is an older version of a key, or another server's.",
		Example: "  holdfast provider keys aws-prod",
	})
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		all, err := terminal.All(func(p client.Page) ([]client.ProviderKey, string, error) {
			l, err := c.ProviderKeys(ctx, name, p.After)
			if err != nil {
				return nil, "", err
			}
			return l.Keys, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("NAME", "TYPE", "USAGE", "CONDITION", "KEY")
			for i := range all {
				w.Row(all[i].Name, typeOf(&all[i]), terminal.OrDash(all[i].Usage), all[i].Condition, keyOf(&all[i]))
			}
		})
	})
	return cmd
}

// typeOf says what a key is, in the service's words where there are no others.
func typeOf(k *client.ProviderKey) string {
	if k.Spec != "" {
		return k.Spec
	}
	return terminal.OrDash(k.Type)
}

// keyOf says which key here a key is of.
func keyOf(k *client.ProviderKey) string {
	if k.Made && k.KeyID == "" {
		return "unknown"
	}
	return terminal.OrDash(k.KeyID)
}
