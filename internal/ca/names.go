package ca

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/authority"
	"github.com/holdfast-kms/holdfast/internal/hierarchy"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/ledger"
	"github.com/holdfast-kms/holdfast/internal/store"
)

// Whoever stands above deals with this package, and not with those that it is
// made of: these are their names.
type (
	// Authority is a certificate authority.
	Authority = authority.Authority
	// Type says where an authority's certificate comes from.
	Type = authority.Type
	// Mode says what an authority issues.
	Mode = authority.Mode
	// State is an authority's place in its life.
	State = authority.State
	// Permission lets a service use an authority.
	Permission = authority.Permission
	// RevocationConfig says how an authority publishes what is revoked.
	RevocationConfig = authority.RevocationConfig
	// CRLConfig says what CRLs an authority makes.
	CRLConfig = authority.CRLConfig
	// OCSPConfig says whether an authority answers OCSP requests.
	OCSPConfig = authority.OCSPConfig
	// Requested is what the request of a pending authority asks for.
	Requested = authority.Requested

	// CreateAuthorityRequest asks for a new authority.
	CreateAuthorityRequest = hierarchy.CreateAuthorityRequest
	// RekeyRequest says what the key of an authority's successor is.
	RekeyRequest = hierarchy.RekeyRequest
	// CrossSignRequest asks for a further certificate of an authority.
	CrossSignRequest = hierarchy.CrossSignRequest
	// Update says what UpdateAuthority changes.
	Update = hierarchy.Update

	// Certificate is a certificate that an authority issued.
	Certificate = ledger.Certificate
	// Issued is a new certificate with what is presented beside it.
	Issued = ledger.Issued
	// Status is what a listing asks of a certificate's place in its life.
	Status = ledger.Status
	// Reason is why a certificate was revoked.
	Reason = ledger.Reason
	// Revocation is what a list of revoked certificates needs of one of them.
	Revocation = ledger.Revocation
)

// The types, modes and states of authorities.
const (
	Root           = authority.Root
	Subordinate    = authority.Subordinate
	GeneralPurpose = authority.GeneralPurpose
	ShortLived     = authority.ShortLived
	MaxShortLife   = authority.MaxShortLife

	Creating = authority.Creating
	Pending  = authority.Pending
	Active   = authority.Active
	Disabled = authority.Disabled
	Expired  = authority.Expired
	Revoked  = authority.Revoked
	Deleted  = authority.Deleted
	Failed   = authority.Failed
)

// Limits and defaults of authorities.
const (
	DefaultRootValidity    = hierarchy.DefaultRootValidity
	DefaultIssuingValidity = hierarchy.DefaultIssuingValidity
	MaxAuthorityValidity   = hierarchy.MaxAuthorityValidity
	MinDeletion            = hierarchy.MinDeletion
	MaxDeletion            = hierarchy.MaxDeletion
	MaxPage                = hierarchy.MaxPage
	MaxCRLDays             = authority.MaxCRLDays
	MaxCRLShards           = authority.MaxCRLShards
	TokenLife              = hierarchy.TokenLife
)

// The statuses of certificates.
const (
	AnyStatus     = ledger.AnyStatus
	StatusValid   = ledger.StatusValid
	StatusExpired = ledger.StatusExpired
	StatusRevoked = ledger.StatusRevoked
)

// The reasons of revocations.
const (
	Unspecified          = ledger.Unspecified
	KeyCompromise        = ledger.KeyCompromise
	CACompromise         = ledger.CACompromise
	AffiliationChanged   = ledger.AffiliationChanged
	Superseded           = ledger.Superseded
	CessationOfOperation = ledger.CessationOfOperation
	CertificateHold      = ledger.CertificateHold
	RemoveFromCRL        = ledger.RemoveFromCRL
	PrivilegeWithdrawn   = ledger.PrivilegeWithdrawn
	AACompromise         = ledger.AACompromise
)

// DefaultRevocation is the configuration of an authority that was made
// without one.
func DefaultRevocation() RevocationConfig { return authority.DefaultRevocation() }

// PermissionActions returns the actions that a permission may have.
func PermissionActions() []key.Action { return authority.PermissionActions() }

// Reasons returns every reason that a revocation may give.
func Reasons() []Reason { return ledger.Reasons() }

// ParseReason returns the reason of a name that Reason.String gives.
func ParseReason(name string) (Reason, error) { return ledger.ParseReason(name) }

// ReadCertificate returns the certificate of a row.
func ReadCertificate(row store.Row) (*Certificate, error) { return ledger.ReadCertificate(row) }

// ReadRevocation returns the revocation of a row.
func ReadRevocation(row store.Row) (*Revocation, error) { return ledger.ReadRevocation(row) }

// CertificateID returns the id of a certificate's row.
func CertificateID(issuer, serial string) string { return ledger.CertificateID(issuer, serial) }

// ExpiresColumn returns the value of the column expires, see ledger.
func ExpiresColumn(issuer string, at time.Time) string { return ledger.ExpiresColumn(issuer, at) }

// RevocationID returns the id of a revocation's row.
func RevocationID(issuer, shard, serial string) string {
	return ledger.RevocationID(issuer, shard, serial)
}

// ChangedColumn returns the value of the column changed, see ledger.
func ChangedColumn(issuer string, at time.Time) string { return ledger.ChangedColumn(issuer, at) }
