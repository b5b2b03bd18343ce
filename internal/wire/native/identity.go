package native

import "time"

// User is an identity with access keys and policies.
type User struct {
	Name  string `json:"name"`
	ID    string `json:"id"`
	Realm string `json:"realm"`
	// Policies are sorted by their names.
	Policies   []NamedPolicy `json:"policies"`
	AccessKeys []AccessKey   `json:"access_keys"`
	CreatedAt  time.Time     `json:"created_at"`
}

// NamedPolicy is an identity policy of a user.
type NamedPolicy struct {
	Name string `json:"name"`
	Policy
}

// AccessKey is a credential without its secret.
type AccessKey struct {
	ID        string    `json:"id"`
	User      string    `json:"user"`
	Active    bool      `json:"active"`
	CreatedAt time.Time `json:"created_at"`
}

// NewAccessKey is a credential with its secret, which is shown only once.
type NewAccessKey struct {
	AccessKey
	SecretAccessKey string `json:"secret_access_key"`
}

// CreateUserRequest asks for a new user.
type CreateUserRequest struct {
	Name string `json:"name"`
}

// UserList is a page of users.
type UserList struct {
	Users []User `json:"users"`
	Next  string `json:"next,omitempty"`
}

// UpdateAccessKeyRequest enables or disables an access key.
type UpdateAccessKeyRequest struct {
	Active bool `json:"active"`
}

// CreateSessionRequest asks for temporary credentials of the caller.
type CreateSessionRequest struct {
	// Seconds is how long they hold; 0 stands for an hour.
	Seconds int `json:"seconds,omitempty"`
	// Code is what a second factor of the caller's shows, Factor its name: the
	// only one of the caller's when it is empty.
	Factor string `json:"factor,omitempty"`
	Code   string `json:"code,omitempty"`
}

// Session is temporary credentials, shown only once.
type Session struct {
	AccessKeyID     string    `json:"access_key_id"`
	SecretAccessKey string    `json:"secret_access_key"`
	SessionToken    string    `json:"session_token"`
	ExpiresAt       time.Time `json:"expires_at"`
}

// Identity is who the caller is.
type Identity struct {
	Realm string `json:"realm"`
	// Kind is "root", "user", "role", "session" or "service".
	Kind   string `json:"kind"`
	Name   string `json:"name,omitempty"`
	UserID string `json:"user_id,omitempty"`
	// Credential is the id of the credential that proved it.
	Credential string `json:"credential"`
	// Method is how it was proved.
	Method string `json:"method"`
	MFA    bool   `json:"mfa"`
}

// ServerVersion is the server's version.
type ServerVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Go       string `json:"go"`
}
