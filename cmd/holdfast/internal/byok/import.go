package byok

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// importRequest is what the flags of import say.
type importRequest struct {
	client.ImportWrappedRequest
	name, file string
	tags       []string
}

func (a *app) importBlob() *cobra.Command {
	var r importRequest
	cmd := &cobra.Command{
		Use: "import", Short: "Import a key from a transfer blob", Args: cobra.NoArgs,
		Long: "Import a key from a transfer blob (a .byok file), which names the key exchange key that it is\n" +
			"for. The new key lives where that one lives; it is unwrapped there, and is seen nowhere else.\n" +
			"What kind of key it is, the server finds out where --spec does not say it; a symmetric key\n" +
			"is SYMMETRIC_DEFAULT then, unless --usage says that it is for MACs. RSA keys need --usage.",
		Example: "  holdfast byok import --name release --file KeyTransferPackage.byok\n" +
			"  holdfast byok import --name tls --file rsa.byok --usage SIGN_VERIFY --tag team=web",
	}
	flags := cmd.Flags()
	flags.StringVar(&r.name, "name", "", "the new key's alias, with or without \"alias/\"")
	flags.StringVar(&r.file, "file", "-", "the transfer blob; - is standard input")
	flags.StringVar(&r.KEK, "kek", "", "the key exchange key that the blob has to be for; without it the one that the blob names")
	flags.StringVar(&r.Description, "description", "", "a text for people")
	flags.StringArrayVar(&r.tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	flags.BoolVar(&r.Exportable, "exportable", false, "let the key leave again, for whoever may export it; decided now for good")
	kindFlags(cmd, &r.Spec, &r.Usage)
	terminal.CompleteBy(cmd, "kek", a.KeyNames())
	terminal.Require(cmd, "name")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		k, err := a.importFile(ctx, c, &r)
		if err != nil {
			return err
		}
		return a.showImported(k, terminal.AliasName(r.name), "")
	})
	return cmd
}

// importFile sends a blob to the server.
func (a *app) importFile(ctx context.Context, c *client.Client, r *importRequest) (_ *client.Key, err error) {
	if r.Blob, err = a.Read(r.file, maxFile); err != nil {
		return nil, err
	}
	if _, err := transfer.ParseBlob(r.Blob); err != nil {
		return nil, terminal.Plain(err)
	}
	if r.Tags, err = terminal.TagsOf(r.tags); err != nil {
		return nil, err
	}
	if r.Spec != "" {
		if err := terminal.CheckSpec(r.Spec); err != nil {
			return nil, err
		}
	}
	if r.KEK != "" {
		r.KEK = terminal.KeyName(r.KEK)
	}
	r.Alias = terminal.AliasName(r.name)
	return c.ImportWrapped(ctx, &r.ImportWrappedRequest)
}

// imported is a new key as import and move print it.
type imported struct {
	*client.Key
	Alias string `json:"alias"`
	// Proof says how it was shown that the key is the one that was sent.
	Proof string `json:"proof,omitempty"`
}

func (a *app) showImported(k *client.Key, alias, proof string) error {
	return a.Show(imported{k, alias, proof}, func(w *terminal.Table) {
		w.Fact("Key", k.ID)
		w.Fact("Alias", alias)
		w.Fact("Spec", k.Spec)
		w.Fact("Usage", k.Usage)
		w.Fact("State", k.State)
		w.Fact("Origin", k.Origin)
		w.Fact("Lives in", terminal.LivesIn(k))
		w.Fact("Proved by", proof)
	})
}
