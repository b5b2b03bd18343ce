// Package uris has the commands of the noun uri, which use keys by their URIs
// wherever they live, without a server: uri.go lists and makes keys, sign.go
// signs and verifies, certificate.go makes requests and certificates.
//
// Start with New. The package is internal and may change with any release.
package uris

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// app is what the package's commands share.
type app struct{ *terminal.App }

// New returns `holdfast uri`.
func New(t *terminal.App) *cobra.Command {
	a := &app{t}
	cmd := terminal.Group("uri", "Keys by their URIs: in clouds, tokens, servers and files",
		a.show(), a.list(), a.create(), a.publicKey(), a.sign(), a.verify(), a.csr(), a.selfSigned(), a.signCertificate(), a.random())
	cmd.Long = "Use keys where they live, without a server between.\n" + terminal.KeyURIHelp + "\n\n" +
		"Credentials are those that the place's own tools use."
	return a.Connection(cmd)
}

// at is the URI that a command is about.
type at struct{ flag string }

// add adds what names a key to a command.
func (u *at) add(cmd *cobra.Command) *cobra.Command {
	cmd.Use += " [URI]"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.Flags().StringVar(&u.flag, "uri", "", "the URI, when it is not the argument")
	return cmd
}

// of returns the URI.
func (u *at) of(args []string) (string, error) {
	text := u.flag
	if len(args) > 0 {
		text = args[0]
	}
	if text == "" {
		return "", terminal.Usagef("no key is named: give its URI, such as file:key.pem or awskms:///alias/release")
	}
	if _, err := holdfast.ParseURI(text); err != nil {
		return "", terminal.WrongUsage(err)
	}
	return text, nil
}

// onKey returns the RunE of a command that uses a key.
func (a *app) onKey(u *at, act func(ctx context.Context, k *holdfast.Key) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		text, err := u.of(args)
		if err != nil {
			return err
		}
		k, err := a.OpenKey(cmd.Context(), text)
		if err != nil {
			return err
		}
		return errors.Join(act(cmd.Context(), k), k.Close())
	}
}

// description is a key as JSON has it.
type description struct {
	URI        string   `json:"uri"`
	Spec       string   `json:"spec"`
	Algorithms []string `json:"algorithms"`
	// PublicKey is the SubjectPublicKeyInfo in PEM, absent for symmetric keys.
	PublicKey string `json:"public_key,omitempty"`
}

// tell shows a key.
func (a *app) tell(k *holdfast.Key) error {
	d := description{URI: k.URI(), Spec: k.Spec(), Algorithms: k.Algorithms(), PublicKey: string(k.PublicPEM())}
	return a.Show(d, func(w *terminal.Table) {
		w.Fact("Key", d.URI)
		w.Fact("Spec", d.Spec)
		w.Fact("Does", strings.Join(d.Algorithms, ", "))
		if der := k.PublicDER(); der != nil {
			w.Fact("Public key", base64.StdEncoding.EncodeToString(der))
		}
	})
}

func (a *app) show() *cobra.Command {
	var u at
	cmd := u.add(&cobra.Command{
		Use: "show", Short: "Show what a key is and does",
		Example: "  holdfast uri show awskms:///alias/release?region=eu-west-1",
	})
	cmd.RunE = a.onKey(&u, func(_ context.Context, k *holdfast.Key) error { return a.tell(k) })
	return cmd
}

// item is a key of a listing as JSON has it.
type item struct {
	URI   string `json:"uri"`
	Spec  string `json:"spec,omitempty"`
	Type  string `json:"type,omitempty"`
	State string `json:"state,omitempty"`
}

func (a *app) list() *cobra.Command {
	var u at
	cmd := u.add(&cobra.Command{
		Use: "list", Short: "List the keys of a place",
		Example: "  holdfast uri list azurekms://name.vault.azure.net/\n  holdfast uri list file:/etc/keys",
	})
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := u.of(args)
		if err != nil {
			return err
		}
		keys, err := holdfast.List(cmd.Context(), text, a.KeyOptions()...)
		if err != nil {
			return err
		}
		items := make([]item, len(keys))
		for i, k := range keys {
			items[i] = item(k)
		}
		return a.Show(items, func(w *terminal.Table) {
			w.Row("URI", "SPEC", "STATE")
			for _, k := range items {
				what := k.Spec
				if what == "" {
					what = k.Type
				}
				w.Row(k.URI, terminal.OrDash(what), terminal.OrDash(k.State))
			}
		})
	}
	return cmd
}

func (a *app) create() *cobra.Command {
	var u at
	var spec, usage string
	cmd := u.add(&cobra.Command{
		Use: "create", Short: "Make a key under a name",
		Example: "  holdfast uri create gcpkms://projects/p/locations/global/keyRings/r/cryptoKeys/release --spec p-256\n" +
			"  HOLDFAST_PASSPHRASE=… holdfast uri create file:ca.pem --spec rsa-4096",
	})
	cmd.Flags().StringVar(&spec, "spec", "", "the key's type and size, such as p-256")
	cmd.Flags().StringVar(&usage, "usage", "", "what it is for; without it, it signs if its spec can")
	terminal.Require(cmd, "spec")
	terminal.Complete(cmd, "spec", specs())
	terminal.Complete(cmd, "usage", usages())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := u.of(args)
		if err != nil {
			return err
		}
		if err := terminal.CheckSpec(spec); err != nil {
			return terminal.WrongUsage(err)
		}
		opts := a.KeyOptions()
		if usage != "" {
			opts = append(opts, holdfast.WithUsage(terminal.ParseUsage(usage).String()))
		}
		k, err := holdfast.Create(cmd.Context(), text, terminal.ParseSpec(spec).String(), opts...)
		if err != nil {
			return err
		}
		return errors.Join(a.tell(k), k.Close())
	}
	return cmd
}

func specs() []string {
	var names []string
	for _, s := range alg.Specs() {
		names = append(names, s.String())
	}
	return names
}

func usages() []string {
	return []string{alg.SignVerify.String(), alg.EncryptDecrypt.String(), alg.GenerateVerifyMAC.String(), alg.KeyAgreement.String()}
}

func (a *app) publicKey() *cobra.Command {
	var u at
	var out, format string
	cmd := u.add(&cobra.Command{
		Use: "public-key", Short: "Print a key's public half",
		Example: "  holdfast uri public-key hashivault://release --out release.pem",
	})
	cmd.Flags().StringVar(&out, "out", "-", "the file to write; - is standard output")
	cmd.Flags().StringVar(&format, "format", "pem", "pem or der")
	terminal.Complete(cmd, "format", []string{"pem", "der"})
	cmd.RunE = a.onKey(&u, func(_ context.Context, k *holdfast.Key) error {
		data, ok := map[string][]byte{"pem": k.PublicPEM(), "der": k.PublicDER()}[format]
		switch {
		case !ok:
			return terminal.Usagef("the format %q is not known: it is pem or der", format)
		case data == nil:
			return errors.New("a symmetric key has no public half")
		}
		return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, data, description{k.URI(), k.Spec(), k.Algorithms(), string(k.PublicPEM())})
	})
	return cmd
}

func (a *app) random() *cobra.Command {
	var u at
	var out terminal.Output
	var n int
	cmd := u.add(&cobra.Command{
		Use: "random", Short: "Print random bytes of a place's own source",
		Example: "  holdfast uri random 'pkcs11:token=prod?module-name=softhsm2' --bytes 64 --encoding hex",
	})
	cmd.Flags().IntVar(&n, "bytes", 32, "how many, 1 to 65536")
	out.Flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		text, err := u.of(args)
		if err != nil {
			return err
		}
		p, err := holdfast.Connect(cmd.Context(), text, a.KeyOptions()...)
		if err != nil {
			return err
		}
		b, err := p.Random(cmd.Context(), n)
		if err = errors.Join(err, p.Close()); err != nil {
			return err
		}
		return a.WriteBytes(out, b, struct {
			Random []byte `json:"random"`
		}{b})
	}
	return cmd
}
