package files

import (
	"io"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/envelope"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// written is what encrypt and decrypt print with --json.
type written struct {
	File string `json:"file"`
	// Bytes counts the data, not encrypted.
	Bytes      int64    `json:"bytes"`
	Recipients []string `json:"recipients,omitempty"`
}

// show prints what was written, where standard output is free for it.
func (a *app) show(w written) error {
	if !a.JSON || w.File == "-" {
		return nil
	}
	return a.Show(w, nil)
}

// NewEncrypt returns `holdfast encrypt`.
func NewEncrypt(t *terminal.App) *cobra.Command {
	a := &app{t}
	var p place
	var to []string
	cmd := &cobra.Command{
		Use: "encrypt [FILE]", Short: "Encrypt a file or a stream for keys, any one of which decrypts it",
		Long: "Encrypt a file or a stream of any size. The data is encrypted here with a key of its own, and\n" +
			"that key for each recipient: any one of them that can be reached decrypts the file. All of\n" +
			"them have to be reached now. " + terminal.KeyURIHelp + "\n\n" +
			"Symmetric keys encrypt, RSA keys with OAEP, and keys that agree on secrets with HPKE.",
		Example: "  holdfast encrypt backup.tar -r \"awskms:///alias/backup?region=eu-central-1\" -r azurekms://offsite.vault.azure.net/backup\n" +
			"  tar c /srv | holdfast encrypt --recipient holdfast:///backup > srv.tar.holdfast",
	}
	p.flags(cmd, "FILE"+envelope.Extension)
	p.forceFlag(cmd)
	cmd.Flags().StringArrayVarP(&to, "recipient", "r", nil, "the URI of a key that is to decrypt the file (repeatable)")
	terminal.Require(cmd, "recipient")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.given(args)
		if err := p.target(encrypted); err != nil {
			return err
		}
		keys, err := a.locate(to)
		if err != nil {
			return err
		}
		in, err := a.Open(p.in)
		if err != nil {
			return err
		}
		defer func() { _ = in.Close() }() // it was only read
		done := written{File: p.out}
		for _, k := range keys {
			done.Recipients = append(done.Recipients, k.uri)
		}
		err = a.write(&p, false, func(out io.Writer) error {
			w, err := envelope.Encrypt(cmd.Context(), out, recipients(keys)...)
			if err != nil {
				return err
			}
			if done.Bytes, err = io.Copy(w, stoppable{cmd.Context(), in}); err != nil {
				return err
			}
			return w.Close()
		})
		if err != nil {
			return err
		}
		return a.show(done)
	}
	return a.Connection(cmd)
}

// NewDecrypt returns `holdfast decrypt`.
func NewDecrypt(t *terminal.App) *cobra.Command {
	a := &app{t}
	var p place
	var with []string
	cmd := &cobra.Command{
		Use: "decrypt [FILE]", Short: "Decrypt a file or a stream with any key that it is for",
		Long: "Decrypt a file or a stream. Without --key the keys that the file names are tried, in its\n" +
			"order, the next one while another gives no answer; but only where their URIs are of the usual\n" +
			"places: whoever made the file wrote them, and a file does not choose where credentials go.\n" +
			"With --key just those are tried.\n\n" +
			"A file that was cut or changed is an error, and no output file is left. What was written to\n" +
			"standard output by then is genuine, but not all: look at the exit status.",
		Example: "  holdfast decrypt backup.tar.holdfast\n" +
			"  holdfast decrypt --key file:offline.pem --in backup.tar.holdfast --out - | tar t",
	}
	p.flags(cmd, "the input's name without "+envelope.Extension)
	p.forceFlag(cmd)
	keyFlag(cmd, &with)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		p.given(args)
		if err := p.target(decrypted); err != nil {
			return err
		}
		return a.opened(&p, func(e *envelope.Envelope) error {
			ids, err := a.identities(with, e)
			if err != nil {
				return err
			}
			done := written{File: p.out}
			err = a.write(&p, true, func(out io.Writer) error {
				r, err := e.Decrypt(cmd.Context(), ids...)
				if err != nil {
					return err
				}
				done.Bytes, err = io.Copy(out, stoppable{cmd.Context(), r})
				return err
			})
			if err != nil {
				return err
			}
			return a.show(done)
		})
	}
	return a.Connection(cmd)
}

// keyFlag adds --key.
func keyFlag(cmd *cobra.Command, with *[]string) {
	cmd.Flags().StringArrayVarP(with, "key", "k", nil, "the URI of a key to decrypt with (repeatable); without it those that the file names")
}
