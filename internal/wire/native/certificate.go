package native

import "time"

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
	KeyAlias   string     `json:"key_alias,omitempty"`
	Subject    Subject    `json:"subject,omitzero"`
	Names      Names      `json:"names,omitzero"`
	Extensions Extensions `json:"extensions,omitzero"`
	// Validity is how long the certificate is valid, such as "90d", "36h",
	// "13mo" or "2y", or until when, such as "2030-12-31T23:59:59Z"; empty for
	// the profile's default.
	Validity string `json:"validity,omitempty"`
	// ValidityHours is the same in hours; 0 for none.
	ValidityHours int `json:"validity_hours,omitempty"`
	// NotBefore is when the validity begins, where the profile lets a request
	// say so.
	NotBefore time.Time `json:"not_before,omitzero"`
	// Algorithm is how the authority signs; empty for its own.
	Algorithm string `json:"algorithm,omitempty"`
	// Token makes the same request twice within minutes one: the second has the
	// answer of the first.
	Token string `json:"token,omitempty"`
}

// Extensions are what a request adds to a certificate where its profile lets
// it.
type Extensions struct {
	// KeyUsage are RFC 5280's words (section 4.2.1.3), such as "digitalSignature".
	KeyUsage []string `json:"key_usage,omitempty"`
	// ExtendedKeyUsage are words such as "serverAuth", or object identifiers.
	ExtendedKeyUsage []string `json:"extended_key_usage,omitempty"`
	// Policies are certificate policies (section 4.2.1.4).
	Policies []PolicyInformation `json:"policies,omitempty"`
	// Custom are extensions as they are.
	Custom []Extension `json:"custom,omitempty"`
}

// PolicyInformation is a certificate policy.
type PolicyInformation struct {
	OID string `json:"oid"`
	// CPS are addresses of certification practice statements.
	CPS []string `json:"cps,omitempty"`
}

// Extension is an extension of a certificate.
type Extension struct {
	OID      string `json:"oid"`
	Critical bool   `json:"critical,omitempty"`
	// Value is the extension's value in DER.
	Value []byte `json:"value"`
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
	// State is "valid", "revoked", "held" or "expired".
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
	// "certificateHold" can be released again.
	Reason string `json:"reason,omitempty"`
}

// RevokeWithProofRequest asks that a certificate be revoked by whoever has its
// private key. The proof is about the text "holdfast revoke " and the serial
// number in lower-case hex.
type RevokeWithProofRequest struct {
	// Reason is RFC 5280's word (section 5.3.1); empty for "unspecified".
	Reason string `json:"reason,omitempty"`
	// CSR is a certificate request in PEM, signed by the key, whose subject is
	// nothing but a common name: that text. Signature, in its place, is the
	// key's over that text, with Algorithm.
	CSR       string `json:"csr,omitempty"`
	Signature []byte `json:"signature,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
}
