package byok

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// defaultSize is the size of a key exchange key in bits when none is asked for.
const defaultSize = 4096

// kekView is a key exchange key as the commands print it.
type kekView struct {
	*client.Key
	// KID is what transfer blobs call it.
	KID     string   `json:"kid"`
	Aliases []string `json:"aliases,omitempty"`
}

func (a *app) kekCreate() *cobra.Command {
	var name, hsm, description string
	var size int
	var tags []string
	cmd := &cobra.Command{
		Use: "create", Short: "Make a key exchange key", Args: cobra.NoArgs,
		Long: "Make a key exchange key: an RSA key whose only use is that other keys come in encrypted\n" +
			"under it. They live where it lives: with --hsm in that token, and then they are unwrapped\n" +
			"inside it. What is printed as \"kid\" goes into transfer blobs.",
		Example: "  holdfast byok kek create --name KEKforBYOK --size 4096\n" +
			"  holdfast byok kek create --name KEKforBYOK --hsm luna --json",
	}
	flags := cmd.Flags()
	flags.StringVar(&name, "name", "", "the key's alias, with or without \"alias/\"")
	flags.IntVar(&size, "size", defaultSize, "the key's size in bits: 2048, 3072 or 4096")
	flags.StringVar(&hsm, "hsm", "", "the token or group to make it in; the server's own store without it")
	flags.StringVar(&description, "description", "", "a text for people")
	flags.StringArrayVar(&tags, "tag", nil, "a tag, NAME=VALUE (repeatable)")
	terminal.CompleteBy(cmd, "hsm", a.HSMNames())
	terminal.Require(cmd, "name")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		spec, err := specOfSize(size)
		if err != nil {
			return err
		}
		req := &client.CreateKeyRequest{
			Spec: aws.SpecName(spec), Usage: aws.UsageName(alg.KeyTransfer), Description: description, HSM: hsm,
			Alias: terminal.AliasName(name),
		}
		if req.Tags, err = terminal.TagsOf(tags); err != nil {
			return err
		}
		k, err := c.CreateKey(ctx, req)
		if err != nil {
			return err
		}
		return a.showKEK(kekView{Key: k, KID: c.KeyURL(k.ID), Aliases: []string{req.Alias}})
	})
	return cmd
}

// specOfSize returns the spec of an RSA key of so many bits.
func specOfSize(bits int) (alg.Spec, error) {
	for _, s := range alg.Specs() {
		if s.Info().Family == alg.RSA && s.Info().Bits == bits {
			return s, nil
		}
	}
	return alg.NoSpec, terminal.Usagef("--size %d: a key exchange key has 2048, 3072 or 4096 bits", bits)
}

func (a *app) showKEK(k kekView) error {
	return a.Show(k, func(w *terminal.Table) {
		w.Fact("Key exchange key", k.ID)
		w.Fact("kid", k.KID)
		w.Fact("Aliases", k.Aliases)
		w.Fact("Spec", k.Spec)
		w.Fact("Lives in", terminal.LivesIn(k.Key))
		w.Fact("State", k.State)
		w.Fact("Created", k.CreatedAt)
	})
}

func (a *app) kekDownload() *cobra.Command {
	var name string
	var out terminal.Output
	cmd := &cobra.Command{
		Use: "download", Short: "Print the public half of a key exchange key in PEM", Args: cobra.NoArgs,
		Example: "  holdfast byok kek download --name KEKforBYOK > KEKforBYOK.publickey.pem",
	}
	cmd.Flags().StringVar(&name, "name", "", "the key: its alias (with or without \"alias/\"), id or ARN")
	cmd.Flags().StringVar(&out.Path, "out", "-", "the file to write; - is standard output")
	terminal.CompleteBy(cmd, "name", a.KeyNames())
	terminal.Require(cmd, "name")
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		p, err := c.PublicKey(ctx, terminal.KeyName(name))
		if err != nil {
			return err
		}
		if p.Usage != aws.UsageName(alg.KeyTransfer) {
			return terminal.Hint(fmt.Errorf("the key %s is for %s: it is no key exchange key", name, p.Usage),
				"\"holdfast byok kek create\" makes one")
		}
		text := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: p.SPKI})
		out.Encoding = "raw"
		return a.WriteBytes(out, text, struct {
			KID string `json:"kid"`
			PEM string `json:"pem"`
		}{c.KeyURL(p.KeyID), string(text)})
	})
	return cmd
}

func (a *app) kekList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the key exchange keys", Args: cobra.NoArgs}
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		names, err := terminal.AliasesOf(ctx, c)
		if err != nil {
			return err
		}
		ids, err := terminal.All(func(p client.Page) ([]client.KeyItem, string, error) {
			l, err := c.Keys(ctx, p)
			if err != nil {
				return nil, "", err
			}
			return l.Keys, l.Next, nil
		})
		if err != nil {
			return err
		}
		all := []kekView{}
		for _, item := range ids {
			k, err := c.Key(ctx, item.ID)
			if err != nil {
				return err
			}
			if k.Usage == aws.UsageName(alg.KeyTransfer) {
				all = append(all, kekView{k, c.KeyURL(k.ID), names[k.ID]})
			}
		}
		return a.Show(all, func(w *terminal.Table) {
			w.Row("KID", "SPEC", "STATE", "HSM", "ALIASES")
			for _, k := range all {
				w.Row(k.KID, k.Spec, k.State, terminal.OrDash(k.HSM), terminal.ShortAliases(k.Aliases))
			}
		})
	})
	return cmd
}

// kekFile reads the public half of a key exchange key from a file: a
// SubjectPublicKeyInfo in PEM or, as AWS gives it, in DER.
func (a *app) kekFile(path string) (*rsa.PublicKey, error) {
	data, err := a.Read(path, maxFile)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(data); block != nil {
		data = block.Bytes
	}
	public, err := x509.ParsePKIXPublicKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s is no public key: %w", path, err)
	}
	return kekOf(path, public)
}

// kekOf returns a public key as what other keys can be encrypted under.
func kekOf(what string, public any) (*rsa.PublicKey, error) {
	k, ok := public.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%s is a public key of type %T: a key exchange key is an RSA key", what, public)
	}
	if _, err := specOfSize(k.N.BitLen()); err != nil {
		return nil, fmt.Errorf("%s is an RSA key of %d bits: a key exchange key has 2048, 3072 or 4096", what, k.N.BitLen())
	}
	return k, nil
}
