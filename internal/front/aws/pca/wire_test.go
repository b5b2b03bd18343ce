package pca_test

import (
	"flag"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/pca"
)

var update = flag.Bool("update", false, "rewrite testdata/answers")

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{Operations: pca.Operations(), Update: *update})
}

// TestOperations holds the table against the list of AWS's operations (AWS
// SDK for Go v2, acmpca 1.56.10): nothing is missing, nothing is made up.
func TestOperations(t *testing.T) {
	const all = `CreateCertificateAuthority CreateCertificateAuthorityAuditReport CreatePermission DeleteCertificateAuthority
DeletePermission DeletePolicy DescribeCertificateAuthority DescribeCertificateAuthorityAuditReport GetCertificate
GetCertificateAuthorityCertificate GetCertificateAuthorityCsr GetPolicy ImportCertificateAuthorityCertificate IssueCertificate
ListCertificateAuthorities ListPermissions ListTags PutPolicy RestoreCertificateAuthority RevokeCertificate
TagCertificateAuthority UntagCertificateAuthority UpdateCertificateAuthority`
	awstest.TestOperations(t, pca.Operations(), all)
	for _, o := range pca.Operations() {
		if !o.Served {
			t.Errorf("%s is not served", o.Name)
		}
	}
}
