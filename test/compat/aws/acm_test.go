package aws

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	"github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	pcatypes "github.com/aws/aws-sdk-go-v2/service/acmpca/types"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// base returns the endpoint for the clients of a service, nil for its own.
func (t *target) base() *string {
	if strings.HasSuffix(t.url, ".amazonaws.com") {
		return nil
	}
	return &t.url
}

func (t *target) acm() *acm.Client {
	return acm.New(acm.Options{
		Region: t.region, HTTPClient: t.http, Credentials: provider(t.creds), RetryMaxAttempts: 1, BaseEndpoint: t.base(),
	})
}

func (t *target) privateCA() *acmpca.Client {
	return acmpca.New(acmpca.Options{
		Region: t.region, HTTPClient: t.http, Credentials: provider(t.creds), RetryMaxAttempts: 1, BaseEndpoint: t.base(),
	})
}

// newAuthority makes a root that lets ACM renew, and deletes it at the end of
// the test. It returns its ARN and its certificate in PEM.
func newAuthority(t *testing.T, tg *target) (arn, root string) {
	t.Helper()
	c, ctx := tg.privateCA(), t.Context()
	made, err := c.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: pcatypes.CertificateAuthorityTypeRoot,
		CertificateAuthorityConfiguration: &pcatypes.CertificateAuthorityConfiguration{
			KeyAlgorithm: pcatypes.KeyAlgorithmEcPrime256v1, SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa,
			Subject: &pcatypes.ASN1Subject{CommonName: aws.String("Root of " + t.Name())},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	id := made.CertificateAuthorityArn
	in := &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: id}
	if err := acmpca.NewCertificateAuthorityCSRCreatedWaiter(c).Wait(ctx, in, time.Minute); err != nil {
		t.Fatal(err)
	}
	csr, err := c.GetCertificateAuthorityCsr(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	issued, err := c.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: id, Csr: []byte(*csr.Csr), SigningAlgorithm: pcatypes.SigningAlgorithmSha256withecdsa,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/RootCACertificate/V1"),
		Validity:    &pcatypes.Validity{Type: pcatypes.ValidityPeriodTypeYears, Value: aws.Int64(10)},
	})
	if err != nil {
		t.Fatal(err)
	}
	get := &acmpca.GetCertificateInput{CertificateAuthorityArn: id, CertificateArn: issued.CertificateArn}
	if err := acmpca.NewCertificateIssuedWaiter(c).Wait(ctx, get, time.Minute); err != nil {
		t.Fatal(err)
	}
	own, err := c.GetCertificate(ctx, get)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ImportCertificateAuthorityCertificate(ctx, &acmpca.ImportCertificateAuthorityCertificateInput{
		CertificateAuthorityArn: id, Certificate: []byte(*own.Certificate),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CreatePermission(ctx, &acmpca.CreatePermissionInput{
		CertificateAuthorityArn: id, Principal: aws.String("acm.amazonaws.com"),
		Actions: []pcatypes.ActionType{pcatypes.ActionTypeIssueCertificate, pcatypes.ActionTypeGetCertificate, pcatypes.ActionTypeListPermissions},
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.Background() // the test's own has ended
		_, _ = c.UpdateCertificateAuthority(ctx, &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: id, Status: pcatypes.CertificateAuthorityStatusDisabled})
		_, _ = c.DeleteCertificateAuthority(ctx, &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: id, PermanentDeletionTimeInDays: aws.Int32(7)})
	})
	return *id, *own.Certificate
}

// TestManagedCertificate leads a certificate through its life with
// aws-sdk-go-v2: its own paginator, waiter and exceptions.
func TestManagedCertificate(t *testing.T) {
	t.Parallel()
	tg, _ := setup(t)
	authority, root := newAuthority(t, tg)
	c, ctx := tg.acm(), t.Context()
	name := "go-" + strconv.FormatInt(time.Now().UnixNano(), 10) + ".example.com"
	made, err := c.RequestCertificate(ctx, &acm.RequestCertificateInput{
		DomainName: &name, CertificateAuthorityArn: &authority, KeyAlgorithm: types.KeyAlgorithmEcPrime256v1,
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := made.CertificateArn
	t.Cleanup(func() {
		_, _ = c.DeleteCertificate(context.Background(), &acm.DeleteCertificateInput{CertificateArn: arn}) // the test may have done it
	})
	if err := acm.NewCertificateValidatedWaiter(c).Wait(ctx, &acm.DescribeCertificateInput{CertificateArn: arn}, time.Minute); err != nil {
		t.Fatal(err)
	}
	out, err := c.ExportCertificate(ctx, &acm.ExportCertificateInput{CertificateArn: arn, Passphrase: []byte("correct horse")})
	if err != nil {
		t.Fatal(err)
	}
	if block, _ := pem.Decode([]byte(*out.PrivateKey)); block == nil || block.Type != "ENCRYPTED PRIVATE KEY" {
		t.Errorf("the key is %.60q", *out.PrivateKey)
	}
	first := verifyManaged(t, *out.Certificate, root, name)
	if _, err := c.RenewCertificate(ctx, &acm.RenewCertificateInput{CertificateArn: arn}); err != nil {
		t.Fatal(err)
	}
	renewed(t, c, arn)
	got, err := c.GetCertificate(ctx, &acm.GetCertificateInput{CertificateArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	second := verifyManaged(t, *got.Certificate, root, name)
	if first.SerialNumber.Cmp(second.SerialNumber) == 0 || bytes.Equal(first.RawSubjectPublicKeyInfo, second.RawSubjectPublicKeyInfo) {
		t.Error("the renewed certificate is the old one, or has the old key")
	}
	found := false
	pages := acm.NewListCertificatesPaginator(c, &acm.ListCertificatesInput{
		MaxItems: aws.Int32(1), Includes: &types.Filters{KeyTypes: []types.KeyAlgorithm{types.KeyAlgorithmEcPrime256v1}},
	})
	for pages.HasMorePages() && !found {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		found = slices.ContainsFunc(page.CertificateSummaryList, func(s types.CertificateSummary) bool { return *s.CertificateArn == *arn })
	}
	if !found {
		t.Error("the certificate is in no page of the list")
	}
	if _, err := c.DeleteCertificate(ctx, &acm.DeleteCertificateInput{CertificateArn: arn}); err != nil {
		t.Fatal(err)
	}
	_, err = c.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: arn})
	if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
		t.Errorf("describing what is deleted: %v", err)
	}
}

// verifyManaged reads a certificate and has Go verify it for the name.
func verifyManaged(t *testing.T, text, root, name string) *x509.Certificate {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(root)) {
		t.Fatal("the root is no certificate in PEM")
	}
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("%.60q is not PEM", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Verify(x509.VerifyOptions{DNSName: name, Roots: roots}); err != nil {
		t.Error(err)
	}
	return c
}

// renewed waits for the success of the latest renewal.
func renewed(t *testing.T, c *acm.Client, arn *string) {
	t.Helper()
	for range 60 {
		d, err := c.DescribeCertificate(t.Context(), &acm.DescribeCertificateInput{CertificateArn: arn})
		if err != nil {
			t.Fatal(err)
		}
		if r := d.Certificate.RenewalSummary; r != nil && r.RenewalStatus == types.RenewalStatusSuccess {
			return
		}
		select {
		case <-t.Context().Done():
		case <-time.After(time.Second):
		}
	}
	t.Fatal("the renewal does not succeed")
}

// acmCall finds the operations that the Python program calls.
var acmCall = regexp.MustCompile(`acm\.(?:get_paginator\(")?([a-z]+_[a-z_]+)`)

// TestEveryManagedOperationHasACase: what the page documents, acm.py calls.
func TestEveryManagedOperationHasACase(t *testing.T) {
	everyDocumented(t, "aws-acm.md", "testdata/acm.py", acmCall)
}

// servedLine is the sentence of a page with the operations that we have.
var servedLine = regexp.MustCompile(`(?m)^\d+ of \d+: (.*)\.$`)

// everyDocumented holds that a program calls each operation that a page of
// docs says we have.
func everyDocumented(t *testing.T, page, program string, call *regexp.Regexp) {
	t.Helper()
	root, err := compat.Root()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(filepath.Join(root, "docs", page))
	if err != nil {
		t.Fatal(err)
	}
	m := servedLine.FindSubmatch(doc)
	if m == nil {
		t.Fatalf("docs/%s has no operations: the test looks for the wrong thing", page)
	}
	called := scripted(t, program, call)
	for name := range strings.SplitSeq(string(m[1]), ", ") {
		if !slices.Contains(called, name) {
			t.Errorf("%s is documented and has no case", name)
		}
	}
}
