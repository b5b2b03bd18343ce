package keys

import (
	"bytes"
	"context"
	_ "crypto/sha256" // the hashes that algorithms name
	_ "crypto/sha512"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/kms"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// maxSignature is the longest signature or code that is read, in bytes: twice
// the longest of ML-DSA-87.
const maxSignature = 10 << 10

// message is what signing and verifying have in common.
type message struct {
	in, algorithm string
	digest        bool
}

func (m *message) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&m.in, "in", "-", "the file with the message; - is standard input")
	cmd.Flags().StringVar(&m.algorithm, "algorithm", "", "the algorithm; without it the only one that the key has")
	cmd.Flags().BoolVar(&m.digest, "digest", false, "the input is the message's digest already")
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.SignVerify))
}

// request reads the message. One that is too long for the server is hashed
// here, where the algorithm takes a digest: what is signed is the same.
func (m *message) request(ctx context.Context, a *app, c *client.Client, key string) (*client.SignRequest, error) {
	algorithm, err := algorithmFor(ctx, c, key, m.algorithm, alg.SignVerify)
	if err != nil {
		return nil, err
	}
	f, err := a.Open(m.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	form, data, err := digestOf(f, algorithm, m.digest)
	if err != nil {
		return nil, fmt.Errorf("reading the message: %w", err)
	}
	return &client.SignRequest{Algorithm: aws.AlgorithmName(algorithm), Form: aws.FormName(form), Message: data}, nil
}

// digestOf reads a message in the form in which an algorithm can have it.
func digestOf(r io.Reader, a alg.Algorithm, already bool) (alg.Form, []byte, error) {
	head, err := io.ReadAll(io.LimitReader(r, kms.MaxPlaintext+1))
	if err != nil {
		return 0, nil, err
	}
	long := len(head) > kms.MaxPlaintext
	switch {
	case already && long:
		return 0, nil, errors.New("it is longer than any digest")
	case already && a.Takes(alg.ExternalMu):
		return alg.ExternalMu, head, nil
	case already:
		return alg.Digest, head, nil
	case a.Takes(alg.Raw) && !long:
		return alg.Raw, head, nil
	case !a.Takes(alg.Digest):
		return 0, nil, terminal.Hint(fmt.Errorf("it is longer than %d bytes, and %s signs the message itself", kms.MaxPlaintext, aws.AlgorithmName(a)),
			"sign a digest of it, or use an algorithm that hashes")
	}
	if h := a.Info().Hash; !h.Available() {
		return 0, nil, terminal.Hint(fmt.Errorf("%s takes what was made of a message, and not the message", aws.AlgorithmName(a)), "give its digest, with --digest")
	}
	h := a.Info().Hash.New()
	if _, err := io.Copy(h, io.MultiReader(bytes.NewReader(head), r)); err != nil {
		return 0, nil, err
	}
	return alg.Digest, h.Sum(nil), nil
}

func (a *app) keySign() *cobra.Command {
	var key keyArgument
	var m message
	var out terminal.Output
	cmd := key.add(a, &cobra.Command{
		Use: "sign", Short: "Sign a file of any size",
		Example: "  holdfast key sign --key release --algorithm ECDSA_SHA_256 --in app.tar --out app.tar.sig\n" +
			"  holdfast key public release --out release.pem\n" +
			"  openssl dgst -sha256 -verify release.pem -signature app.tar.sig app.tar",
	})
	m.flags(cmd)
	out.Flags(cmd)
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		req, err := m.request(ctx, a, c, name)
		if err != nil {
			return err
		}
		r, err := c.Sign(ctx, name, req)
		if err != nil {
			return err
		}
		return a.WriteBytes(out, r.Signature, r)
	})
	return cmd
}

func (a *app) keyVerify() *cobra.Command {
	var key keyArgument
	var m message
	var signature string
	cmd := key.add(a, &cobra.Command{
		Use: "verify", Short: "Verify a signature; the exit status is 1 when it is wrong",
		Example: "  holdfast key verify --key release --algorithm ECDSA_SHA_256 --in app.tar --signature app.tar.sig",
	})
	m.flags(cmd)
	cmd.Flags().StringVar(&signature, "signature", "", "the file with the signature, raw")
	terminal.Require(cmd, "signature")
	cmd.RunE = a.onKey(&key, func(ctx context.Context, c *client.Client, name string) error {
		given, err := a.Read(signature, maxSignature)
		if err != nil {
			return err
		}
		req, err := m.request(ctx, a, c, name)
		if err != nil {
			return err
		}
		r, err := c.Verify(ctx, name, &client.VerifyRequest{SignRequest: *req, Signature: given})
		return a.verdict("signature", r, err)
	})
	return cmd
}

// verdict tells whether a signature or code is right.
func (a *app) verdict(what string, r *client.Verified, err error) error {
	if client.KindOf(err) == client.BadSignature {
		return fmt.Errorf("the %s is WRONG: %w", what, err)
	}
	if err != nil {
		return err
	}
	return a.Show(r, func(w *terminal.Table) { w.Row("The " + what + " is right.") })
}
