// Package hsms has the commands of the noun hsm: hsm.go tells what tokens a
// server has and what is on them, presets.go which makers are known, and
// test.go tries a token from here, before a server is told of it.
//
// Start with New. The package is internal and may change with any release.
package hsms

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

// New returns `holdfast hsm`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"hsm", "Tokens in which keys live", a.list(), a.show(), a.objects(), a.presets(), a.test(),
	))
}

func (a *app) list() *cobra.Command {
	cmd := &cobra.Command{
		Use: "list", Short: "List the server's tokens and groups, and how they are", Args: cobra.NoArgs,
		Example: "  holdfast hsm list",
	}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := c.HSMs(ctx)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("NAME", "KIND", "USE", "STATE", "SESSIONS", "CALLS", "FAILURES", "TOKENS")
			for _, h := range all {
				w.Row(h.Name, h.Kind, h.Use, h.State, h.Sessions, h.Calls, h.Failures, terminal.OrDash(strings.Join(h.Tokens, ", ")))
			}
		})
	})
	return cmd
}

// token is a command's token: its first argument, or --hsm.
func (a *app) token() *terminal.Argument {
	return &terminal.Argument{
		Word: "NAME", Flag: "hsm", Help: "the token or group", Names: a.HSMNames(),
		Missing: "no token is named: give its name; \"holdfast hsm list\" lists them",
	}
}

func (a *app) show() *cobra.Command {
	name := a.token()
	var mechanisms bool
	cmd := name.Add(&cobra.Command{
		Use: "show", Short: "Show how a token is, and what it can do",
		Example: "  holdfast hsm show luna\n  holdfast hsm show luna --mechanisms",
	})
	cmd.Flags().BoolVar(&mechanisms, "mechanisms", false, "list the token's mechanisms as well; JSON always has them")
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		h, err := c.HSM(ctx, name)
		if err != nil {
			return err
		}
		return a.Show(h, func(w *terminal.Table) { showHSM(w, h, mechanisms) })
	})
	return cmd
}

func showHSM(w *terminal.Table, h *client.HSM, mechanisms bool) {
	w.Fact("Name", h.Name)
	w.Fact("Kind", h.Kind+", for "+h.Use)
	w.Fact("Tokens", h.Tokens)
	w.Fact("State", h.State)
	w.Fact("Since", h.Since)
	w.Fact("Cause", h.Cause)
	w.Fact("Module", h.Module)
	w.Fact("Preset", h.Preset)
	w.Fact("Processes", h.Workers)
	w.Fact("Sessions", fmt.Sprintf("%d open, %d in use, %d calls waiting", h.Sessions, h.Busy, h.Waiting))
	w.Fact("Calls", fmt.Sprintf("%d, %d of them failed; %d processes given up", h.Calls, h.Failures, h.Restarts))
	if h.Info == nil {
		return
	}
	w.Fact("Token", h.Info.Label)
	w.Fact("Serial", h.Info.Serial)
	w.Fact("Made by", strings.TrimSpace(h.Info.Manufacturer+", "+h.Info.Model+", firmware "+h.Info.Firmware))
	w.Fact("Library", h.Info.Library)
	w.Fact("Makes keys", h.Info.Specs)
	if !mechanisms {
		w.Fact("Mechanisms", len(h.Info.Mechanisms))
		return
	}
	for _, m := range h.Info.Mechanisms {
		text := strings.Join(m.Uses, ", ")
		if m.MaxKey > 0 {
			text += fmt.Sprintf(" (keys %d to %d)", m.MinKey, m.MaxKey)
		}
		w.Fact(m.Name, text)
	}
}

// keyOf says which key an object is of.
func keyOf(o *client.HSMObject) string {
	if o.Orphan {
		return "unknown"
	}
	return terminal.OrDash(o.KeyID)
}

func (a *app) objects() *cobra.Command {
	name := a.token()
	cmd := name.Add(&cobra.Command{
		Use: "objects", Short: "List what is on a token",
		Long: "List what is on a token, as far as the server's login sees it: the keys that were made from\n" +
			"here, with their ids here, and what other tools have put there, which \"holdfast key adopt\"\n" +
			"takes by the URI. Values are never told. \"unknown\" is what has the label of a Holdfast's key that\n" +
			"this server does not have.",
		Example: "  holdfast hsm objects luna",
	})
	cmd.RunE = a.On(name, func(ctx context.Context, c *client.Client, name string) error {
		all, err := c.HSMObjects(ctx, name)
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("TOKEN", "CLASS", "TYPE", "LABEL", "ID", "USES", "KEY")
			for _, o := range all {
				kind := o.Type
				if o.Bits > 0 {
					kind += fmt.Sprintf(" %d", o.Bits)
				}
				w.Row(o.Token, o.Class, terminal.OrDash(kind), terminal.OrDash(o.Label), terminal.OrDash(o.ID),
					terminal.OrDash(strings.Join(o.Uses, ", ")), keyOf(&o))
			}
		})
	})
	return cmd
}
