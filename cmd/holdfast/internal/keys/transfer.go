package keys

import (
	"context"
	"encoding/pem"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxMaterial is the longest key that is read, in bytes.
const maxMaterial = 64 << 10

func (a *app) importKey() *cobra.Command {
	var req client.ImportKeyRequest
	var alias, in string
	var tags []string
	cmd := &cobra.Command{
		Use: "import", Short: "Bring a key that was made elsewhere", Args: cobra.NoArgs,
		Long: "Bring a key that was made elsewhere: a private key in PEM (PKCS #8, PKCS #1 or SEC 1, not\n" +
			"encrypted) or PKCS #8 in DER, or the raw bytes of a symmetric key. It is stored like any\n" +
			"other; whether it may ever leave again is decided now, by --exportable.",
		Example: "  holdfast key import --spec ECC_NIST_P256 --in old.key --alias old",
	}
	flags := cmd.Flags()
	flags.StringVar(&req.Spec, "spec", "", "the key's type and size")
	flags.StringVar(&req.Usage, "usage", "", "what the key is for; needed where the spec has several usages (RSA)")
	flags.StringVar(&req.Description, "description", "", "a text for people")
	flags.StringVar(&in, "in", "-", "the file with the key; - is standard input")
	flags.StringVar(&alias, "alias", "", "a name for the key, with or without \"alias/\"")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	flags.BoolVar(&req.Exportable, "exportable", false, "let the key leave again, for whoever may export it")
	terminal.Complete(cmd, "spec", terminal.SpecNames())
	terminal.Complete(cmd, "usage", terminal.UsageNames())
	terminal.Require(cmd, "spec")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) (err error) {
		if err := terminal.CheckSpec(req.Spec); err != nil {
			return err
		}
		if err := a.settle(&req.CreateKeyRequest, alias, tags, ""); err != nil {
			return err
		}
		if req.Material, err = a.material(in); err != nil {
			return err
		}
		defer clear(req.Material)
		k, err := c.ImportKey(ctx, &req)
		if err != nil {
			return err
		}
		return a.showNew(k, req.Alias)
	})
	return cmd
}

// material reads a key: one in PEM becomes PKCS #8, anything else stays.
func (a *app) material(path string) ([]byte, error) {
	data, err := a.Read(path, maxMaterial)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block == nil {
		return data, nil
	}
	return keystore.ParseKey(data)
}

func (a *app) exportKey() *cobra.Command {
	var key keyArgument
	var out, passphraseFile string
	cmd := key.add(a, &cobra.Command{
		Use: "export", Short: "Print the private key of an exportable key, encrypted under a passphrase",
		Long: "Print the private key of an exportable key as PKCS #8 in PEM, encrypted under a passphrase,\n" +
			"which is read from --passphrase-file or the terminal. A key is exportable if it was made so.",
		Example: "  holdfast key create --spec ECC_NIST_P256 --alias web --exportable\n" +
			"  holdfast key export web --passphrase-file pass --out web.key",
	})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "a file with the passphrase; without it the terminal is asked")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		phrase, err := a.Passphrase(passphraseFile)
		if err != nil {
			return err
		}
		defer clear(phrase)
		k, err := c.ExportKey(ctx, name)
		if err != nil {
			return err
		}
		defer clear(k.Material)
		text, err := keystore.EncryptKey(k.Material, phrase, keystore.PBKDF2)
		if err != nil {
			return err
		}
		return a.WriteSecret(terminal.Output{Path: out, Encoding: "raw"}, text)
	})
	return cmd
}
