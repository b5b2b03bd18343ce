package acm

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/keystore"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

func (f *front) getCertificate(ctx context.Context, x *aws.Exchange, in *certificateRequest) error {
	id, err := in.id(x)
	if err != nil {
		return err
	}
	c, err := f.certificates.Get(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	writeContent(x, c)
	return nil
}

// writeContent adds a certificate and its chain in PEM. The chain has all of
// the issuers, the root included, as AWS gives it for private certificates.
func writeContent(x *aws.Exchange, c *managed.Certificate) {
	x.Out.Text("Certificate", string(keystore.CertificatesPEM([][]byte{c.DER})))
	if len(c.Chain) > 0 {
		x.Out.Text("CertificateChain", string(keystore.CertificatesPEM(c.Chain)))
	}
}

type exportCertificateRequest struct {
	certificateRequest
	passphrase []byte
}

// Members declares ExportCertificate's request.
func (r *exportCertificateRequest) Members(m *aws.Members) {
	r.certificateRequest.Members(m)
	m.Blob("Passphrase", &r.passphrase, minPassphrase, maxPassphrase).Required()
}

func (f *front) exportCertificate(ctx context.Context, x *aws.Exchange, in *exportCertificateRequest) error {
	defer clear(in.passphrase)
	id, err := in.id(x)
	if err != nil {
		return err
	}
	c, err := f.certificates.Export(ctx, &x.Call, id)
	if err != nil {
		return err
	}
	defer c.PrivateKey.Wipe()
	private, err := keystore.EncryptKey(c.PrivateKey.Reveal(), in.passphrase, keystore.PBKDF2)
	if err != nil {
		return err
	}
	writeContent(x, c.Certificate)
	x.Out.Text("PrivateKey", string(private))
	return nil
}
