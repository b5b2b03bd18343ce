package native

import "time"

// Profile is a kind of certificate that authorities issue.
type Profile struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	// Builtin tells that everybody has the profile, and nobody can change it.
	Builtin bool `json:"builtin,omitempty"`
	// Document is the profile itself, YAML; absent in listings.
	Document  string    `json:"document,omitempty"`
	CreatedAt time.Time `json:"created_at,omitzero"`
	UpdatedAt time.Time `json:"updated_at,omitzero"`
}

// ProfileList is a page of profiles.
type ProfileList struct {
	Profiles []Profile `json:"profiles"`
	Next     string    `json:"next,omitempty"`
}

// ProfileDocument is a profile as its author wrote it.
type ProfileDocument struct {
	// Document is YAML or JSON.
	Document string `json:"document"`
}
