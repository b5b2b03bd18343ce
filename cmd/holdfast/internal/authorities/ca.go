// Package authorities has the commands of the noun ca.
//
// Start with New. The package is internal and may change with any release.
package authorities

import (
	"context"
	"encoding/pem"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast ca`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group("ca", "Manage certificate authorities",
		a.caCreate(), a.caList(), a.caShow(), a.caChain(), a.caCRL()))
}

func (a *app) caCreate() *cobra.Command {
	var req client.CreateAuthorityRequest
	var pathLength, days int
	cmd := &cobra.Command{
		Use: "create", Short: "Make an authority on a key", Args: cobra.NoArgs,
		Long: "Make a certificate authority on an existing key: a root, or with --parent one below\n" +
			"another. From then on the authority, and nobody else by it, signs with the key.",
		Example: "  holdfast key create --spec ECC_NIST_P384 --alias root\n" +
			"  holdfast ca create --name root --key root --cn \"Example Root\"\n" +
			"  holdfast key create --spec ECC_NIST_P256 --alias issuing\n" +
			"  holdfast ca create --name issuing --key issuing --cn \"Example Issuing\" --parent root",
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Name, "name", "", "the authority's name here")
	flags.StringVarP(&req.Key, "key", "k", "", "the key: its id, alias (with or without \"alias/\") or ARN")
	flags.StringVar(&req.Algorithm, "algorithm", "", "the algorithm of signatures; without it the key spec's default")
	flags.StringVar(&req.Parent, "parent", "", "the issuing authority's name or id; without it a root is made")
	flags.IntVar(&days, "days", 0, "how long the certificate is valid; 0 for the default")
	flags.IntVar(&pathLength, "path-length", -1, "how many authorities may follow below; -1 for the default")
	terminal.SubjectFlags(cmd, &req.Subject)
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	terminal.CompleteBy(cmd, "parent", a.AuthorityNames())
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.SignVerify))
	terminal.Require(cmd, "name", "key", "cn")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if req.Algorithm != "" {
			if _, err := terminal.ParseAlgorithm(req.Algorithm, alg.SignVerify); err != nil {
				return err
			}
		}
		req.Key, req.ValidityDays = terminal.KeyName(req.Key), days
		if pathLength >= 0 {
			req.PathLength = &pathLength
		}
		authority, err := c.CreateAuthority(ctx, &req)
		if err != nil {
			return err
		}
		return a.showAuthority(authority)
	})
	return cmd
}

func (a *app) showAuthority(x *client.Authority) error {
	return a.Show(x, func(w *terminal.Table) {
		w.Fact("Authority", x.Name)
		w.Fact("Id", x.ID)
		w.Fact("Subject", x.Subject)
		w.Fact("Serial", x.Serial)
		w.Fact("State", x.State)
		w.Fact("Parent", x.Parent)
		w.Fact("Key", x.KeyID)
		w.Fact("Algorithm", x.Algorithm)
		w.Fact("Valid from", x.NotBefore)
		w.Fact("Valid until", x.NotAfter)
		if x.PathLength != nil {
			w.Fact("Path length", *x.PathLength)
		}
		w.Fact("CRL number", x.CRLNumber)
	})
}

func (a *app) caList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List authorities", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		all := []client.Authority{}
		err := terminal.Pages(func(p client.Page) (string, error) {
			l, err := c.Authorities(ctx, p)
			if err != nil {
				return "", err
			}
			all = append(all, l.Authorities...)
			return l.Next, nil
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

func (a *app) caShow() *cobra.Command {
	var authority terminal.AuthorityArgument
	cmd := authority.Add(a.App, &cobra.Command{Use: "show", Short: "Show an authority"})
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.Authority(ctx, name)
		if err != nil {
			return err
		}
		return a.showAuthority(x)
	})
	return cmd
}

// chainView is what `ca chain` prints in JSON.
type chainView struct {
	// Chain is PEM, the authority first and the root last.
	Chain string `json:"chain"`
}

func (a *app) caChain() *cobra.Command {
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

func (a *app) caCRL() *cobra.Command {
	var authority terminal.AuthorityArgument
	var out, format string
	cmd := authority.Add(a.App, &cobra.Command{Use: "crl", Short: "Print an authority's newest certificate revocation list"})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&format, "format", "pem", "pem or der")
	terminal.Complete(cmd, "format", []string{"pem", "der"})
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		if format != "pem" && format != "der" {
			return terminal.Usagef("the format %q is not known: it is pem or der", format)
		}
		der, err := c.CRL(ctx, name)
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
