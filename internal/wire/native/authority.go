package native

import "time"

// CreateAuthorityRequest asks for a new certificate authority.
type CreateAuthorityRequest struct {
	Name string `json:"name"`
	// Key is the id, alias or ARN of a key for signing. One of Key and NewKey
	// is needed.
	Key string `json:"key,omitempty"`
	// NewKey is the spec of a key that the authority makes for itself, and that
	// goes when the authority goes.
	NewKey string `json:"new_key,omitempty"`
	// Algorithm may be empty for the default of the key's spec.
	Algorithm string  `json:"algorithm,omitempty"`
	Subject   Subject `json:"subject"`
	// Parent is the id or name of the issuing authority; empty for a root.
	Parent string `json:"parent,omitempty"`
	// Pending makes an authority without a certificate: its request is to be
	// signed, here or elsewhere, and the certificate imported.
	Pending bool `json:"pending,omitempty"`
	// Type is "root" or "subordinate", of a pending authority; empty for
	// subordinate.
	Type string `json:"type,omitempty"`
	// Mode is "general-purpose", or "short-lived" for certificates of at most 7
	// days; empty for the former.
	Mode string `json:"mode,omitempty"`
	// ValidityDays may be 0 for the default.
	ValidityDays int `json:"validity_days,omitempty"`
	// PathLength is how many authorities may follow below (RFC 5280 section
	// 4.2.1.9); absent for the default: no limit for a root, 0 below a parent.
	PathLength *int `json:"path_length,omitempty"`
	// NameConstraints bound the names of what is issued below (RFC 5280 section
	// 4.2.1.10); absent for no bounds. A pending authority has them from its
	// issuer.
	NameConstraints *NameConstraints `json:"name_constraints,omitempty"`
	// Revocation is absent for the default: a complete CRL, and OCSP.
	Revocation *Revocation `json:"revocation,omitempty"`
	Tags       []Tag       `json:"tags,omitempty"`
}

// NameConstraints are what certificates below an authority may be for. Of a
// kind of name that Permitted has, only these are allowed; what Excluded has is
// never allowed.
type NameConstraints struct {
	Permitted Subtrees `json:"permitted,omitzero"`
	Excluded  Subtrees `json:"excluded,omitzero"`
}

// Subtrees are names and those below them.
type Subtrees struct {
	// DNS are domains, which stand for themselves and what is below them.
	DNS []string `json:"dns,omitempty"`
	// IPs are networks in CIDR form.
	IPs []string `json:"ips,omitempty"`
	// Emails are mailboxes, hosts, or with a leading dot what is below a domain.
	Emails []string `json:"emails,omitempty"`
	// URIs are hosts, or with a leading dot what is below a domain.
	URIs []string `json:"uris,omitempty"`
}

// Revocation says how an authority publishes which of its certificates are
// revoked.
type Revocation struct {
	CRL  CRLSettings  `json:"crl"`
	OCSP OCSPSettings `json:"ocsp"`
}

// CRLSettings say what CRLs an authority makes, and where they go.
type CRLSettings struct {
	Enabled bool `json:"enabled"`
	// ValidityDays is the time between a CRL and its next update; 0 for 7 days.
	ValidityDays int `json:"validity_days,omitempty"`
	// Shards is how many CRLs share the certificates; 0 for one complete CRL.
	Shards int `json:"shards,omitempty"`
	// Delta asks for delta CRLs between the complete ones (RFC 5280 section 5.2.4).
	Delta bool `json:"delta,omitempty"`
	// OmitDistributionPoint leaves the CRL's address out of certificates.
	OmitDistributionPoint bool `json:"omit_distribution_point,omitempty"`
	// CustomName stands in certificates for the host of the address, Path for
	// the folder.
	CustomName string `json:"custom_name,omitempty"`
	Path       string `json:"path,omitempty"`
	// Bucket is where CRLs are put beside being served, PublicACL the access
	// that is asked for them there.
	Bucket    string `json:"bucket,omitempty"`
	PublicACL string `json:"public_acl,omitempty"`
}

// OCSPSettings say whether an authority answers OCSP requests.
type OCSPSettings struct {
	Enabled bool `json:"enabled"`
	// CustomName stands in certificates for the host of the responder.
	CustomName string `json:"custom_name,omitempty"`
}

// Authority is a certificate authority.
type Authority struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Realm  string `json:"realm"`
	Region string `json:"region"`
	// Type is "root" or "subordinate", Mode "general-purpose" or "short-lived".
	Type  string `json:"type"`
	Mode  string `json:"mode"`
	KeyID string `json:"key_id"`
	// KeyOwned tells that the authority made the key for itself.
	KeyOwned  bool   `json:"key_owned,omitempty"`
	Spec      string `json:"spec"`
	Algorithm string `json:"algorithm"`
	// Parent is the id of the issuing authority; empty for a root and for one
	// whose issuer is elsewhere.
	Parent  string `json:"parent,omitempty"`
	Subject string `json:"subject"`
	// Serial is the certificate's serial number in lower-case hex.
	Serial string `json:"serial,omitempty"`
	// State is "pending", "active", "disabled", "expired", "revoked", "deleted"
	// or "failed".
	State     string    `json:"state"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// DeleteAt is when a deleted authority is destroyed.
	DeleteAt time.Time `json:"delete_at,omitzero"`
	// PathLength is how many authorities may follow below; absent for no limit.
	PathLength *int       `json:"path_length,omitempty"`
	Revocation Revocation `json:"revocation"`
	Tags       []Tag      `json:"tags,omitempty"`
	// Predecessor is the authority that this one took over from with a new key,
	// Successor the one that took over from this one.
	Predecessor string `json:"predecessor,omitempty"`
	Successor   string `json:"successor,omitempty"`
	// CRLNumber is the number of the newest CRL (RFC 5280 section 5.2.3).
	CRLNumber uint64 `json:"crl_number"`
	// Certificate is PEM; empty before the authority has one.
	Certificate string `json:"certificate,omitempty"`
	// Chain is PEM: the issuers up to the root, empty for a root.
	Chain string `json:"chain,omitempty"`
	// Cross is PEM: certificates that other issuers gave to the authority.
	Cross string `json:"cross,omitempty"`
}

// AuthorityList is a page of authorities.
type AuthorityList struct {
	Authorities []Authority `json:"authorities"`
	Next        string      `json:"next,omitempty"`
}

// UpdateAuthorityRequest changes an authority. What is absent stays.
type UpdateAuthorityRequest struct {
	// Enabled is false for an authority that is to issue nothing.
	Enabled    *bool       `json:"enabled,omitempty"`
	Revocation *Revocation `json:"revocation,omitempty"`
}

// AuthorityCSR is an authority's certificate request.
type AuthorityCSR struct {
	// CSR is PEM.
	CSR string `json:"csr"`
}

// ImportAuthorityRequest gives an authority its certificate.
type ImportAuthorityRequest struct {
	// Certificate is PEM.
	Certificate string `json:"certificate"`
	// Chain is PEM: the issuers up to the root. It is needed where the issuer
	// is not an authority here.
	Chain string `json:"chain,omitempty"`
}

// RenewAuthorityRequest asks for a new certificate for an authority's key.
type RenewAuthorityRequest struct {
	// ValidityDays may be 0 for as long as the one before.
	ValidityDays int `json:"validity_days,omitempty"`
}

// RekeyAuthorityRequest asks for a successor of an authority, with a new key.
type RekeyAuthorityRequest struct {
	// Key is the id, alias or ARN of the new key; NewKey the spec of one that
	// the successor makes for itself. With neither it makes one like the old.
	Key    string `json:"key,omitempty"`
	NewKey string `json:"new_key,omitempty"`
	// Algorithm may be empty for the default of the key's spec.
	Algorithm string `json:"algorithm,omitempty"`
	// ValidityDays may be 0 for the default.
	ValidityDays int `json:"validity_days,omitempty"`
}

// CrossSignRequest asks an authority to certify another one.
type CrossSignRequest struct {
	// Authority is the id or name of the one to certify, CSR its request in PEM
	// where it is elsewhere, Certificate its own certificate in PEM. One of the
	// three is needed.
	Authority   string `json:"authority,omitempty"`
	CSR         string `json:"csr,omitempty"`
	Certificate string `json:"certificate,omitempty"`
	// ValidityDays may be 0 for the default.
	ValidityDays int `json:"validity_days,omitempty"`
	// PathLength is how many authorities may follow below; absent for the default.
	PathLength *int `json:"path_length,omitempty"`
}

// Permission lets a service use an authority.
type Permission struct {
	// Principal is the service, such as "acm.amazonaws.com"; Realm the realm for
	// which it acts, empty for the authority's own.
	Principal string `json:"principal"`
	Realm     string `json:"realm,omitempty"`
	// Actions are what it may do, such as "ca:Issue".
	Actions   []string  `json:"actions"`
	CreatedAt time.Time `json:"created_at,omitzero"`
}

// PermissionList has an authority's permissions.
type PermissionList struct {
	Permissions []Permission `json:"permissions"`
}
