package certmanager

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
	issuer "github.com/cert-manager/aws-privateca-issuer/pkg/api/v1beta1"
	provisioner "github.com/cert-manager/aws-privateca-issuer/pkg/aws"
	cmapi "github.com/cert-manager/cert-manager/pkg/apis/certmanager/v1"
	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	k8s "k8s.io/apimachinery/pkg/types"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// start runs a server and points the AWS SDK's default configuration at it,
// as an issuer's pod has it: by environment alone.
func start(t *testing.T) {
	t.Helper()
	binary, err := compat.Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	server, err := compat.Start(t.Context(), binary, filepath.Join(t.TempDir(), "data"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, variable := range server.Env {
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
}

// authority makes a root and a subordinate below it by the API, and returns
// the subordinate's ARN and the root.
func authority(t *testing.T) (arn string, root *x509.Certificate) {
	t.Helper()
	configuration, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	client := acmpca.NewFromConfig(configuration)
	rootARN, rootPEM := activate(t, client, types.CertificateAuthorityTypeRoot, "cluster root", "")
	arn, _ = activate(t, client, types.CertificateAuthorityTypeSubordinate, "cluster issuer", rootARN)
	return arn, certificates(t, rootPEM)[0]
}

// activate makes an authority, has its certificate issued by itself or by the
// parent, and installs it.
func activate(t *testing.T, client *acmpca.Client, kind types.CertificateAuthorityType, name, parent string) (arn string, certificate []byte) {
	t.Helper()
	ctx := t.Context()
	made, err := client.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: kind,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{
			KeyAlgorithm: types.KeyAlgorithmEcPrime256v1, SigningAlgorithm: types.SigningAlgorithmSha256withecdsa,
			Subject: &types.ASN1Subject{CommonName: aws.String(name), Organization: aws.String("Example")},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	arn = *made.CertificateAuthorityArn
	if err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(client).Wait(ctx,
		&acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &arn}, time.Minute); err != nil {
		t.Fatal(err)
	}
	csr, err := client.GetCertificateAuthorityCsr(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	by, template := arn, "RootCACertificate/V1"
	if parent != "" {
		by, template = parent, "SubordinateCACertificate_PathLen1/V1"
	}
	issued, err := client.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: &by, Csr: []byte(*csr.Csr), SigningAlgorithm: types.SigningAlgorithmSha256withecdsa,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/" + template),
		Validity:    &types.Validity{Type: types.ValidityPeriodTypeDays, Value: aws.Int64(400 - int64(len(parent)))},
	})
	if err != nil {
		t.Fatal(err)
	}
	get := &acmpca.GetCertificateInput{CertificateAuthorityArn: &by, CertificateArn: issued.CertificateArn}
	if err := acmpca.NewCertificateIssuedWaiter(client).Wait(ctx, get, time.Minute); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetCertificate(ctx, get)
	if err != nil {
		t.Fatal(err)
	}
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: &arn, Certificate: []byte(*got.Certificate)}
	if got.CertificateChain != nil {
		in.CertificateChain = []byte(*got.CertificateChain)
	}
	if _, err := client.ImportCertificateAuthorityCertificate(ctx, in); err != nil {
		t.Fatal(err)
	}
	return arn, []byte(*got.Certificate)
}

// certificates reads a sequence of PEM blocks.
func certificates(t *testing.T, text []byte) []*x509.Certificate {
	t.Helper()
	var list []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
	}
	if len(list) == 0 {
		t.Fatalf("no certificate in %q", text)
	}
	return list
}

// request returns what cert-manager would ask for in a cluster.
func request(t *testing.T, name string, usages []cmapi.KeyUsage, isCA bool) *cmapi.CertificateRequest {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: name}, DNSNames: []string{name, "www." + name},
	}, key)
	if err != nil {
		t.Fatal(err)
	}
	return &cmapi.CertificateRequest{
		ObjectMeta: metav1.ObjectMeta{Namespace: "pki", Name: strings.ReplaceAll(name, ".", "-")},
		Spec: cmapi.CertificateRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
			Usages:  usages, IsCA: isCA, Duration: &metav1.Duration{Duration: 48 * time.Hour},
		},
	}
}

// TestProvisioner has every template that the issuer chooses by the usages
// of a request issue a certificate that verifies.
func TestProvisioner(t *testing.T) {
	start(t)
	arn, root := authority(t)
	ctx := context.Background()
	p, err := provisioner.GetProvisioner(ctx, nil, k8s.NamespacedName{Name: "holdfast"}, &issuer.AWSPCAIssuerSpec{
		Arn: arn, Region: os.Getenv("AWS_REGION"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, test := range []struct {
		name   string
		usages []cmapi.KeyUsage
		isCA   bool
		want   []x509.ExtKeyUsage
	}{
		{"server", []cmapi.KeyUsage{cmapi.UsageServerAuth}, false, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}},
		{"client", []cmapi.KeyUsage{cmapi.UsageClientAuth}, false, []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}},
		{"mutual", []cmapi.KeyUsage{cmapi.UsageServerAuth, cmapi.UsageClientAuth}, false, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}},
		{"code signing", []cmapi.KeyUsage{cmapi.UsageCodeSigning}, false, []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}},
		{"OCSP signing", []cmapi.KeyUsage{cmapi.UsageOCSPSigning}, false, []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}},
		{"authority", nil, true, nil},
		{"by the request alone", nil, false, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			cr := request(t, fmt.Sprintf("app%d.example.com", i), test.usages, test.isCA)
			if err := p.Sign(ctx, cr, "", logr.Discard()); err != nil {
				t.Fatal(err)
			}
			certificateARN := cr.Annotations["aws-privateca-issuer/certificate-arn"]
			chain, ca, err := p.Get(ctx, cr, certificateARN, logr.Discard())
			if err != nil {
				t.Fatal(err)
			}
			check(t, certificates(t, chain), certificates(t, ca), root, test.want, test.isCA)

			again := cr.DeepCopy()
			if err := p.Sign(ctx, again, "", logr.Discard()); err != nil {
				t.Fatal(err)
			}
			if got := again.Annotations["aws-privateca-issuer/certificate-arn"]; got != certificateARN {
				t.Errorf("the same request again gave %s, want %s: its token is the same", got, certificateARN)
			}
		})
	}
}

// check verifies what the issuer would put into the secret of a cluster.
func check(t *testing.T, chain, ca []*x509.Certificate, root *x509.Certificate, usages []x509.ExtKeyUsage, isCA bool) {
	t.Helper()
	if len(ca) != 1 || !ca[0].Equal(root) {
		t.Fatalf("the CA of the secret is %v, want the root alone", ca)
	}
	roots, intermediates := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for _, c := range chain[1:] {
		intermediates.AddCert(c)
	}
	leaf := chain[0]
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		t.Error(err)
	}
	if !slices.Equal(leaf.ExtKeyUsage, usages) {
		t.Errorf("extended key usages %v, want %v", leaf.ExtKeyUsage, usages)
	}
	if leaf.IsCA != isCA {
		t.Errorf("CA %t, want %t", leaf.IsCA, isCA)
	}
	if life := time.Until(leaf.NotAfter); life < 47*time.Hour || life > 48*time.Hour {
		t.Errorf("valid for %s more, want the 48 hours of the request", life)
	}
	if !bytes.Equal(leaf.AuthorityKeyId, chain[1].SubjectKeyId) {
		t.Error("the leaf's authority key id is not the issuer's subject key id")
	}
}
