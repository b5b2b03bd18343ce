package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"time"
)

// issuer is a certificate authority on a P-256 key.
type issuer struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
}

func newIssuer() (*issuer, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "floor"}, NotBefore: now, NotAfter: now.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		return nil, err
	}
	c, err := x509.ParseCertificate(der)
	return &issuer{k, c}, err
}

// issue parses and checks the CSR, and creates the certificate.
func (i *issuer) issue(b *buffer) error {
	// The CSR is PEM in JSON: its line ends are escaped.
	block, _ := pem.Decode(bytes.ReplaceAll(b.field(`"csr"`), []byte(`\n`), []byte("\n")))
	if block == nil {
		return errors.New("no CSR")
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return err
	}
	if err := csr.CheckSignature(); err != nil {
		return err
	}
	serial := make([]byte, 16)
	if _, err := rand.Read(serial); err != nil {
		return err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: csr.Subject, DNSNames: csr.DNSNames,
		NotBefore: now, NotAfter: now.AddDate(0, 3, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.certificate, csr.PublicKey, i.key)
	if err != nil {
		return err
	}
	b.out = append(b.out, `{"certificate":"`...)
	encoded := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	b.out = append(b.out, bytes.ReplaceAll(encoded, []byte("\n"), []byte(`\n`))...)
	b.out = append(b.out, `"}`...)
	return nil
}
