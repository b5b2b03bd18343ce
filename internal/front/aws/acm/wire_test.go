package acm_test

import (
	"flag"
	"regexp"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws/acm"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// privateKey is what differs in each export: salt and vector are random.
var privateKey = regexp.MustCompile(`(-----BEGIN ENCRYPTED PRIVATE KEY-----\\n)[^-]*`)

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{
		Operations: acm.Operations(), Update: *update,
		Mask: func(body string) string { return privateKey.ReplaceAllString(body, "$1…\\n") },
	})
}

// TestOperations holds the table against the list of AWS's operations (AWS SDK
// for Go v2, acm 1.51.3): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `AddTagsToCertificate CreateAcmeDomainValidation CreateAcmeEndpoint CreateAcmeExternalAccountBinding
DeleteAcmeDomainValidation DeleteAcmeEndpoint DeleteAcmeExternalAccountBinding DeleteCertificate DescribeAcmeAccount
DescribeAcmeDomainValidation DescribeAcmeEndpoint DescribeAcmeExternalAccountBinding DescribeCertificate ExportCertificate
GetAccountConfiguration GetAcmeExternalAccountBindingCredentials GetCertificate ImportCertificate ListAcmeAccounts
ListAcmeDomainValidations ListAcmeEndpoints ListAcmeExternalAccountBindings ListCertificateDomainValidations ListCertificates
ListTagsForCertificate ListTagsForResource PutAccountConfiguration RemoveTagsFromCertificate RenewCertificate
RequestCertificate ResendValidationEmail RevokeAcmeAccount RevokeAcmeExternalAccountBinding RevokeCertificate
SearchCertificates TagResource UntagResource UpdateAcmeDomainValidation UpdateAcmeEndpoint UpdateCertificateOptions`
	awstest.TestOperations(t, acm.Operations(), all)
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	awstest.TestPage(t, awstest.Page{
		Path: "../../../../docs/aws-acm.md", Package: "aws/acm", Operations: acm.Operations(), Update: *update,
	})
}
