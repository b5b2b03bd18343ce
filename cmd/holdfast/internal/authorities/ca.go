// Package authorities has the commands of the noun ca.
//
// Start with New. The package is internal and may change with any release.
package authorities

import (
	"context"
	"encoding/pem"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast ca`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("ca", "Manage certificate authorities",
		a.create(), a.list(), a.describe(), a.chain(), a.crl(),
		a.csr(), a.importCertificate(), a.renew(), a.rekey(), a.crossSign(),
		a.update(), a.enableOrDisable("enable", "Let a disabled authority issue again", true),
		a.enableOrDisable("disable", "Have an authority issue nothing until it is enabled", false), a.remove(), a.restore(),
		a.tag(), a.untag(), a.policy(), a.permission(), a.ceremony()))
}

func (a *app) show(x *client.Authority) error {
	return a.Show(x, func(w *terminal.Table) {
		w.Fact("Authority", x.Name)
		w.Fact("Id", x.ID)
		w.Fact("Subject", x.Subject)
		w.Fact("Serial", x.Serial)
		w.Fact("State", x.State)
		w.Fact("Parent", x.Parent)
		w.Fact("Key", x.KeyID)
		w.Fact("Algorithm", x.Algorithm)
		w.Fact("Type", x.Type)
		w.Fact("Mode", x.Mode)
		w.Fact("Valid from", x.NotBefore)
		w.Fact("Valid until", x.NotAfter)
		if x.PathLength != nil {
			w.Fact("Path length", *x.PathLength)
		}
		w.Fact("Deleted at", x.DeleteAt)
		w.Fact("Predecessor", x.Predecessor)
		w.Fact("Successor", x.Successor)
		w.Fact("CRL", crlText(x.Revocation.CRL))
		w.Fact("OCSP", onOff(x.Revocation.OCSP.Enabled))
		w.Fact("CRL number", x.CRLNumber)
		for _, t := range x.Tags {
			w.Fact("Tag", t.Key+"="+t.Value)
		}
	})
}

// crlText says what CRLs an authority makes.
func crlText(c client.CRLSettings) string {
	if !c.Enabled {
		return onOff(false)
	}
	text := "complete"
	if c.Shards > 0 {
		text = strconv.Itoa(c.Shards) + " shards"
	}
	if c.Delta {
		text += ", with deltas"
	}
	if c.ValidityDays > 0 {
		text += ", good for " + strconv.Itoa(c.ValidityDays) + " days"
	}
	return text
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func (a *app) list() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List authorities", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all, err := terminal.All(func(p client.Page) ([]client.Authority, string, error) {
			l, err := c.Authorities(ctx, p)
			if err != nil {
				return nil, "", err
			}
			return l.Authorities, l.Next, nil
		})
		if err != nil {
			return err
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("NAME", "ID", "SUBJECT", "STATE", "VALID UNTIL")
			for _, x := range all {
				w.Row(x.Name, x.ID, x.Subject, x.State, x.NotAfter)
			}
		})
	})
	return cmd
}

func (a *app) describe() *cobra.Command {
	var authority terminal.AuthorityArgument
	cmd := authority.Add(a.App, &cobra.Command{Use: "show", Short: "Show an authority"})
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.Authority(ctx, name)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

// chainView is what `ca chain` prints in JSON.
type chainView struct {
	// Chain is PEM, the authority first and the root last.
	Chain string `json:"chain"`
}

func (a *app) chain() *cobra.Command {
	var authority terminal.AuthorityArgument
	var out string
	var rootOnly bool
	cmd := authority.Add(a.App, &cobra.Command{Use: "chain", Short: "Print an authority's certificate and its issuers in PEM"})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.Flags().BoolVar(&rootOnly, "root", false, "print only the root, which clients are to trust")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		chain, err := c.Chain(ctx, name)
		if err != nil {
			return err
		}
		if rootOnly {
			chain = lastBlock(chain)
		}
		return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, chain, chainView{string(chain)})
	})
	return cmd
}

// lastBlock returns the last block of a text in PEM.
func lastBlock(text []byte) []byte {
	var last *pem.Block
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		last = block
	}
	if last == nil {
		return nil
	}
	return pem.EncodeToMemory(last)
}

// crlView is what `ca crl` prints in JSON.
type crlView struct {
	CRL []byte `json:"crl"`
}

func (a *app) crl() *cobra.Command {
	var authority terminal.AuthorityArgument
	var out, format string
	var part client.CRLPart
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "crl", Short: "Print an authority's newest certificate revocation list",
		Example: "  holdfast ca crl issuing --out issuing.crl --format der\n  holdfast ca crl issuing --shard 3 --delta",
	})
	cmd.Flags().StringVar(&part.Shard, "shard", "", "the number of a shard, of an authority that has several; without it the complete CRL")
	cmd.Flags().BoolVar(&part.Delta, "delta", false, "the delta CRL")
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&format, "format", "pem", "pem or der")
	terminal.Complete(cmd, "format", []string{"pem", "der"})
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		if format != "pem" && format != "der" {
			return terminal.Usagef("the format %q is not known: it is pem or der", format)
		}
		der, err := c.CRLPart(ctx, name, part)
		if err != nil {
			return err
		}
		data := der
		if format == "pem" {
			data = pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
		}
		return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, data, crlView{der})
	})
	return cmd
}
