package native

import (
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Problem is the body of every failed request (RFC 9457).
type Problem struct {
	// Type is "urn:holdfast:problem:" and the kind.
	Type string `json:"type"`
	// Title is the kind in words.
	Title string `json:"title"`
	// Status is the HTTP status code.
	Status int `json:"status"`
	// Detail is a sentence about this failure.
	Detail string `json:"detail"`
	// Kind is the kind of failure, such as "not-found": see KindName.
	Kind string `json:"kind"`
	// Reason refines the kind, such as "key-disabled": see ReasonName.
	Reason string `json:"reason,omitempty"`
	// Resource names the thing concerned in its canonical form.
	Resource string `json:"resource,omitempty"`
	// RequestID finds the request in the server's log and in the audit log.
	RequestID string `json:"request_id"`
}

// ProblemType is the prefix of Problem.Type.
const ProblemType = "urn:holdfast:problem:"

// KindName returns the kind as the API writes it: "not-found".
func KindName(k fault.Kind) string { return strings.ReplaceAll(k.String(), " ", "-") }

// ParseKind returns the kind of a name that KindName gives.
func ParseKind(name string) (fault.Kind, bool) {
	for _, k := range fault.Kinds() {
		if KindName(k) == name {
			return k, true
		}
	}
	return fault.Internal, false
}

// reasonNames is the API's spelling of every reason.
var reasonNames = [...]string{
	fault.Unspecified: "",
	fault.KeyDisabled: "key-disabled", fault.KeyPendingDeletion: "key-pending-deletion",
	fault.KeyPendingImport: "key-pending-import", fault.KeyUnavailable: "key-unavailable",
	fault.KeyCreating: "key-creating", fault.KeyNotPendingDeletion: "key-not-pending-deletion",
	fault.WrongUsage: "wrong-usage", fault.WrongAlgorithm: "wrong-algorithm", fault.UnfitPeer: "unfit-peer",
	fault.IncorrectKey: "incorrect-key",
	fault.DigestLength: "digest-length", fault.MessageTooLong: "message-too-long",
	fault.MalformedPolicy: "malformed-policy", fault.PolicyLockout: "policy-lockout",
	fault.MalformedKeyID: "malformed-key-id", fault.MalformedAlias: "malformed-alias",
	fault.ReservedAlias: "reserved-alias", fault.MalformedMarker: "malformed-marker",
	fault.MalformedTag: "malformed-tag", fault.MalformedCSR: "malformed-csr", fault.ForeignRegion: "foreign-region",
	fault.ProfileViolation: "profile-violation", fault.LintFailed: "lint-failed",
	fault.IncompatibleUsage: "incompatible-usage", fault.UsageRequired: "usage-required",
	fault.DryRun: "dry-run", fault.ReservedTag: "reserved-tag", fault.DuplicateTag: "duplicate-tag",
	fault.UnknownKey:             "unknown-key",
	fault.DeniedByResourcePolicy: "denied-by-resource-policy", fault.DeniedByIdentityPolicy: "denied-by-identity-policy",
	fault.NoResourcePolicyAllows: "no-resource-policy-allows", fault.NoIdentityPolicyAllows: "no-identity-policy-allows",
	fault.TooManyTags: "too-many-tags", fault.TooManyRotations: "too-many-rotations", fault.PolicyTooLong: "policy-too-long",
	fault.MissingCredential: "missing-credential", fault.UnknownCredential: "unknown-credential",
	fault.DisabledCredential: "disabled-credential", fault.ExpiredCredential: "expired-credential",
	fault.ClockSkew: "clock-skew", fault.WrongProof: "wrong-proof", fault.UnsupportedProof: "unsupported-proof",
	fault.MalformedProof:        "malformed-proof",
	fault.DeniedBySessionPolicy: "denied-by-session-policy", fault.NoSessionPolicyAllows: "no-session-policy-allows",
	fault.InvalidIdentityToken: "invalid-identity-token", fault.ExpiredIdentityToken: "expired-identity-token",
	fault.RejectedIdentityToken: "rejected-identity-token", fault.IssuerUnreachable: "issuer-unreachable",
	fault.ApprovalRequired: "approval-required", fault.MFARequired: "mfa-required",
	fault.WrongFactor:          "wrong-factor",
	fault.AuthorityCreating:    "authority-creating",
	fault.AuthorityPending:     "authority-pending",
	fault.AuthorityDisabled:    "authority-disabled",
	fault.AuthorityExpired:     "authority-expired",
	fault.AuthorityDeleted:     "authority-deleted",
	fault.NotRenewable:         "not-renewable",
	fault.InUse:                "in-use",
	fault.NotExportable:        "not-exportable",
	fault.AlreadyRevoked:       "already-revoked",
	fault.MalformedCertificate: "malformed-certificate",
	fault.CertificateMismatch:  "certificate-mismatch",
	fault.WeakKey:              "weak-key",
	fault.KeyStoreDisconnected: "key-store-disconnected",
	fault.KeyStoreHasKeys:      "key-store-has-keys",
	fault.ClusterNotActive:     "cluster-not-active",
	fault.ClusterInUse:         "cluster-in-use",
	fault.MaterialPending:      "material-pending",
	fault.NoMaterialPending:    "no-material-pending",
	fault.OriginForbids:        "origin-forbids",
	fault.KeySucceeded:         "key-succeeded",
	fault.ExpiredImportToken:   "expired-import-token",
	fault.InvalidImportToken:   "invalid-import-token",
	fault.IncorrectMaterial:    "incorrect-material",
	fault.IncorrectTrustAnchor: "incorrect-trust-anchor",
	fault.ClusterNotRelated:    "cluster-not-related",
	fault.InvalidCluster:       "invalid-cluster",
	fault.ForeignBlob:          "foreign-blob",
	fault.MalformedBlob:        "malformed-blob",
	fault.ReplayedBlob:         "replayed-blob",
	fault.NoSuchKeyStore:       "no-such-key-store",
	fault.NoSuchCluster:        "no-such-cluster",
	fault.KeyStoreNameTaken:    "key-store-name-taken",
	fault.SecretDeleted:        "secret-deleted",
	fault.StageAttached:        "stage-attached",
	fault.StageStays:           "stage-stays",
	fault.PublicPolicy:         "public-policy",
	fault.SecretKey:            "secret-key",
	fault.NoSuchVersion:        "no-such-version",
	fault.VersionTaken:         "version-taken",
}

// ReasonName returns the reason as the API writes it, "" for none.
func ReasonName(r fault.Reason) string {
	if int(r) < len(reasonNames) {
		return reasonNames[r]
	}
	return ""
}

// ParseReason returns the reason of a name that ReasonName gives; none of one
// that a newer server may have.
func ParseReason(name string) fault.Reason {
	for r, n := range reasonNames {
		if n == name {
			return fault.Reason(r)
		}
	}
	return fault.Unspecified
}
