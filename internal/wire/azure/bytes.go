package azure

import (
	"encoding/base64"
	"errors"
	"strings"
)

// Bytes is binary data, in JSON as base64url without padding (RFC 7515 section
// 2). It is read from either alphabet, with and without padding: clients write
// both.
type Bytes []byte

// MarshalText writes base64url without padding.
func (b Bytes) MarshalText() ([]byte, error) {
	return base64.RawURLEncoding.AppendEncode(nil, b), nil
}

// UnmarshalText reads base64.
func (b *Bytes) UnmarshalText(text []byte) error {
	plain := strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(string(text), "="))
	data, err := base64.RawURLEncoding.DecodeString(plain)
	if err != nil {
		return errors.New("not base64url")
	}
	*b = data
	return nil
}
