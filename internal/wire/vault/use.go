package vault

import (
	"fmt"
	"io"
	"log/slog"
)

// Plaintext is what Transit encrypts and decrypts. It does not show itself, and
// is base64 in JSON.
type Plaintext []byte

// Format writes "[redacted]" whatever the verb.
func (Plaintext) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// LogValue returns "[redacted]".
func (Plaintext) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// SignRequest asks for a signature (POST transit/sign/:name).
type SignRequest struct {
	Input []byte `json:"input"`
	// KeyVersion is 0 for the latest.
	KeyVersion          int    `json:"key_version,omitempty"`
	HashAlgorithm       string `json:"hash_algorithm,omitempty"`
	Prehashed           bool   `json:"prehashed,omitempty"`
	SignatureAlgorithm  string `json:"signature_algorithm,omitempty"`
	SaltLength          string `json:"salt_length,omitempty"`
	MarshalingAlgorithm string `json:"marshaling_algorithm,omitempty"`
}

// Signature answers SignRequest.
type Signature struct {
	Signature  Versioned `json:"signature"`
	KeyVersion int       `json:"key_version,omitempty"`
}

// VerifyRequest asks whether a signature or a code is a key's (POST
// transit/verify/:name). Of a code the hash is in Algorithm: HashAlgorithm is
// not looked at.
type VerifyRequest struct {
	Input               []byte     `json:"input"`
	Signature           *Versioned `json:"signature,omitempty"`
	HMAC                *Versioned `json:"hmac,omitempty"`
	Algorithm           string     `json:"algorithm,omitempty"`
	HashAlgorithm       string     `json:"hash_algorithm,omitempty"`
	Prehashed           bool       `json:"prehashed,omitempty"`
	SignatureAlgorithm  string     `json:"signature_algorithm,omitempty"`
	SaltLength          string     `json:"salt_length,omitempty"`
	MarshalingAlgorithm string     `json:"marshaling_algorithm,omitempty"`
}

// Verified answers VerifyRequest.
type Verified struct {
	Valid bool `json:"valid"`
}

// EncryptRequest asks for a ciphertext (POST transit/encrypt/:name).
type EncryptRequest struct {
	Plaintext      Plaintext `json:"plaintext"`
	AssociatedData []byte    `json:"associated_data,omitempty"`
	KeyVersion     int       `json:"key_version,omitempty"`
	// Type is that of the key which is made when there is none of the name: see
	// NeverMake.
	Type string `json:"type,omitempty"`
}

// NeverMake is the Type of an EncryptRequest for a key that must be there: it is
// not looked at then, and is refused, being no type, where Transit would make
// a key of the name.
const NeverMake = "none"

// Ciphertext answers EncryptRequest, and is what DecryptRequest has.
type Ciphertext struct {
	Ciphertext Versioned `json:"ciphertext"`
	KeyVersion int       `json:"key_version,omitempty"`
}

// DecryptRequest asks for a plaintext (POST transit/decrypt/:name).
type DecryptRequest struct {
	Ciphertext     Versioned `json:"ciphertext"`
	AssociatedData []byte    `json:"associated_data,omitempty"`
}

// Decrypted answers DecryptRequest.
type Decrypted struct {
	Plaintext Plaintext `json:"plaintext"`
}

// HMACRequest asks for a code (POST transit/hmac/:name).
type HMACRequest struct {
	Input      []byte `json:"input"`
	Algorithm  string `json:"algorithm,omitempty"`
	KeyVersion int    `json:"key_version,omitempty"`
}

// HMAC answers HMACRequest.
type HMAC struct {
	HMAC Versioned `json:"hmac"`
}

// RandomRequest asks for random bytes (POST transit/random), at most MaxRandom.
type RandomRequest struct {
	Bytes  int    `json:"bytes"`
	Format string `json:"format,omitempty"`
}

// Random answers RandomRequest in base64, the default format.
type Random struct {
	RandomBytes Plaintext `json:"random_bytes"`
}
