package acm_test

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/managed"
)

const (
	named   = `{"CertificateArn":"` + arn + `"}`
	request = `{"DomainName":"a.example.com","CertificateAuthorityArn":"` + caARN + `"}`
	alice   = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: acm:DescribeCertificate on resource: " + arn
)

// about returns a fault about the certificate.
func about(kind fault.Kind, reason fault.Reason) *fault.Error {
	return &fault.Error{
		Kind: kind, Reason: reason, Op: "managed:Describe", Public: "the public text",
		Resource: "123456789012/us-east-1/managed/" + id,
	}
}

// TestKinds has what each kind of fault is to a client.
func TestKinds(t *testing.T) {
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "DescribeCertificate", Body: named, Fault: about,
		Want: map[fault.Kind]string{
			fault.Internal:         "500 InternalFailure",
			fault.InvalidArgument:  "400 ValidationException The public text: " + arn + ".",
			fault.Unauthenticated:  "400 UnrecognizedClientException The security token included in the request is invalid.",
			fault.PermissionDenied: "400 AccessDeniedException " + alice,
			fault.NotFound:         "400 ResourceNotFoundException Could not find certificate " + arn,
			fault.AlreadyExists:    "400 ValidationException The public text: " + arn + ".",
			fault.WrongState:       "400 InvalidStateException The public text: " + arn + ".",
			fault.Conflict:         "400 ConflictException The public text: " + arn + ".",
			fault.Unsupported:      "400 ValidationException The public text: " + arn + ".",
			fault.LimitExceeded:    "400 LimitExceededException The public text: " + arn + ".",
			fault.BadCiphertext:    "400 ValidationException The public text: " + arn + ".",
			fault.BadSignature:     "400 ValidationException The public text: " + arn + ".",
			fault.Unavailable:      "503 ServiceUnavailableException The public text: " + arn + ".",
		},
	})
}

// TestReasons has what has an exception of its own, by its reason or by the
// operation.
func TestReasons(t *testing.T) {
	const text = " The public text: " + arn + "."
	tag := `{"CertificateArn":"` + arn + `","Tags":[{"Key":"a"}]}`
	awstest.TestReasons(t, fake, []struct {
		Operation, Body string
		Err             *fault.Error
		Want            string
	}{
		{"AddTagsToCertificate", tag, about(fault.InvalidArgument, fault.MalformedTag), "InvalidTagException" + text},
		{"AddTagsToCertificate", tag, about(fault.InvalidArgument, fault.ReservedTag), "InvalidTagException" + text},
		{"AddTagsToCertificate", tag, about(fault.InvalidArgument, fault.DuplicateTag), "InvalidTagException" + text},
		{"AddTagsToCertificate", tag, about(fault.LimitExceeded, fault.TooManyTags), "TooManyTagsException" + text},
		{"DeleteCertificate", named, about(fault.Conflict, fault.InUse), "ResourceInUseException" + text},
		{"RenewCertificate", named, about(fault.WrongState, fault.NotRenewable), "ValidationException" + text},
		{"ExportCertificate", `{"CertificateArn":"` + arn + `","Passphrase":"cGFzcw=="}`, about(fault.WrongState, fault.NotExportable), "ValidationException" + text},
		{"GetCertificate", named, about(fault.WrongState, fault.Unspecified), "RequestInProgressException" + text},
		{"RequestCertificate", request, &fault.Error{Kind: fault.Conflict, Public: "the token"}, "InvalidParameterException The token."},
		{"RequestCertificate", request, &fault.Error{Kind: fault.NotFound, Resource: "123456789012/us-east-1/authority/" + caID}, "InvalidArnException Could not find certificate authority " + caARN},
		{"ListCertificates", `{}`, &fault.Error{Kind: fault.InvalidArgument, Reason: fault.MalformedMarker, Public: "the token"}, "ValidationException The token."},
	})
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) {
	awstest.TestSecretCause(t, fake, "DescribeCertificate", named)
}

// TestRefused has requests that never reach the door.
func TestRefused(t *testing.T) {
	awstest.TestBadInput(t, fake, []struct{ Operation, Body, Want string }{
		{"DescribeCertificate", `{}`, "ValidationException 1 validation error detected: Value null at 'certificateArn' failed to satisfy constraint: Member must not be null"},
		{"DescribeCertificate", `{"CertificateArn":"arn:aws:acm:us-east-1:123456789012:other/x"}`, "InvalidArnException The ARN 'arn:aws:acm:us-east-1:123456789012:other/x' is not the ARN of a certificate."},
		{"DescribeCertificate", `{"CertificateArn":"` + strings.Replace(arn, "us-east-1", "us-west-2", 1) + `"}`, "ResourceNotFoundException Could not find certificate " + strings.Replace(arn, "us-east-1", "us-west-2", 1)},
		{"DescribeCertificate", `{"CertificateArn":"` + strings.Replace(arn, "123456789012", "210987654321", 1) + `"}`, "ResourceNotFoundException Could not find certificate " + strings.Replace(arn, "123456789012", "210987654321", 1)},
		{"RequestCertificate", `{"DomainName":"a.example.com"}`, "UnsupportedOperationException Holdfast issues private certificates only: CertificateAuthorityArn is required."},
		{"RequestCertificate", strings.Replace(request, "}", `,"ManagedBy":"CLOUDFRONT"}`, 1), "UnsupportedOperationException Holdfast does not support the parameter ManagedBy."},
		{"RequestCertificate", strings.Replace(request, "}", `,"KeyAlgorithm":"RSA_1024"}`, 1), "UnsupportedOperationException Holdfast does not support the KeyAlgorithm RSA_1024."},
		{"RequestCertificate", strings.Replace(request, "}", `,"DomainValidationOptions":[{}]}`, 1), "UnsupportedOperationException Holdfast does not support the parameter DomainValidationOptions."},
		{"RequestCertificate", strings.Replace(request, "}", `,"SubjectAlternativeNames":["-x.example.com"]}`, 1), "ValidationException Value '-x.example.com' at 'subjectAlternativeNames' is not a domain name."},
		{"RequestCertificate", strings.Replace(request, caARN, strings.Replace(caARN, "us-east-1", "us-west-2", 1), 1), "InvalidArnException The ARN '" + strings.Replace(caARN, "us-east-1", "us-west-2", 1) + "' is not the ARN of a certificate authority of this region."},
		{"ExportCertificate", `{"CertificateArn":"` + arn + `","Passphrase":"YWJj"}`, "ValidationException 1 validation error detected: Value at 'passphrase' failed to satisfy constraint: Member must have length greater than or equal to 4"},
		{"ImportCertificate", `{"Certificate":"eA==","PrivateKey":"eA=="}`, "ValidationException The certificate is not a certificate in PEM."},
		{"ImportCertificate", `{"Certificate":"` + strings.Repeat("x", 4<<20) + `"}`, "RequestEntityTooLargeException The request must be at most 2863104 bytes."},
		{"ListCertificates", `{"SortBy":"CREATED_AT"}`, "ValidationException You must specify both SortBy and SortOrder, or neither."},
		{"ListCertificates", `{"NextToken":"x"}`, "ValidationException The token is not of this listing."},
		{"RevokeCertificate", strings.Replace(named, "}", `,"RevocationReason":"REMOVE_FROM_CRL"}`, 1), "UnsupportedOperationException Holdfast does not support the RevocationReason REMOVE_FROM_CRL."},
		{"UpdateCertificateOptions", strings.Replace(named, "}", `,"Options":{"Export":"DISABLED"}}`, 1), "ValidationException The Export option cannot be updated after the certificate is created."},
		{"UpdateCertificateOptions", strings.Replace(named, "}", `,"Options":{}}`, 1), "ValidationException No option to update is given."},
		{"PutAccountConfiguration", `{"IdempotencyToken":"a","ExpiryEvents":{"DaysBeforeExpiry":46}}`, "ValidationException 1 validation error detected: Value '46' at 'expiryEvents.daysBeforeExpiry' failed to satisfy constraint: Member must have value less than or equal to 45"},
		{"SearchCertificates", `{}`, "UnsupportedOperationException The operation SearchCertificates is not supported by Holdfast."},
		{"MakeCertificates", `{}`, "UnknownOperationException The requested operation is not recognized by the service."},
	})
}

// TestDomains has names that are domains to AWS's model, and names that are
// not: its pattern has a look-ahead, which is a function here.
func TestDomains(t *testing.T) {
	for name, ok := range map[string]bool{
		"a.example.com": true, "*.example.com": true, "a-b.xn--p1ai": true, "1.2.example.io": true, "A.EXAMPLE.COM": true,
		"localhost": false, "a.b": false, ".example.com": false, "a..com": false, "-a.example.com": false, "a-.example.com": false,
		"a_b.example.com": false, "*.*.example.com": false, "a.example.com.": false, "a b.example.com": false, "*": false,
		strings.Repeat("a", 64) + ".example.com": false, "bücher.example.com": false, "a.*.example.com": false,
	} {
		d := newDoor(t)
		a := send(t, d, "RequestCertificate", strings.Replace(request, "a.example.com", name, 1))
		if (a.Status == 200) != ok {
			t.Errorf("%q: %d %s", name, a.Status, a.Message)
		}
	}
}

// TestEmptyLists: what no certificate can fulfil is asked all the same, so
// that it is decided and on record, and lists nothing.
func TestEmptyLists(t *testing.T) {
	for _, body := range []string{
		`{"Includes":{"keyTypes":["RSA_1024"]}}`, `{"CertificateStatuses":["PENDING_VALIDATION"]}`,
		`{"Includes":{"managedBy":"CLOUDFRONT"}}`, `{"Includes":{"keyUsage":["CUSTOM"]}}`, `{"Includes":{"extendedKeyUsage":["NONE"]}}`,
	} {
		d := newDoor(t)
		d.Next = "next"
		a := send(t, d, "ListCertificates", body)
		if a.Body != `{"CertificateSummaryList":[]}` || len(d.Log) != 1 {
			t.Errorf("%s: %s, asked %v", body, a.Body, d.Log)
		}
	}
}

// TestFailedCertificate is described with the reason.
func TestFailedCertificate(t *testing.T) {
	d := newDoor(t)
	d.certificate.DER, d.certificate.Failure = nil, managed.AuthorityState
	a := send(t, d, "DescribeCertificate", named)
	for _, part := range []string{`"Status":"FAILED"`, `"FailureReason":"PCA_INVALID_STATE"`, `"ValidationStatus":"FAILED"`} {
		if !strings.Contains(a.Body, part) {
			t.Errorf("%s is not in %s", part, a.Body)
		}
	}
}
