package acm

import (
	"crypto/x509"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/managed"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// The enumerations of AWS's model.
var (
	keyAlgorithms = []string{
		"RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096", "EC_prime256v1", "EC_secp384r1", "EC_secp521r1",
	}
	statuses = []string{
		"PENDING_VALIDATION", "ISSUED", "INACTIVE", "EXPIRED", "VALIDATION_TIMED_OUT", "REVOKED", "FAILED",
	}
	keyUsageFilters = []string{
		"DIGITAL_SIGNATURE", "NON_REPUDIATION", "KEY_ENCIPHERMENT", "DATA_ENCIPHERMENT", "KEY_AGREEMENT",
		"CERTIFICATE_SIGNING", "CRL_SIGNING", "ENCIPHER_ONLY", "DECIPHER_ONLY", anyUsage, customUsage,
	}
	extendedFilters = []string{
		"TLS_WEB_SERVER_AUTHENTICATION", "TLS_WEB_CLIENT_AUTHENTICATION", "CODE_SIGNING", "EMAIL_PROTECTION",
		"TIME_STAMPING", "OCSP_SIGNING", "IPSEC_END_SYSTEM", "IPSEC_TUNNEL", "IPSEC_USER", anyUsage, noUsage, customUsage,
	}
	validationMethods = []string{"EMAIL", "DNS", "HTTP"}
	managers          = []string{"CLOUDFRONT"}
	switches          = []string{enabled, disabled}
	sortings          = []string{"CREATED_AT"}
	sortOrders        = []string{"ASCENDING", descending}
	revocationReasons = []string{
		"UNSPECIFIED", "KEY_COMPROMISE", "CA_COMPROMISE", "AFFILIATION_CHANGED", "SUPERCEDED", "SUPERSEDED",
		"CESSATION_OF_OPERATION", "CERTIFICATE_HOLD", "REMOVE_FROM_CRL", "PRIVILEGE_WITHDRAWN", "A_A_COMPROMISE",
	}
)

const (
	anyUsage    = "ANY"
	noUsage     = "NONE"
	customUsage = "CUSTOM"
	enabled     = "ENABLED"
	disabled    = "DISABLED"
	descending  = "DESCENDING"
)

// named is a value with AWS's name.
type named[T comparable] struct {
	value T
	name  string
}

// nameOf returns AWS's name of a value, "" for one that it has no name for.
func nameOf[T comparable](table []named[T], value T) string {
	for _, e := range table {
		if e.value == value {
			return e.name
		}
	}
	return ""
}

// valueOf returns the value of a name; it is false for names that are AWS's
// alone.
func valueOf[T comparable](table []named[T], name string) (value T, ok bool) {
	for _, e := range table {
		if e.name == name {
			return e.value, true
		}
	}
	return value, false
}

var (
	states = []named[managed.State]{
		{managed.Issued, "ISSUED"}, {managed.Expired, "EXPIRED"}, {managed.Revoked, "REVOKED"}, {managed.Failed, "FAILED"},
	}
	kinds    = []named[managed.Kind]{{managed.Private, "PRIVATE"}, {managed.Imported, "IMPORTED"}}
	failures = []named[managed.Failure]{
		{managed.AccessDenied, "PCA_ACCESS_DENIED"},
		{managed.NoAuthority, "PCA_RESOURCE_NOT_FOUND"},
		{managed.AuthorityState, "PCA_INVALID_STATE"},
		{managed.NotAllowed, "PCA_INVALID_ARGS"},
		{managed.LimitReached, "PCA_LIMIT_EXCEEDED"},
		{managed.Other, "PCA_REQUEST_FAILED"},
	}
	outcomes = []named[managed.Outcome]{{managed.Succeeded, "SUCCESS"}, {managed.Refused, "FAILED"}}
	reasons  = []named[ca.Reason]{
		{ca.Unspecified, "UNSPECIFIED"},
		{ca.KeyCompromise, "KEY_COMPROMISE"},
		{ca.CACompromise, "CA_COMPROMISE"},
		{ca.AffiliationChanged, "AFFILIATION_CHANGED"},
		{ca.Superseded, "SUPERSEDED"},
		{ca.Superseded, "SUPERCEDED"},
		{ca.CessationOfOperation, "CESSATION_OF_OPERATION"},
		{ca.CertificateHold, "CERTIFICATE_HOLD"},
		{ca.PrivilegeWithdrawn, "PRIVILEGE_WITHDRAWN"},
		{ca.AACompromise, "A_A_COMPROMISE"},
	}
	usages = []named[x509.KeyUsage]{
		{x509.KeyUsageDigitalSignature, "DIGITAL_SIGNATURE"},
		{x509.KeyUsageContentCommitment, "NON_REPUDIATION"},
		{x509.KeyUsageKeyEncipherment, "KEY_ENCIPHERMENT"},
		{x509.KeyUsageDataEncipherment, "DATA_ENCIPHERMENT"},
		{x509.KeyUsageKeyAgreement, "KEY_AGREEMENT"},
		{x509.KeyUsageCertSign, "CERTIFICATE_SIGNING"},
		{x509.KeyUsageCRLSign, "CRL_SIGNING"},
		{x509.KeyUsageEncipherOnly, "ENCIPHER_ONLY"},
		{x509.KeyUsageDecipherOnly, "DECIPHER_ONLY"},
	}
	extended = []named[x509.ExtKeyUsage]{
		{x509.ExtKeyUsageServerAuth, "TLS_WEB_SERVER_AUTHENTICATION"},
		{x509.ExtKeyUsageClientAuth, "TLS_WEB_CLIENT_AUTHENTICATION"},
		{x509.ExtKeyUsageCodeSigning, "CODE_SIGNING"},
		{x509.ExtKeyUsageEmailProtection, "EMAIL_PROTECTION"},
		{x509.ExtKeyUsageTimeStamping, "TIME_STAMPING"},
		{x509.ExtKeyUsageOCSPSigning, "OCSP_SIGNING"},
		{x509.ExtKeyUsageIPSECEndSystem, "IPSEC_END_SYSTEM"},
		{x509.ExtKeyUsageIPSECTunnel, "IPSEC_TUNNEL"},
		{x509.ExtKeyUsageIPSECUser, "IPSEC_USER"},
		{x509.ExtKeyUsageAny, anyUsage},
	}
)

// Lengths of AWS's model.
const (
	minARN, maxARN               = 20, 2048
	maxDomain                    = 253
	maxCertificate               = 32 << 10
	maxPrivateKey                = 5120
	maxChain                     = 2 << 20
	minPassphrase, maxPassphrase = 4, 128
	maxToken                     = 32
	maxItems                     = 1000
	maxNextToken                 = 10000
	maxTags                      = 50
)

// Patterns of AWS's model.
var (
	arnPattern       = aws.Regexp(`arn:[\w+=/,.@-]+:acm:[\w+=/,.@-]*:[0-9]+:[\w+=,.@-]+(/[\w+=,.@-]+)*`)
	authorityPattern = aws.Regexp(`arn:[\w+=/,.@-]+:acm-pca:[\w+=/,.@-]*:[0-9]+:[\w+=,.@-]+(/[\w+=,.@-]+)*`)
	tokenPattern     = aws.Regexp(`\w+`)
	markerPattern    = aws.Regexp(`[\u0009\u000A\u000D\u0020-\u00FF]*`)
	tagPattern       = aws.Regexp(`[\p{L}\p{Z}\p{N}_.:\/=+\-@]*`)
	domainPattern    = &aws.Pattern{
		Text:    `(\*\.)?(((?!-)[A-Za-z0-9-]{0,62}[A-Za-z0-9])\.)+((?!-)[A-Za-z0-9-]{1,62}[A-Za-z0-9])`,
		Matches: isDomain,
	}
)

// isDomain is domainPattern, whose look-ahead Go's regular expressions lack.
func isDomain(s string) bool {
	labels := strings.Split(strings.TrimPrefix(s, "*."), ".")
	for i, label := range labels {
		last := i == len(labels)-1
		if label == "" || len(label) > 63 || last && len(label) < 2 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return false
		}
	}
	return len(labels) > 1
}

// keyAlgorithm returns the spec of a KeyAlgorithm of the enumeration.
func keyAlgorithm(name string) (alg.Spec, error) {
	if name == "" {
		return alg.RSA2048, nil
	}
	spec, ok := wire.ParseKeyAlgorithm(name)
	if !ok {
		return 0, wire.Unsupported("Holdfast does not support the KeyAlgorithm " + name + ".")
	}
	return spec, nil
}

// certificateRequest is the request of operations that take a certificate and
// nothing else, and the part of others that names it.
type certificateRequest struct{ arn string }

// Members declares the request.
func (r *certificateRequest) Members(m *aws.Members) {
	m.Text("CertificateArn", &r.arn, minARN, maxARN).Matching(arnPattern).Required()
}

// id returns the id of the certificate that the request names. One of another
// account or region does not exist to this one.
func (r *certificateRequest) id(x *aws.Exchange) (string, error) {
	res, ok := wire.ParseResource(r.arn)
	if !ok || res.Kind != key.KindManaged || strings.Contains(res.ID, "/") {
		return "", wire.Invalid("InvalidArnException", "The ARN '"+r.arn+"' is not the ARN of a certificate.")
	}
	if res.Realm != x.Call.Caller.Principal.Realm || res.Region != x.Call.Region {
		return "", &fault.Error{
			Kind: fault.NotFound, Public: "no certificate of this account and region",
			Err: &wire.Exception{Code: notFoundCode, Message: missing(r.arn)},
		}
	}
	return res.ID, nil
}

// authorityID returns the id of the authority of an ARN.
func authorityID(x *aws.Exchange, arn string) (string, error) {
	res, ok := wire.ParseResource(arn)
	if !ok || res.Kind != key.KindAuthority || res.Region != x.Call.Region {
		return "", wire.Invalid("InvalidArnException", "The ARN '"+arn+"' is not the ARN of a certificate authority of this region.")
	}
	return res.ID, nil
}

// arnOf returns the ARN of a certificate.
func arnOf(c *managed.Certificate) string { return wire.ResourceARN(c.Resource()) }
