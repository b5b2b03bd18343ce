package native

import "time"

// Provider is a key service in which keys can live.
type Provider struct {
	// Name is what keys and commands call it.
	Name string `json:"name"`
	// Kind is "awskms", "azurekv", "gcpkms" or "vault".
	Kind string `json:"kind"`
	// Place says in a line where its keys live.
	Place string `json:"place"`
	// Realms are those that see what is in it and adopt keys from it.
	Realms []string `json:"realms"`
	// Protection is that of keys that are made in it: "hsm" or "external".
	Protection string `json:"protection"`
	// State is "ok", "failing", "refusing" (it does not accept the server's
	// credential, or does not let it do what it asked for) or "open" (it is left
	// alone for a moment).
	State string `json:"state"`
	// Cause is what went wrong last, in the service's own words.
	Cause string `json:"cause,omitempty"`
	// Since is when the state began.
	Since time.Time `json:"since,omitzero"`
	// Requests were sent since the server started. Failures of them got no answer,
	// with the Throttled ones that the service's limit turned away: that a key is
	// not there is an answer. Retries of them were repetitions.
	Requests  int64 `json:"requests"`
	Failures  int64 `json:"failures"`
	Throttled int64 `json:"throttled"`
	Retries   int64 `json:"retries"`
	// Makes are the kinds of keys that can be made in it. Listings leave them out.
	Makes []ProviderKind `json:"makes,omitempty"`
}

// ProviderKind is a kind of key.
type ProviderKind struct {
	// Spec is the key's type and size, such as "ECC_NIST_P256".
	Spec string `json:"spec"`
	// Usage is what the key is for, such as "SIGN_VERIFY".
	Usage string `json:"usage"`
}

// ProviderList is all providers.
type ProviderList struct {
	Providers []Provider `json:"providers"`
}

// ProviderKey is a key that is in a provider.
type ProviderKey struct {
	// Name is the service's own: "holdfast key adopt --name" takes it.
	Name string `json:"name"`
	// Spec and Usage are what the key is, absent where Holdfast has no such keys;
	// Type says it in the service's own words.
	Spec  string `json:"spec,omitempty"`
	Usage string `json:"usage,omitempty"`
	Type  string `json:"type,omitempty"`
	// Condition is "usable", "disabled", "deleted" (it can be recovered), "gone"
	// or "unusable".
	Condition string `json:"condition"`
	// KeyID is the key here that it is the current version of.
	KeyID string `json:"key_id,omitempty"`
	// Made tells that it has a name that a Holdfast gives to keys. Without a KeyID
	// it is an older version of a key, another server's, or left by a call that
	// failed in the middle.
	Made bool `json:"made,omitempty"`
}

// ProviderKeyList is a page of the keys that are in a provider. Next is the
// marker of the next page, empty at the end.
type ProviderKeyList struct {
	Keys []ProviderKey `json:"keys"`
	Next string        `json:"next,omitempty"`
}

// TestProviderRequest asks that a provider be tried: reached, or with a kind of
// key, which is made there, used and destroyed.
type TestProviderRequest struct {
	// Spec and Usage are the kind of key; both or neither.
	Spec  string `json:"spec,omitempty"`
	Usage string `json:"usage,omitempty"`
}

// ProviderTrial is what came of trying a provider.
type ProviderTrial struct {
	// OK tells that all went well.
	OK bool `json:"ok"`
	// Failure is what did not, and Cause what the service says of it.
	Failure string `json:"failure,omitempty"`
	Cause   string `json:"cause,omitempty"`
	// Lacks are algorithms that such a key does not have there.
	Lacks []string `json:"lacks,omitempty"`
	// MadeMicros is how long it took to make the key, and Micros to use it once in
	// every way, or to reach the service, in microseconds.
	MadeMicros int64 `json:"made_microseconds,omitempty"`
	Micros     int64 `json:"microseconds"`
}
