package pca_test

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/pca"
)

// authorityWith returns a CreateCertificateAuthority request with a member of
// its configuration, and others.
func authorityWith(subject, more string) string {
	return `{"CertificateAuthorityConfiguration":{"KeyAlgorithm":"RSA_2048","SigningAlgorithm":"SHA256WITHRSA","Subject":` + subject +
		`},"CertificateAuthorityType":"ROOT"` + more + `}`
}

func issueWith(more string) string { return strings.TrimSuffix(issue, "}") + "," + more + "}" }

// passing returns an IssueCertificate request that passes extensions through.
func passing(extensions string) string {
	return issueWith(`"TemplateArn":"arn:aws:acm-pca:::template/BlankEndEntityCertificate_APIPassthrough/V1","ApiPassthrough":{"Extensions":` + extensions + `}`)
}

// TestBadInput has requests that never reach the authorities, and AWS's own
// words for what is wrong with them, where AWS's model says what that is.
func TestBadInput(t *testing.T) {
	const (
		one     = "ValidationException 1 validation error detected: Value "
		subject = `{"CommonName":"x"}`
		enum    = " failed to satisfy constraint: Member must satisfy enum value set: "
		null    = " failed to satisfy constraint: Member must not be null"
		arnText = `arn:[\w+=/,.@-]+:acm-pca:[\w+=/,.@-]*:[0-9]*:[\w+=,.@-]+(/[\w+=,.@-]+)*`
	)
	arn := func(s string) string { return `{"CertificateAuthorityArn":"` + s + `"}` }
	awstest.TestBadInput(t, fake, []struct{ Operation, Body, Want string }{
		// The shape of nested members, and their paths.
		{"CreateCertificateAuthority", `{}`, "ValidationException 2 validation errors detected: Value null at 'certificateAuthorityConfiguration'" + null +
			"; Value null at 'certificateAuthorityType'" + null},
		{
			"CreateCertificateAuthority", `{"CertificateAuthorityConfiguration":{},"CertificateAuthorityType":"ROOT"}`,
			"ValidationException 3 validation errors detected: Value null at 'certificateAuthorityConfiguration.keyAlgorithm'" + null +
				"; Value null at 'certificateAuthorityConfiguration.signingAlgorithm'" + null + "; Value null at 'certificateAuthorityConfiguration.subject'" + null,
		},
		{"CreateCertificateAuthority", authorityWith(`{"Country":"TWN"}`, ""), "ValidationException 2 validation errors detected: " +
			"Value 'TWN' at 'certificateAuthorityConfiguration.subject.country' failed to satisfy constraint: Member must have length less than or equal to 2; " +
			"Value 'TWN' at 'certificateAuthorityConfiguration.subject.country' failed to satisfy constraint: Member must satisfy regular expression pattern: [A-Za-z]{2}"},
		{"CreateCertificateAuthority", authorityWith(`{"CommonName":"`+strings.Repeat("x", 65)+`"}`, ""), one + "'" + strings.Repeat("x", 65) +
			"' at 'certificateAuthorityConfiguration.subject.commonName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"CreateCertificateAuthority", authorityWith(`{"CustomAttributes":[{"ObjectIdentifier":"2.5.4.3"}]}`, ""), one +
			"null at 'certificateAuthorityConfiguration.subject.customAttributes.1.member.value'" + null},
		{"CreateCertificateAuthority", authorityWith(subject, `,"KeyStorageSecurityStandard":"NONE"`), one + "'NONE' at 'keyStorageSecurityStandard'" + enum +
			"[FIPS_140_2_LEVEL_2_OR_HIGHER, FIPS_140_2_LEVEL_3_OR_HIGHER, CCPC_LEVEL_1_OR_HIGHER]"},
		{"CreateCertificateAuthority", authorityWith(subject, `,"UsageMode":"BOTH"`), one + "'BOTH' at 'usageMode'" + enum + "[GENERAL_PURPOSE, SHORT_LIVED_CERTIFICATE]"},
		{
			"CreateCertificateAuthority", authorityWith(subject, `,"RevocationConfiguration":{"CrlConfiguration":{"ExpirationInDays":5001}}`),
			"ValidationException 2 validation errors detected: Value null at 'revocationConfiguration.crlConfiguration.enabled'" + null +
				"; Value '5001' at 'revocationConfiguration.crlConfiguration.expirationInDays' failed to satisfy constraint: Member must have value less than or equal to 5000",
		},
		{"CreateCertificateAuthority", authorityWith(subject, `,"Tags":[]`), one + "at 'tags' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"CreateCertificateAuthority", authorityWith(subject, `,"Tags":[{"Key":"a#b"}]`), one + `'a#b' at 'tags.1.member.key' failed to satisfy constraint: ` +
			`Member must satisfy regular expression pattern: ([\p{L}\p{Z}\p{N}_.:/=+\-@]*)`},
		{"CreateCertificateAuthority", authorityWith(subject, `,"IdempotencyToken":"`+strings.Repeat("t", 37)+`"`), one + "'" + strings.Repeat("t", 37) +
			"' at 'idempotencyToken' failed to satisfy constraint: Member must have length less than or equal to 36"},
		{"CreateCertificateAuthority", authorityWith(`"x"`, ""), "SerializationException STRING_VALUE can not be converted to a Structure"},
		{"IssueCertificate", named, "ValidationException 3 validation errors detected: Value null at 'csr'" + null +
			"; Value null at 'signingAlgorithm'" + null + "; Value null at 'validity'" + null},
		{"IssueCertificate", strings.Replace(issue, `"Value":1`, `"Value":0`, 1), one + "'0' at 'validity.value' failed to satisfy constraint: Member must have value greater than or equal to 1"},
		{"IssueCertificate", strings.Replace(issue, `DAYS`, `WEEKS`, 1), one + "'WEEKS' at 'validity.type'" + enum + "[END_DATE, ABSOLUTE, DAYS, MONTHS, YEARS]"},
		{"IssueCertificate", passing(`{"ExtendedKeyUsage":[]}`), one + "at 'apiPassthrough.extensions.extendedKeyUsage' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"IssueCertificate", passing(`{"CertificatePolicies":[{"CertPolicyId":"x"}]}`), one + "'x' at 'apiPassthrough.extensions.certificatePolicies.1.member.certPolicyId'" +
			` failed to satisfy constraint: Member must satisfy regular expression pattern: ^([0-2])\.([0-9]|([0-3][0-9]))((\.([0-9]+)){0,126})$`},
		{"IssueCertificate", passing(`{"SubjectAlternativeNames":[` + strings.Repeat(`{"DnsName":"a.example"},`, 150) + `{}]}`), one +
			"at 'apiPassthrough.extensions.subjectAlternativeNames' failed to satisfy constraint: Member must have length less than or equal to 150"},
		{"RevokeCertificate", strings.Replace(revoke, "UNSPECIFIED", "CERTIFICATE_HOLD", 1), one + "'CERTIFICATE_HOLD' at 'revocationReason'" + enum +
			"[UNSPECIFIED, KEY_COMPROMISE, CERTIFICATE_AUTHORITY_COMPROMISE, AFFILIATION_CHANGED, SUPERSEDED, CESSATION_OF_OPERATION, PRIVILEGE_WITHDRAWN, A_A_COMPROMISE]"},
		{"DeleteCertificateAuthority", `{"CertificateAuthorityArn":"` + caARN + `","PermanentDeletionTimeInDays":6}`, one +
			"'6' at 'permanentDeletionTimeInDays' failed to satisfy constraint: Member must have value greater than or equal to 7"},
		{
			"CreatePermission", `{"CertificateAuthorityArn":"` + caARN + `","Principal":"*","Actions":["Sign"]}`,
			"ValidationException 2 validation errors detected: Value '*' at 'principal' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[^*]+$; " +
				"Value '[Sign]' at 'actions' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [IssueCertificate, GetCertificate, ListPermissions]]",
		},
		{"ListCertificateAuthorities", `{"MaxResults":1001}`, one + "'1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000"},

		// ARNs.
		{"DescribeCertificateAuthority", `{}`, one + "null at 'certificateAuthorityArn'" + null},
		{"DescribeCertificateAuthority", arn("x"), "ValidationException 2 validation errors detected: Value 'x' at 'certificateAuthorityArn' failed to satisfy constraint: " +
			"Member must have length greater than or equal to 5; Value 'x' at 'certificateAuthorityArn' failed to satisfy constraint: Member must satisfy regular expression pattern: " + arnText},
		{"DescribeCertificateAuthority", arn("arn:aws:kms:us-east-1:123456789012:key/x"), one +
			"'arn:aws:kms:us-east-1:123456789012:key/x' at 'certificateAuthorityArn' failed to satisfy constraint: Member must satisfy regular expression pattern: " + arnText},
		{"DescribeCertificateAuthority", arn(caARN + "/certificate/" + serial), "InvalidArnException Not a valid arn."},
		{"DescribeCertificateAuthority", arn("arn:aws:acm-pca:::template/EndEntityCertificate/V1"), "InvalidArnException Not a valid arn."},
		{"DescribeCertificateAuthority", arn(strings.Replace(caARN, "us-east-1", "eu-west-1", 1)), "ResourceNotFoundException Resource " + strings.Replace(caARN, "us-east-1", "eu-west-1", 1) + " not found."},
		{"DescribeCertificateAuthority", arn(strings.Replace(caARN, "123456789012", "210987654321", 1)), "ResourceNotFoundException Resource " + strings.Replace(caARN, "123456789012", "210987654321", 1) + " not found."},
		{"GetCertificate", `{"CertificateAuthorityArn":"` + caARN + `","CertificateArn":"` + caARN + `"}`, "InvalidArnException Not a valid arn."},
		{"GetCertificate", `{"CertificateAuthorityArn":"` + caARN + `","CertificateArn":"` + strings.Replace(caARN, "1111", "2222", 1) + `/certificate/01"}`, "InvalidArnException Not a valid arn."},
		{"IssueCertificate", issueWith(`"TemplateArn":"arn:aws:acm-pca:::template/EndEntityCertificate/V2"`), "InvalidArnException Not a valid template arn."},
		{"GetPolicy", `{"ResourceArn":"arn:aws:acm-pca:us-east-1:123456789012:other/x"}`, "InvalidArnException Not a valid arn."},

		// What means nothing, or is not here.
		{"CreateCertificateAuthority", authorityWith(`{"CommonName":"x","CustomAttributes":[{"ObjectIdentifier":"2.5.4.3","Value":"y"}]}`, ""), "InvalidArgsException A subject has standard attributes or custom attributes, not both."},
		{"CreateCertificateAuthority", authorityWith(`{"CustomAttributes":[{"ObjectIdentifier":"0.39.007","Value":"y"}]}`, ""), "InvalidArgsException 0.39.007 is not an object identifier."},
		{"CreateCertificateAuthority", strings.Replace(authorityWith(subject, ""), "SHA256WITHRSA", "SHA256WITHECDSA", 1), "InvalidArgsException The signing algorithm SHA256WITHECDSA is not compatible with the key algorithm RSA_2048."},
		{"CreateCertificateAuthority", strings.Replace(authorityWith(subject, ""), "RSA_2048", "SM2", 1), "UnsupportedOperationException Holdfast does not support the KeyAlgorithm SM2."},
		{"CreateCertificateAuthority", strings.Replace(authorityWith(subject, ""), "SHA256WITHRSA", "SM3WITHSM2", 1), "UnsupportedOperationException Holdfast does not support the SigningAlgorithm SM3WITHSM2."},
		{"UpdateCertificateAuthority", `{"CertificateAuthorityArn":"` + caARN + `","Status":"EXPIRED"}`, "InvalidArgsException The status of a certificate authority can be set to ACTIVE or DISABLED."},
		{"IssueCertificate", strings.Replace(issue, "SHA384WITHECDSA", "SHA256WITHRSA", 1), "InvalidArgsException The signing algorithm SHA256WITHRSA is not compatible with the key algorithm EC_secp384r1."},
		{"IssueCertificate", issueWith(`"ValidityNotBefore":{"Value":1,"Type":"DAYS"}`), "InvalidArgsException The type of ValidityNotBefore is ABSOLUTE or END_DATE."},
		{"IssueCertificate", strings.Replace(issue, csr64, base64.StdEncoding.EncodeToString([]byte("no PEM")), 1), "MalformedCSRException The CSR is not a certificate request in PEM."},
		{"IssueCertificate", strings.Replace(issue, csr64, cert64, 1), "MalformedCSRException The CSR is not a certificate request in PEM."},
		{"IssueCertificate", passing(`{"SubjectAlternativeNames":[{}]}`), "InvalidArgsException A general name has exactly one of its members."},
		{"IssueCertificate", passing(`{"SubjectAlternativeNames":[{"DnsName":"a.example","IpAddress":"10.0.0.1"}]}`), "InvalidArgsException A general name has exactly one of its members."},
		{"IssueCertificate", passing(`{"SubjectAlternativeNames":[{"IpAddress":"10.0.0.256"}]}`), "InvalidArgsException 10.0.0.256 is not an IP address."},
		{"IssueCertificate", passing(`{"SubjectAlternativeNames":[{"EdiPartyName":{"PartyName":"x"}}]}`), "UnsupportedOperationException Holdfast does not support the parameter apiPassthrough.extensions.subjectAlternativeNames.1.member.EdiPartyName."},
		{"IssueCertificate", passing(`{"ExtendedKeyUsage":[{"ExtendedKeyUsageType":"SERVER_AUTH","ExtendedKeyUsageObjectIdentifier":"1.2.3"}]}`), "InvalidArgsException An extended key usage has a type or an object identifier: exactly one of the two."},
		{"ImportCertificateAuthorityCertificate", `{"CertificateAuthorityArn":"` + caARN + `","Certificate":"` + csr64 + `"}`, "MalformedCertificateException The PEM holds something else than certificates."},
		{"ImportCertificateAuthorityCertificate", `{"CertificateAuthorityArn":"` + caARN + `","Certificate":"aGk="}`, "MalformedCertificateException The certificate is not one certificate in PEM."},
		{"ImportCertificateAuthorityCertificate", `{"CertificateAuthorityArn":"` + caARN + `","Certificate":"` + base64.StdEncoding.EncodeToString([]byte("-----BEGIN CERTIFICATE-----\n!")) + `"}`, "MalformedCertificateException The PEM cannot be read."},
		{"ImportCertificateAuthorityCertificate", `{"CertificateAuthorityArn":"` + strings.Repeat("x", 3<<20) + `"}`, "RequestEntityTooLargeException The request must be at most 2843988 bytes."},
		{"DescribeCertificateAuthority", `{"CertificateAuthorityArn":"` + strings.Repeat("x", 300<<10) + `"}`, "RequestEntityTooLargeException The request must be at most 262144 bytes."},
		{"ListTags", `{"CertificateAuthorityArn":"` + caARN + `","NextToken":"x"}`, "InvalidNextTokenException The token is not of this listing."},
		{"ListCertificateAuthorities", `{"NextToken":"` + base64.RawURLEncoding.EncodeToString([]byte("1:ListTags:x")) + `"}`, "InvalidNextTokenException The token is not of this listing."},
		{"DropTables", `{}`, "UnknownOperationException The requested operation is not recognized by the service."},
	})
}

// TestPages reads listings entry by entry.
func TestPages(t *testing.T) {
	for operation, member := range map[string]string{"ListTags": "Tags", "ListPermissions": "Permissions"} {
		d := newDoor()
		token, seen := "", 0
		for range 5 {
			a := send(t, d, operation, `{"CertificateAuthorityArn":"`+caARN+`","MaxResults":1`+token+`}`)
			list, _ := a.Fields[member].([]any)
			seen += len(list)
			next, more := a.Fields["NextToken"].(string)
			if len(list) != 1 || a.Status != http.StatusOK {
				t.Fatalf("%s: %d %s", operation, a.Status, a.Body)
			}
			if token = `,"NextToken":"` + next + `"`; !more {
				break
			}
		}
		if seen != 2 {
			t.Errorf("%s has %d entries", operation, seen)
		}
	}
}

// FuzzHandler holds that any body to any operation is answered with 200 or
// 400 and JSON, and recorded once.
func FuzzHandler(f *testing.F) {
	f.Add("IssueCertificate", passing(`{"SubjectAlternativeNames":[null,{"DirectoryName":null}]}`))
	awstest.FuzzHandler(f, fake)
}

// TestEveryOperationRefusesNonsense sends each operation bodies of every
// wrong shape.
func TestEveryOperationRefusesNonsense(t *testing.T) {
	for _, o := range pca.Operations() {
		for _, body := range []string{`{`, `[]`, `0`, `"`, "\x00", `{"":""`, `{"CertificateAuthorityArn":"a","CertificateAuthorityArn":"b"}`} {
			d := newDoor()
			if a := send(t, d, o.Name, body); a.Status != http.StatusBadRequest || len(d.Refused) != 1 {
				t.Errorf("%s %q: %d %s, refused %v", o.Name, body, a.Status, a.Body, d.Refused)
			}
		}
	}
}
