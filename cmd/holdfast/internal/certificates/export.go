package certificates

import (
	"context"
	"encoding/pem"
	"errors"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// formats are the forms in which a certificate is written.
func formats() []string { return []string{"pem", "der", "pkcs12", "pkcs12-legacy", "jks"} }

// export is the flags of `cert export`.
type export struct {
	format, out, passphraseFile string
	withKey, withRoot, reversed bool
}

// exportView is what `cert export` prints in JSON.
type exportView struct {
	Format  string `json:"format"`
	Content []byte `json:"content"`
}

func (a *app) export() *cobra.Command {
	var s serialArgument
	var f export
	cmd := s.add(a, &cobra.Command{
		Use: "export", Short: "Write a certificate with its issuers as servers load it",
		Long: "Write a certificate with its issuers: as PEM, as DER (the certificate alone), as PKCS #12\n" +
			"under a passphrase, encrypted as of today (pkcs12) or as old systems want it\n" +
			"(pkcs12-legacy), or as Java's keytool takes it (jks: PKCS #12 as well; without a key a\n" +
			"trust store). --with-key adds the private key, where the key is kept here and may leave.\n" +
			"The passphrase is read from --passphrase-file or the terminal.",
		Example: "  holdfast cert export --ca issuing 0195… --format pem --out web.pem\n" +
			"  holdfast cert export --ca issuing 0195… --format pkcs12 --with-key --passphrase-file pass --out web.p12",
	})
	flags := cmd.Flags()
	flags.StringVar(&f.format, "format", "pem", strings.Join(formats(), ", "))
	flags.StringVar(&f.out, "out", "-", "the file to write; - is standard output")
	flags.BoolVar(&f.withKey, "with-key", false, "add the private key, encrypted under the passphrase")
	flags.BoolVar(&f.withRoot, "with-root", false, "add the root, which verifiers have already")
	flags.BoolVar(&f.reversed, "root-first", false, "write the issuers first, of PEM")
	flags.StringVar(&f.passphraseFile, "passphrase-file", "", "a file with the passphrase; without it the terminal is asked")
	terminal.Complete(cmd, "format", formats())
	cmd.RunE = a.onCertificate(&s, func(ctx context.Context, c *client.Client, authority, serial string) error {
		if err := terminal.CheckName("format", f.format, formats(), func(string) bool { return false }); err != nil {
			return err
		}
		content, err := a.bundle(ctx, c, authority, serial, &f)
		if err != nil {
			return err
		}
		return a.WriteBytes(terminal.Output{Path: f.out}, content, exportView{f.format, content})
	})
	return cmd
}

// bundle gathers what belongs together and writes it in its format.
func (a *app) bundle(ctx context.Context, c *client.Client, authority, serial string, f *export) ([]byte, error) {
	x, err := c.Certificate(ctx, authority, serial)
	if err != nil {
		return nil, err
	}
	chain, err := c.Chain(ctx, x.Authority)
	if err != nil {
		return nil, err
	}
	all := ders(append([]byte(x.Certificate), chain...))
	if len(all) == 0 {
		return nil, errors.New("the server answered without a certificate")
	}
	b := &keystore.Bundle{Leaf: all[0], Chain: all[1:]}
	if f.withKey {
		if b.Key, err = exportKey(ctx, c, x); err != nil {
			return nil, err
		}
		defer clear(b.Key)
	}
	return a.write(b, x.Serial, f)
}

// exportKey fetches the private key of a certificate.
func exportKey(ctx context.Context, c *client.Client, x *client.Certificate) ([]byte, error) {
	if x.KeyID == "" {
		return nil, errors.New("the certificate's key is not kept here: its owner has it")
	}
	k, err := c.ExportKey(ctx, x.KeyID)
	if err != nil {
		return nil, err
	}
	return k.Material, nil
}

// write writes the bundle in its format.
func (a *app) write(b *keystore.Bundle, name string, f *export) ([]byte, error) {
	selection := keystore.Selection{WithRoot: f.withRoot}
	if f.reversed {
		selection.Order = keystore.RootFirst
	}
	if f.format == "der" {
		if f.withKey {
			return nil, terminal.Usagef("DER has the certificate alone: choose another format for --with-key")
		}
		return b.Leaf, nil
	}
	if f.format == "pem" && !f.withKey {
		return b.PEM(selection)
	}
	phrase, err := a.Passphrase(f.passphraseFile)
	if err != nil {
		return nil, err
	}
	defer clear(phrase)
	if f.format == "pem" {
		certificates, err := b.PEM(selection)
		if err != nil {
			return nil, err
		}
		key, err := keystore.EncryptKey(b.Key, phrase, keystore.PBKDF2)
		return slices.Concat(certificates, key), err
	}
	protection := keystore.Modern
	if f.format == "pkcs12-legacy" {
		protection = keystore.LegacyDES
	}
	if !f.withKey {
		return keystore.TrustStore([]keystore.Anchor{{Name: name, DER: b.Leaf}}, string(phrase), protection)
	}
	return b.PKCS12(string(phrase), protection)
}

// ders returns the certificates of a text in PEM.
func ders(text []byte) [][]byte {
	var all [][]byte
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			all = append(all, block.Bytes)
		}
	}
	return all
}
