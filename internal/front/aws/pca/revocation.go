package pca

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// revocation is a RevocationConfiguration.
type revocation struct {
	crl  *crlConfiguration
	ocsp *ocspConfiguration
}

// Members declares the structure.
func (r *revocation) Members(m *aws.Members) {
	aws.Struct(m, "CrlConfiguration", &r.crl)
	aws.Struct(m, "OcspConfiguration", &r.ocsp)
}

type crlConfiguration struct {
	enabled             bool
	days                int
	cname, bucket, acl  string
	kind, path          string
	distributionPoint   *distributionPoint
}

// Members declares the structure.
func (c *crlConfiguration) Members(m *aws.Members) {
	m.Bool("Enabled", &c.enabled).Required()
	m.Int("ExpirationInDays", &c.days, 1, 5000)
	m.Text("CustomCname", &c.cname, 0, 253).Matching(cnamePattern)
	m.Text("S3BucketName", &c.bucket, 3, 255).Matching(crlBucketPattern)
	m.Enum("S3ObjectAcl", &c.acl, objectACLs)
	aws.Struct(m, "CrlDistributionPointExtensionConfiguration", &c.distributionPoint)
	m.Enum("CrlType", &c.kind, crlTypes)
	m.Text("CustomPath", &c.path, 0, 253).Matching(pathPattern)
}

type distributionPoint struct{ omit bool }

// Members declares the structure.
func (d *distributionPoint) Members(m *aws.Members) { m.Bool("OmitExtension", &d.omit).Required() }

type ocspConfiguration struct {
	enabled bool
	cname   string
}

// Members declares the structure.
func (o *ocspConfiguration) Members(m *aws.Members) {
	m.Bool("Enabled", &o.enabled).Required()
	m.Text("OcspCustomCname", &o.cname, 0, 253).Matching(cnamePattern)
}
