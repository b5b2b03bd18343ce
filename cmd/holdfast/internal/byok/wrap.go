package byok

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/transfer"
)

// The formats that wrap writes.
const (
	formatBlob = "byok"
	formatRaw  = "raw"
)

// wrapping is what the flags of wrap say.
type wrapping struct {
	source                sourceFlags
	kek, kid, format, how string
	out                   terminal.Output
}

func (a *app) wrap() *cobra.Command {
	var w wrapping
	cmd := &cobra.Command{
		Use: "wrap", Short: "Encrypt a key under a key exchange key", Args: cobra.NoArgs,
		Long: "Encrypt a key under a key exchange key, for a key vault, for AWS KMS or for another Holdfast.\n" +
			"This is the tool that makers of HSMs call their BYOK tool, and it asks nobody but the place\n" +
			"where the key is: a file, a token (--uri, with --module or --preset), or an exportable key\n" +
			"of a server. A key on a token stays wrapped all the way: the token encrypts it itself, under\n" +
			"an AES key that it makes for this one time.\n\n" +
			"The format byok is a transfer blob, which names the key exchange key by --kid. The format raw\n" +
			"is the encrypted key alone, as AWS KMS's ImportKeyMaterial takes it.",
		Example: "  holdfast byok wrap --in old.pem --kek KEKforBYOK.publickey.pem --kid https://…/keys/… --out old.byok\n" +
			"  holdfast byok wrap --uri 'pkcs11:token=old;object=signer' --preset softhsm2 --pin-file pin \\\n" +
			"    --kek KEKforBYOK.publickey.pem --kid https://…/keys/… --out signer.byok\n" +
			"  holdfast byok wrap --in aes.key --kek WrappingPublicKey.bin --format raw --wrapping rsa-oaep-sha256 --out material.bin",
	}
	w.source.flags(a, cmd)
	flags := cmd.Flags()
	flags.StringVar(&w.kek, "kek", "", "the file with the public half of the key exchange key, PEM or DER")
	flags.StringVar(&w.kid, "kid", "", "what the transfer blob calls the key exchange key: what \"byok kek create\" prints as kid")
	flags.StringVar(&w.format, "format", formatBlob, "byok, a transfer blob; or raw, the encrypted key alone")
	flags.StringVar(&w.how, "wrapping", transfer.BlobWrapping.String(), "how to encrypt; only the format raw has a choice")
	flags.StringVar(&w.out.Path, "out", "-", "the file to write; - is standard output")
	terminal.Complete(cmd, "format", []string{formatBlob, formatRaw})
	terminal.Complete(cmd, "wrapping", wrappingNames())
	terminal.Require(cmd, "kek")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return a.wrapKey(cmd.Context(), &w) }
	return cmd
}

func wrappingNames() []string {
	var names []string
	for _, w := range alg.Wrappings() {
		names = append(names, w.String())
	}
	return names
}

// check returns how to encrypt, or what is wrong with the flags.
func (w *wrapping) check() (alg.Wrapping, error) {
	known := func(s string) bool { return alg.ParseWrapping(s) != alg.NoWrapping }
	if err := terminal.CheckName("wrapping", w.how, wrappingNames(), known); err != nil {
		return alg.NoWrapping, err
	}
	how := alg.ParseWrapping(w.how)
	switch w.format {
	case formatRaw:
		if w.kid != "" {
			return how, terminal.WrongUsage(errors.New("the format raw has no room for --kid"))
		}
	case formatBlob:
		if w.kid == "" {
			return how, terminal.WrongUsage(terminal.Hint(errors.New("a transfer blob names its key exchange key"),
				"give --kid, which \"holdfast byok kek create\" and \"kek list\" print"))
		}
		if how != transfer.BlobWrapping {
			return how, terminal.Usagef("a transfer blob is always encrypted by %s: --wrapping goes with --format raw", transfer.BlobWrapping)
		}
	default:
		return how, terminal.Usagef("the format %q is not known: it is byok or raw", w.format)
	}
	return how, nil
}

func (a *app) wrapKey(ctx context.Context, w *wrapping) (err error) {
	how, err := w.check()
	if err != nil {
		return err
	}
	under, err := a.kekFile(w.kek)
	if err != nil {
		return err
	}
	s, err := w.source.open(ctx, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	if !s.kind().Spec.Symmetric() && !transfer.TwoSteps(how) {
		return terminal.Usagef("%s has no room for a private key: use %s or %s", how, alg.WrapAESKeyWrapSHA1, alg.WrapAESKeyWrapSHA256)
	}
	wrapped, err := s.wrapped(ctx, under, how)
	if err != nil {
		return fmt.Errorf("wrapping the key in %s: %w", s.where(), err)
	}
	w.out.Encoding = "raw"
	if w.format == formatRaw {
		return a.WriteSecret(w.out, wrapped)
	}
	text, err := (&transfer.Blob{KID: w.kid, Ciphertext: wrapped, Generator: a.UserAgent}).Marshal()
	if err != nil {
		return err
	}
	return a.WriteSecret(w.out, append(text, '\n'))
}
