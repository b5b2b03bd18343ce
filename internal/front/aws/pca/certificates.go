package pca

import (
	"bytes"
	"context"
	"encoding/pem"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

func (f *front) getAuthorityCSR(ctx context.Context, x *aws.Exchange, in *authorityRequest) error {
	id, err := f.id(x, in)
	if err != nil {
		return err
	}
	csr, err := f.authorities.AuthorityCSR(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	x.Out.Text("Csr", encodePEM("CERTIFICATE REQUEST", csr))
	return nil
}

// getAuthorityCertificate returns the authority's certificate, and its chain
// without it: a root has none.
func (f *front) getAuthorityCertificate(ctx context.Context, x *aws.Exchange, in *authorityRequest) error {
	id, err := f.id(x, in)
	if err != nil {
		return err
	}
	a, err := f.authorities.AuthorityCertificate(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	writeChain(&x.Out, a.Certificate, a.Chain)
	return nil
}

// writeChain adds a certificate and, unless it is empty, its chain. Each PEM
// ends with a line end, AWS's do not: so the first certificate of what
// "--output text" prints, the two in a row with a tab between them, is one
// that programs can read.
func writeChain(out *wire.Encoder, certificate []byte, chain [][]byte) {
	out.Text("Certificate", encodePEM("CERTIFICATE", certificate))
	if len(chain) > 0 {
		out.Text("CertificateChain", encodePEM("CERTIFICATE", chain...))
	}
}

func encodePEM(kind string, list ...[]byte) string {
	var b strings.Builder
	for _, der := range list {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return b.String()
}

type importRequest struct {
	authorityRequest
	certificate, chain []byte
}

// Members declares ImportCertificateAuthorityCertificate's request.
func (r *importRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	m.Blob("Certificate", &r.certificate, 1, maxCertificate).Required()
	m.Blob("CertificateChain", &r.chain, 0, maxChain)
}

func (f *front) importCertificate(ctx context.Context, x *aws.Exchange, in *importRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	own, err := decodePEM(in.certificate)
	if err != nil {
		return err
	}
	if len(own) != 1 {
		return malformed("The certificate is not one certificate in PEM.")
	}
	chain, err := decodePEM(in.chain)
	if err != nil {
		return err
	}
	_, err = f.authorities.ImportAuthorityCertificate(ctx, &x.Call, id, own[0], chain)
	return err
}

// maxLength bounds a chain in certificates: nobody verifies a longer one.
const maxLength = 100

// decodePEM returns the certificates of a PEM file. Text around them is left
// out, other things in PEM are refused.
func decodePEM(text []byte) ([][]byte, error) {
	var list [][]byte
	for {
		block, rest := pem.Decode(text)
		switch {
		case block == nil && bytes.Contains(text, []byte("-----BEGIN")):
			return nil, malformed("The PEM cannot be read.")
		case block == nil:
			return list, nil
		case block.Type != "CERTIFICATE":
			return nil, malformed("The PEM holds something else than certificates.")
		case len(list) == maxLength:
			return nil, malformed("The chain is too long.")
		}
		list, text = append(list, block.Bytes), rest
	}
}

func malformed(text string) error {
	return fault.Because(fault.InvalidArgument, fault.MalformedCertificate, "%s", text)
}

type getRequest struct {
	authorityRequest
	certificateARN string
}

// Members declares GetCertificate's request.
func (r *getRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	m.Text("CertificateArn", &r.certificateARN, minARN, maxARN).Matching(arnPattern).Required()
}

// getCertificate returns a certificate and the chain from its issuer up to
// the root. The certificate that a root issued for itself has no chain.
func (f *front) getCertificate(ctx context.Context, x *aws.Exchange, in *getRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	found, ok := wire.ParseResource(in.certificateARN)
	authority, serial, _ := strings.Cut(found.ID, "/")
	if !ok || found.Kind != key.KindCertificate || authority != id || !strings.HasPrefix(in.certificateARN, in.arn+"/") {
		return invalidARN()
	}
	c, err := f.authorities.Certificate(ctx, &x.Call, id, serial)
	if err != nil {
		if fault.KindOf(err) == fault.NotFound {
			x.Words.Resource = in.certificateARN
		}
		return err
	}
	var chain [][]byte
	if a, ok := f.authorities.ByID(id); ok && a.Certificate != nil && !bytes.Equal(a.Certificate, c.DER) {
		chain = append([][]byte{a.Certificate}, a.Chain...)
	}
	writeChain(&x.Out, c.DER, chain)
	return nil
}

type revokeRequest struct {
	authorityRequest
	serial, reason string
}

// Members declares RevokeCertificate's request.
func (r *revokeRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	m.Text("CertificateSerial", &r.serial, 0, 128).Required()
	m.Enum("RevocationReason", &r.reason, revocationReasons).Required()
}

// revocationReasons are the reasons of AWS's model; reasons says which of the
// core's they are.
var (
	revocationReasons = []string{
		"UNSPECIFIED", "KEY_COMPROMISE", "CERTIFICATE_AUTHORITY_COMPROMISE", "AFFILIATION_CHANGED", "SUPERSEDED",
		"CESSATION_OF_OPERATION", "PRIVILEGE_WITHDRAWN", "A_A_COMPROMISE",
	}
	reasons = map[string]ca.Reason{
		"UNSPECIFIED": ca.Unspecified, "KEY_COMPROMISE": ca.KeyCompromise,
		"CERTIFICATE_AUTHORITY_COMPROMISE": ca.CACompromise, "AFFILIATION_CHANGED": ca.AffiliationChanged,
		"SUPERSEDED": ca.Superseded, "CESSATION_OF_OPERATION": ca.CessationOfOperation,
		"PRIVILEGE_WITHDRAWN": ca.PrivilegeWithdrawn, "A_A_COMPROMISE": ca.AACompromise,
	}
)

func (f *front) revokeCertificate(ctx context.Context, x *aws.Exchange, in *revokeRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	_, err = f.authorities.Revoke(ctx, &x.Call, id, in.serial, reasons[in.reason])
	if fault.KindOf(err) == fault.NotFound && err != nil {
		x.Words.Resource = in.arn + "/certificate/" + in.serial
	}
	return err
}
