package function

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/profile"
	"github.com/holdfast-kms/holdfast/internal/secret"
)

// IssueRequest asks for a certificate with its key, kept as a secret.
type IssueRequest struct {
	// CommonName is the certificate's first name, Names are further ones: DNS
	// names or addresses.
	CommonName string
	Names      []string
	Days       int // of validity; 0 means DefaultDays
	// Authority is the id of the issuer.
	Authority string
}

// DefaultDays is how long an issued certificate is valid when nobody says.
const DefaultDays = 365

// Issued is what the function IssueCertificate made.
type Issued struct {
	Authority, Serial string
	Secret            *secret.Secret
	CommonName        string
	NotAfter          time.Time
}

// Material is the text of the secret that a certificate is kept as, as JSON:
// certificates and key in PEM, the key as PKCS #8.
type Material struct {
	Certificate      string    `json:"certificate"`
	CertificateChain string    `json:"certificate_chain"`
	PrivateKey       string    `json:"private_key"`
	CommonName       string    `json:"common_name"`
	IssuedAt         time.Time `json:"issued_at"`
	ExpiresAt        time.Time `json:"expires_at"`
}

// secretPrefix begins the names of the secrets that certificates are kept as.
const secretPrefix = "certificates/"

// issueProfile is the profile of the certificates: servers and clients of TLS
// alike.
const issueProfile = "tls-mutual"

// keyBits is the size of the RSA keys that are made.
const keyBits = 2048

// issue makes a key, has the authority issue for it, and keeps both as a
// secret. That the caller may write the secret is tried first: a certificate
// whose key would be lost is not issued.
func (s *Service) issue(ctx context.Context, call *key.Call, req *IssueRequest) (*Issued, error) {
	order, err := req.order()
	if err != nil {
		return nil, err
	}
	name := secretPrefix + req.CommonName
	exists, err := s.rehearse(ctx, call, name)
	if err != nil {
		return nil, err
	}
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "making a key", Err: err}
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: req.CommonName}}
	if order.CSR, err = x509.CreateCertificateRequest(rand.Reader, template, private); err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "making a certificate request", Err: err}
	}
	issued, err := s.Authorities.Issue(ctx, call, order)
	if err != nil {
		return nil, err
	}
	c, err := parse(issued.DER)
	if err != nil {
		return nil, err
	}
	text, err := s.material(req, issued, c, private)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	kept, err := s.keep(ctx, call, name, text, exists)
	if err != nil {
		return nil, err
	}
	return &Issued{issued.Authority, issued.Serial, kept, req.CommonName, c.NotAfter}, nil
}

// order returns the order for the authority, without the key's request.
func (r *IssueRequest) order() (*ca.IssueRequest, error) {
	switch {
	case r.CommonName == "":
		return nil, fault.New(fault.InvalidArgument, "a certificate needs a common name")
	case r.Authority == "":
		return nil, fault.New(fault.InvalidArgument, "a certificate needs an authority that issues it")
	case r.Days < 0:
		return nil, fault.New(fault.InvalidArgument, "a certificate is valid for at least a day")
	}
	days := r.Days
	if days == 0 {
		days = DefaultDays
	}
	var names profile.Names
	for _, name := range append([]string{r.CommonName}, r.Names...) {
		if ip, err := netip.ParseAddr(name); err == nil {
			names.IPs = append(names.IPs, ip)
		} else if name = strings.ToLower(name); !slices.Contains(names.DNS, name) {
			names.DNS = append(names.DNS, name)
		}
	}
	return &ca.IssueRequest{
		Authority: r.Authority, Profile: issueProfile, Subject: profile.Subject{CommonName: r.CommonName}, Names: names,
		Validity: profile.Days(days),
	}, nil
}

// rehearse asks whether the call may write the secret, and whether it is
// there.
func (s *Service) rehearse(ctx context.Context, call *key.Call, name string) (exists bool, err error) {
	dry := *call
	dry.DryRun = true
	text := []byte("{}")
	_, err = s.Secrets.Create(ctx, &dry, &secret.CreateRequest{Name: name, Value: secret.NewText(text)})
	if exists = fault.KindOf(err) == fault.AlreadyExists; exists {
		_, err = s.Secrets.Update(ctx, &dry, &secret.UpdateRequest{Secret: secret.Ref{Text: name}, Value: secret.NewText(text)})
	}
	if fault.ReasonOf(err) == fault.DryRun {
		err = nil
	}
	return exists, err
}

// material returns the text of the secret.
func (s *Service) material(req *IssueRequest, issued *ca.Issued, c *x509.Certificate, private *rsa.PrivateKey) ([]byte, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "encoding a key", Err: err}
	}
	defer clear(pkcs8)
	pem := keystore.KeyPEM(pkcs8)
	defer clear(pem)
	text, err := json.Marshal(Material{
		Certificate:      string(keystore.CertificatesPEM([][]byte{issued.DER})),
		CertificateChain: string(keystore.CertificatesPEM(s.chainOf(issued))),
		PrivateKey:       string(pem), CommonName: req.CommonName, IssuedAt: issued.IssuedAt, ExpiresAt: c.NotAfter,
	})
	if err != nil {
		return nil, &fault.Error{Kind: fault.Internal, Op: "encoding a secret", Err: err}
	}
	return text, nil
}

// keep writes the secret: a new one, or a new version of one that is there.
func (s *Service) keep(ctx context.Context, call *key.Call, name string, text []byte, exists bool) (*secret.Secret, error) {
	if !exists {
		r, err := s.Secrets.Create(ctx, call, &secret.CreateRequest{
			Name: name, Value: secret.NewText(text), Description: "Certificate and key, issued by the function " + string(IssueCertificate),
		})
		if err == nil {
			return r.Secret, nil
		}
		if fault.KindOf(err) != fault.AlreadyExists {
			return nil, err
		}
	}
	r, err := s.Secrets.Update(ctx, call, &secret.UpdateRequest{Secret: secret.Ref{Text: name}, Value: secret.NewText(text)})
	if err != nil {
		return nil, err
	}
	return r.Secret, nil
}
