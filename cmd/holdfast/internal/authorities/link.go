package authorities

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxPEM is the longest request or chain that is read, in bytes.
const maxPEM = 64 << 10

// csrView is what `ca csr` prints in JSON.
type csrView struct {
	CSR string `json:"csr"`
}

func (a *app) csr() *cobra.Command {
	var authority terminal.AuthorityArgument
	var out string
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "csr", Short: "Print an authority's certificate request, to be signed elsewhere",
		Example: "  holdfast ca create --name issuing --new-key ECC_NIST_P256 --cn \"Example Issuing\" --pending\n" +
			"  holdfast ca csr issuing --out issuing.csr\n" +
			"  holdfast ca import-certificate issuing --certificate issuing.pem --chain root.pem",
	})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		text, err := c.AuthorityCSR(ctx, name)
		if err != nil {
			return err
		}
		return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, []byte(text), csrView{text})
	})
	return cmd
}

func (a *app) importCertificate() *cobra.Command {
	var authority terminal.AuthorityArgument
	var certificate, chain string
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "import-certificate", Short: "Give an authority the certificate that was made for its request",
	})
	cmd.Flags().StringVar(&certificate, "certificate", "", "the file with the certificate in PEM; - is standard input")
	cmd.Flags().StringVar(&chain, "chain", "", "the file with its issuers in PEM, up to the root; needed where the issuer is not here")
	terminal.Require(cmd, "certificate")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		text, err := a.Read(certificate, maxPEM)
		if err != nil {
			return err
		}
		req := &client.ImportAuthorityRequest{Certificate: string(text)}
		if chain != "" {
			if text, err = a.Read(chain, maxPEM); err != nil {
				return err
			}
			req.Chain = string(text)
		}
		x, err := c.ImportAuthorityCertificate(ctx, name, req)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) renew() *cobra.Command {
	var authority terminal.AuthorityArgument
	var days int
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "renew", Short: "Make a new certificate for an authority's key",
		Long: "Make a new certificate for the same key, by the parent or by the root itself. What the\n" +
			"authority issued stays valid under either certificate.",
	})
	cmd.Flags().IntVar(&days, "days", 0, "how long it is valid; 0 for as long as the one before")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		x, err := c.RenewAuthority(ctx, name, &client.RenewAuthorityRequest{ValidityDays: days})
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

func (a *app) rekey() *cobra.Command {
	var authority terminal.AuthorityArgument
	var req client.RekeyAuthorityRequest
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "rekey", Short: "Have a successor with a new key take an authority's name over",
		Long: "Make a successor with a new key, which takes the name over and issues from then on. The old\n" +
			"authority goes on to tell which of its certificates are revoked. A root's successor gets\n" +
			"cross certificates both ways: the new key certified by the old one, and the old by the new.",
		Example: "  holdfast ca rekey root --new-key ML_DSA_65",
	})
	flags := cmd.Flags()
	flags.StringVarP(&req.Key, "key", "k", "", "the new key: its id, alias (with or without \"alias/\") or ARN")
	flags.StringVar(&req.NewKey, "new-key", "", "the spec of a key to make; with neither flag one like the old")
	flags.StringVar(&req.Algorithm, "algorithm", "", "the algorithm of signatures; without it the key spec's default")
	flags.IntVar(&req.ValidityDays, "days", 0, "how long the certificate is valid; 0 for the default")
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	terminal.Complete(cmd, "new-key", terminal.SpecNames())
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.SignVerify))
	cmd.MarkFlagsMutuallyExclusive("key", "new-key")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		if err := checkKey(&req.Key, req.NewKey, req.Algorithm); err != nil {
			return err
		}
		x, err := c.RekeyAuthority(ctx, name, &req)
		if err != nil {
			return err
		}
		return a.show(x)
	})
	return cmd
}

// checkKey checks the names of a key, a spec and an algorithm, and completes
// the key's.
func checkKey(key *string, spec, algorithm string) error {
	if *key != "" {
		*key = terminal.KeyName(*key)
	}
	if spec != "" {
		if err := terminal.CheckSpec(spec); err != nil {
			return err
		}
	}
	if algorithm == "" {
		return nil
	}
	_, err := terminal.ParseAlgorithm(algorithm, alg.SignVerify)
	return err
}

// crossSign is the flags of `ca cross-sign`.
type crossSign struct {
	req              client.CrossSignRequest
	csr, certificate string
	pathLength       int
	out              string
}

func (a *app) crossSign() *cobra.Command {
	var authority terminal.AuthorityArgument
	var f crossSign
	cmd := authority.Add(a.App, &cobra.Command{
		Use: "cross-sign", Short: "Have an authority certify another one",
		Long: "Have an authority certify another one: one that is here (--authority), or one elsewhere by\n" +
			"its request (--csr) or its certificate (--certificate). Whoever trusts the first trusts the\n" +
			"other then, as far as the path length lets it.",
		Example: "  holdfast ca cross-sign old-root --authority new-root --out bridge.pem",
	})
	flags := cmd.Flags()
	flags.StringVar(&f.req.Authority, "authority", "", "the authority to certify: its name or id")
	flags.StringVar(&f.csr, "csr", "", "a file with its request in PEM; - is standard input")
	flags.StringVar(&f.certificate, "certificate", "", "a file with its certificate in PEM; - is standard input")
	flags.IntVar(&f.req.ValidityDays, "days", 0, "how long the certificate is valid; 0 for the default")
	flags.IntVar(&f.pathLength, "path-length", -1, "how many authorities may follow below; -1 for the default")
	flags.StringVar(&f.out, "out", "-", "the file to write; - is standard output")
	terminal.CompleteBy(cmd, "authority", a.AuthorityNames())
	cmd.MarkFlagsMutuallyExclusive("authority", "csr", "certificate")
	cmd.MarkFlagsOneRequired("authority", "csr", "certificate")
	cmd.RunE = a.OnAuthority(&authority, func(ctx context.Context, c *client.Client, name string) error {
		return a.doCrossSign(ctx, c, name, &f)
	})
	return cmd
}

func (a *app) doCrossSign(ctx context.Context, c *client.Client, issuer string, f *crossSign) error {
	if f.pathLength >= 0 {
		f.req.PathLength = &f.pathLength
	}
	for path, member := range map[string]*string{f.csr: &f.req.CSR, f.certificate: &f.req.Certificate} {
		if path == "" {
			continue
		}
		text, err := a.Read(path, maxPEM)
		if err != nil {
			return err
		}
		*member = string(text)
	}
	issued, err := c.CrossSign(ctx, issuer, &f.req)
	if err != nil {
		return err
	}
	if err := a.WriteBytes(terminal.Output{Path: f.out, Encoding: "raw"}, []byte(issued.Certificate.Certificate), issued); err != nil {
		return err
	}
	return a.Done("certificate %s of %s, valid until %s", issued.Serial, issued.Authority, terminal.Cell(issued.NotAfter))
}
