package pca

import (
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The enumerations of AWS's model. Holdfast lacks SM2, and refuses it by name
// after the request has passed AWS's own validation.
var (
	keyAlgorithms = []string{
		"RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1",
		"ML_DSA_44", "ML_DSA_65", "ML_DSA_87", "SM2",
	}
	signingAlgorithms = []string{
		"SHA256WITHECDSA", "SHA384WITHECDSA", "SHA512WITHECDSA", "SHA256WITHRSA", "SHA384WITHRSA", "SHA512WITHRSA",
		"SHA256WITHRSA_PSS", "SHA384WITHRSA_PSS", "SHA512WITHRSA_PSS", "SM3WITHSM2", "ML_DSA_44", "ML_DSA_65", "ML_DSA_87",
	}
	authorityTypes    = []string{typeRoot, typeSubordinate}
	usageModes        = []string{generalPurpose, shortLived}
	storageStandards  = []string{"FIPS_140_2_LEVEL_2_OR_HIGHER", standardUsual, "CCPC_LEVEL_1_OR_HIGHER"}
	authorityStatuses = []string{
		"CREATING", "PENDING_CERTIFICATE", statusActive, "DELETED", statusDisabled, "EXPIRED", "FAILED",
	}
	resourceOwners    = []string{"SELF", ownerOthers}
	accessMethods     = []string{"CA_REPOSITORY", "RESOURCE_PKI_MANIFEST", "RESOURCE_PKI_NOTIFY"}
	crlTypes          = []string{crlComplete, crlPartitioned}
	objectACLs        = []string{"PUBLIC_READ", "BUCKET_OWNER_FULL_CONTROL"}
	validityTypes     = []string{"END_DATE", "ABSOLUTE", "DAYS", "MONTHS", "YEARS"}
	policyQualifiers  = []string{"CPS"}
	grantActions      = []string{"IssueCertificate", "GetCertificate", "ListPermissions"}
	extendedKeyUsages = []string{
		"SERVER_AUTH", "CLIENT_AUTH", "CODE_SIGNING", "EMAIL_PROTECTION", "TIME_STAMPING", "OCSP_SIGNING",
		"SMART_CARD_LOGIN", "DOCUMENT_SIGNING", "CERTIFICATE_TRANSPARENCY",
	}
)

const (
	typeRoot        = "ROOT"
	typeSubordinate = "SUBORDINATE"
	generalPurpose  = "GENERAL_PURPOSE"
	shortLived      = "SHORT_LIVED_CERTIFICATE"
	standardUsual   = "FIPS_140_2_LEVEL_3_OR_HIGHER"
	statusActive    = "ACTIVE"
	statusDisabled  = "DISABLED"
	ownerOthers     = "OTHER_ACCOUNTS"
	crlComplete     = "COMPLETE"
	crlPartitioned  = "PARTITIONED"
)

// Patterns of AWS's model.
var (
	arnPattern       = aws.Regexp(`arn:[\w+=/,.@-]+:acm-pca:[\w+=/,.@-]*:[0-9]*:[\w+=,.@-]+(/[\w+=,.@-]+)*`)
	oidPattern       = aws.Regexp(`^([0-2])\.([0-9]|([0-3][0-9]))((\.([0-9]+)){0,126})$`)
	countryPattern   = aws.Regexp(`[A-Za-z]{2}`)
	printablePattern = aws.Regexp(`[a-zA-Z0-9'()+-.?:/= ]*`)
	tokenPattern     = aws.Regexp(`[\u0009\u000A\u000D\u0020-\u00FF]*`)
	policyPattern    = aws.Regexp(`[\u0009\u000A\u000D\u0020-\u00FF]+`)
	base64Pattern    = aws.Regexp(`^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`)
	cnamePattern     = aws.Regexp(`[-a-zA-Z0-9;/?:@&=+$,%_.!~*()']*`)
	pathPattern      = aws.Regexp(`[-a-zA-Z0-9;?:@&=+$,%_.!~*()']+(/[-a-zA-Z0-9;?:@&=+$,%_.!~*()']+)*`)
	crlBucketPattern = aws.Regexp(`[-a-zA-Z0-9._/]+`)
	principalPattern = aws.Regexp(`^[^*]+$`)
	accountPattern   = aws.Regexp(`[0-9]+`)
	tagPattern       = aws.Regexp(`([\p{L}\p{Z}\p{N}_.:/=+\-@]*)`)
	reportPattern    = aws.Regexp(`[a-z0-9]{8}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{4}-[a-z0-9]{12}`)
)

// Lengths of AWS's model.
const (
	minARN, maxARN = 5, 200
	maxOID         = 64
	maxPolicy      = 81920
	maxCSR         = 32768
	maxCertificate = 32768
	maxChain       = 2 << 20
	maxExtensions  = 150
	maxPolicies    = 20
	maxNextToken   = 43739
	maxMaxResults  = 1000
)

// authorityRequest is the request of operations that take an authority, and
// the part of others that names it.
type authorityRequest struct{ arn string }

// Members declares the request.
func (r *authorityRequest) Members(m *aws.Members) { r.named(m, "CertificateAuthorityArn") }

// named declares the authority's ARN by a name of its own.
func (r *authorityRequest) named(m *aws.Members, name string) {
	m.Text(name, &r.arn, minARN, maxARN).Matching(arnPattern).Required()
}

// authorityPageRequest asks for a page of something that an authority has.
type authorityPageRequest struct {
	authorityRequest
	pageRequest
}

// Members declares the request of ListPermissions and ListTags.
func (r *authorityPageRequest) Members(m *aws.Members) {
	r.authorityRequest.Members(m)
	r.page(m)
}

// invalidARN returns the fault for an ARN that is none of what the operation
// takes, in the words that AWS was seen to use.
func invalidARN() error { return wire.Invalid("InvalidArnException", "Not a valid arn.") }

// notFound returns the fault for an authority or certificate of another
// account or region, which this one does not know.
func notFound(arn string) error {
	text := "Resource " + arn + " not found."
	return &fault.Error{
		Kind: fault.NotFound, Public: text, Err: &wire.Exception{Code: "ResourceNotFoundException", Message: text},
	}
}

// invalidArgs returns the fault for arguments that pass AWS's model and mean
// nothing.
func invalidArgs(text string) error { return wire.Invalid("InvalidArgsException", text) }
