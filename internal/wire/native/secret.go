package native

import "time"

// CreateSecretRequest asks for a new secret.
type CreateSecretRequest struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Key is the id or alias of the key that seals it; without one a key of
	// Holdfast's does.
	Key  string `json:"key,omitempty"`
	Tags []Tag  `json:"tags,omitempty"`
	// Value is the first value, Binary says that it is no text.
	Value  []byte `json:"value,omitempty"`
	Binary bool   `json:"binary,omitempty"`
}

// PutSecretRequest gives a secret a new value.
type PutSecretRequest struct {
	// Value is the value, Binary says that it is no text.
	Value  []byte `json:"value"`
	Binary bool   `json:"binary,omitempty"`
}

// Secret is a secret without its values.
type Secret struct {
	Name string `json:"name"`
	// ID is the name with an end that tells it from those that had the name before.
	ID          string `json:"id"`
	Realm       string `json:"realm"`
	Region      string `json:"region"`
	Description string `json:"description,omitempty"`
	// Key is how its owner named the key that seals it; absent for Holdfast's own.
	Key       string    `json:"key,omitempty"`
	Tags      []Tag     `json:"tags,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	ChangedAt time.Time `json:"changed_at"`
	// AccessedAt is the day on which a value was last read.
	AccessedAt time.Time `json:"accessed_at,omitzero"`
	// DeleteAt is when it is destroyed, if it is deleted.
	DeleteAt time.Time       `json:"delete_at,omitzero"`
	Versions []SecretVersion `json:"versions"`
}

// SecretVersion is a value that a secret has or had, without the value.
type SecretVersion struct {
	ID string `json:"id"`
	// Stages are "current", "previous" and others that callers gave it.
	Stages     []string  `json:"stages,omitempty"`
	CreatedAt  time.Time `json:"created_at"`
	AccessedAt time.Time `json:"accessed_at,omitzero"`
}

// SecretList is a page of secrets.
type SecretList struct {
	Secrets []Secret `json:"secrets"`
	Next    string   `json:"next,omitempty"`
}

// SecretValue is a value of a secret.
type SecretValue struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Value is the value, Binary says that it is no text.
	Value     []byte    `json:"value"`
	Binary    bool      `json:"binary,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// SecretDeletion is a secret that is deleted.
type SecretDeletion struct {
	Name string `json:"name"`
	// GoneAt is when it is destroyed: until then it can be restored.
	GoneAt time.Time `json:"gone_at"`
}
