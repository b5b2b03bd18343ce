package keyless

import (
	"encoding/json"
	"fmt"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// authenticate is the name of the custom operation by which a connection says
// whose it is.
const authenticate = "holdfast.authenticate"

// credential is the payload of that operation.
type credential struct {
	AccessKeyID     string `json:"access_key_id"`
	SecretAccessKey string `json:"secret_access_key"`
	SessionToken    string `json:"session_token,omitempty"`
	Region          string `json:"region,omitempty"`
}

// authentication returns the operation that proves who asks, nil where that is
// not by an access key.
func authentication(c *Config) (*wire.Operation, error) {
	if c.AccessKeyID == "" {
		return nil, nil
	}
	payload, err := json.Marshal(credential{c.AccessKeyID, c.SecretAccessKey, c.SessionToken, c.Region}) //nolint:gosec // the secret is what proves who asks; it goes over TLS only
	if err != nil {
		return nil, fmt.Errorf("keyless: encoding the credential: %w", err)
	}
	return &wire.Operation{Opcode: wire.OpCustom, Function: []byte(authenticate), Payload: payload}, nil
}
