package uris

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// Sizes of what is read, in bytes.
const (
	maxSignature = 10 << 10 // twice the longest of ML-DSA-87
	maxDigest    = 64
)

// message is what signing and verifying have in common.
type message struct {
	at
	in, algorithm string
	digest        bool
}

func (m *message) add(cmd *cobra.Command) *cobra.Command {
	cmd = m.at.add(cmd)
	cmd.Flags().StringVar(&m.in, "in", "-", "the file with the message; - is standard input")
	cmd.Flags().StringVar(&m.algorithm, "algorithm", "", "the algorithm; without it the key's first")
	cmd.Flags().BoolVar(&m.digest, "digest", false, "the input is the message's digest already")
	terminal.Complete(cmd, "algorithm", terminal.AlgorithmNames(alg.SignVerify))
	return cmd
}

// chosen returns the algorithm's name.
func (m *message) chosen() (string, error) {
	if m.algorithm == "" {
		return "", nil
	}
	a, err := terminal.ParseAlgorithm(m.algorithm, alg.SignVerify)
	if err != nil {
		return "", terminal.WrongUsage(err)
	}
	return a.String(), nil
}

// signed is a signature as JSON has it.
type signed struct {
	URI       string `json:"uri"`
	Algorithm string `json:"algorithm,omitempty"`
	Signature []byte `json:"signature"`
}

func (a *app) sign() *cobra.Command {
	var m message
	var out terminal.Output
	cmd := m.add(&cobra.Command{
		Use: "sign", Short: "Sign a file of any size",
		Example: "  holdfast uri sign awskms:///alias/release --in app.tar --out app.tar.sig\n" +
			"  holdfast uri public-key awskms:///alias/release --out release.pem\n" +
			"  openssl dgst -sha256 -verify release.pem -signature app.tar.sig app.tar",
	})
	out.Flags(cmd)
	cmd.RunE = a.onKey(&m.at, func(ctx context.Context, k *holdfast.Key) error {
		algorithm, err := m.chosen()
		if err != nil {
			return err
		}
		signature, err := a.signWith(ctx, k, &m, algorithm)
		if err != nil {
			return err
		}
		return a.WriteBytes(out, signature, signed{k.URI(), algorithm, signature})
	})
	return cmd
}

func (a *app) signWith(ctx context.Context, k *holdfast.Key, m *message, algorithm string) ([]byte, error) {
	if m.digest {
		digest, err := a.Read(m.in, maxDigest)
		if err != nil {
			return nil, fmt.Errorf("reading the digest: %w", err)
		}
		return k.SignDigestWith(ctx, algorithm, digest)
	}
	f, err := a.Open(m.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	return k.SignReader(ctx, algorithm, f)
}

func (a *app) verify() *cobra.Command {
	var m message
	var signature string
	cmd := m.add(&cobra.Command{
		Use: "verify", Short: "Verify a signature; the exit status is 1 when it is wrong",
		Long: "Verify a signature where the key lives, if the place does that, else with the public half.\n" +
			"A file with a public key or a certificate is a key, too.",
		Example: "  holdfast uri verify file:release.pem --in app.tar --signature app.tar.sig",
	})
	cmd.Flags().StringVar(&signature, "signature", "", "the file with the signature, raw")
	terminal.Require(cmd, "signature")
	cmd.RunE = a.onKey(&m.at, func(ctx context.Context, k *holdfast.Key) error {
		algorithm, err := m.chosen()
		if err != nil {
			return err
		}
		given, err := a.Read(signature, maxSignature)
		if err != nil {
			return err
		}
		err = a.verifyWith(ctx, k, &m, algorithm, given)
		if holdfast.KindOf(err) == holdfast.BadSignature {
			return fmt.Errorf("the signature is WRONG: %w", err)
		}
		if err != nil {
			return err
		}
		valid := struct {
			URI   string `json:"uri"`
			Valid bool   `json:"valid"`
		}{k.URI(), true}
		return a.Show(valid, func(w *terminal.Table) { w.Row("The signature is right.") })
	})
	return cmd
}

func (a *app) verifyWith(ctx context.Context, k *holdfast.Key, m *message, algorithm string, signature []byte) error {
	if m.digest {
		digest, err := a.Read(m.in, maxDigest)
		if err != nil {
			return fmt.Errorf("reading the digest: %w", err)
		}
		return k.VerifyDigest(ctx, algorithm, digest, signature)
	}
	f, err := a.Open(m.in)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	return k.VerifyReader(ctx, algorithm, f, signature)
}
