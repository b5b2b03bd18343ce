package native

import "time"

// RequestManagedRequest asks for a managed certificate: Holdfast makes its
// key, keeps it, and renews the certificate before it ends.
type RequestManagedRequest struct {
	// Authority is the id or name of the issuer.
	Authority string `json:"authority"`
	// Domain is the name that it is known by, Names are further ones: DNS names
	// or addresses.
	Domain string   `json:"domain"`
	Names  []string `json:"names,omitempty"`
	// Spec is the key's, empty for RSA_2048.
	Spec string `json:"spec,omitempty"`
	// KeyStays keeps the key here for good: exporting it is refused then.
	KeyStays bool  `json:"key_stays,omitempty"`
	Tags     []Tag `json:"tags,omitempty"`
	// Token makes the same request twice within an hour one.
	Token string `json:"token,omitempty"`
}

// Managed is a managed certificate.
type Managed struct {
	ID     string `json:"id"`
	Realm  string `json:"realm"`
	Region string `json:"region"`
	// Kind is "private" for one that an authority here issues, or "imported".
	Kind string `json:"kind"`
	// Authority is the issuer's id; absent for imported ones.
	Authority string   `json:"authority,omitempty"`
	Domain    string   `json:"domain"`
	Names     []string `json:"names,omitempty"`
	// KeyID is the id of its key, Spec what that is.
	KeyID string `json:"key_id,omitempty"`
	Spec  string `json:"spec"`
	// State is "issued", "expired", "revoked" or "failed".
	State string `json:"state"`
	// Failure is why the authority did not issue it.
	Failure   string    `json:"failure,omitempty"`
	Serial    string    `json:"serial,omitempty"`
	NotBefore time.Time `json:"not_before,omitzero"`
	NotAfter  time.Time `json:"not_after,omitzero"`
	CreatedAt time.Time `json:"created_at"`
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	// Exportable tells that the key may leave, ExportedAt when it last did.
	Exportable bool      `json:"exportable"`
	ExportedAt time.Time `json:"exported_at,omitzero"`
	// Renewable tells that the clock renews it: somebody has exported or uses it.
	Renewable bool     `json:"renewable"`
	UsedBy    []string `json:"used_by,omitempty"`
	Tags      []Tag    `json:"tags,omitempty"`
	// Renewal is the latest attempt; absent before the first.
	Renewal *ManagedRenewal `json:"renewal,omitempty"`
	// Certificate is PEM, Chain the PEM of its issuers.
	Certificate string `json:"certificate,omitempty"`
	Chain       string `json:"chain,omitempty"`
}

// ManagedRenewal is an attempt to renew a managed certificate.
type ManagedRenewal struct {
	// Outcome is "succeeded" or "failed".
	Outcome string    `json:"outcome"`
	At      time.Time `json:"at"`
	Failure string    `json:"failure,omitempty"`
	// Attempts counts those that failed since the certificate was issued.
	Attempts int `json:"attempts,omitempty"`
}

// ManagedList is a page of managed certificates.
type ManagedList struct {
	Managed []Managed `json:"managed"`
	Next    string    `json:"next,omitempty"`
}

// ExportManagedRequest asks for a managed certificate with its key.
type ExportManagedRequest struct {
	// Passphrase encrypts the key.
	Passphrase string `json:"passphrase"`
}

// ExportedManaged is a managed certificate with its key.
type ExportedManaged struct {
	// Certificate is PEM, Chain the PEM of its issuers.
	Certificate string `json:"certificate"`
	Chain       string `json:"chain"`
	// PrivateKey is PEM: PKCS #8, encrypted under the passphrase.
	PrivateKey string `json:"private_key"`
}

// ImportManagedRequest brings a certificate with its key.
type ImportManagedRequest struct {
	// ID, when it is given, is of the imported certificate to replace.
	ID string `json:"id,omitempty"`
	// Certificate and Chain are PEM, PrivateKey is PEM and not encrypted.
	Certificate string `json:"certificate"`
	Chain       string `json:"chain,omitempty"`
	PrivateKey  string `json:"private_key"`
	// Exportable lets the key leave again.
	Exportable bool  `json:"exportable,omitempty"`
	Tags       []Tag `json:"tags,omitempty"`
}
