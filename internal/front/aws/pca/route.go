package pca

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the AWS Private CA API over the authorities and their audit
// reports.
func New(authorities Authorities, reports Reports) aws.Service {
	all, err := templates()
	if err != nil {
		panic("a certificate template makes no sense: " + err.Error()) // our own bug: nothing in them comes from outside
	}
	f := &front{authorities, reports, all}
	return aws.Service{
		API: "aws.acm-pca", Scope: "acm-pca", Target: "ACMPrivateCA",
		Operations: f.table(), Explain: explain,
	}
}

// maxImport bounds the body of ImportCertificateAuthorityCertificate: a chain
// and a certificate of the sizes that AWS's model has, in base64.
const maxImport = (maxChain+maxCertificate)/3*4 + 4<<10

// table is the API: name, action, and the handler, whose argument says what
// the request is.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.JSON("CreateCertificateAuthority", key.CreateAuthority, f.createAuthority),
		aws.JSON("CreateCertificateAuthorityAuditReport", key.CreateAuditReport, f.createReport),
		aws.JSON("CreatePermission", key.CreatePermission, f.createPermission),
		aws.JSON("DeleteCertificateAuthority", key.DeleteAuthority, f.deleteAuthority),
		aws.JSON("DeletePermission", key.DeletePermission, f.deletePermission),
		aws.JSON("DeletePolicy", key.DeleteAuthorityPolicy, f.deletePolicy),
		aws.JSON("DescribeCertificateAuthority", key.DescribeAuthority, f.describeAuthority),
		aws.JSON("DescribeCertificateAuthorityAuditReport", key.DescribeAuditReport, f.describeReport),
		aws.JSON("GetCertificate", key.GetCertificate, f.getCertificate),
		aws.JSON("GetCertificateAuthorityCertificate", key.GetAuthorityCertificate, f.getAuthorityCertificate),
		aws.JSON("GetCertificateAuthorityCsr", key.GetAuthorityCSR, f.getAuthorityCSR),
		aws.JSON("GetPolicy", key.GetAuthorityPolicy, f.getPolicy),
		aws.JSON("ImportCertificateAuthorityCertificate", key.ImportAuthorityCertificate, f.importCertificate).UpTo(maxImport),
		aws.JSON("IssueCertificate", key.IssueCertificate, f.issueCertificate),
		aws.JSON("ListCertificateAuthorities", key.ListAuthorities, f.listAuthorities),
		aws.JSON("ListPermissions", key.ListPermissions, f.listPermissions),
		aws.JSON("ListTags", key.ListAuthorityTags, f.listTags),
		aws.JSON("PutPolicy", key.PutAuthorityPolicy, f.putPolicy),
		aws.JSON("RestoreCertificateAuthority", key.RestoreAuthority, f.restoreAuthority),
		aws.JSON("RevokeCertificate", key.RevokeCertificate, f.revokeCertificate),
		aws.JSON("TagCertificateAuthority", key.TagAuthority, f.tagAuthority),
		aws.JSON("UntagCertificateAuthority", key.UntagAuthority, f.untagAuthority),
		aws.JSON("UpdateCertificateAuthority", key.UpdateAuthority, f.updateAuthority),
	}
}

// Operations returns all operations of AWS Private CA in the order of their
// names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), nil) }
