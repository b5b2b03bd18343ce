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
	// Profile is what it is issued under, empty for TLS servers and clients alike.
	// The key may leave only if a profile that is named lets it.
	Profile string `json:"profile,omitempty"`
	// Validity is how long it is valid, such as "90d"; empty for the profile's
	// default, or without a profile 395 days.
	Validity string `json:"validity,omitempty"`
	// Renewal is its rule of renewal, absent for its profile's or the usual one.
	Renewal *RenewalRule `json:"renewal,omitempty"`
	// KeyStays keeps the key here for good: exporting it is refused then.
	KeyStays bool  `json:"key_stays,omitempty"`
	Tags     []Tag `json:"tags,omitempty"`
	// Token makes the same request twice within an hour one.
	Token string `json:"token,omitempty"`
}

// RenewalRule says when a managed certificate is renewed, and how. With
// neither Before nor Share it is when the last third of its time begins, at most
// 60 days before its end.
type RenewalRule struct {
	// Before is how long before its end it is renewed at the latest, such as
	// "30d" or "36h".
	Before string `json:"before,omitempty"`
	// Share, in place of Before, is the part of its time that is left then: 0.01
	// to 0.9.
	Share float64 `json:"share,omitempty"`
	// Key is "new" or "same", empty for "new".
	Key string `json:"key,omitempty"`
	// Jitter is the time over which certificates of one age are spread, each
	// renewed up to so much earlier; empty for a twentieth of their time, at most
	// a day.
	Jitter string `json:"jitter,omitempty"`
}

// UpdateManagedRequest changes how a managed certificate is renewed: one of
// the two.
type UpdateManagedRequest struct {
	// Renewal is the new rule, as a whole. A certificate with a rule of its own is
	// renewed whether anybody has it or not.
	Renewal *RenewalRule `json:"renewal,omitempty"`
	// DropRenewal takes the certificate's own rule away.
	DropRenewal bool `json:"drop_renewal,omitempty"`
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
	// Renewable tells that the clock renews it: somebody has exported or uses it,
	// or there is a rule of renewal for it.
	Renewable bool `json:"renewable"`
	// Profile is what it is issued under, absent for the usual one.
	Profile string `json:"profile,omitempty"`
	// RenewalRule is the rule that holds, RenewalFrom where it comes from:
	// "certificate", "profile" or "default". Absent for imported ones.
	RenewalRule *RenewalRule `json:"renewal_rule,omitempty"`
	RenewalFrom string       `json:"renewal_from,omitempty"`
	// RenewalDue is when the clock next tries, RenewalCause why then: "rule",
	// "retry", "issuer revoked", "issuer ends", "issuer replaced" or "on hold".
	RenewalDue   time.Time `json:"renewal_due,omitzero"`
	RenewalCause string    `json:"renewal_cause,omitempty"`
	UsedBy       []string  `json:"used_by,omitempty"`
	Tags         []Tag     `json:"tags,omitempty"`
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
