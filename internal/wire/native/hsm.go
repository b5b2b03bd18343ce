package native

import "time"

// HSM is a token, or a group of tokens, in which keys can live.
type HSM struct {
	// Name is what keys and commands call it.
	Name string `json:"name"`
	// Kind is "token" or "group".
	Kind string `json:"kind"`
	// Use is "keys", or "clusters" for a token of the pool that clusters are
	// made of.
	Use string `json:"use"`
	// Tokens are the names of a group's tokens.
	Tokens []string `json:"tokens,omitempty"`
	// State is "ok", "away", "pin refused", "hung", "failing" or "closed"; a
	// group is as well as the best of its tokens.
	State string `json:"state"`
	// Cause is what went wrong last, of a token that is not ok.
	Cause string `json:"cause,omitempty"`
	// Since is when the state began.
	Since time.Time `json:"since,omitzero"`
	// Module is the path of the PKCS #11 library, Preset the maker whose
	// peculiarities are heeded.
	Module string `json:"module,omitempty"`
	Preset string `json:"preset,omitempty"`
	// Workers are the module's processes, Sessions the open sessions in them,
	// Busy those in use, Waiting the calls that wait for one.
	Workers  int `json:"workers"`
	Sessions int `json:"sessions"`
	Busy     int `json:"busy"`
	Waiting  int `json:"waiting"`
	// Calls and Failures count the module's calls since the server started, and
	// those of them that failed for more than their request; Restarts counts
	// processes that were given up.
	Calls    uint64 `json:"calls"`
	Failures uint64 `json:"failures"`
	Restarts uint64 `json:"restarts"`
	// Info is what the token says of itself, while it can be reached. Listings
	// leave it out.
	Info *HSMInfo `json:"info,omitempty"`
}

// HSMInfo is what a token says of itself.
type HSMInfo struct {
	Label        string `json:"label"`
	Serial       string `json:"serial"`
	Manufacturer string `json:"manufacturer"`
	Model        string `json:"model"`
	// Firmware is the version of the token's firmware, Library that of the
	// module, with its maker.
	Firmware string `json:"firmware"`
	Library  string `json:"library"`
	// Mechanisms are what the token can do, in the order of their numbers.
	Mechanisms []HSMMechanism `json:"mechanisms"`
	// Specs are those of which keys can be made in it.
	Specs []string `json:"specs"`
}

// HSMMechanism is something that a token can do (PKCS #11 3.1 section 6).
type HSMMechanism struct {
	// Name is PKCS #11's, such as "CKM_ECDSA", or a number in hex.
	Name string `json:"name"`
	// MinKey and MaxKey bound the keys, in the unit of the mechanism.
	MinKey uint64 `json:"min_key,omitempty"`
	MaxKey uint64 `json:"max_key,omitempty"`
	// Uses are "sign", "verify", "encrypt", "decrypt", "wrap", "unwrap",
	// "derive", "digest", "generate" and "generate-pair".
	Uses []string `json:"uses"`
}

// HSMList is all tokens and groups.
type HSMList struct {
	HSMs []HSM `json:"hsms"`
}

// HSMObject is an object on a token that the server's login can see. Its
// value is never told.
type HSMObject struct {
	// URI names the object (RFC 7512): "holdfast key adopt --uri" takes it.
	URI string `json:"uri"`
	// Token is the token that has it.
	Token string `json:"token"`
	// Class is such as "private key" or "secret key".
	Class string `json:"class"`
	Label string `json:"label"`
	// ID is CKA_ID in hex.
	ID string `json:"id"`
	// Type is the key's type, such as "EC" or "RSA", and Bits its size, 0 where
	// the token does not say.
	Type string `json:"type,omitempty"`
	Bits int    `json:"bits,omitempty"`
	// Uses are what the token lets the key do.
	Uses []string `json:"uses,omitempty"`
	// Extractable tells that the token would give the key away, wrapped at least.
	Extractable bool `json:"extractable,omitempty"`
	// KeyID is the key here that the object belongs to: one that was made here,
	// by its label.
	KeyID string `json:"key_id,omitempty"`
	// Orphan tells that the label is of a Holdfast, and that this server has no
	// such version of a key: another server on the token has it, or one that was
	// restored from an older backup had it, or a call that failed in the middle
	// has left it.
	Orphan bool `json:"orphan,omitempty"`
}

// HSMObjectList is all objects on a token.
type HSMObjectList struct {
	Objects []HSMObject `json:"objects"`
}

// AdoptKeyRequest asks that a key which is on a token or in a provider already
// be known here.
// It stays where it is, and stays there when it is deleted here.
type AdoptKeyRequest struct {
	CreateKeyRequest
	// URI names the key (RFC 7512), such as "pkcs11:object=ca-signing-key" or
	// "pkcs11:id=%01".
	URI string `json:"uri,omitempty"`
	// Name is what a provider calls the key, in the place of URI: an ARN, say.
	Name string `json:"name,omitempty"`
}
