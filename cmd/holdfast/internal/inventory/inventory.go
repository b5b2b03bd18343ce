// Package inventory has the commands of the noun inventory: every certificate
// that was issued here, and those from elsewhere. scan.go finds the latter.
//
// Start with New. The package is internal and may change with any release.
package inventory

import (
	"context"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast inventory`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("inventory", "Find certificates, issued here or elsewhere, and what is wrong with them",
		a.search(), a.show(), a.export(), a.problems(), a.forecast(), a.register(), a.scan(), a.forget()))
}

// choice is the flags that choose certificates.
type choice struct {
	filter                      client.InventoryFilter
	within                      time.Duration
	expiresAfter, expiresBefore string
	issuedAfter, issuedBefore   string
}

func (f *choice) flags(a *app, cmd *cobra.Command) {
	flags, q := cmd.Flags(), &f.filter
	flags.StringVar(&q.Authority, "ca", "", "the issuer: the name or id of an authority here")
	flags.StringVar(&q.Origin, "origin", "", "only issued or foreign ones")
	flags.StringVar(&q.Place, "place", "", "only foreign ones, seen where the address begins so: db.example.com: or /etc/ssl/")
	flags.StringVar(&q.Serial, "serial", "", "a serial number in hex")
	flags.StringVar(&q.Key, "public-key", "", "the SHA-256 of a public key in hex: all certificates for it")
	flags.StringVar(&q.Subject, "subject", "", "a part of the subject")
	flags.StringVar(&q.Text, "text", "", "a part of the subject or of a name")
	flags.StringVar(&q.Name, "name", "", "a name: web.example.com, .example.com for all below it, or a pattern with *")
	flags.StringVar(&q.Profile, "profile", "", "a profile's name")
	flags.StringVar(&q.Requester, "requester", "", "who asked for it, such as 123456789012:user:alice")
	flags.StringVar(&q.State, "state", "", "valid, expired, revoked or held")
	flags.DurationVar(&f.within, "expires-within", 0, "those that end within this time, such as 720h")
	flags.StringVar(&f.expiresAfter, "expires-after", "", "those that end at this time (RFC 3339) or later")
	flags.StringVar(&f.expiresBefore, "expires-before", "", "those that end before this time (RFC 3339)")
	flags.StringVar(&f.issuedAfter, "issued-after", "", "those that were issued at this time (RFC 3339) or later")
	flags.StringVar(&f.issuedBefore, "issued-before", "", "those that were issued before this time (RFC 3339)")
	terminal.CompleteBy(cmd, "ca", a.AuthorityNames())
	terminal.CompleteBy(cmd, "profile", a.ProfileNames())
	terminal.Complete(cmd, "origin", []string{"issued", "foreign"})
	terminal.Complete(cmd, "state", []string{"valid", "expired", "revoked", "held"})
}

// read puts the times into the filter.
func (f *choice) read() error {
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{
		{"expires-after", f.expiresAfter, &f.filter.ExpiresAfter},
		{"expires-before", f.expiresBefore, &f.filter.ExpiresBefore},
		{"issued-after", f.issuedAfter, &f.filter.IssuedAfter},
		{"issued-before", f.issuedBefore, &f.filter.IssuedBefore},
	} {
		if t.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, t.text)
		if err != nil {
			return terminal.Usagef("--%s %q is no time such as 2026-01-31T12:00:00Z", t.flag, t.text)
		}
		*t.to = at
	}
	if f.within > 0 {
		f.filter.ExpiresAfter, f.filter.ExpiresBefore = time.Now(), time.Now().Add(f.within)
	}
	return nil
}

// all gathers the pages of a listing of the inventory.
func all(list func(client.Page) (*client.InventoryList, error)) ([]client.InventoryItem, error) {
	return terminal.All(func(p client.Page) ([]client.InventoryItem, string, error) {
		l, err := list(p)
		if err != nil {
			return nil, "", err
		}
		return l.Items, l.Next, nil
	})
}

func (a *app) search() *cobra.Command {
	var f choice
	cmd := &cobra.Command{
		Use: "search", Short: "Find certificates, issued here or elsewhere", Args: cobra.NoArgs,
		Example: "  holdfast inventory search --name .example.com --state valid\n" +
			"  holdfast inventory search --expires-within 720h --ca issuing",
	}
	f.flags(a, cmd)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if err := f.read(); err != nil {
			return err
		}
		items, err := all(func(p client.Page) (*client.InventoryList, error) { return c.Inventory(ctx, f.filter, p) })
		if err != nil {
			return err
		}
		return a.showItems(items)
	})
	return cmd
}

func (a *app) showItems(items []client.InventoryItem) error {
	return a.Show(items, func(w *terminal.Table) {
		w.Row("ID", "SUBJECT", "NAMES", "ORIGIN", "STATE", "VALID UNTIL")
		for _, x := range items {
			w.Row(x.ID, x.Subject, x.Names, x.Origin, x.State, x.NotAfter)
		}
	})
}

func (a *app) show() *cobra.Command {
	id := &terminal.Argument{
		Word: "ID", Flag: "id", Help: "the certificate's id, as a search lists it", Missing: "no certificate is named: give its id with --id",
	}
	cmd := id.Add(&cobra.Command{Use: "show", Short: "Show a certificate of the inventory and what is wrong with it"})
	cmd.RunE = a.On(id, func(ctx context.Context, c *client.Client, id string) error {
		x, err := c.InventoryItem(ctx, id)
		if err != nil {
			return err
		}
		return a.Show(x, func(w *terminal.Table) {
			w.Fact("Id", x.ID)
			w.Fact("Subject", x.Subject)
			w.Fact("Names", x.Names)
			w.Fact("Issuer", x.Issuer)
			w.Fact("Authority", x.Authority)
			w.Fact("Serial", x.Serial)
			w.Fact("Profile", x.Profile)
			w.Fact("Key", x.KeyID)
			w.Fact("Requester", x.Requester)
			w.Fact("State", x.State)
			w.Fact("Revoked", x.RevokedAt)
			w.Fact("Reason", x.RevocationReason)
			w.Fact("Valid from", x.NotBefore)
			w.Fact("Valid until", x.NotAfter)
			w.Fact("SHA-256", x.Fingerprint)
			for _, p := range x.Places {
				w.Fact("Seen", strings.TrimSpace(p.Address+" "+p.Name)+" at "+terminal.Cell(p.Seen))
			}
			for _, p := range x.Problems {
				w.Fact("Problem", p.Kind+": "+p.Text)
			}
		})
	})
	return cmd
}

func (a *app) problems() *cobra.Command {
	var f choice
	cmd := &cobra.Command{
		Use: "problems", Short: "List certificates that have ended or soon will, whose chains do not hold, or that are weak", Args: cobra.NoArgs,
		Long: "List certificates with problems: ended, ending soon, revoked, with a chain that is not whole\n" +
			"or leads to nobody trusted here, in use under a name that they are not for, or with a weak\n" +
			"key or signature. The exit status is 0 all the same.",
	}
	f.flags(a, cmd)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if err := f.read(); err != nil {
			return err
		}
		items, err := all(func(p client.Page) (*client.InventoryList, error) { return c.Problems(ctx, f.filter, p) })
		if err != nil {
			return err
		}
		return a.Show(items, func(w *terminal.Table) {
			w.Row("PROBLEM", "SUBJECT", "PLACE", "VALID UNTIL", "TEXT")
			for _, x := range items {
				for _, p := range x.Problems {
					w.Row(p.Kind, x.Subject, terminal.OrDash(p.Place), x.NotAfter, p.Text)
				}
			}
		})
	})
	return cmd
}

func (a *app) forecast() *cobra.Command {
	var authority string
	cmd := &cobra.Command{Use: "forecast", Short: "Count the certificates that end within 7, 30 and 90 days", Args: cobra.NoArgs}
	cmd.Flags().StringVar(&authority, "ca", "", "only those of an authority: its name or id")
	terminal.CompleteBy(cmd, "ca", a.AuthorityNames())
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		list, err := c.Forecast(ctx, authority)
		if err != nil {
			return err
		}
		return a.Show(list, func(w *terminal.Table) {
			w.Row("WITHIN DAYS", "CERTIFICATES")
			for _, e := range list {
				w.Row(e.Days, e.Count)
			}
		})
	})
	return cmd
}

func (a *app) export() *cobra.Command {
	var f choice
	var format, out string
	cmd := &cobra.Command{
		Use: "export", Short: "Write certificates out as CSV, JSON or PEM", Args: cobra.NoArgs,
		Long: "Write all certificates that are wanted, however many: as CSV, as JSON (an array, or with\n" +
			"jsonl an object a line), or as the certificates themselves in PEM.",
		Example: "  holdfast inventory export --format csv --out all.csv\n  holdfast inventory export --format pem --state valid --ca issuing",
	}
	f.flags(a, cmd)
	cmd.Flags().StringVar(&format, "format", "csv", "csv, json, jsonl or pem")
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	terminal.Complete(cmd, "format", []string{"csv", "json", "jsonl", "pem"})
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if err := f.read(); err != nil {
			return err
		}
		if out == "-" {
			return c.ExportInventory(ctx, f.filter, format, a.Out)
		}
		return terminal.ReplaceFile(out, func(file *os.File) error { return c.ExportInventory(ctx, f.filter, format, file) })
	})
	return cmd
}

func (a *app) forget() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "forget FINGERPRINT…", Short: "Remove certificates from elsewhere from the inventory", Args: cobra.MinimumNArgs(1),
		Long: "Remove certificates from elsewhere from the inventory, by their SHA-256 or their ids as a\n" +
			"search lists them. What was issued here stays for good.",
	}
	terminal.YesFlag(cmd, &yes)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		if err := a.Confirm(yes, "remove %d certificates from the inventory", len(args)); err != nil {
			return err
		}
		for i := range args {
			args[i] = strings.TrimPrefix(args[i], "found/")
		}
		if err := c.Forget(ctx, args...); err != nil {
			return err
		}
		return a.Done("%d certificates are forgotten", len(args))
	})
	return cmd
}
