package signatures

import (
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/terminal"
	"github.com/holdfast-kms/holdfast/jws"
)

// jwsRequest is what the flags of jws sign say.
type jwsRequest struct {
	keys, headers                []string
	in, algorithm, kid, typ, cty string
	certificate                  string
	detached, unencoded, general bool
}

func (a *app) jwsSign() *cobra.Command {
	var r jwsRequest
	out := terminal.Output{Encoding: "raw"}
	cmd := &cobra.Command{
		Use: "sign", Short: "Sign a file or a token as a JSON Web Signature", Args: cobra.NoArgs,
		Long: "Sign a file or a token as a JSON Web Signature (RFC 7515), in the compact form, or with\n" +
			"--general or several keys in JSON. With --detached the file stays apart, and may be of any\n" +
			"size; else it has at most 64 MiB. " + terminal.KeyURIHelp,
		Example: "  echo -n '{\"sub\":\"ci\"}' | holdfast jws sign --key gcpkms://projects/p/…/cryptoKeyVersions/1 --type JWT --key-id 2026\n" +
			"  holdfast jws sign --key holdfast:///release --in app.tar --detached --out app.tar.jws",
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&r.keys, "key", "k", nil, "the URI of a key (repeatable)")
	flags.StringVar(&r.in, "in", "-", "the file to sign; - is standard input")
	flags.StringVar(&r.algorithm, "algorithm", "", "RS256 to PS512, ES256 to ES512 or EdDSA; without it the usual one of the key")
	flags.StringVar(&r.kid, "key-id", "", "the header \"kid\", by which verifiers find the key")
	flags.StringVar(&r.typ, "type", "", "the header \"typ\", such as JWT")
	flags.StringVar(&r.cty, "content-type", "", "the header \"cty\"")
	flags.StringVar(&r.certificate, "certificate", "", "a file with the key's certificate and those above it, for the header \"x5c\"")
	flags.StringArrayVar(&r.headers, "header", nil, "another header, NAME=VALUE, in JSON or else a text (repeatable)")
	flags.BoolVar(&r.detached, "detached", false, "leave the file out of the message")
	flags.BoolVar(&r.unencoded, "unencoded", false, "leave it out, and sign it as it is, without base64url (RFC 7797)")
	flags.BoolVar(&r.general, "general", false, "write JSON")
	flags.StringVar(&out.Path, "out", "-", "the file to write; - is standard output")
	terminal.Complete(cmd, "algorithm", []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
	terminal.Require(cmd, "key")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var signers []*jws.Signer
		for _, uri := range r.keys {
			k, err := a.OpenKey(cmd.Context(), uri)
			if err != nil {
				return err
			}
			defer func() { _ = k.Close() }() // it has signed, or never will
			s, err := a.jwsSigner(&r, k)
			if err != nil {
				return err
			}
			signers = append(signers, s)
		}
		m, err := a.signJWS(&r, signers)
		if err != nil {
			return err
		}
		text, err := r.format(m)
		if err != nil {
			return err
		}
		return a.WriteSecret(out, append(text, '\n'))
	}
	return cmd
}

// format writes a message.
func (r *jwsRequest) format(m *jws.Message) ([]byte, error) {
	if r.general || len(m.Signatures) > 1 {
		return m.MarshalJSON()
	}
	text, err := m.Compact()
	return []byte(text), err
}

// signJWS signs as the flags say.
func (a *app) signJWS(r *jwsRequest, signers []*jws.Signer) (*jws.Message, error) {
	if !r.detached && !r.unencoded {
		payload, err := a.Read(r.in, maxMessage)
		if err != nil {
			return nil, terminal.Hint(err, "longer files are signed with --detached")
		}
		return jws.Sign(payload, signers...)
	}
	in, err := a.Open(r.in)
	if err != nil {
		return nil, err
	}
	defer func() { _ = in.Close() }() // it was only read
	if r.unencoded {
		return jws.SignUnencoded(in, signers...)
	}
	return jws.SignDetached(in, signers...)
}

// jwsSigner returns a key with the headers that the flags ask for.
func (a *app) jwsSigner(r *jwsRequest, k *holdfast.Key) (*jws.Signer, error) {
	key, err := k.Signer()
	if err != nil {
		return nil, err
	}
	s := &jws.Signer{Key: key, Algorithm: jws.Algorithm(r.algorithm), KeyID: r.kid, Type: r.typ, ContentType: r.cty}
	if s.Algorithm == "" {
		if s.Algorithm, err = usual(k); err != nil {
			return nil, err
		}
	}
	if r.certificate != "" {
		all, err := a.certificates(r.certificate)
		if err != nil {
			return nil, err
		}
		if s.Certificates, err = leafFirst(all, k.Public()); err != nil {
			return nil, fmt.Errorf("%s: %w", r.certificate, err)
		}
	}
	pairs, err := terminal.Pairs("header", r.headers)
	if err != nil {
		return nil, err
	}
	s.Header = map[string]any{}
	for name, value := range pairs {
		s.Header[name] = value
		if json.Valid([]byte(value)) {
			s.Header[name] = json.RawMessage(value)
		}
	}
	return s, nil
}

// usual returns the first algorithm that the key has where it lives.
func usual(k *holdfast.Key) (jws.Algorithm, error) {
	all, err := jws.Algorithms(k.Public())
	if err != nil {
		return "", err
	}
	if _, ok := k.Public().(*rsa.PublicKey); !ok {
		return all[0], nil
	}
	names := map[jws.Algorithm]string{
		jws.RS256: "rsa-pkcs1-sha256", jws.RS384: "rsa-pkcs1-sha384", jws.RS512: "rsa-pkcs1-sha512",
		jws.PS256: "rsa-pss-sha256", jws.PS384: "rsa-pss-sha384", jws.PS512: "rsa-pss-sha512",
	}
	for _, a := range all {
		if slices.Contains(k.Algorithms(), names[a]) {
			return a, nil
		}
	}
	return "", fmt.Errorf("the key %s has no algorithm of JWS where it lives, but %q", k, k.Algorithms())
}
