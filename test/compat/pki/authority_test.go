package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// authority is one that was made by the API and has its certificate.
type authority struct {
	arn       string
	algorithm types.SigningAlgorithm
	// chain is the authority's certificate and its issuers up to the root, in PEM.
	chain []string
}

// kind is a type of key and how it signs.
type kind struct {
	key       types.KeyAlgorithm
	algorithm types.SigningAlgorithm
}

// kinds are all that the API lists, without SM2.
func kinds() []kind {
	return []kind{
		{types.KeyAlgorithmRsa2048, types.SigningAlgorithmSha256withrsa},
		{types.KeyAlgorithmRsa3072, types.SigningAlgorithmSha384withrsa},
		{types.KeyAlgorithmRsa4096, types.SigningAlgorithmSha512withrsa},
		{types.KeyAlgorithmRsa2048, types.SigningAlgorithmSha256withrsaPss},
		{types.KeyAlgorithmRsa3072, types.SigningAlgorithmSha384withrsaPss},
		{types.KeyAlgorithmRsa4096, types.SigningAlgorithmSha512withrsaPss},
		{types.KeyAlgorithmEcPrime256v1, types.SigningAlgorithmSha256withecdsa},
		{types.KeyAlgorithmEcSecp384r1, types.SigningAlgorithmSha384withecdsa},
		{types.KeyAlgorithmEcSecp521r1, types.SigningAlgorithmSha512withecdsa},
		{types.KeyAlgorithmMlDsa44, types.SigningAlgorithmMlDsa44},
		{types.KeyAlgorithmMlDsa65, types.SigningAlgorithmMlDsa65},
		{types.KeyAlgorithmMlDsa87, types.SigningAlgorithmMlDsa87},
	}
}

// postQuantum reports a key that only one of the judges knows.
func (k kind) postQuantum() bool {
	return k.key == types.KeyAlgorithmMlDsa44 || k.key == types.KeyAlgorithmMlDsa65 || k.key == types.KeyAlgorithmMlDsa87
}

// authority makes an authority below the parent, or a root, with CRL and OCSP
// in its certificates.
func (w *world) authority(t *testing.T, k kind, name string, parent *authority, template string) *authority {
	t.Helper()
	ctx := t.Context()
	in := &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: types.CertificateAuthorityTypeRoot,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{
			KeyAlgorithm: k.key, SigningAlgorithm: k.algorithm, Subject: &types.ASN1Subject{CommonName: &name, Organization: aws.String("Example")},
		},
		RevocationConfiguration: &types.RevocationConfiguration{
			CrlConfiguration:  &types.CrlConfiguration{Enabled: aws.Bool(true), ExpirationInDays: aws.Int32(7), S3BucketName: aws.String("crls")},
			OcspConfiguration: &types.OcspConfiguration{Enabled: aws.Bool(true)},
		},
	}
	if parent != nil {
		in.CertificateAuthorityType = types.CertificateAuthorityTypeSubordinate
	}
	made, err := w.CreateCertificateAuthority(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{arn: *made.CertificateAuthorityArn, algorithm: k.algorithm}
	get := &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &a.arn}
	if err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(w.Client).Wait(ctx, get, time.Minute); err != nil {
		t.Fatal(err)
	}
	csr, err := w.GetCertificateAuthorityCsr(ctx, get)
	if err != nil {
		t.Fatal(err)
	}
	by, days := parent, int64(200)
	if parent == nil {
		by, template, days = a, "RootCACertificate/V1", 300
	}
	a.chain = w.issue(t, by, *csr.Csr, template, days)
	install := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &a.arn, Certificate: []byte(a.chain[0])}
	if parent != nil {
		install.CertificateChain = []byte(join(a.chain[1:]))
	}
	if _, err := w.ImportCertificateAuthorityCertificate(ctx, install); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue has the authority issue a certificate and returns it and its issuers
// up to the root.
func (w *world) issue(t *testing.T, a *authority, csr, template string, days int64) []string {
	t.Helper()
	issued, err := w.IssueCertificate(t.Context(), &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &a.arn, Csr: []byte(csr), SigningAlgorithm: a.algorithm,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template),
		Validity:    &types.Validity{Type: types.ValidityPeriodTypeDays, Value: &days},
	})
	if err != nil {
		t.Fatal(err)
	}
	get := &acmpca.GetCertificateInput{CertificateAuthorityArn: &a.arn, CertificateArn: issued.CertificateArn}
	if err := acmpca.NewCertificateIssuedWaiter(w.Client).Wait(t.Context(), get, time.Minute); err != nil {
		t.Fatal(err)
	}
	got, err := w.GetCertificate(t.Context(), get)
	if err != nil {
		t.Fatal(err)
	}
	var chain []string
	for _, der := range blocks(t, *got.Certificate+"\n"+aws.ToString(got.CertificateChain)) {
		chain = append(chain, pemOf(der))
	}
	return chain
}

// request makes a CSR with a key of the test's own.
func request(t *testing.T, template *x509.CertificateRequest) (csr string, key crypto.Signer) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), key
}

// host asks for a certificate for a host.
func host(name string) *x509.CertificateRequest {
	return &x509.CertificateRequest{Subject: pkix.Name{CommonName: name}, DNSNames: []string{name}}
}

func join(list []string) string {
	var text strings.Builder
	for _, part := range list {
		text.WriteString(part)
	}
	return text.String()
}

// certificate parses one in PEM.
func certificate(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(blocks(t, text)[0])
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read returns the body of an answer that must be a success.
func read(t *testing.T, answer *http.Response) []byte {
	t.Helper()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v\n%s", answer.Request.URL, answer.Status, err, body)
	}
	return body
}
