// Package sshkeys has the commands that use keys, wherever they are, for SSH:
// ssh-agent, and the noun ssh with its certificates and public keys.
//
// The package is internal and may change with any release.
package sshkeys

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/sshkey"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast ssh`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	return a.Connection(terminal.Group(
		"ssh", "SSH certificates and public keys, of keys anywhere", a.certificate(), a.publicKey(),
	))
}

// signer returns an opened key for SSH. Where it does not do all that RSA keys
// can, it is restricted to what it does.
func signer(k *holdfast.Key) (*sshkey.Signer, error) {
	s, err := k.Signer()
	if err != nil {
		return nil, err
	}
	var algorithms []string
	if spec, err := ssh.NewPublicKey(k.Public()); err == nil && spec.Type() == ssh.KeyAlgoRSA {
		for _, a := range [][2]string{{"rsa-pkcs1-sha512", ssh.KeyAlgoRSASHA512}, {"rsa-pkcs1-sha256", ssh.KeyAlgoRSASHA256}} {
			if slices.Contains(k.Algorithms(), a[0]) {
				algorithms = append(algorithms, a[1])
			}
		}
		if len(algorithms) == 0 {
			return nil, fmt.Errorf("the key %s signs with %q, of which SSH knows none", k, k.Algorithms())
		}
	}
	return sshkey.NewSigner(s, algorithms...)
}

func (a *app) publicKey() *cobra.Command {
	var uri, comment string
	out := terminal.Output{Encoding: "raw"}
	cmd := &cobra.Command{
		Use: "public-key", Short: "Print a key's public half, as ~/.ssh/authorized_keys has it", Args: cobra.NoArgs,
		Example: "  holdfast ssh public-key --key awskms:///alias/ssh >> ~/.ssh/authorized_keys",
	}
	cmd.Flags().StringVarP(&uri, "key", "k", "", "the URI of the key")
	cmd.Flags().StringVar(&comment, "comment", "", "the comment at the end of the line; without it the key's URI")
	cmd.Flags().StringVar(&out.Path, "out", "-", "the file to write; - is standard output")
	terminal.Require(cmd, "key")
	cmd.RunE = a.OnKey(&uri, func(_ context.Context, k *holdfast.Key, _ []string) error {
		public, err := ssh.NewPublicKey(k.Public())
		if err != nil {
			return fmt.Errorf("the key %s (%s) is not of a kind that SSH has", k, k.Spec())
		}
		if comment == "" {
			comment = k.URI()
		}
		line := sshkey.MarshalLine(public, comment)
		return a.WriteBytes(out, line, struct {
			PublicKey   string `json:"public_key"`
			Fingerprint string `json:"fingerprint"`
		}{string(line[:len(line)-1]), ssh.FingerprintSHA256(public)})
	})
	return cmd
}
