package azure

import "fmt"

// Attributes are a key's, with times in seconds since 1970.
type Attributes struct {
	Enabled         *bool  `json:"enabled,omitempty"`
	NotBefore       int64  `json:"nbf,omitempty"`
	Expires         int64  `json:"exp,omitempty"`
	Created         int64  `json:"created,omitempty"`
	Updated         int64  `json:"updated,omitempty"`
	RecoveryLevel   string `json:"recoveryLevel,omitempty"`
	RecoverableDays int    `json:"recoverableDays,omitempty"`
	Exportable      *bool  `json:"exportable,omitempty"`
}

// KeyBundle is a key as the service shows it; the last members are there of a
// deleted one only.
type KeyBundle struct {
	Key        *JSONWebKey       `json:"key,omitempty"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Managed    bool              `json:"managed,omitempty"`

	RecoveryID         string `json:"recoveryId,omitempty"`
	DeletedDate        int64  `json:"deletedDate,omitempty"`
	ScheduledPurgeDate int64  `json:"scheduledPurgeDate,omitempty"`
}

// KeyItem is a key in a list.
type KeyItem struct {
	KID        string            `json:"kid"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
	Managed    bool              `json:"managed,omitempty"`
}

// KeyList is a page of a list; NextLink is null at its end.
type KeyList struct {
	Value    []KeyItem `json:"value"`
	NextLink *string   `json:"nextLink"`
}

// CreateKey is the request that makes a key.
type CreateKey struct {
	Type           KeyType           `json:"kty"`
	Size           int               `json:"key_size,omitempty"`
	PublicExponent int               `json:"public_exponent,omitempty"`
	Ops            []KeyOperation    `json:"key_ops,omitempty"`
	Curve          CurveName         `json:"crv,omitempty"`
	Attributes     *Attributes       `json:"attributes,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
}

// ImportKey is the request that takes a key from elsewhere.
type ImportKey struct {
	HSM        *bool             `json:"Hsm,omitempty"`
	Key        *JSONWebKey       `json:"key"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// UpdateKey is the request that changes what may be changed of a key; what is
// nil stays.
type UpdateKey struct {
	Ops        []KeyOperation    `json:"key_ops,omitempty"`
	Attributes *Attributes       `json:"attributes,omitempty"`
	Tags       map[string]string `json:"tags,omitempty"`
}

// Operation is the request to encrypt, decrypt, wrap or unwrap.
type Operation struct {
	Algorithm EncryptionAlgorithm `json:"alg"`
	Value     Bytes               `json:"value"`
	IV        Bytes               `json:"iv,omitempty"`
	AAD       Bytes               `json:"aad,omitempty"`
	Tag       Bytes               `json:"tag,omitempty"`
}

// Format shows the algorithm and nothing else, whatever the verb: the value may
// be a plaintext.
func (o *Operation) Format(s fmt.State, _ rune) {
	_, _ = fmt.Fprintf(s, "operation %s", string(o.Algorithm))
}

// OperationResult is the answer to Operation and Sign.
type OperationResult struct {
	KID   string `json:"kid,omitempty"`
	Value Bytes  `json:"value"`
	IV    Bytes  `json:"iv,omitempty"`
	AAD   Bytes  `json:"aad,omitempty"`
	Tag   Bytes  `json:"tag,omitempty"`
}

// SignDigest is the request to sign a digest, or to compute a code.
type SignDigest struct {
	Algorithm SignatureAlgorithm `json:"alg"`
	Value     Bytes              `json:"value"`
}

// VerifyDigest is the request to check a signature or a code.
type VerifyDigest struct {
	Algorithm SignatureAlgorithm `json:"alg"`
	Digest    Bytes              `json:"digest"`
	Value     Bytes              `json:"value"`
}

// VerifyResult is the answer to VerifyDigest.
type VerifyResult struct {
	Value bool `json:"value"`
}

// RandomBytes is the request for random bytes of a Managed HSM, 1 to 128 at a
// time; the answer is an OperationResult.
type RandomBytes struct {
	Count int `json:"count"`
}

// MaxRandomBytes is the largest Count of RandomBytes.
const MaxRandomBytes = 128
