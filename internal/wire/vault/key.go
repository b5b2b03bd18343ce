package vault

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
)

// Key is what reading, making and configuring a key answers (GET and POST
// transit/keys/:name).
type Key struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	KeySize      int    `json:"key_size,omitempty"`
	ParameterSet string `json:"parameter_set,omitempty"`
	// Versions has all that were not archived, by their numbers. OpenBao has none
	// for HMAC keys.
	Versions map[string]KeyVersion `json:"keys,omitempty"`

	LatestVersion        int `json:"latest_version"`
	MinAvailableVersion  int `json:"min_available_version"`
	MinDecryptionVersion int `json:"min_decryption_version"`
	MinEncryptionVersion int `json:"min_encryption_version"`

	Derived              bool `json:"derived"`
	DeletionAllowed      bool `json:"deletion_allowed"`
	Exportable           bool `json:"exportable"`
	AllowPlaintextBackup bool `json:"allow_plaintext_backup"`
	Imported             bool `json:"imported_key"`
	// SoftDeleted keys do nothing until they are restored. HashiCorp's Transit has
	// none.
	SoftDeleted bool `json:"soft_deleted,omitempty"`

	SupportsEncryption bool `json:"supports_encryption"`
	SupportsDecryption bool `json:"supports_decryption"`
	SupportsSigning    bool `json:"supports_signing"`
	SupportsDerivation bool `json:"supports_derivation"`
	// AutoRotatePeriod is in seconds, 0 for never.
	AutoRotatePeriod int64 `json:"auto_rotate_period"`
}

// KeyType returns the key's type.
func (k *Key) KeyType() Type { return Type{k.Type, k.KeySize, k.ParameterSet} }

// Spec returns the key's spec; NoSpec for what Holdfast has none for.
func (k *Key) Spec() alg.Spec {
	s, _ := ParseType(k.KeyType())
	return s
}

// Public returns the SubjectPublicKeyInfo of a version.
func (k *Key) Public(version int) ([]byte, error) {
	v, ok := k.Versions[strconv.Itoa(version)]
	if !ok {
		return nil, fmt.Errorf("the key %s shows no version %d", k.Name, version)
	}
	return ParsePublicKey(k.Spec(), v.PublicKey)
}

// Allows reports whether a version may still be used for all that it is for:
// to decrypt and verify, and, where making is set, to sign and compute codes.
func (k *Key) Allows(version int, making bool) bool {
	return version >= 1 && version <= k.LatestVersion && version >= k.MinAvailableVersion && version >= k.MinDecryptionVersion &&
		(!making || version >= k.MinEncryptionVersion)
}

// KeyVersion is one version of a key. Of a symmetric one Transit tells only
// when it was made, as a number.
type KeyVersion struct {
	Name      string
	PublicKey string
	// CertificateChain is in PEM, "" for none.
	CertificateChain string
	CreationTime     time.Time
}

// asymmetric is a version with a public half, as it is written.
type asymmetric struct {
	Name             string    `json:"name"`
	PublicKey        string    `json:"public_key"`
	CertificateChain string    `json:"certificate_chain"`
	CreationTime     time.Time `json:"creation_time"`
}

// MarshalJSON writes a symmetric version as the seconds since 1970, and all
// others as an object.
func (v KeyVersion) MarshalJSON() ([]byte, error) {
	if v.Name == "" && v.PublicKey == "" && v.CertificateChain == "" {
		return strconv.AppendInt(nil, v.CreationTime.Unix(), 10), nil
	}
	return json.Marshal(asymmetric(v))
}

// UnmarshalJSON reads either form.
func (v *KeyVersion) UnmarshalJSON(text []byte) error {
	if text = bytes.TrimSpace(text); len(text) > 0 && text[0] == '{' {
		var a asymmetric
		err := json.Unmarshal(text, &a)
		*v = KeyVersion(a)
		return err
	}
	var seconds int64
	if err := json.Unmarshal(text, &seconds); err != nil {
		return err
	}
	*v = KeyVersion{CreationTime: time.Unix(seconds, 0).UTC()}
	return nil
}

// publicBlock is the type of a public key's PEM.
const publicBlock = "PUBLIC KEY"

// ParsePublicKey returns the SubjectPublicKeyInfo of a public key as Transit
// shows it: of RSA and the NIST curves PEM, of Ed25519 the point in base64.
func ParsePublicKey(s alg.Spec, text string) ([]byte, error) {
	if s == alg.Ed25519 {
		point, err := base64.StdEncoding.Strict().DecodeString(text)
		if err != nil || len(point) != ed25519.PublicKeySize {
			return nil, fmt.Errorf("not the point of an Ed25519 key in base64")
		}
		return engine.MarshalPublic(s, ed25519.PublicKey(point))
	}
	block, rest := pem.Decode([]byte(text))
	if block == nil || block.Type != publicBlock || len(bytes.TrimSpace(rest)) != 0 {
		return nil, fmt.Errorf("not a public key in PEM")
	}
	p, err := engine.ParsePublic(s, block.Bytes)
	if err != nil {
		return nil, err
	}
	return p.SPKI(), nil
}

// FormatPublicKey is the reverse of ParsePublicKey.
func FormatPublicKey(s alg.Spec, spki []byte) (string, error) {
	p, err := engine.ParsePublic(s, spki)
	if err != nil {
		return "", err
	}
	if point, ok := p.Key().(ed25519.PublicKey); ok {
		return base64.StdEncoding.EncodeToString(point), nil
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: publicBlock, Bytes: spki})), nil
}

// CreateRequest makes a key (POST transit/keys/:name). A key that is there
// already stays as it is, whatever the request says: the answer then has it,
// with the warning that AlreadyExisted knows.
type CreateRequest struct {
	Type                 string `json:"type,omitempty"`
	KeySize              int    `json:"key_size,omitempty"`
	ParameterSet         string `json:"parameter_set,omitempty"`
	Derived              bool   `json:"derived,omitempty"`
	Exportable           bool   `json:"exportable,omitempty"`
	AllowPlaintextBackup bool   `json:"allow_plaintext_backup,omitempty"`
	AutoRotatePeriod     int64  `json:"auto_rotate_period,omitempty"`
}

// ConfigRequest changes a key (POST transit/keys/:name/config). What is nil
// stays as it is.
type ConfigRequest struct {
	DeletionAllowed      *bool `json:"deletion_allowed,omitempty"`
	MinDecryptionVersion *int  `json:"min_decryption_version,omitempty"`
	MinEncryptionVersion *int  `json:"min_encryption_version,omitempty"`
}

// ImportRequest brings a key in (POST transit/keys/:name/import): Ciphertext is
// an AES-256 key by RSAES-OAEP under the wrapping key, and the key by AES-KWP
// under that.
type ImportRequest struct {
	Type          string `json:"type,omitempty"`
	Ciphertext    []byte `json:"ciphertext"`
	HashFunction  string `json:"hash_function,omitempty"`
	AllowRotation bool   `json:"allow_rotation"`
	Exportable    bool   `json:"exportable,omitempty"`
}

// WrappingKey is the key under which keys come in (GET transit/wrapping_key):
// an RSA public key in PEM.
type WrappingKey struct {
	PublicKey string `json:"public_key"`
}

// KeyList has the names of keys (LIST transit/keys). A name that ends in "/" is
// a folder: the wrapping key is in one.
type KeyList struct {
	Keys []string `json:"keys"`
}
