package authorities

import (
	"context"
	"reflect"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// creation is the flags of `ca create`.
type creation struct {
	req         client.CreateAuthorityRequest
	pathLength  int
	constraints client.NameConstraints
	tags        []string
	revocation  revocationFlags
}

func (a *app) create() *cobra.Command {
	var f creation
	cmd := &cobra.Command{
		Use: "create", Short: "Make an authority on a key", Args: cobra.NoArgs,
		Long: "Make a certificate authority on an existing key (--key), or on one that it makes for itself\n" +
			"(--new-key): a root, or with --parent one below another. From then on the authority, and\n" +
			"nobody else by it, signs with the key. With --pending it has no certificate yet: \"ca csr\"\n" +
			"prints its request, and \"ca import-certificate\" brings what was made of it.",
		Example: "  holdfast key create --spec ECC_NIST_P384 --alias root\n" +
			"  holdfast ca create --name root --key root --cn \"Example Root\"\n" +
			"  holdfast ca create --name issuing --new-key ECC_NIST_P256 --cn \"Example Issuing\" --parent root\n" +
			"  holdfast ca create --name shop --new-key ECC_NIST_P256 --cn \"Shop Issuing\" --parent root \\\n" +
			"    --permitted-dns shop.example.com --permitted-ip 10.20.0.0/16\n" +
			"  holdfast ca create --name outside --new-key ECC_NIST_P256 --cn \"Below another root\" --pending",
	}
	f.flags(cmd)
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	terminal.CompleteBy(cmd, "parent", a.AuthorityNames())
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		if err := f.complete(cmd); err != nil {
			return err
		}
		authority, err := c.CreateAuthority(ctx, &f.req)
		if err != nil {
			return err
		}
		return a.show(authority)
	})
	return cmd
}

func (f *creation) flags(cmd *cobra.Command) {
	flags, req := cmd.Flags(), &f.req
	flags.StringVar(&req.Name, "name", "", "the authority's name here")
	flags.StringVarP(&req.Key, "key", "k", "", "the key: its id, alias (with or without \"alias/\") or ARN")
	flags.StringVar(&req.NewKey, "new-key", "", "the spec of a key that the authority makes for itself")
	flags.StringVar(&req.Algorithm, "algorithm", "", "the algorithm of signatures; without it the key spec's default")
	flags.StringVar(&req.Parent, "parent", "", "the issuing authority's name or id; without it a root is made")
	flags.BoolVar(&req.Pending, "pending", false, "make no certificate: it is signed elsewhere, or later")
	flags.StringVar(&req.Type, "type", "", "root or subordinate, of a pending authority; without it subordinate")
	flags.StringVar(&req.Mode, "mode", "", "general-purpose, or short-lived for certificates of at most 7 days")
	flags.IntVar(&req.ValidityDays, "days", 0, "how long the certificate is valid; 0 for the default")
	flags.IntVar(&f.pathLength, "path-length", -1, "how many authorities may follow below; -1 for the default")
	f.constraintFlags(cmd)
	flags.StringArrayVar(&f.tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	f.revocation.add(cmd)
	terminal.SubjectFlags(cmd, &req.Subject)
	terminal.Complete(cmd, "new-key", terminal.SpecNames())
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.SignVerify))
	terminal.Complete(cmd, "type", []string{"root", "subordinate"})
	terminal.Complete(cmd, "mode", []string{"general-purpose", "short-lived"})
	terminal.Require(cmd, "name", "cn")
	cmd.MarkFlagsMutuallyExclusive("key", "new-key")
	cmd.MarkFlagsOneRequired("key", "new-key")
	cmd.MarkFlagsMutuallyExclusive("pending", "parent")
}

// constraintFlags are the names that may and may not be issued for below.
func (f *creation) constraintFlags(cmd *cobra.Command) {
	flags, permitted, excluded := cmd.Flags(), &f.constraints.Permitted, &f.constraints.Excluded
	for _, k := range []struct {
		kind, may, mayNot   string
		permitted, excluded *[]string
	}{
		{"dns", "a domain below which alone", "a domain below which no", &permitted.DNS, &excluded.DNS},
		{"ip", "a network (CIDR) for which alone", "a network (CIDR) for which no", &permitted.IPs, &excluded.IPs},
		{"email", "a mailbox, host or .domain for which alone", "a mailbox, host or .domain for which no", &permitted.Emails, &excluded.Emails},
		{"uri", "a host or .domain for whose URIs alone", "a host or .domain for whose URIs no", &permitted.URIs, &excluded.URIs},
	} {
		flags.StringArrayVar(k.permitted, "permitted-"+k.kind, nil, k.may+" certificates may be issued (repeatable)")
		flags.StringArrayVar(k.excluded, "excluded-"+k.kind, nil, k.mayNot+" certificate may be issued (repeatable)")
		cmd.MarkFlagsMutuallyExclusive("pending", "permitted-"+k.kind)
		cmd.MarkFlagsMutuallyExclusive("pending", "excluded-"+k.kind)
	}
}

// complete checks the flags and puts those that need it into the request.
func (f *creation) complete(cmd *cobra.Command) (err error) {
	if err := checkKey(&f.req.Key, f.req.NewKey, f.req.Algorithm); err != nil {
		return err
	}
	if f.req.Tags, err = terminal.TagsOf(f.tags); err != nil {
		return err
	}
	if f.pathLength >= 0 {
		f.req.PathLength = &f.pathLength
	}
	if !reflect.ValueOf(f.constraints).IsZero() {
		f.req.NameConstraints = &f.constraints
	}
	f.req.Revocation = f.revocation.over(cmd, client.Revocation{
		CRL: client.CRLSettings{Enabled: true}, OCSP: client.OCSPSettings{Enabled: true},
	})
	return nil
}
