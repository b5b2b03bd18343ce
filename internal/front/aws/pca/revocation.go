package pca

import (
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
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
	enabled            bool
	days               int
	cname, bucket, acl string
	kind, path         string
	distributionPoint  *distributionPoint
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

// shards is how many CRLs an authority with partitioned ones has. AWS does
// not say how many its have; with 64 a million revocations are in files of
// half a megabyte.
const shards = 64

// over returns a configuration with what the request says put over it. A part
// that the request does not have stays as it is.
func (r *revocation) over(c ca.RevocationConfig) ca.RevocationConfig {
	if crl := r.crl; crl != nil {
		c.CRL = ca.CRLConfig{
			Enabled: crl.enabled, ValidityDays: crl.days, Delta: c.CRL.Delta, CustomName: crl.cname, Path: crl.path,
			Bucket: crl.bucket, PublicACL: crl.acl,
			OmitDistributionPoint: crl.distributionPoint != nil && crl.distributionPoint.omit,
		}
		if crl.kind == crlPartitioned {
			c.CRL.Shards = shards
		}
	}
	if r.ocsp != nil {
		c.OCSP = ca.OCSPConfig{Enabled: r.ocsp.enabled, CustomName: r.ocsp.cname}
	}
	return c
}

// writeRevocation adds the members of a RevocationConfiguration.
func writeRevocation(out *wire.Encoder, c *ca.RevocationConfig) {
	out.Object("CrlConfiguration", func() {
		out.Bool("Enabled", c.CRL.Enabled)
		if c.CRL.Enabled {
			writeCRL(out, &c.CRL)
		}
	})
	out.Object("OcspConfiguration", func() {
		out.Bool("Enabled", c.OCSP.Enabled)
		optional(out, "OcspCustomCname", c.OCSP.CustomName)
	})
}

func writeCRL(out *wire.Encoder, c *ca.CRLConfig) {
	days := c.ValidityDays
	if days == 0 {
		days = usualCRLDays
	}
	out.Int("ExpirationInDays", days)
	optional(out, "CustomCname", c.CustomName)
	optional(out, "S3BucketName", c.Bucket)
	optional(out, "S3ObjectAcl", c.PublicACL)
	out.Object("CrlDistributionPointExtensionConfiguration", func() { out.Bool("OmitExtension", c.OmitDistributionPoint) })
	if c.Shards > 0 {
		out.Text("CrlType", crlPartitioned)
	} else {
		out.Text("CrlType", crlComplete)
	}
	optional(out, "CustomPath", c.Path)
}

// usualCRLDays is how long a CRL is valid of an authority that does not say.
const usualCRLDays = 7

// optional adds a text unless it is empty.
func optional(out *wire.Encoder, name, text string) {
	if text != "" {
		out.Text(name, text)
	}
}
