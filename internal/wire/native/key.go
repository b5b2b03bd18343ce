package native

import "time"

// Key is a key's metadata.
type Key struct {
	ID     string `json:"id"`
	Realm  string `json:"realm"`
	Region string `json:"region"`
	// Spec is the key's type and size, such as "ECC_NIST_P256".
	Spec string `json:"spec"`
	// Usage is ENCRYPT_DECRYPT, SIGN_VERIFY, GENERATE_VERIFY_MAC, KEY_AGREEMENT,
	// KEY_TRANSFER or RAW_ENCRYPT_DECRYPT.
	Usage string `json:"usage"`
	// Algorithms are those that the key is usually used with. What TLS before
	// version 1.3 and PKCS #11 ask for beside (RSASSA_PKCS1_V1_5_SHA_1, RSA_RAW and
	// others) is there and not listed.
	Algorithms []string `json:"algorithms"`
	// State is the state in lower-case words, such as "pending deletion".
	State      string `json:"state"`
	Origin     string `json:"origin"`
	Protection string `json:"protection"`
	// HSM is the token or group that the key lives in, absent for the server's
	// own store. Store is the custom key store that it belongs to.
	HSM   string `json:"hsm,omitempty"`
	Store string `json:"store,omitempty"`
	// Provider is the key service that the key lives in, RemoteName what that
	// calls the current version, and RemoteCondition how it was there when the
	// service was asked last: "usable", "disabled", "deleted", "gone" or "unusable".
	Provider        string `json:"provider,omitempty"`
	RemoteName      string `json:"remote_name,omitempty"`
	RemoteCondition string `json:"remote_condition,omitempty"`
	Description     string `json:"description,omitempty"`
	// Version is the number of the current version, from 1.
	Version   uint32    `json:"version"`
	CreatedAt time.Time `json:"created_at"`
	// DeleteAt is when a key pending deletion is destroyed.
	DeleteAt time.Time `json:"delete_at,omitzero"`
	// ExpiresAt is when imported material is forgotten.
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	// Exportable tells that the material may leave, for whoever may export it.
	Exportable bool `json:"exportable,omitempty"`
	// Predecessor is the key that this one has succeeded, Successor the one that
	// has succeeded it. A key with a successor only verifies and decrypts, until
	// VerifiesUntil where that is said.
	Predecessor   string    `json:"predecessor,omitempty"`
	Successor     string    `json:"successor,omitempty"`
	VerifiesUntil time.Time `json:"verifies_until,omitzero"`
	Tags          []Tag     `json:"tags,omitempty"`
}

// Tag is a label of a key.
type Tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// CreateKeyRequest asks for a new key.
type CreateKeyRequest struct {
	// Spec is the key's type and size; empty for SYMMETRIC_DEFAULT.
	Spec string `json:"spec,omitempty"`
	// Usage may be empty but for RSA; a key on a NIST curve signs then.
	Usage       string `json:"usage,omitempty"`
	Description string `json:"description,omitempty"`
	// Policy is absent for the default: the realm's root may do everything,
	// which lets identity policies decide.
	Policy *Policy `json:"policy,omitempty"`
	Tags   []Tag   `json:"tags,omitempty"`
	// BypassLockout turns off the check that the caller can change the policy
	// again.
	BypassLockout bool `json:"bypass_lockout,omitempty"`
	// Exportable lets the material leave, for whoever may export it. It is
	// decided once, when the key is made.
	Exportable bool `json:"exportable,omitempty"`
	// Alias, with its "alias/" prefix, names the key from the start. A key whose
	// alias is taken is not made.
	Alias string `json:"alias,omitempty"`
	// HSM is the token or group in which the key is made; empty for the server's
	// own store.
	HSM string `json:"hsm,omitempty"`
	// Store is the id of the custom key store in which the key is made
	// ("cks-1234567890abcdef0"), in the place of HSM.
	Store string `json:"store,omitempty"`
	// Provider is the key service in which the key is made, in the place of HSM.
	Provider string `json:"provider,omitempty"`
}

// ImportKeyRequest brings a key whose material is made already.
type ImportKeyRequest struct {
	CreateKeyRequest
	// Material is the key in plain form: PKCS #8 in DER, or the bytes of a
	// symmetric key.
	Material []byte `json:"material"`
}

// ExportedKey is the material of an exportable key's current version.
type ExportedKey struct {
	KeyID   string `json:"key_id"`
	Version uint32 `json:"version"`
	// Spec is the key's type and size, such as "ECC_NIST_P256".
	Spec string `json:"spec"`
	// Material is in plain form: PKCS #8 in DER, or the bytes of a symmetric key.
	Material []byte `json:"material"`
}

// KeyItem is a key in a listing. DescribeKey tells the rest.
type KeyItem struct {
	ID string `json:"id"`
}

// KeyList is a page of keys. Next is the marker of the next page, empty at
// the end.
type KeyList struct {
	Keys []KeyItem `json:"keys"`
	Next string    `json:"next,omitempty"`
}

// Description is a key's text for people.
type Description struct {
	Description string `json:"description"`
}

// ScheduleDeletionRequest asks that a key be destroyed after a waiting period.
type ScheduleDeletionRequest struct {
	// Days is 7 to 30; 0 stands for 30.
	Days int `json:"days,omitempty"`
}

// Policy is a policy as its author wrote it.
type Policy struct {
	// Dialect is the policy language; empty for "aws", the only one so far.
	Dialect string `json:"dialect,omitempty"`
	// Document is the policy's text.
	Document string `json:"document"`
}

// PutPolicyRequest replaces a key's policy.
type PutPolicyRequest struct {
	Policy
	// BypassLockout turns off the check that the caller can change the policy
	// again.
	BypassLockout bool `json:"bypass_lockout,omitempty"`
}

// TagRequest sets tags; those with other keys stay.
type TagRequest struct {
	Tags []Tag `json:"tags"`
}

// TagList is a page of a key's tags.
type TagList struct {
	Tags []Tag  `json:"tags"`
	Next string `json:"next,omitempty"`
}

// RotationRequest turns rotation by the clock on.
type RotationRequest struct {
	// PeriodDays is 90 to 2560; 0 stands for 365.
	PeriodDays int `json:"period_days,omitempty"`
}

// Rotation is a key's rule for new versions.
type Rotation struct {
	Enabled    bool `json:"enabled"`
	PeriodDays int  `json:"period_days,omitempty"`
	// NextAt is when the clock rotates next.
	NextAt time.Time `json:"next_at,omitzero"`
	// OnDemandCount counts the rotations that callers asked for.
	OnDemandCount int `json:"on_demand_count"`
}

// Version is a past rotation of a key: the version that it made.
type Version struct {
	Number    uint32    `json:"number"`
	CreatedAt time.Time `json:"created_at"`
	// RotatedBy is "automatic" or "on-demand".
	RotatedBy  string `json:"rotated_by"`
	MaterialID string `json:"material_id"`
}

// VersionList is a page of a key's rotations.
type VersionList struct {
	Versions []Version `json:"versions"`
	Next     string    `json:"next,omitempty"`
}

// PublicKey is the public half of a key's current version.
type PublicKey struct {
	KeyID      string   `json:"key_id"`
	Version    uint32   `json:"version"`
	Spec       string   `json:"spec"`
	Usage      string   `json:"usage"`
	Algorithms []string `json:"algorithms"`
	// SPKI is the SubjectPublicKeyInfo in DER (RFC 5280 section 4.1).
	SPKI []byte `json:"spki"`
}

// Alias is another name of a key.
type Alias struct {
	// Name begins with "alias/".
	Name      string    `json:"name"`
	KeyID     string    `json:"key_id"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// AliasList is a page of aliases.
type AliasList struct {
	Aliases []Alias `json:"aliases"`
	Next    string  `json:"next,omitempty"`
}

// CreateAliasRequest names a key.
type CreateAliasRequest struct {
	// Name begins with "alias/".
	Name string `json:"name"`
	// Key is an id, an alias or an ARN.
	Key string `json:"key"`
}

// UpdateAliasRequest points an alias at another key.
type UpdateAliasRequest struct {
	// Key is an id, an alias or an ARN.
	Key string `json:"key"`
}
