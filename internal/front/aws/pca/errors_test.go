package pca_test

import (
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
)

const (
	resource = "123456789012/us-east-1/authority/" + caID
	named    = `{"CertificateAuthorityArn":"` + caARN + `"}`
	issue    = `{"CertificateAuthorityArn":"` + caARN + `","Csr":"` + csr64 + `","SigningAlgorithm":"SHA384WITHECDSA","Validity":{"Value":1,"Type":"DAYS"}}`
	revoke   = `{"CertificateAuthorityArn":"` + caARN + `","CertificateSerial":"01","RevocationReason":"UNSPECIFIED"}`
	// csr64 is a PEM file, in base64, with something in it that only the door
	// would look at.
	csr64  = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0KYUdrPQotLS0tLUVORCBDRVJUSUZJQ0FURSBSRVFVRVNULS0tLS0K"
	cert64 = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCmFHaz0KLS0tLS1FTkQgQ0VSVElGSUNBVEUtLS0tLQo="
)

func because(k fault.Kind, r fault.Reason) *fault.Error {
	return &fault.Error{Kind: k, Reason: r, Resource: resource, Op: "ca:Issue", Public: "the public text"}
}

const alice = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: acm-pca:IssueCertificate on resource: " + caARN

// TestKinds has every kind without a reason.
func TestKinds(t *testing.T) {
	awstest.TestKinds(t, fake, awstest.Kinds{
		Operation: "IssueCertificate", Body: issue, Fault: because,
		Want: map[fault.Kind]string{
			fault.Internal:         "500 InternalFailure",
			fault.InvalidArgument:  "400 InvalidArgsException The public text.",
			fault.Unauthenticated:  "400 UnrecognizedClientException The security token included in the request is invalid.",
			fault.PermissionDenied: "400 AccessDeniedException " + alice,
			fault.NotFound:         "400 ResourceNotFoundException Resource " + caARN + " not found.",
			fault.AlreadyExists:    "400 InvalidArgsException The public text.",
			fault.WrongState:       "400 InvalidStateException The public text.",
			fault.Conflict:         "400 InvalidArgsException The public text.",
			fault.Unsupported:      "400 InvalidArgsException The public text.",
			fault.LimitExceeded:    "400 LimitExceededException The public text.",
			fault.BadCiphertext:    "400 InvalidArgsException The public text.",
			fault.BadSignature:     "400 InvalidArgsException The public text.",
			fault.Unavailable:      "503 RequestFailedException The public text.",
		},
	})
}

// TestReasons has every reason that an authority's operation can meet with
// its kind, and fails for one that is added and has no row.
func TestReasons(t *testing.T) {
	const (
		invalid, state, denied = fault.InvalidArgument, fault.WrongState, fault.PermissionDenied
		tag                    = `{"CertificateAuthorityArn":"` + caARN + `","Tags":[{"Key":"a","Value":"b"}]}`
		put                    = `{"ResourceArn":"` + caARN + `","Policy":"x"}`
		policy                 = `{"ResourceArn":"` + caARN + `"}`
		report                 = `{"CertificateAuthorityArn":"` + caARN + `","S3BucketName":"bucket","AuditReportResponseFormat":"CSV"}`
		imported               = `{"CertificateAuthorityArn":"` + caARN + `","Certificate":"` + cert64 + `"}`
		permit                 = `{"CertificateAuthorityArn":"` + caARN + `","Principal":"acm.amazonaws.com","Actions":["GetCertificate"]}`
		unpermit               = `{"CertificateAuthorityArn":"` + caARN + `","Principal":"acm.amazonaws.com"}`
		create                 = `{"CertificateAuthorityConfiguration":{"KeyAlgorithm":"RSA_2048","SigningAlgorithm":"SHA256WITHRSA","Subject":{"CommonName":"x"}},"CertificateAuthorityType":"ROOT"}`
		get                    = `{"CertificateAuthorityArn":"` + caARN + `","CertificateArn":"` + caARN + "/certificate/" + serial + `"}`
	)
	rows := []struct {
		Operation, Body string
		Err             *fault.Error
		Want            string
	}{
		{"IssueCertificate", issue, because(state, fault.AuthorityPending), "InvalidStateException The certificate authority " + caARN + " is not in a valid state for issuing certificates."},
		{"IssueCertificate", issue, because(state, fault.AuthorityDisabled), "InvalidStateException The certificate authority " + caARN + " is not in a valid state for issuing certificates."},
		{"IssueCertificate", issue, because(state, fault.AuthorityExpired), "InvalidStateException The certificate authority " + caARN + " is not in a valid state for issuing certificates."},
		{"IssueCertificate", issue, because(state, fault.KeyDisabled), "InvalidStateException The certificate authority " + caARN + " is not in a valid state for issuing certificates."},
		{"GetCertificate", get, because(state, fault.AuthorityDeleted), "InvalidStateException The certificate authority " + caARN + " is not in the correct state to have issued certificates."},
		{"GetCertificateAuthorityCertificate", named, because(state, fault.AuthorityPending), "InvalidStateException The certificate authority " + caARN + " is not in the correct state to have a certificate signing request"},
		{"GetCertificateAuthorityCsr", named, because(state, fault.AuthorityCreating), "RequestInProgressException The public text."},
		{"GetCertificateAuthorityCsr", named, because(state, fault.AuthorityDeleted), "InvalidStateException The certificate authority " + caARN + " is not in the correct state to have a certificate signing request"},
		{"UpdateCertificateAuthority", named, because(state, fault.AuthorityPending), "InvalidStateException The certificate authority must be in the ACTIVE or DISABLED state to be updated"},
		{"DeleteCertificateAuthority", named, because(state, fault.Unspecified), "InvalidStateException The public text."},
		{"DeleteCertificateAuthority", named, because(state, fault.AuthorityDeleted), "InvalidStateException The certificate authority is not in a valid state for deletion."},
		{"TagCertificateAuthority", tag, because(state, fault.AuthorityDeleted), "InvalidStateException The public text."},
		{"RevokeCertificate", revoke, because(state, fault.AlreadyRevoked), "RequestAlreadyProcessedException The public text."},
		{"RevokeCertificate", revoke, because(invalid, fault.Unspecified), "InvalidRequestException The public text."},
		{"IssueCertificate", issue, because(invalid, fault.MalformedCSR), "MalformedCSRException The public text."},
		{"IssueCertificate", issue, because(fault.Unsupported, fault.MalformedCSR), "MalformedCSRException The public text."},
		{"IssueCertificate", issue, because(fault.LimitExceeded, fault.MalformedCSR), "MalformedCSRException The public text."},
		{"IssueCertificate", issue, because(invalid, fault.ProfileViolation), "InvalidArgsException The public text."},
		{"IssueCertificate", issue, because(invalid, fault.LintFailed), "InvalidArgsException The public text."},
		{"IssueCertificate", issue, because(invalid, fault.WeakKey), "InvalidArgsException The public text."},
		{"IssueCertificate", issue, because(invalid, fault.WrongAlgorithm), "InvalidArgsException The public text."},
		{"ImportCertificateAuthorityCertificate", imported, because(invalid, fault.MalformedCertificate), "MalformedCertificateException The public text."},
		{"ImportCertificateAuthorityCertificate", imported, because(invalid, fault.CertificateMismatch), "CertificateMismatchException The public text."},
		{"ImportCertificateAuthorityCertificate", imported, because(invalid, fault.Unspecified), "InvalidRequestException The public text."},
		{"ImportCertificateAuthorityCertificate", imported, because(fault.Conflict, fault.Unspecified), "ConcurrentModificationException The public text."},
		{"CreateCertificateAuthorityAuditReport", report, because(fault.Conflict, fault.Unspecified), "RequestInProgressException The public text."},
		{"GetPolicy", policy, &fault.Error{Kind: fault.NotFound, Public: "no policy"}, "ResourceNotFoundException No policy."},
		{"PutPolicy", put, because(invalid, fault.MalformedPolicy), "InvalidPolicyException The public text."},
		{"PutPolicy", put, because(fault.LimitExceeded, fault.PolicyTooLong), "InvalidPolicyException The public text."},
		{"PutPolicy", put, because(invalid, fault.PolicyLockout), "LockoutPreventedException The public text."},
		{"TagCertificateAuthority", tag, because(invalid, fault.MalformedTag), "InvalidTagException The public text."},
		{"TagCertificateAuthority", tag, because(invalid, fault.ReservedTag), "InvalidTagException The public text."},
		{"TagCertificateAuthority", tag, because(invalid, fault.DuplicateTag), "InvalidTagException The public text."},
		{"TagCertificateAuthority", tag, because(fault.LimitExceeded, fault.TooManyTags), "TooManyTagsException The public text."},
		{"ListTags", named, because(invalid, fault.MalformedMarker), "InvalidNextTokenException The public text."},
		{"CreatePermission", permit, because(fault.AlreadyExists, fault.Unspecified), "PermissionAlreadyExistsException The public text."},
		{"DeletePermission", unpermit, &fault.Error{Kind: fault.NotFound, Public: "no permission"}, "ResourceNotFoundException No permission."},
		{"CreateCertificateAuthority", create, because(fault.LimitExceeded, fault.Unspecified), "LimitExceededException The public text."},
		{"CreateCertificateAuthority", create, because(invalid, fault.DryRun), "InvalidArgsException The public text."},
		{"IssueCertificate", issue, because(denied, fault.DeniedByResourcePolicy), "AccessDeniedException " + alice + " with an explicit deny in a resource-based policy"},
		{"IssueCertificate", issue, because(denied, fault.DeniedByIdentityPolicy), "AccessDeniedException " + alice + " with an explicit deny in an identity-based policy"},
		{"IssueCertificate", issue, because(denied, fault.NoResourcePolicyAllows), "AccessDeniedException " + alice + " because no resource-based policy allows the acm-pca:IssueCertificate action"},
		{"IssueCertificate", issue, because(denied, fault.NoIdentityPolicyAllows), "AccessDeniedException " + alice + " because no identity-based policy allows the acm-pca:IssueCertificate action"},
		{"IssueCertificate", issue, because(denied, fault.DeniedBySessionPolicy), "AccessDeniedException " + alice + " with an explicit deny in a session policy"},
		{"IssueCertificate", issue, because(denied, fault.NoSessionPolicyAllows), "AccessDeniedException " + alice + " because no session policy allows the acm-pca:IssueCertificate action"},
		{"IssueCertificate", issue, because(denied, fault.ApprovalRequired), "AccessDeniedException " + alice + ": the public text"},
		{"IssueCertificate", issue, because(denied, fault.MFARequired), "AccessDeniedException " + alice + ": the public text"},
	}
	awstest.TestReasons(t, fake, rows)
	// What no operation of this API can meet: these are about other uses of keys.
	awstest.TestEveryReason(t, rows,
		fault.KeyPendingDeletion, fault.KeyPendingImport, fault.KeyUnavailable, fault.KeyCreating, fault.KeyNotPendingDeletion,
		fault.WrongUsage, fault.UnfitPeer, fault.IncorrectKey, fault.DigestLength, fault.MessageTooLong, fault.MalformedKeyID, fault.MalformedAlias,
		fault.ReservedAlias, fault.ForeignRegion, fault.IncompatibleUsage, fault.UsageRequired, fault.UnknownKey, fault.TooManyRotations,
		fault.NotRenewable, fault.InUse, fault.NotExportable,
		fault.KeyStoreDisconnected, fault.KeyStoreHasKeys, fault.ClusterNotActive, fault.ClusterInUse, fault.MaterialPending, fault.NoMaterialPending, fault.OriginForbids, fault.KeySucceeded, fault.ExpiredImportToken, fault.InvalidImportToken, fault.IncorrectMaterial, fault.IncorrectTrustAnchor, fault.ClusterNotRelated, fault.InvalidCluster, fault.ForeignBlob, fault.MalformedBlob, fault.ReplayedBlob, fault.NoSuchKeyStore, fault.NoSuchCluster, fault.KeyStoreNameTaken)
}

// TestSecretCause holds that the cause of a failure stays in the log.
func TestSecretCause(t *testing.T) {
	awstest.TestSecretCause(t, fake, "DescribeCertificateAuthority", named)
}
