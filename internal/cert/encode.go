package cert

import (
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// Encode returns the TBSCertificate (RFC 5280 section 4.1) of the template
// for the subject's key, to be signed by the issuer's key with the algorithm.
// For a self-signed one, issuer is the template itself. Neither template nor
// issuer is changed.
func Encode(t, issuer *x509.Certificate, issuerKey, subject *engine.PublicKey, a alg.Algorithm) ([]byte, error) {
	template := *t
	template.SignatureAlgorithm = Algorithm(a)
	return capture(issuerKey.Key(), func(c *capturer) error {
		_, err := x509.CreateCertificate(rand.Reader, &template, nameAndKeyID(issuer), subject.Key(), c)
		return err
	})
}

// EncodeList returns the TBSCertList (RFC 5280 section 5.1) of the template.
func EncodeList(t *x509.RevocationList, issuer *x509.Certificate, issuerKey *engine.PublicKey, a alg.Algorithm) ([]byte, error) {
	template := *t
	template.SignatureAlgorithm = Algorithm(a)
	return capture(issuerKey.Key(), func(c *capturer) error {
		_, err := x509.CreateRevocationList(rand.Reader, &template, issuer, c)
		return err
	})
}

// EncodeRequest returns the CertificationRequestInfo (RFC 2986 section 4.1)
// of the template for the key, which will sign it with the algorithm.
func EncodeRequest(t *x509.CertificateRequest, k *engine.PublicKey, a alg.Algorithm) ([]byte, error) {
	template := *t
	template.SignatureAlgorithm = Algorithm(a)
	return capture(k.Key(), func(c *capturer) error {
		_, err := x509.CreateCertificateRequest(rand.Reader, &template, c)
		return err
	})
}

// nameAndKeyID returns what crypto/x509 takes from an issuer. A root that is
// yet to be has no public key for it to compare.
func nameAndKeyID(issuer *x509.Certificate) *x509.Certificate {
	return &x509.Certificate{RawSubject: issuer.RawSubject, Subject: issuer.Subject, SubjectKeyId: issuer.SubjectKeyId}
}

// Assemble joins signed bytes, the AlgorithmIdentifier of their signature and
// the signature: the SEQUENCE of three that certificates, CRLs and requests
// all are (RFC 5280 sections 4.1.1 and 5.1.1, RFC 2986 section 4.2).
func Assemble(tbs, identifier, signature []byte) ([]byte, error) {
	return asn1.Marshal(struct {
		TBS, Algorithm asn1.RawValue
		Signature      asn1.BitString
	}{
		asn1.RawValue{FullBytes: tbs},
		asn1.RawValue{FullBytes: identifier},
		asn1.BitString{Bytes: signature, BitLength: 8 * len(signature)},
	})
}

// errCaptured ends an encoding when its bytes are there.
var errCaptured = errors.New("captured")

// capturer is a crypto.MessageSigner that keeps the message instead of
// signing it. crypto/x509 hands a MessageSigner the whole message.
type capturer struct {
	public  crypto.PublicKey
	message []byte
}

// Public returns the issuer's public key, by which crypto/x509 chooses.
func (c *capturer) Public() crypto.PublicKey { return c.public }

// Sign is never called: crypto/x509 prefers SignMessage.
func (c *capturer) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("a digest cannot be captured")
}

// SignMessage keeps the message.
func (c *capturer) SignMessage(_ io.Reader, message []byte, _ crypto.SignerOpts) ([]byte, error) {
	c.message = append([]byte(nil), message...)
	return nil, errCaptured
}

// capture returns the bytes that encode wants signed by the public key.
func capture(public crypto.PublicKey, encode func(*capturer) error) ([]byte, error) {
	c := &capturer{public: public}
	if err := encode(c); !errors.Is(err, errCaptured) {
		return nil, fmt.Errorf("encoding what is to be signed: %w", err)
	}
	return c.message, nil
}
