package ledger

import "github.com/holdfast-kms/holdfast/internal/fault"

// Reason is why a certificate was revoked (RFC 5280 section 5.3.1, whose
// numbers these are).
type Reason int

// The reasons. RemoveFromCRL is not one to revoke for: it is what a delta CRL
// says of a certificate whose hold was released.
const (
	Unspecified          Reason = 0
	KeyCompromise        Reason = 1
	CACompromise         Reason = 2
	AffiliationChanged   Reason = 3
	Superseded           Reason = 4
	CessationOfOperation Reason = 5
	CertificateHold      Reason = 6 // until it is released, or revoked for good
	RemoveFromCRL        Reason = 8
	PrivilegeWithdrawn   Reason = 9
	AACompromise         Reason = 10
)

// Reasons returns every reason that a revocation may give.
func Reasons() []Reason {
	return []Reason{
		Unspecified, KeyCompromise, CACompromise, AffiliationChanged, Superseded, CessationOfOperation, CertificateHold,
		PrivilegeWithdrawn, AACompromise,
	}
}

// String returns the reason's name in RFC 5280, such as "keyCompromise", and
// "" for what is no reason to revoke.
func (r Reason) String() string {
	switch r {
	case Unspecified:
		return "unspecified"
	case KeyCompromise:
		return "keyCompromise"
	case CACompromise:
		return "cACompromise"
	case AffiliationChanged:
		return "affiliationChanged"
	case Superseded:
		return "superseded"
	case CessationOfOperation:
		return "cessationOfOperation"
	case CertificateHold:
		return "certificateHold"
	case PrivilegeWithdrawn:
		return "privilegeWithdrawn"
	case AACompromise:
		return "aACompromise"
	case RemoveFromCRL:
	}
	return ""
}

// ParseReason returns the reason of a name that String gives.
func ParseReason(name string) (Reason, error) {
	for _, r := range Reasons() {
		if r.String() == name {
			return r, nil
		}
	}
	if name == "removeFromCRL" {
		return 0, fault.New(fault.InvalidArgument, "a certificate is not revoked to be removed from the CRL: release its hold")
	}
	return 0, fault.New(fault.InvalidArgument, "%q is no reason for a revocation", name)
}
