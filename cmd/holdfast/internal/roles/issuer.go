package roles

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// NewIssuer returns `holdfast issuer`.
func NewIssuer(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("issuer", "Manage whose tokens prove who web identities are",
		a.issuerAdd(), a.issuerList(), a.issuerShow(), a.issuerUpdate(), a.issuerRemove()))
}

// issuer is a command's issuer: its first argument, or --issuer. Its name has
// no scheme; a URL is taken too.
func issuer() *terminal.Argument {
	return &terminal.Argument{
		Word: "URL", Flag: "issuer", Help: "the issuer's URL, as its tokens name it", Missing: "no issuer is named: give its URL with --issuer",
	}
}

// issuerName returns a URL without its scheme.
func issuerName(url string) string {
	if _, name, ok := strings.Cut(url, "://"); ok {
		return name
	}
	return url
}

// issuerSettings are the flags about an issuer.
type issuerSettings struct {
	client.IssuerSettings
	ca, keys string
}

func (s *issuerSettings) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringArrayVar(&s.Audiences, "audience", []string{"sts.amazonaws.com"}, "whom tokens have to be meant for; repeatable")
	f.StringVar(&s.ca, "ca", "", "a PEM file with the certificates that the issuer's server is trusted by; otherwise the system's")
	f.StringArrayVar(&s.Thumbprints, "thumbprint", nil, "the SHA-1 or SHA-256, in hex, of a certificate of its chain to trust; repeatable")
	f.StringVar(&s.keys, "keys", "", "a file with the keys (JSON Web Key Set) to verify with; otherwise what the issuer publishes")
}

// read reads the files.
func (s *issuerSettings) read(a *app) error {
	for _, file := range []struct {
		path string
		to   *string
	}{{s.ca, &s.CA}, {s.keys, &s.Keys}} {
		if file.path == "" {
			continue
		}
		text, err := a.Read(file.path, terminal.MaxDocument)
		if err != nil {
			return err
		}
		*file.to = string(text)
	}
	return nil
}

func (a *app) issuerAdd() *cobra.Command {
	issuer := issuer()
	var settings issuerSettings
	cmd := issuer.Add(&cobra.Command{
		Use: "add", Short: "Register an issuer of tokens, such as a Kubernetes cluster or a CI system",
		Example: "  holdfast issuer add https://oidc.example.com/id/1 --audience sts.amazonaws.com",
	})
	settings.flags(cmd)
	cmd.RunE = a.On(issuer, func(ctx context.Context, c *client.Client, url string) error {
		if err := settings.read(a); err != nil {
			return err
		}
		i, err := c.CreateIssuer(ctx, &client.CreateIssuerRequest{URL: url, IssuerSettings: settings.IssuerSettings})
		if err != nil {
			return err
		}
		return a.showIssuer(i)
	})
	return cmd
}

func (a *app) showIssuer(i *client.Issuer) error {
	return a.Show(i, func(w *terminal.Table) {
		w.Fact("Issuer", i.URL)
		w.Fact("Created", i.CreatedAt)
		for _, audience := range i.Audiences {
			w.Fact("Audience", audience)
		}
		for _, t := range i.Thumbprints {
			w.Fact("Thumbprint", t)
		}
		w.Fact("Trusted by", source(i.CA, "certificates of its own", "the system's certificates"))
		w.Fact("Keys", source(i.Keys, "pinned", "as the issuer publishes them"))
	})
}

// source says which of two ways a setting has.
func source(text, given, otherwise string) string {
	if text != "" {
		return given
	}
	return otherwise
}

func (a *app) issuerList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List issuers", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Issuer, string, error) {
			l, err := c.Issuers(ctx, p)
			if err != nil {
				return nil, "", err
			}
			return l.Issuers, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("ISSUER", "AUDIENCES", "CREATED")
			for _, i := range all {
				w.Row(i.URL, strings.Join(i.Audiences, " "), i.CreatedAt)
			}
		})
	})
	return cmd
}

func (a *app) issuerShow() *cobra.Command {
	issuer := issuer()
	cmd := issuer.Add(&cobra.Command{Use: "show", Short: "Show an issuer"})
	cmd.RunE = a.On(issuer, func(ctx context.Context, c *client.Client, url string) error {
		i, err := c.Issuer(ctx, issuerName(url))
		if err != nil {
			return err
		}
		return a.showIssuer(i)
	})
	return cmd
}

func (a *app) issuerUpdate() *cobra.Command {
	issuer := issuer()
	var settings issuerSettings
	cmd := issuer.Add(&cobra.Command{Use: "update", Short: "Replace all that is registered of an issuer"})
	settings.flags(cmd)
	cmd.RunE = a.On(issuer, func(ctx context.Context, c *client.Client, url string) error {
		if err := settings.read(a); err != nil {
			return err
		}
		i, err := c.UpdateIssuer(ctx, issuerName(url), &settings.IssuerSettings)
		if err != nil {
			return err
		}
		return a.showIssuer(i)
	})
	return cmd
}

func (a *app) issuerRemove() *cobra.Command {
	issuer := issuer()
	var yes bool
	cmd := issuer.Add(&cobra.Command{Use: "remove", Short: "End the registration of an issuer; sessions that there are stay"})
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.On(issuer, func(ctx context.Context, c *client.Client, url string) error {
		if err := a.Confirm(yes, "end the registration of the issuer %s", url); err != nil {
			return err
		}
		if err := c.DeleteIssuer(ctx, issuerName(url)); err != nil {
			return err
		}
		return a.Done("the issuer %s is removed", url)
	})
	return cmd
}
