package signatures

import (
	"context"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/cms"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// cmsRequest is what the flags of cms sign say.
type cmsRequest struct {
	key, in, certificate, hash   string
	detached, pss, noTime, asPEM bool
}

func (a *app) cmsSign() *cobra.Command {
	var r cmsRequest
	out := terminal.Output{Encoding: "raw"}
	cmd := &cobra.Command{
		Use: "sign", Short: "Sign a file as CMS SignedData", Args: cobra.NoArgs,
		Long: "Sign a file as CMS SignedData (RFC 5652), which openssl cms, smime tools and others verify.\n" +
			"With --detached the file stays apart, and may be of any size; else it becomes part of the\n" +
			"message, and has at most 64 MiB. " + terminal.KeyURIHelp,
		Example: "  holdfast cms sign --key awskms:///alias/release --certificate chain.pem --in app.tar --detached --out app.tar.p7s\n" +
			"  openssl cms -verify -binary -inform DER -in app.tar.p7s -content app.tar -CAfile root.pem -purpose any -out /dev/null",
	}
	flags := cmd.Flags()
	flags.StringVarP(&r.key, "key", "k", "", "the URI of the key")
	flags.StringVar(&r.certificate, "certificate", "", "a file with the key's certificate, and those above it")
	flags.StringVar(&r.in, "in", "-", "the file to sign; - is standard input")
	flags.BoolVar(&r.detached, "detached", false, "leave the file out of the message")
	flags.StringVar(&r.hash, "hash", "", "sha256, sha384 or sha512; without it one as strong as the key")
	flags.BoolVar(&r.pss, "pss", false, "sign with RSASSA-PSS; without it only where an RSA key does nothing else")
	flags.BoolVar(&r.noTime, "no-time", false, "leave the time of signing out")
	flags.BoolVar(&r.asPEM, "pem", false, "write PEM instead of DER")
	flags.StringVar(&out.Path, "out", "-", "the file to write; - is standard output")
	terminal.Complete(cmd, "hash", []string{"sha256", "sha384", "sha512"})
	terminal.Require(cmd, "key", "certificate")
	cmd.RunE = a.OnKey(&r.key, func(_ context.Context, k *holdfast.Key, _ []string) error {
		der, err := a.signCMS(&r, k)
		if err != nil {
			return err
		}
		if r.asPEM {
			der = pem.EncodeToMemory(&pem.Block{Type: "CMS", Bytes: der})
		}
		return a.WriteSecret(out, der)
	})
	return cmd
}

// signCMS signs as the flags say.
func (a *app) signCMS(r *cmsRequest, k *holdfast.Key) ([]byte, error) {
	s, err := a.cmsSigner(r, k)
	if err != nil {
		return nil, err
	}
	if !r.detached {
		content, err := a.Read(r.in, maxMessage)
		if err != nil {
			return nil, terminal.Hint(err, "longer files are signed with --detached")
		}
		return cms.Sign(content, s)
	}
	in, err := a.Open(r.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	return cms.SignDetached(in, s)
}

// cmsSigner returns the key as the flags say. Where an RSA key lacks what is
// usual, its own way is taken.
func (a *app) cmsSigner(r *cmsRequest, k *holdfast.Key) (*cms.Signer, error) {
	key, err := k.Signer()
	if err != nil {
		return nil, err
	}
	all, err := a.certificates(r.certificate)
	if err != nil {
		return nil, err
	}
	chain, err := leafFirst(all, k.Public())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", r.certificate, err)
	}
	s := &cms.Signer{Key: key, Certificate: chain[0], Chain: chain[1:], PSS: r.pss}
	if !r.noTime {
		s.Time = time.Now()
	}
	var ok bool
	if s.Hash, ok = hashes()[r.hash]; !ok && r.hash != "" {
		return nil, terminal.Usagef("the hash %q is none of sha256, sha384 and sha512", r.hash)
	}
	if _, ok := k.Public().(*rsa.PublicKey); ok {
		return s, suit(s, r, k.Algorithms())
	}
	return s, nil
}

// suit chooses among what an RSA key does where it lives.
func suit(s *cms.Signer, r *cmsRequest, algorithms []string) error {
	for _, padding := range []string{"rsa-pkcs1-", "rsa-pss-"} {
		for _, name := range []string{"sha256", "sha384", "sha512"} {
			pss := padding == "rsa-pss-"
			if slices.Contains(algorithms, padding+name) && (r.hash == "" || r.hash == name) && (pss || !r.pss) {
				s.PSS, s.Hash = pss, hashes()[name]
				return nil
			}
		}
	}
	return fmt.Errorf("the key signs with %s where it lives, and not as it is asked", strings.Join(algorithms, ", "))
}

// signedBy is who signed, as --json prints it.
type signedBy struct {
	Subject string     `json:"subject"`
	Issuer  string     `json:"issuer"`
	Serial  string     `json:"serial"`
	Time    *time.Time `json:"time,omitempty"`
}

func (a *app) cmsVerify() *cobra.Command {
	var in, content, ca, extra string
	out := terminal.Output{Encoding: "raw"}
	cmd := &cobra.Command{
		Use: "verify", Short: "Verify CMS SignedData; the exit status is 1 when a signature is wrong", Args: cobra.NoArgs,
		Long: "Verify CMS SignedData, in DER, BER or PEM: all of its signatures, and that the certificates of\n" +
			"all signers lead to a root that is trusted. The content goes to --out if that is given, and\n" +
			"only when all is well. What a signer says of the time is shown, and not believed.",
		Example: "  holdfast cms verify --in app.tar.p7s --content app.tar --ca root.pem",
	}
	flags := cmd.Flags()
	flags.StringVar(&in, "in", "-", "the file with the message; - is standard input")
	flags.StringVar(&content, "content", "", "the file that was signed, of a detached message")
	flags.StringVar(&ca, "ca", "", "a file with the certificates to trust; without it the system's")
	flags.StringVar(&extra, "certificate", "", "a file with certificates that the message lacks")
	flags.StringVar(&out.Path, "out", "", "the file to write the content to; - is standard output")
	cmd.RunE = func(*cobra.Command, []string) error {
		data, err := a.Read(in, maxMessage+maxFile)
		if err != nil {
			return err
		}
		message, err := cms.Parse(data)
		if err != nil {
			return err
		}
		o := cms.Options{}
		if o.Roots, err = a.roots(ca); err != nil {
			return err
		}
		if extra != "" {
			if o.Certificates, err = a.certificates(extra); err != nil {
				return err
			}
		}
		body, by, err := a.verifyCMS(message, content, o)
		if err != nil {
			return err
		}
		if out.Path != "" && body != nil {
			if err := a.WriteSecret(out, body); err != nil || out.Path == "-" {
				return err
			}
		}
		return a.showSigners(by)
	}
	return cmd
}

// verifyCMS verifies a message, or a detached one with its content.
func (a *app) verifyCMS(message *cms.SignedData, content string, o cms.Options) ([]byte, []cms.Verified, error) {
	if !message.Detached() {
		if content != "" {
			return nil, nil, errors.New("the message has its content in it: leave --content out")
		}
		return message.Verify(o)
	}
	if content == "" {
		return nil, nil, terminal.Hint(errors.New("the message is detached"), "name the file that was signed with --content")
	}
	f, err := a.Open(content)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	by, err := message.VerifyDetached(f, o)
	return nil, by, err
}

func (a *app) showSigners(by []cms.Verified) error {
	var all []signedBy
	for _, v := range by {
		s := signedBy{Subject: v.Certificate.Subject.String(), Issuer: v.Certificate.Issuer.String(), Serial: fmt.Sprintf("%x", v.Certificate.SerialNumber)}
		if !v.Time.IsZero() {
			s.Time = &v.Time
		}
		all = append(all, s)
	}
	return a.Show(all, func(w *terminal.Table) {
		w.Row("All signatures are right.")
		for _, s := range all {
			w.Fact("Signed by", s.Subject)
			w.Fact("Issued by", s.Issuer)
			if s.Time != nil {
				w.Fact("Says it was at", *s.Time)
			}
		}
	})
}
