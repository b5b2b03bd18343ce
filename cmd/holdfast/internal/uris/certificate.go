package uris

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/internal/bundle"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/terminal"
)

// maxText is the longest request or certificate that is read, in bytes.
const maxText = 64 << 10

// subject is who a certificate is for.
type subject struct {
	cn, org, unit, country string
	dns, email, uris       []string
	ips                    []net.IP
}

func (s *subject) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.cn, "cn", "", "the subject's common name")
	f.StringVar(&s.org, "org", "", "the subject's organization")
	f.StringVar(&s.unit, "unit", "", "the subject's organizational unit")
	f.StringVar(&s.country, "country", "", "the subject's country, two letters")
	f.StringArrayVar(&s.dns, "dns", nil, "a DNS name (repeatable)")
	f.IPSliceVar(&s.ips, "ip", nil, "an IP address (repeatable)")
	f.StringArrayVar(&s.email, "email", nil, "an e-mail address (repeatable)")
	f.StringArrayVar(&s.uris, "san-uri", nil, "a URI as a name, such as spiffe://example.org/web (repeatable)")
}

// name returns the distinguished name.
func (s *subject) name() pkix.Name {
	one := func(text string) []string {
		if text == "" {
			return nil
		}
		return []string{text}
	}
	return pkix.Name{CommonName: s.cn, Organization: one(s.org), OrganizationalUnit: one(s.unit), Country: one(s.country)}
}

// links returns the URIs among the names.
func (s *subject) links() ([]*url.URL, error) {
	var all []*url.URL
	for _, text := range s.uris {
		u, err := url.Parse(text)
		if err != nil || u.Scheme == "" {
			return nil, terminal.Usagef("%q is no URI", text)
		}
		all = append(all, u)
	}
	return all, nil
}

// empty reports whether nobody is named.
func (s *subject) empty() bool {
	return s.cn+s.org+s.unit+s.country == "" && len(s.dns)+len(s.ips)+len(s.email)+len(s.uris) == 0
}

// issued is a request or certificate as JSON has it.
type issued struct {
	URI string `json:"uri"`
	PEM string `json:"pem"`
}

// write writes DER as PEM.
func (a *app) write(out, kind string, k *holdfast.Key, der []byte) error {
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
	return a.WriteBytes(terminal.Output{Path: out, Encoding: "raw"}, text, issued{k.URI(), string(text)})
}

func outFlag(cmd *cobra.Command, out *string) {
	cmd.Flags().StringVar(out, "out", "-", "the file to write, in PEM; - is standard output")
}

func (a *app) csr() *cobra.Command {
	var u at
	var s subject
	var out string
	cmd := u.add(&cobra.Command{
		Use: "csr", Short: "Request a certificate for a key",
		Example: "  holdfast uri csr awskms:///alias/web --cn web --dns web.example.com --out web.csr",
	})
	s.flags(cmd)
	outFlag(cmd, &out)
	cmd.RunE = a.onKey(&u, func(_ context.Context, k *holdfast.Key) error {
		links, err := s.links()
		if err != nil {
			return err
		}
		if s.empty() {
			return terminal.Usagef("nobody is named: give --cn or --dns")
		}
		der, err := holdfast.CSR(k, &x509.CertificateRequest{
			Subject: s.name(), DNSNames: s.dns, IPAddresses: s.ips, EmailAddresses: s.email, URIs: links,
		})
		if err != nil {
			return err
		}
		return a.write(out, "CERTIFICATE REQUEST", k, der)
	})
	return cmd
}

// kind says what a certificate is for.
type kind struct {
	ca      bool
	pathLen int
	days    int
	usages  []string
}

func (f *kind) flags(cmd *cobra.Command, days int) {
	cmd.Flags().BoolVar(&f.ca, "is-ca", false, "it is an authority's")
	cmd.Flags().IntVar(&f.pathLen, "path-len", -1, "how many authorities may be below the authority; -1 is any number")
	cmd.Flags().IntVar(&f.days, "days", days, "for how many days it is valid")
	cmd.Flags().StringSliceVar(&f.usages, "use", nil, "server, client, code-signing or email (repeatable); without it server and client")
	terminal.Complete(cmd, "use", []string{"server", "client", "code-signing", "email"})
}

// apply puts into a template what a certificate is for.
func (f *kind) apply(t *x509.Certificate) error {
	if f.days < 1 || f.days > 36500 {
		return terminal.Usagef("--days is 1 to 36500")
	}
	t.NotBefore = time.Now().UTC().Truncate(time.Second)
	t.NotAfter = t.NotBefore.AddDate(0, 0, f.days).Add(-time.Second) // RFC 5280 4.1.2.5: both ends are in it
	t.BasicConstraintsValid, t.IsCA, t.KeyUsage = true, f.ca, x509.KeyUsageDigitalSignature
	if f.ca {
		t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
		t.MaxPathLen, t.MaxPathLenZero = f.pathLen, f.pathLen == 0
		return nil
	}
	known := map[string]x509.ExtKeyUsage{
		"server": x509.ExtKeyUsageServerAuth, "client": x509.ExtKeyUsageClientAuth,
		"code-signing": x509.ExtKeyUsageCodeSigning, "email": x509.ExtKeyUsageEmailProtection,
	}
	if len(f.usages) == 0 {
		f.usages = []string{"server", "client"}
	}
	for _, name := range f.usages {
		use, ok := known[name]
		if !ok {
			return terminal.Usagef("--use %q is not known: it is server, client, code-signing or email", name)
		}
		t.ExtKeyUsage = append(t.ExtKeyUsage, use)
	}
	return nil
}

func (a *app) selfSigned() *cobra.Command {
	var u at
	var s subject
	var f kind
	var out string
	cmd := u.add(&cobra.Command{
		Use: "self-signed", Short: "Make a certificate that a key signs for itself",
		Example: "  holdfast uri self-signed gcpkms://projects/…/cryptoKeys/root --cn 'Example Root' --is-ca --days 3650 --out root.pem",
	})
	s.flags(cmd)
	f.flags(cmd, 365)
	outFlag(cmd, &out)
	cmd.RunE = a.onKey(&u, func(_ context.Context, k *holdfast.Key) error {
		links, err := s.links()
		if err != nil {
			return err
		}
		if s.empty() {
			return terminal.Usagef("nobody is named: give --cn or --dns")
		}
		t := &x509.Certificate{Subject: s.name(), DNSNames: s.dns, IPAddresses: s.ips, EmailAddresses: s.email, URIs: links}
		if err := f.apply(t); err != nil {
			return err
		}
		der, err := holdfast.SelfSigned(k, t)
		if err != nil {
			return err
		}
		return a.write(out, "CERTIFICATE", k, der)
	})
	return cmd
}

func (a *app) signCertificate() *cobra.Command {
	var u at
	var f kind
	var request, issuer, out string
	cmd := u.add(&cobra.Command{
		Use: "sign-certificate", Short: "Make a certificate for a request, with the key of its issuer",
		Long: "Make a certificate for a request. It gets the request's subject and names, and what the flags\n" +
			"say it is for; nothing else of the request. There is no record of it, nor does anybody revoke it:\n" +
			"\"holdfast ca\" has authorities that do.",
		Example: "  holdfast uri sign-certificate gcpkms://projects/…/cryptoKeys/root --issuer root.pem --csr web.csr --days 30 --out web.pem",
	})
	cmd.Flags().StringVar(&request, "csr", "", "the file with the request, in PEM; - is standard input")
	cmd.Flags().StringVar(&issuer, "issuer", "", "the file with the issuer's certificate")
	terminal.Require(cmd, "csr", "issuer")
	f.flags(cmd, 90)
	outFlag(cmd, &out)
	cmd.RunE = a.onKey(&u, func(_ context.Context, k *holdfast.Key) error {
		parent, err := a.readIssuer(issuer)
		if err != nil {
			return err
		}
		r, err := a.readRequest(request)
		if err != nil {
			return err
		}
		t := &x509.Certificate{
			RawSubject: r.RawSubject, DNSNames: r.DNSNames, IPAddresses: r.IPAddresses, EmailAddresses: r.EmailAddresses, URIs: r.URIs,
		}
		if err := f.apply(t); err != nil {
			return err
		}
		public, err := holdfast.ParsePublicKey(r.RawSubjectPublicKeyInfo)
		if err != nil {
			return err
		}
		der, err := holdfast.SignCertificate(parent, k, t, public)
		if err != nil {
			return err
		}
		return a.write(out, "CERTIFICATE", k, der)
	})
	return cmd
}

func (a *app) readIssuer(path string) (*x509.Certificate, error) {
	text, err := a.Read(path, maxText)
	if err != nil {
		return nil, fmt.Errorf("reading the issuer's certificate: %w", err)
	}
	list, err := bundle.Read(text)
	if err != nil || len(list) == 0 {
		return nil, errors.Join(fmt.Errorf("%s has no certificate", path), err)
	}
	return x509.ParseCertificate(list[0])
}

// readRequest reads a request, which must be signed by the key in it.
func (a *app) readRequest(path string) (*x509.CertificateRequest, error) {
	text, err := a.Read(path, maxText)
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("%s is no certificate request in PEM", path)
	}
	r, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	if _, err := cert.CheckRequest(r); err != nil {
		return nil, terminal.Plain(err)
	}
	return r, nil
}
