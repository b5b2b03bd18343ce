package keys

import (
	"context"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	pkcs11uri "github.com/holdfast-kms/holdfast/internal/pkcs11/uri"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// found says which key on a token is meant.
type found struct{ uri, label, id string }

func (f *found) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.label, "label", "", "the key's label on the token (CKA_LABEL)")
	cmd.Flags().StringVar(&f.id, "id", "", "the key's id on the token (CKA_ID) in hex")
	cmd.Flags().StringVar(&f.uri, "uri", "", "the key's URI (RFC 7512), such as \"pkcs11:object=signer;type=private\"")
}

// name returns the URI of what the flags say.
func (f *found) name() (string, error) {
	if f.uri != "" {
		if f.label != "" || f.id != "" {
			return "", terminal.WrongUsage(errors.New("--uri says all: it excludes --label and --id"))
		}
		return f.uri, nil
	}
	uri := pkcs11uri.URI{Object: f.label}
	if f.id != "" {
		id, err := hex.DecodeString(strings.ReplaceAll(f.id, ":", ""))
		if err != nil {
			return "", terminal.Usagef("--id %q is not hex", f.id)
		}
		uri.ID = id
	}
	if f.label == "" && f.id == "" {
		return "", terminal.WrongUsage(terminal.Hint(errors.New("no key on the token is named"),
			"give --label, --id or --uri; \"holdfast hsm objects\" lists what is on a token"))
	}
	return uri.String(), nil
}

// place checks that flags say where a key is and what it is called there, and
// puts that into the request.
func place(req *client.AdoptKeyRequest, on *found) (err error) {
	places := 0
	for _, given := range []string{req.HSM, req.Store, req.Provider} {
		if given != "" {
			places++
		}
	}
	switch {
	case places != 1:
		return terminal.WrongUsage(errors.New("say where the key is by one of --hsm, --store and --provider"))
	case req.Provider == "" && req.Name != "":
		return terminal.WrongUsage(errors.New("--name goes with --provider: a token's key has a --label, --id or --uri"))
	case req.Provider == "":
		req.URI, err = on.name()
		return err
	case *on != found{}:
		return terminal.WrongUsage(errors.New("--label, --id and --uri are of a token: a key service has names, --name"))
	case req.Name == "":
		return terminal.WrongUsage(terminal.Hint(errors.New("no key of the key service is named"),
			"give --name; \"holdfast provider keys\" lists what is in a key service"))
	}
	return nil
}

func (a *app) keyAdopt() *cobra.Command {
	var req client.AdoptKeyRequest
	var on found
	var alias, policy string
	var tags []string
	cmd := &cobra.Command{
		Use: "adopt", Short: "Use a key that is on a token or in a key service already", Args: cobra.NoArgs,
		Long: "Use a key that is on a token or in a key service already: one that somebody else has made\n" +
			"there. It becomes a key here with a policy and a record of its uses, and stays where it is.\n" +
			"Deleting or disabling it here changes nothing there.\n" +
			"A key service has names of its own: an ARN or alias of AWS, a URL of Azure, a resource name of\n" +
			"Google, the name of a key of Vault's.",
		Example: "  holdfast key adopt --hsm luna --label ca-signing-key --alias ca\n" +
			"  holdfast key adopt --hsm luna --id 01\n" +
			"  holdfast key adopt --hsm luna --uri 'pkcs11:object=signer;type=private' --usage SIGN_VERIFY\n" +
			"  holdfast key adopt --provider aws-prod --name alias/payments",
	}
	flags := cmd.Flags()
	flags.StringVar(&req.HSM, "hsm", "", "the token or group that has the key")
	flags.StringVar(&req.Store, "store", "", "the custom key store whose tokens have the key, in the place of --hsm")
	flags.StringVar(&req.Provider, "provider", "", "the key service that has the key")
	flags.StringVar(&req.Name, "name", "", "what the key service calls the key; \"holdfast provider keys\" lists them")
	on.flags(cmd)
	flags.StringVar(&req.Spec, "spec", "", "what the key has to be; without it what the token says")
	flags.StringVar(&req.Usage, "usage", "", "what the key is to be for, where the token allows it several uses")
	flags.StringVar(&req.Description, "description", "", "a text for people")
	flags.StringVar(&alias, "alias", "", "a name for the key, with or without \"alias/\"")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	flags.StringVar(&policy, "policy", "", "a file with the key policy; - is standard input")
	flags.BoolVar(&req.BypassLockout, "bypass-lockout", false, "take a policy that shuts the caller out")
	terminal.Complete(cmd, "spec", terminal.SpecNames())
	terminal.Complete(cmd, "usage", terminal.UsageNames())
	terminal.CompleteBy(cmd, "hsm", a.HSMNames())
	terminal.CompleteBy(cmd, "provider", a.ProviderNames())
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) (err error) {
		if err := place(&req, &on); err != nil {
			return err
		}
		if req.Spec != "" {
			if err := terminal.CheckSpec(req.Spec); err != nil {
				return err
			}
		}
		if err := a.settle(&req.CreateKeyRequest, alias, tags, policy); err != nil {
			return err
		}
		k, err := c.AdoptKey(ctx, &req)
		if err != nil {
			return err
		}
		return a.showNew(k, req.Alias)
	})
	return cmd
}
