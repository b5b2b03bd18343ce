package native

import "time"

// InventoryItem is a certificate of the inventory: one that was issued here,
// or one from elsewhere that somebody registered or a scan found.
type InventoryItem struct {
	// ID is "authority/serial", or of a foreign one "found/" and its fingerprint.
	ID string `json:"id"`
	// Origin is "issued" or "foreign".
	Origin string `json:"origin"`
	// Authority is the issuer's id; absent for foreign ones.
	Authority string `json:"authority,omitempty"`
	// Issuer is the issuer's name.
	Issuer  string `json:"issuer"`
	Serial  string `json:"serial"`
	Subject string `json:"subject"`
	// Names are the alternative names of every kind, as texts.
	Names     []string  `json:"names,omitempty"`
	Profile   string    `json:"profile,omitempty"`
	KeyID     string    `json:"key_id,omitempty"`
	Requester string    `json:"requester,omitempty"`
	NotBefore time.Time `json:"not_before"`
	NotAfter  time.Time `json:"not_after"`
	// State is "valid", "expired", "revoked" or "held".
	State            string    `json:"state"`
	RevokedAt        time.Time `json:"revoked_at,omitzero"`
	RevocationReason string    `json:"revocation_reason,omitempty"`
	// Fingerprint is the SHA-256 of the certificate in hex.
	Fingerprint string `json:"fingerprint"`
	// Source says what brought a foreign certificate, Places where it was seen.
	Source string  `json:"source,omitempty"`
	Places []Place `json:"places,omitempty"`
	// Problems are what is wrong with it, where that was asked for.
	Problems []InventoryProblem `json:"problems,omitempty"`
	// Certificate is PEM.
	Certificate string `json:"certificate"`
}

// Place is where a certificate was seen.
type Place struct {
	// Address is "host:port" or the path of a file, Name the server name that
	// was asked for.
	Address string    `json:"address"`
	Name    string    `json:"name,omitempty"`
	Seen    time.Time `json:"seen"`
}

// InventoryProblem is something wrong with a certificate, or with a place
// where it is in use.
type InventoryProblem struct {
	// Kind is a word such as "expired" or "untrusted-issuer", Text says it to
	// people.
	Kind  string `json:"kind"`
	Place string `json:"place,omitempty"`
	Text  string `json:"text"`
}

// InventoryList is a page of the inventory.
type InventoryList struct {
	Items []InventoryItem `json:"items"`
	Next  string          `json:"next,omitempty"`
}

// RegisterRequest puts certificates from elsewhere into the inventory.
type RegisterRequest struct {
	// Source says what brings them; empty for "registered".
	Source    string     `json:"source,omitempty"`
	Sightings []Sighting `json:"sightings"`
}

// Sighting is certificates that were seen together.
type Sighting struct {
	// Data is one certificate or more, in DER, PEM or a PKCS #7 bundle. The
	// first is the one that was found, the others came with it.
	Data []byte `json:"data"`
	// Address is "host:port" or the path of a file, Name the server name that
	// was asked for.
	Address string `json:"address,omitempty"`
	Name    string `json:"name,omitempty"`
}

// Registration is what came of registering certificates.
type Registration struct {
	Items []InventoryItem `json:"items"`
	// Added counts those that were not known before, Own those that
	// authorities here issued.
	Added int `json:"added"`
	Own   int `json:"own"`
}

// Forecast counts the certificates that end soon.
type Forecast struct {
	Expiring []ExpiringCount `json:"expiring"`
}

// ExpiringCount counts the certificates that end within so many days.
type ExpiringCount struct {
	Days  int `json:"days"`
	Count int `json:"count"`
}
