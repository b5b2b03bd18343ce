package signatures

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/jws"
)

func (a *app) jwsVerify() *cobra.Command {
	var in, content string
	var trust jwsTrust
	out := terminal.Output{Encoding: "raw"}
	cmd := &cobra.Command{
		Use: "verify", Short: "Verify a JSON Web Signature; the exit status is 1 when none is right", Args: cobra.NoArgs,
		Long: "Verify a JSON Web Signature, compact or in JSON, and print its payload: only when a signature\n" +
			"of a trusted key is right. Whether a token has expired, and for whom it is, stands in its\n" +
			"payload and is not looked at.",
		Example: "  holdfast jws verify --in token.jwt --public-key jwks.json\n" +
			"  holdfast jws verify --in app.tar.jws --content app.tar --key holdfast:///release",
	}
	flags := cmd.Flags()
	flags.StringVar(&in, "in", "-", "the file with the message; - is standard input")
	flags.StringVar(&content, "content", "", "the file that was signed, of a detached message")
	flags.StringVarP(&trust.uri, "key", "k", "", "the URI of the key to trust")
	flags.StringVar(&trust.file, "public-key", "", "a file with the public keys to trust: PEM, a certificate, a JWK or a JWK set")
	flags.StringVar(&trust.kid, "key-id", "", "the \"kid\" that the key has to be called by")
	flags.StringVar(&trust.ca, "ca", "", "a file with the certificates to which the header \"x5c\" has to lead")
	flags.StringVar(&out.Path, "out", "-", "the file to write the payload to; - is standard output")
	cmd.MarkFlagsOneRequired("key", "public-key", "ca")
	cmd.MarkFlagsMutuallyExclusive("key", "public-key", "ca")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		text, err := a.Read(in, 2*maxMessage)
		if err != nil {
			return err
		}
		m, err := jws.Parse(text)
		if err != nil {
			return err
		}
		keys, err := a.trusted(cmd, &trust, m)
		if err != nil {
			return err
		}
		return a.verifyJWS(m, content, out, keys)
	}
	return cmd
}

// verifyJWS verifies a message and writes its payload, or tells who signed.
func (a *app) verifyJWS(m *jws.Message, content string, out terminal.Output, keys []jws.Key) error {
	if m.Detached() {
		if content == "" {
			return terminal.Hint(errors.New("the message is detached"), "name the file that was signed with --content")
		}
		f, err := a.Open(content)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // it was only read
		by, err := m.VerifyDetached(f, keys...)
		if err != nil {
			return err
		}
		return a.showVerified(by)
	}
	if content != "" {
		return errors.New("the message has its payload in it: leave --content out")
	}
	payload, _, err := m.Verify(keys...)
	if err != nil {
		return err
	}
	return a.WriteSecret(out, payload)
}

func (a *app) showVerified(by []jws.Verified) error {
	type signature struct {
		Algorithm jws.Algorithm `json:"alg"`
		KeyID     string        `json:"kid,omitempty"`
	}
	var all []signature
	for _, v := range by {
		all = append(all, signature{v.Header.Algorithm, v.Header.KeyID})
	}
	return a.Show(all, func(w *terminal.Table) {
		for _, s := range all {
			w.Row("The signature is right.")
			w.Fact("Algorithm", s.Algorithm)
			w.Fact("Key id", s.KeyID)
		}
	})
}
