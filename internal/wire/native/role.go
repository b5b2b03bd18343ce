package native

import "time"

// Role is what others assume for a while, to act by its policies.
type Role struct {
	// Name has the role's path: "ops/Deploy".
	Name        string `json:"name"`
	ID          string `json:"id"`
	Realm       string `json:"realm"`
	Description string `json:"description,omitempty"`
	// MaxSessionSeconds is how long a session of it may be.
	MaxSessionSeconds int `json:"max_session_seconds"`
	// Trust says who may assume it.
	Trust Policy `json:"trust"`
	// Policies are sorted by their names.
	Policies []NamedPolicy `json:"policies"`
	// Tags are also those of its sessions.
	Tags      []Tag     `json:"tags"`
	CreatedAt time.Time `json:"created_at"`
}

// RoleList is a page of roles.
type RoleList struct {
	Roles []Role `json:"roles"`
	Next  string `json:"next,omitempty"`
}

// CreateRoleRequest asks for a new role.
type CreateRoleRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Trust       Policy `json:"trust"`
	// MaxSessionSeconds is from 3600, which 0 stands for, to 43200.
	MaxSessionSeconds int   `json:"max_session_seconds,omitempty"`
	Tags              []Tag `json:"tags,omitempty"`
}

// UpdateRoleRequest changes what a role says of itself; what is missing stays.
type UpdateRoleRequest struct {
	Description       *string `json:"description,omitempty"`
	MaxSessionSeconds *int    `json:"max_session_seconds,omitempty"`
}

// AssumeRoleRequest asks for a session of a role.
type AssumeRoleRequest struct {
	// Realm is the role's; empty for the caller's own.
	Realm string `json:"realm,omitempty"`
	// Session is the session's name.
	Session string `json:"session"`
	// Seconds is how long it holds; 0 stands for an hour.
	Seconds int `json:"seconds,omitempty"`
	// Policy limits the session further.
	Policy         *Policy `json:"policy,omitempty"`
	ExternalID     string  `json:"external_id,omitempty"`
	SourceIdentity string  `json:"source_identity,omitempty"`
	Tags           []Tag   `json:"tags,omitempty"`
	// TransitiveTagKeys are those of the tags that sessions made from it keep.
	TransitiveTagKeys []string `json:"transitive_tag_keys,omitempty"`
	// Factor and Code are as in CreateSessionRequest.
	Factor string `json:"factor,omitempty"`
	Code   string `json:"code,omitempty"`
}

// Issuer is somebody whose tokens prove who web identities are.
type Issuer struct {
	// Name is the URL without its scheme, by which policies know it.
	Name      string    `json:"name"`
	URL       string    `json:"url"`
	CreatedAt time.Time `json:"created_at"`
	IssuerSettings
}

// IssuerSettings say which tokens of an issuer count.
type IssuerSettings struct {
	// Audiences are whom tokens have to be meant for: one of them.
	Audiences []string `json:"audiences"`
	// CA are the certificates, in PEM, that the issuer's server is trusted by; empty
	// for the system's.
	CA string `json:"ca,omitempty"`
	// Thumbprints are the SHA-1 or SHA-256 digests, in hex, of certificates of its
	// chain that are trusted beside the system's.
	Thumbprints []string `json:"thumbprints,omitempty"`
	// Keys is a JSON Web Key Set to verify tokens with; empty for what the issuer
	// publishes.
	Keys string `json:"keys,omitempty"`
}

// CreateIssuerRequest registers an issuer.
type CreateIssuerRequest struct {
	URL string `json:"url"`
	IssuerSettings
}

// IssuerList is a page of issuers.
type IssuerList struct {
	Issuers []Issuer `json:"issuers"`
	Next    string   `json:"next,omitempty"`
}

// Factor is what shows a user's one-time codes.
type Factor struct {
	Name string `json:"name"`
	User string `json:"user"`
	// Confirmed is false until the factor has shown two codes.
	Confirmed bool       `json:"confirmed"`
	CreatedAt time.Time  `json:"created_at"`
	UsedAt    *time.Time `json:"used_at,omitempty"`
	// LockedUntil is when codes are looked at again after too many wrong ones.
	LockedUntil *time.Time `json:"locked_until,omitempty"`
}

// NewFactor is a second factor with its secret, which is shown only once.
type NewFactor struct {
	Factor
	// Secret is in base32.
	Secret string `json:"secret"`
	// URI is for a QR code: otpauth://totp/…
	URI string `json:"uri"`
}

// FactorList is all second factors of a user.
type FactorList struct {
	Factors []Factor `json:"factors"`
}

// EnrolFactorRequest asks for a second factor.
type EnrolFactorRequest struct {
	// Name is the factor's; empty for the user's.
	Name string `json:"name,omitempty"`
}

// ConfirmFactorRequest shows that a user's device has the secret.
type ConfirmFactorRequest struct {
	// Codes are two that followed each other.
	Codes []string `json:"codes"`
}
