package keys

import (
	"context"
	"encoding/pem"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

func (a *app) keyPublic() *cobra.Command {
	var key keyArgument
	var out, format string
	cmd := key.add(a, &cobra.Command{Use: "public", Short: "Print a key's public half", Example: "  holdfast key public release --out release.pem"})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&format, "format", "pem", "pem or der")
	terminal.Complete(cmd, "format", []string{"pem", "der"})
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		if format != "pem" && format != "der" {
			return terminal.Usagef("the format %q is not known: it is pem or der", format)
		}
		p, err := c.PublicKey(ctx, name)
		if err != nil {
			return err
		}
		data := p.SPKI
		if format == "pem" {
			data = pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: p.SPKI})
		}
		return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, data, p)
	})
	return cmd
}

// crypt is what encrypting and decrypting have in common.
type crypt struct {
	in, algorithm string
	context       []string
	out           terminal.Output
	raw           modes
}

func (f *crypt) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.in, "in", "-", "the file to read; - is standard input")
	cmd.Flags().StringVar(&f.algorithm, "algorithm", "", "the algorithm; for symmetric keys it can be left out")
	cmd.Flags().StringArrayVar(&f.context, "context", nil, "encryption context, NAME=VALUE (repeatable)")
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.EncryptDecrypt))
	f.out.Flags(cmd)
}

// input reads what the flags say.
func (f *crypt) input(a *app, limit int64) ([]byte, map[string]string, error) {
	if f.algorithm != "" && !raw(f.algorithm) {
		if _, err := terminal.ParseAlgorithm(f.algorithm, alg.EncryptDecrypt); err != nil {
			return nil, nil, err
		}
	}
	if raw(f.algorithm) {
		limit = kms.MaxRawText
	}
	context, err := terminal.Pairs("context", f.context)
	if err != nil {
		return nil, nil, err
	}
	data, err := a.Read(f.in, limit)
	return data, context, err
}

func (a *app) keyEncrypt() *cobra.Command {
	var key keyArgument
	var f crypt
	cmd := key.add(a, &cobra.Command{
		Use: "encrypt", Short: "Encrypt at most 4,096 bytes",
		Example: "  holdfast key encrypt backups --in secret.txt --out secret.enc --context app=web\n" +
			"  holdfast key encrypt disks --algorithm AES_CBC_PAD --iv 000102030405060708090a0b0c0d0e0f --in secret.txt --out secret.enc",
	})
	f.flags(cmd)
	f.raw.flags(cmd)
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		data, pairs, err := f.input(a, kms.MaxPlaintext)
		if err != nil {
			return terminal.Hint(err, "encrypt larger data under a data key: \"holdfast key datakey\"")
		}
		iv, associated, err := f.raw.values()
		if err != nil {
			return err
		}
		r, err := c.Encrypt(ctx, name, &client.EncryptRequest{
			Algorithm: f.algorithm, Plaintext: data, Context: pairs, IV: iv, AssociatedData: associated, TagBits: f.raw.tagBits,
		})
		if err != nil {
			return err
		}
		return a.WriteBytes(f.out, r.Ciphertext, r)
	})
	return cmd
}

func (a *app) keyDecrypt() *cobra.Command {
	var key keyArgument
	var f crypt
	cmd := key.add(a, &cobra.Command{
		Use: "decrypt", Short: "Decrypt; a symmetric ciphertext names its key itself",
		Example: "  holdfast key decrypt --in secret.enc --context app=web",
	})
	f.flags(cmd)
	f.raw.flags(cmd)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, args []string) error {
		data, pairs, err := f.input(a, kms.MaxCiphertext)
		if err != nil {
			return err
		}
		req := &client.DecryptRequest{Algorithm: f.algorithm, Ciphertext: data, Context: pairs, TagBits: f.raw.tagBits}
		if req.IV, req.AssociatedData, err = f.raw.values(); err != nil {
			return err
		}
		if len(args) > 0 || key.flag != "" {
			if req.Key, err = key.name(args); err != nil {
				return err
			}
		}
		r, err := c.Decrypt(ctx, req)
		if err != nil {
			return err
		}
		return a.WriteBytes(f.out, r.Plaintext, r)
	})
	return cmd
}

func (a *app) keyReEncrypt() *cobra.Command {
	var key keyArgument
	var f crypt
	var newContext []string
	cmd := key.add(a, &cobra.Command{
		Use: "reencrypt", Short: "Encrypt a symmetric ciphertext anew under a key; the plaintext stays in the server",
	})
	f.flags(cmd)
	cmd.Flags().StringArrayVar(&newContext, "new-context", nil, "the new ciphertext's context, NAME=VALUE (repeatable)")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		data, old, err := f.input(a, kms.MaxCiphertext)
		if err != nil {
			return err
		}
		fresh, err := terminal.Pairs("new-context", newContext)
		if err != nil {
			return err
		}
		r, err := c.ReEncrypt(ctx, &client.ReEncryptRequest{
			Source: client.DecryptRequest{Ciphertext: data, Context: old}, Key: name, Algorithm: f.algorithm, Context: fresh,
		})
		if err != nil {
			return err
		}
		return a.WriteBytes(f.out, r.Ciphertext, r)
	})
	return cmd
}

func (a *app) keyDataKey() *cobra.Command {
	var key keyArgument
	var out terminal.Output
	var req client.DataKeyRequest
	var context1 []string
	var plaintext string
	cmd := key.add(a, &cobra.Command{
		Use: "datakey", Short: "Make a random key with its ciphertext, to encrypt larger data with",
		Example: "  holdfast key datakey backups --out dk.enc --plaintext-out dk.bin",
	})
	out.Flags(cmd)
	cmd.Flags().StringVar(&plaintext, "plaintext-out", "", "the file for the key itself; without it the key is not asked for")
	cmd.Flags().IntVar(&req.Bytes, "bytes", 32, "the key's length, 1 to 1024")
	cmd.Flags().StringArrayVar(&context1, "context", nil, "encryption context, NAME=VALUE (repeatable)")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) (err error) {
		if req.Context, err = terminal.Pairs("context", context1); err != nil {
			return err
		}
		if plaintext == "-" && out.Path == "-" {
			return terminal.Usagef("--out and --plaintext-out cannot both be standard output")
		}
		req.WithoutPlaintext = plaintext == ""
		r, err := c.GenerateDataKey(ctx, name, &req)
		if err != nil {
			return err
		}
		if plaintext != "" {
			if err := a.WriteSecret(terminal.Output{Path: plaintext, Encoding: out.Encoding}, r.Plaintext); err != nil {
				return err
			}
		}
		r.Plaintext = nil // it is in its file
		return a.WriteBytes(out, r.Ciphertext, r)
	})
	return cmd
}

func (a *app) keyMAC() *cobra.Command {
	var key keyArgument
	var out terminal.Output
	var in, algorithm string
	cmd := key.add(a, &cobra.Command{Use: "mac", Short: "Make a message authentication code of at most 4,096 bytes"})
	cmd.Flags().StringVar(&in, "in", "-", "the file with the message; - is standard input")
	cmd.Flags().StringVar(&algorithm, "algorithm", "", "the algorithm; without it the only one that the key has")
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.GenerateVerifyMAC))
	out.Flags(cmd)
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		req, err := a.macRequest(ctx, c, name, in, algorithm)
		if err != nil {
			return err
		}
		r, err := c.GenerateMAC(ctx, name, req)
		if err != nil {
			return err
		}
		return a.WriteBytes(out, r.MAC, r)
	})
	return cmd
}

func (a *app) macRequest(ctx context.Context, c *client.Client, name, in, algorithm string) (*client.MACRequest, error) {
	message, err := a.Read(in, kms.MaxPlaintext)
	if err != nil {
		return nil, err
	}
	chosen, err := algorithmFor(ctx, c, name, algorithm, alg.GenerateVerifyMAC)
	if err != nil {
		return nil, err
	}
	return &client.MACRequest{Algorithm: aws.AlgorithmName(chosen), Message: message}, nil
}

func (a *app) keyMACVerify() *cobra.Command {
	var key keyArgument
	var in, algorithm, code string
	cmd := key.add(a, &cobra.Command{Use: "mac-verify", Short: "Verify a message authentication code; the exit status is 1 when it is wrong"})
	cmd.Flags().StringVar(&in, "in", "-", "the file with the message; - is standard input")
	cmd.Flags().StringVar(&code, "mac", "", "the file with the code, raw")
	cmd.Flags().StringVar(&algorithm, "algorithm", "", "the algorithm; without it the only one that the key has")
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.GenerateVerifyMAC))
	terminal.Require(cmd, "mac")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		given, err := a.Read(code, maxSignature)
		if err != nil {
			return err
		}
		req, err := a.macRequest(ctx, c, name, in, algorithm)
		if err != nil {
			return err
		}
		r, err := c.VerifyMAC(ctx, name, &client.VerifyMACRequest{MACRequest: *req, MAC: given})
		return a.verdict("code", r, err)
	})
	return cmd
}

func (a *app) keyRandom() *cobra.Command {
	var out terminal.Output
	var n int
	cmd := &cobra.Command{Use: "random", Short: "Print random bytes of the server", Args: cobra.NoArgs}
	cmd.Flags().IntVar(&n, "bytes", 32, "how many, 1 to 1024")
	out.Flags(cmd)
	cmd.RunE = a.Remote(func(ctx context.Context, c *client.Client, _ []string) error {
		b, err := c.Random(ctx, n)
		if err != nil {
			return err
		}
		return a.WriteBytes(out, b, struct {
			Random []byte `json:"random"`
		}{b})
	})
	return cmd
}
