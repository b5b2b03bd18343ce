package native

import "time"

// Subject is a distinguished name (RFC 5280 section 4.1.2.4).
type Subject struct {
	CommonName         string `json:"common_name,omitempty"`
	Organization       string `json:"organization,omitempty"`
	OrganizationalUnit string `json:"organizational_unit,omitempty"`
	Country            string `json:"country,omitempty"`
	Province           string `json:"province,omitempty"`
	Locality           string `json:"locality,omitempty"`
}

// Names are a certificate's subject alternative names (RFC 5280 section 4.2.1.6).
type Names struct {
	DNS    []string `json:"dns,omitempty"`
	IPs    []string `json:"ips,omitempty"`
	URIs   []string `json:"uris,omitempty"`
	Emails []string `json:"emails,omitempty"`
}

// IsZero reports whether there is no name at all (encoding/json asks for
// omitzero): an empty list is none.
func (n Names) IsZero() bool {
	return len(n.DNS) == 0 && len(n.IPs) == 0 && len(n.URIs) == 0 && len(n.Emails) == 0
}

// CreateAuthorityRequest asks for a new certificate authority.
type CreateAuthorityRequest struct {
	Name string `json:"name"`
	// Key is the id, alias or ARN of a key for signing.
	Key string `json:"key"`
	// Algorithm may be empty for the default of the key's spec.
	Algorithm string  `json:"algorithm,omitempty"`
	Subject   Subject `json:"subject"`
	// Parent is the id or name of the issuing authority; empty for a root.
	Parent string `json:"parent,omitempty"`
	// ValidityDays may be 0 for the default.
	ValidityDays int `json:"validity_days,omitempty"`
	// PathLength is how many authorities may follow below (RFC 5280 section
	// 4.2.1.9); absent for the default: no limit for a root, 0 below a parent.
	PathLength *int `json:"path_length,omitempty"`
}

// Authority is a certificate authority.
type Authority struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Realm     string `json:"realm"`
	Region    string `json:"region"`
	KeyID     string `json:"key_id"`
	Spec      string `json:"spec"`
	Algorithm string `json:"algorithm"`
	// Parent is the id of the issuing authority; empty for a root.
	Parent  string `json:"parent,omitempty"`
	Subject string `json:"subject"`
	// Serial is the certificate's serial number in lower-case hex.
	Serial string `json:"serial"`
	// State is "active", "expired" or "revoked".
	State     string    `json:"state"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	CreatedAt time.Time `json:"created_at"`
	// PathLength is how many authorities may follow below; absent for no limit.
	PathLength *int `json:"path_length,omitempty"`
	// CRLNumber is the number of the newest CRL (RFC 5280 section 5.2.3).
	CRLNumber uint64 `json:"crl_number"`
	// Certificate is PEM.
	Certificate string `json:"certificate"`
	// Chain is PEM: the issuers up to the root, empty for a root.
	Chain string `json:"chain,omitempty"`
}

// AuthorityList is a page of authorities.
type AuthorityList struct {
	Authorities []Authority `json:"authorities"`
	Next        string      `json:"next,omitempty"`
}

// IssueRequest asks for a certificate: for the key of a CSR, for a managed
// key, or for a managed key that is made for it.
type IssueRequest struct {
	// Authority is the id or name of the issuer.
	Authority string `json:"authority"`
	Profile   string `json:"profile"`
	// CSR is a certificate request in PEM (RFC 2986, RFC 7468 section 7).
	CSR string `json:"csr,omitempty"`
	// Key is the id, alias or ARN of a managed key.
	Key string `json:"key,omitempty"`
	// NewKey is the spec of a managed key to make.
	NewKey string `json:"new_key,omitempty"`
	// KeyAlias is an alias for the new key.
	KeyAlias string  `json:"key_alias,omitempty"`
	Subject  Subject `json:"subject,omitzero"`
	Names    Names   `json:"names,omitzero"`
	// ValidityHours may be 0 for the profile's default.
	ValidityHours int `json:"validity_hours,omitempty"`
}

// Certificate is an issued certificate.
type Certificate struct {
	// Authority is the id of the issuer.
	Authority string `json:"authority"`
	// Serial is in lower-case hex.
	Serial  string `json:"serial"`
	Subject string `json:"subject"`
	Names   Names  `json:"names,omitzero"`
	Profile string `json:"profile"`
	// KeyID is the managed key's id; empty when the key is the caller's own.
	KeyID     string    `json:"key_id,omitempty"`
	Requester string    `json:"requester,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// State is "valid", "revoked" or "expired".
	State     string    `json:"state"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// RevocationReason is RFC 5280's word (section 5.3.1), such as "keyCompromise".
	RevocationReason string `json:"revocation_reason,omitempty"`
	// Certificate is PEM.
	Certificate string `json:"certificate"`
}

// IssuedCertificate is a new certificate with its issuers.
type IssuedCertificate struct {
	Certificate
	// Chain is PEM: the issuers without the root, which whoever verifies has
	// already.
	Chain string `json:"chain"`
}

// CertificateList is a page of certificates.
type CertificateList struct {
	Certificates []Certificate `json:"certificates"`
	Next         string        `json:"next,omitempty"`
}

// RevokeRequest asks that a certificate be revoked.
type RevokeRequest struct {
	// Reason is RFC 5280's word (section 5.3.1); empty for "unspecified".
	Reason string `json:"reason,omitempty"`
}

// Profile is a kind of certificate that authorities issue.
type Profile struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
}

// ProfileList has every profile.
type ProfileList struct {
	Profiles []Profile `json:"profiles"`
}
