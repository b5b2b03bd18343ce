package certificates

import (
	"context"
	"encoding/base64"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxCSR is the longest certificate request that is read, in bytes.
const maxCSR = 64 << 10

// issue is the flags of `cert issue`.
type issue struct {
	req                          client.IssueRequest
	csr, notBefore, out          string
	leafOnly                     bool
	others, policies, extensions []string
}

func (a *app) issue() *cobra.Command {
	var f issue
	cmd := &cobra.Command{
		Use: "issue", Short: "Issue a certificate", Args: cobra.NoArgs,
		Long: "Issue a certificate: for the key of a certificate request (--csr), for a key that is\n" +
			"kept here (--key), or for one that is made for it and kept here (--new-key). What is\n" +
			"printed is the certificate and its issuers without the root, as servers present them.\n" +
			"Names, extensions and times beyond the profile's are refused.",
		Example: "  holdfast cert issue --ca issuing --profile tls-server --dns web.example.com --new-key ECC_NIST_P256 --key-alias web\n" +
			"  holdfast cert issue --ca issuing --profile tls-server --csr web.csr --out web.pem\n" +
			"  holdfast cert issue --ca issuing --profile tls-client --cn alice --email alice@example.com --key alice --validity 13mo",
	}
	f.flags(cmd)
	f.names(cmd)
	terminal.CompleteBy(cmd, "ca", a.AuthorityNames())
	terminal.CompleteBy(cmd, "profile", a.ProfileNames())
	terminal.CompleteBy(cmd, "key", a.KeyNames())
	terminal.Require(cmd, "ca")
	cmd.MarkFlagsMutuallyExclusive("csr", "key", "new-key")
	cmd.MarkFlagsOneRequired("csr", "key", "new-key")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error { return a.doIssue(ctx, c, &f) })
	return cmd
}

func (f *issue) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.req.Authority, "ca", "", "the issuing authority's name or id")
	flags.StringVar(&f.req.Profile, "profile", "tls-server", "the kind of certificate")
	flags.StringVar(&f.csr, "csr", "", "a file with a certificate request in PEM; - is standard input")
	flags.StringVarP(&f.req.Key, "key", "k", "", "a key that is kept here: its id, alias or ARN")
	flags.StringVar(&f.req.NewKey, "new-key", "", "the spec of a key to make for the certificate")
	flags.StringVar(&f.req.KeyAlias, "key-alias", "", "an alias for the new key, with or without \"alias/\"")
	flags.StringVar(&f.req.Validity, "validity", "", "how long it is valid, such as 90d, 36h, 13mo or 2y, or until when, such as 2030-12-31T23:59:59Z; without it the profile's default")
	flags.StringVar(&f.notBefore, "not-before", "", "when it begins to be valid (RFC 3339), where the profile lets a request say so")
	flags.StringVar(&f.req.Algorithm, "algorithm", "", "the algorithm of the signature; without it the authority's own")
	flags.StringVar(&f.out, "out", "-", "the file to write; - is standard output")
	flags.BoolVar(&f.leafOnly, "leaf-only", false, "print the certificate without its issuers")
	terminal.Complete(cmd, "new-key", terminal.SpecNames())
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.SignVerify))
}

// names adds the flags of what goes into the certificate.
func (f *issue) names(cmd *cobra.Command) {
	flags, names, extensions := cmd.Flags(), &f.req.Names, &f.req.Extensions
	terminal.SubjectFlags(cmd, &f.req.Subject)
	flags.StringArrayVar(&names.DNS, "dns", nil, "a DNS name (repeatable)")
	flags.StringArrayVar(&names.IPs, "ip", nil, "an IP address (repeatable)")
	flags.StringArrayVar(&names.URIs, "uri", nil, "a URI (repeatable)")
	flags.StringArrayVar(&names.Emails, "email", nil, "an e-mail address (repeatable)")
	flags.StringArrayVar(&names.UPNs, "upn", nil, "a user principal name, such as alice@example.com (repeatable)")
	flags.StringArrayVar(&names.RegisteredIDs, "registered-id", nil, "a registered id: an object identifier (repeatable)")
	flags.StringArrayVar(&f.others, "other-name", nil, "another name, OID=TEXT (repeatable)")
	flags.StringArrayVar(&extensions.KeyUsage, "key-usage", nil, "a key usage such as digitalSignature (repeatable)")
	flags.StringArrayVar(&extensions.ExtendedKeyUsage, "ext-key-usage", nil, "an extended key usage such as serverAuth, or its object identifier (repeatable)")
	flags.StringArrayVar(&f.policies, "cert-policy", nil, "a certificate policy, OID or OID=ADDRESS of its practice statement (repeatable)")
	flags.StringArrayVar(&f.extensions, "extension", nil, "an extension, OID=VALUE or OID!=VALUE for a critical one, the value in DER and base64 (repeatable)")
}

// complete reads the flags that are more than a text.
func (f *issue) complete() (err error) {
	if f.req.NotBefore, err = moment("not-before", f.notBefore); err != nil {
		return err
	}
	for _, text := range f.others {
		oid, value, ok := strings.Cut(text, "=")
		if !ok {
			return terminal.Usagef("--other-name %q is not OID=TEXT", text)
		}
		f.req.Names.Others = append(f.req.Names.Others, client.Attribute{OID: oid, Value: value})
	}
	f.req.Extensions.Policies = policies(f.policies)
	if f.req.Extensions.Custom, err = extensions(f.extensions); err != nil {
		return err
	}
	if f.req.NewKey != "" {
		if err := terminal.CheckSpec(f.req.NewKey); err != nil {
			return err
		}
	}
	if f.req.Algorithm != "" {
		if _, err := terminal.ParseAlgorithm(f.req.Algorithm, alg.SignVerify); err != nil {
			return err
		}
	}
	if f.req.Key != "" {
		f.req.Key = terminal.KeyName(f.req.Key)
	}
	if f.req.KeyAlias != "" {
		f.req.KeyAlias = terminal.AliasName(f.req.KeyAlias)
	}
	return nil
}

// moment reads a time.
func moment(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, terminal.Usagef("--%s %q is no time such as 2026-01-31T12:00:00Z", flag, text)
	}
	return t, nil
}

// policies reads OID or OID=ADDRESS flags; those of one OID are one policy.
func policies(texts []string) []client.PolicyInformation {
	var list []client.PolicyInformation
	for _, text := range texts {
		oid, cps, _ := strings.Cut(text, "=")
		if n := len(list); n == 0 || list[n-1].OID != oid {
			list = append(list, client.PolicyInformation{OID: oid})
		}
		if cps != "" {
			last := &list[len(list)-1]
			last.CPS = append(last.CPS, cps)
		}
	}
	return list
}

// extensions reads OID=VALUE flags.
func extensions(texts []string) ([]client.Extension, error) {
	var list []client.Extension
	for _, text := range texts {
		oid, encoded, ok := strings.Cut(text, "=")
		value, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(value) == 0 {
			return nil, terminal.Usagef("--extension %q is not OID=VALUE with the value in DER and base64", text)
		}
		e := client.Extension{OID: strings.TrimSuffix(oid, "!"), Value: value}
		e.Critical = e.OID != oid
		list = append(list, e)
	}
	return list, nil
}

func (a *app) doIssue(ctx context.Context, c *client.Client, f *issue) error {
	if err := f.complete(); err != nil {
		return err
	}
	if f.csr != "" {
		text, err := a.Read(f.csr, maxCSR)
		if err != nil {
			return err
		}
		f.req.CSR = string(text)
	}
	issued, err := c.Issue(ctx, &f.req)
	if err != nil {
		return err
	}
	text := issued.Certificate.Certificate
	if !f.leafOnly {
		text += issued.Chain
	}
	if err := a.WriteBytes(terminal.Output{Path: f.out, Encoding: "raw"}, []byte(text), issued); err != nil {
		return err
	}
	return a.Done("certificate %s of %s, valid until %s", issued.Serial, issued.Authority, terminal.Cell(issued.NotAfter))
}
