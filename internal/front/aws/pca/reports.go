package pca

import (
	"context"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/inventory"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Reports is what this front end asks of the inventory; *inventory.Service is
// it, and its documentation holds.
type Reports interface {
	CreateReport(ctx context.Context, call *key.Call, req *inventory.ReportRequest) (*inventory.Report, error)
	DescribeReport(ctx context.Context, call *key.Call, authority, id string) (*inventory.Report, error)
}

// ReportStyle is the name of this API's audit reports among the inventory's
// styles.
const ReportStyle = "aws.acm-pca"

// Style returns the form of AWS Private CA's audit reports ("Using audit
// reports with your private CA", AWS Private CA User Guide).
func Style() inventory.Style { return style{} }

type style struct{}

// Columns returns the columns of a report.
func (style) Columns() []string {
	return []string{
		"awsAccountId", "requestedByServicePrincipal", "certificateArn", "serial", "subject", "notBefore", "notAfter",
		"issuedAt", "revokedAt", "revocationReason", "templateArn",
	}
}

// Row returns a certificate's values of the columns.
func (style) Row(a *ca.Authority, c *ca.Certificate) []string {
	account, service := requester(c)
	revokedAt, reason := "", ""
	if c.RevokedAt != nil {
		revokedAt, reason = stamp(*c.RevokedAt), reasonName(c.Reason)
	}
	template := ""
	if arn := wire.TemplateARN(c.Profile); c.Profile != "" {
		if _, ok := wire.ParseTemplate(arn); ok {
			template = arn
		}
	}
	return []string{
		account, service, wire.CertificateARN(a.Realm, a.Region, a.ID, c.Serial), colons(c.Serial), c.Subject,
		stamp(c.NotBefore), stamp(c.NotAfter), stamp(c.IssuedAt), revokedAt, reason, template,
	}
}

// Name returns the name of a report in its bucket.
func (style) Name(a *ca.Authority, report string, f inventory.Format) string {
	return "audit-report/" + a.ID + "/" + report + "." + string(f)
}

// requester returns the account of who asked for a certificate and, if it was
// a service, which.
func requester(c *ca.Certificate) (account, service string) {
	realm, rest, _ := strings.Cut(c.Requester, ":")
	if kind, name, ok := strings.Cut(rest, ":"); ok && kind == string(key.Service) {
		service = wire.ServiceName(key.Principal{Kind: key.Service, Name: name})
	}
	return realm, service
}

// stamp returns a time as AWS's reports have it.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05-0700") }

// colons returns a serial number in hexadecimal with a colon between two
// bytes.
func colons(serial string) string {
	var b strings.Builder
	for i, r := range serial {
		if i > 0 && i%2 == 0 {
			b.WriteByte(':')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// reasonName returns AWS's name of a reason. Those that AWS does not know,
// such as a hold, count as none.
func reasonName(r ca.Reason) string {
	for name, reason := range reasons {
		if reason == r {
			return name
		}
	}
	return "UNSPECIFIED"
}

// reportFormats are the formats of AWS's model.
var reportFormats = []string{"JSON", "CSV"}

type createReportRequest struct {
	authorityRequest
	bucket, format string
}

// Members declares CreateCertificateAuthorityAuditReport's request.
func (r *createReportRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	m.Text("S3BucketName", &r.bucket, 3, 63).Required()
	m.Enum("AuditReportResponseFormat", &r.format, reportFormats).Required()
}

func (f *front) createReport(ctx context.Context, x *aws.Exchange, in *createReportRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	format := inventory.JSON
	if in.format == "CSV" {
		format = inventory.CSV
	}
	report, err := f.reports.CreateReport(ctx, &x.Call, &inventory.ReportRequest{
		Authority: id, Style: ReportStyle, Format: format, Bucket: in.bucket,
	})
	if err != nil {
		return err
	}
	x.Out.Text("AuditReportId", report.ID)
	x.Out.Text("S3Key", report.Name)
	return nil
}

type describeReportRequest struct {
	authorityRequest
	report string
}

// Members declares DescribeCertificateAuthorityAuditReport's request.
func (r *describeReportRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	m.Text("AuditReportId", &r.report, 36, 36).Matching(reportPattern).Required()
}

// reportStatuses are AWS's words for where a report is.
var reportStatuses = map[inventory.ReportState]string{
	inventory.ReportCreating: "CREATING", inventory.ReportDone: "SUCCESS", inventory.ReportFailed: "FAILED",
}

func (f *front) describeReport(ctx context.Context, x *aws.Exchange, in *describeReportRequest) error {
	id, err := f.id(x, &in.authorityRequest)
	if err != nil {
		return err
	}
	report, err := f.reports.DescribeReport(ctx, &x.Call, id, in.report)
	if err != nil {
		return err
	}
	x.Out.Text("AuditReportStatus", reportStatuses[report.State])
	x.Out.Text("S3BucketName", report.Bucket)
	x.Out.Text("S3Key", report.Name)
	x.Out.Time("CreatedAt", report.CreatedAt)
	return nil
}
