package aws

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acmpca"
	"github.com/aws/aws-sdk-go-v2/service/acmpca/types"
)

// pca returns a client of the target's first administrator. It does not
// retry: an answer that a retry would hide is a finding.
func (t *target) pca() *acmpca.Client {
	o := acmpca.Options{Region: t.region, HTTPClient: t.http, Credentials: provider(t.creds), RetryMaxAttempts: 1}
	if !strings.HasSuffix(t.url, ".amazonaws.com") {
		o.BaseEndpoint = &t.url
	}
	return acmpca.New(o)
}

// TestTerraformAuthority replays what the AWS provider of Terraform sends for
// an aws_acmpca_certificate_authority, with its certificate, from create to
// destroy. No provider can be installed where these tests run.
func TestTerraformAuthority(t *testing.T) {
	tg, _ := setup(t)
	c, ctx := tg.pca(), t.Context()

	// Create, and wait until it is made.
	created, err := c.CreateCertificateAuthority(ctx, &acmpca.CreateCertificateAuthorityInput{
		CertificateAuthorityType: types.CertificateAuthorityTypeRoot, UsageMode: types.CertificateAuthorityUsageModeGeneralPurpose,
		CertificateAuthorityConfiguration: &types.CertificateAuthorityConfiguration{
			KeyAlgorithm: types.KeyAlgorithmRsa2048, SigningAlgorithm: types.SigningAlgorithmSha256withrsaPss,
			Subject: &types.ASN1Subject{
				CommonName: aws.String("Example Private CA"), Country: aws.String("TW"), Organization: aws.String("Example Corp"),
				OrganizationalUnit: aws.String("Security Team"),
			},
		},
		IdempotencyToken: aws.String("terraform-" + time.Now().Format("150405.000000")), KeyStorageSecurityStandard: types.KeyStorageSecurityStandardFips1402Level3OrHigher,
		RevocationConfiguration: &types.RevocationConfiguration{
			CrlConfiguration:  &types.CrlConfiguration{Enabled: aws.Bool(true), ExpirationInDays: aws.Int32(7)},
			OcspConfiguration: &types.OcspConfiguration{Enabled: aws.Bool(false)},
		},
		Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("private-ca")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	arn := created.CertificateAuthorityArn
	if a := authority(t, c, arn); a.Status != types.CertificateAuthorityStatusPendingCertificate ||
		a.KeyStorageSecurityStandard != types.KeyStorageSecurityStandardFips1402Level3OrHigher {
		t.Errorf("it is %+v", a)
	}
	_, err = c.GetCertificateAuthorityCertificate(ctx, &acmpca.GetCertificateAuthorityCertificateInput{CertificateAuthorityArn: arn})
	refused(t, err, "InvalidStateException", "*")
	csr, err := c.GetCertificateAuthorityCsr(ctx, &acmpca.GetCertificateAuthorityCsrInput{CertificateAuthorityArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	tags, err := c.ListTags(ctx, &acmpca.ListTagsInput{CertificateAuthorityArn: arn})
	if err != nil || len(tags.Tags) != 1 || *tags.Tags[0].Key != "Name" {
		t.Errorf("tags %v (%v)", tags, err)
	}

	// An aws_acmpca_certificate, and the aws_acmpca_certificate_authority_certificate.
	issued, err := c.IssueCertificate(ctx, &acmpca.IssueCertificateInput{
		CertificateAuthorityArn: arn, Csr: []byte(*csr.Csr), SigningAlgorithm: types.SigningAlgorithmSha256withrsaPss,
		TemplateArn: aws.String("arn:aws:acm-pca:::template/RootCACertificate/V1"), Validity: &types.Validity{Type: types.ValidityPeriodTypeYears, Value: aws.Int64(1)},
	})
	if err != nil {
		t.Fatal(err)
	}
	get := &acmpca.GetCertificateInput{CertificateAuthorityArn: arn, CertificateArn: issued.CertificateArn}
	if err := acmpca.NewCertificateIssuedWaiter(c).Wait(ctx, get, time.Minute); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetCertificate(ctx, get)
	if err != nil {
		t.Fatal(err)
	}
	in := &acmpca.ImportCertificateAuthorityCertificateInput{CertificateAuthorityArn: arn, Certificate: []byte(*got.Certificate)}
	if _, err := c.ImportCertificateAuthorityCertificate(ctx, in); err != nil {
		t.Fatal(err)
	}
	if a := authority(t, c, arn); a.Status != types.CertificateAuthorityStatusActive || a.NotAfter == nil || a.Serial == nil {
		t.Errorf("it is %+v", a)
	}
	if tg.server != nil { // a bucket of the real cloud's has to be made first
		audited(t, c, arn)
	}
	if !listed(t, c, *arn) {
		t.Error("it is not listed")
	}

	// Destroy, twice: the second is tolerated by its text.
	disable := &acmpca.UpdateCertificateAuthorityInput{CertificateAuthorityArn: arn, Status: types.CertificateAuthorityStatusDisabled}
	if _, err := c.UpdateCertificateAuthority(ctx, disable); err != nil {
		t.Fatal(err)
	}
	remove := &acmpca.DeleteCertificateAuthorityInput{CertificateAuthorityArn: arn, PermanentDeletionTimeInDays: aws.Int32(7)}
	if _, err := c.DeleteCertificateAuthority(ctx, remove); err != nil {
		t.Fatal(err)
	}
	if a := authority(t, c, arn); a.Status != types.CertificateAuthorityStatusDeleted || a.RestorableUntil == nil {
		t.Errorf("it is %+v", a)
	}
	_, err = c.UpdateCertificateAuthority(ctx, disable)
	refused(t, err, "InvalidStateException", "The certificate authority must be in the ACTIVE or DISABLED state to be updated")
}

// authority returns an authority as it is described.
func authority(t *testing.T, c *acmpca.Client, arn *string) *types.CertificateAuthority {
	t.Helper()
	out, err := c.DescribeCertificateAuthority(t.Context(), &acmpca.DescribeCertificateAuthorityInput{CertificateAuthorityArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	return out.CertificateAuthority
}

// listed looks for an authority in the list of all, page by page.
func listed(t *testing.T, c *acmpca.Client, arn string) bool {
	t.Helper()
	for p := acmpca.NewListCertificateAuthoritiesPaginator(c, &acmpca.ListCertificateAuthoritiesInput{MaxResults: aws.Int32(1)}); p.HasMorePages(); {
		page, err := p.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, a := range page.CertificateAuthorities {
			if *a.Arn == arn {
				return true
			}
		}
	}
	return false
}

// audited has a report made of an authority, and waits for it.
func audited(t *testing.T, c *acmpca.Client, arn *string) {
	t.Helper()
	report, err := c.CreateCertificateAuthorityAuditReport(t.Context(), &acmpca.CreateCertificateAuthorityAuditReportInput{
		CertificateAuthorityArn: arn, S3BucketName: aws.String("reports"), AuditReportResponseFormat: types.AuditReportResponseFormatCsv,
	})
	if err != nil {
		t.Fatal(err)
	}
	in := &acmpca.DescribeCertificateAuthorityAuditReportInput{CertificateAuthorityArn: arn, AuditReportId: report.AuditReportId}
	out, err := acmpca.NewAuditReportCreatedWaiter(c).WaitForOutput(t.Context(), in, time.Minute)
	if err != nil || *out.S3Key != *report.S3Key || *out.S3BucketName != "reports" {
		t.Errorf("the report is %+v (%v)", out, err)
	}
}
