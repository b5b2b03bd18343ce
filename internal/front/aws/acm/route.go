package acm

import (
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// New returns the API of AWS Certificate Manager over managed certificates.
func New(certificates Certificates) aws.Service {
	f := &front{certificates}
	return aws.Service{
		API: "aws.acm", Scope: "acm", Target: "CertificateManager",
		Operations: f.table(), Known: unserved, Explain: explain,
	}
}

// maxImport bounds the body of ImportCertificate: a chain, a certificate and a
// key of the sizes that AWS's model has, in base64.
const maxImport = (maxChain+maxCertificate+maxPrivateKey)/3*4 + 16<<10

// table is the API: name, action, and the handler, whose argument says what
// the request is.
func (f *front) table() []aws.Operation {
	return []aws.Operation{
		aws.JSON("AddTagsToCertificate", key.TagManaged, f.addTags),
		aws.JSON("DeleteCertificate", key.DeleteManaged, f.deleteCertificate),
		aws.JSON("DescribeCertificate", key.DescribeManaged, f.describeCertificate),
		aws.JSON("ExportCertificate", key.ExportManaged, f.exportCertificate),
		aws.JSON("GetAccountConfiguration", key.GetManagedSettings, f.getAccountConfiguration),
		aws.JSON("GetCertificate", key.GetManaged, f.getCertificate),
		aws.JSON("ImportCertificate", key.ImportManaged, f.importCertificate).UpTo(maxImport),
		aws.JSON("ListCertificates", key.ListManaged, f.listCertificates),
		aws.JSON("ListTagsForCertificate", key.ListManagedTags, f.listTags),
		aws.JSON("PutAccountConfiguration", key.PutManagedSettings, f.putAccountConfiguration),
		aws.JSON("RemoveTagsFromCertificate", key.UntagManaged, f.removeTags),
		aws.JSON("RenewCertificate", key.RenewManaged, f.renewCertificate),
		aws.JSON("RequestCertificate", key.RequestManaged, f.requestCertificate),
		aws.JSON("ResendValidationEmail", key.DescribeManaged, f.resendValidationEmail),
		aws.JSON("RevokeCertificate", key.RevokeManaged, f.revokeCertificate),
		aws.JSON("UpdateCertificateOptions", key.UpdateManaged, f.updateCertificateOptions),
	}
}

// unserved are AWS Certificate Manager's other operations (AWS SDK for Go v2,
// acm 1.51.3): what public certificates over ACME need, and SearchCertificates.
var unserved = []string{
	"CreateAcmeDomainValidation", "CreateAcmeEndpoint", "CreateAcmeExternalAccountBinding", "DeleteAcmeDomainValidation",
	"DeleteAcmeEndpoint", "DeleteAcmeExternalAccountBinding", "DescribeAcmeAccount", "DescribeAcmeDomainValidation",
	"DescribeAcmeEndpoint", "DescribeAcmeExternalAccountBinding", "GetAcmeExternalAccountBindingCredentials",
	"ListAcmeAccounts", "ListAcmeDomainValidations", "ListAcmeEndpoints", "ListAcmeExternalAccountBindings",
	"ListCertificateDomainValidations", "ListTagsForResource", "RevokeAcmeAccount", "RevokeAcmeExternalAccountBinding",
	"SearchCertificates", "TagResource", "UntagResource", "UpdateAcmeDomainValidation", "UpdateAcmeEndpoint",
}

// Operations returns all operations of AWS Certificate Manager in the order of
// their names.
func Operations() []aws.Coverage { return aws.Cover(new(front).table(), unserved) }
