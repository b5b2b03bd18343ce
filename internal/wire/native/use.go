package native

// SignRequest asks for a signature over a message of at most 4,096 bytes, or
// over a digest of any message.
type SignRequest struct {
	Algorithm string `json:"algorithm"`
	// Form is RAW (the default), DIGEST or EXTERNAL_MU.
	Form    string `json:"form,omitempty"`
	Message []byte `json:"message"`
}

// Signature is a signature: DER for ECDSA, else the scheme's own bytes.
type Signature struct {
	KeyID     string `json:"key_id"`
	Version   uint32 `json:"version"`
	Algorithm string `json:"algorithm"`
	Signature []byte `json:"signature"`
}

// VerifyRequest asks whether a signature is right. A wrong one is a problem
// of the kind bad-signature, never a false answer.
type VerifyRequest struct {
	SignRequest
	Signature []byte `json:"signature"`
}

// Verified says that a signature or code is right.
type Verified struct {
	KeyID     string `json:"key_id"`
	Algorithm string `json:"algorithm"`
	// Valid is always true.
	Valid bool `json:"valid"`
}

// EncryptRequest asks for a ciphertext of at most 4,096 bytes, or of 65,536 under
// a RAW_ENCRYPT_DECRYPT key.
type EncryptRequest struct {
	// Algorithm may be empty for symmetric keys.
	Algorithm string `json:"algorithm,omitempty"`
	Plaintext []byte `json:"plaintext"`
	// Context is authenticated and not encrypted.
	Context map[string]string `json:"context,omitempty"`
	// IV is the initialisation vector of a RAW_ENCRYPT_DECRYPT key's algorithm,
	// which the caller chooses: 16 bytes of AES_CBC, AES_CBC_PAD and AES_CTR, 1 to
	// 256 of AES_GCM, 8 or none of AES_KW.
	IV []byte `json:"iv,omitempty"`
	// AssociatedData is AES_GCM's, at most 65,536 bytes.
	AssociatedData []byte `json:"associated_data,omitempty"`
	// TagBits is the length of AES_GCM's tag: 96, 104, 112, 120 or 128; 0 stands
	// for 128.
	TagBits int `json:"tag_bits,omitempty"`
}

// Ciphertext is an encryption.
type Ciphertext struct {
	KeyID      string `json:"key_id"`
	Version    uint32 `json:"version"`
	Algorithm  string `json:"algorithm"`
	Ciphertext []byte `json:"ciphertext"`
}

// DecryptRequest asks for the plaintext of a ciphertext.
type DecryptRequest struct {
	// Key may be empty for symmetric ciphertexts, which name their key.
	Key        string            `json:"key,omitempty"`
	Algorithm  string            `json:"algorithm,omitempty"`
	Ciphertext []byte            `json:"ciphertext"`
	Context    map[string]string `json:"context,omitempty"`
	// IV, AssociatedData and TagBits are what they are of EncryptRequest.
	IV             []byte `json:"iv,omitempty"`
	AssociatedData []byte `json:"associated_data,omitempty"`
	TagBits        int    `json:"tag_bits,omitempty"`
}

// Plaintext is a decryption.
type Plaintext struct {
	KeyID     string `json:"key_id"`
	Version   uint32 `json:"version"`
	Algorithm string `json:"algorithm"`
	Plaintext []byte `json:"plaintext"`
}

// ReEncryptRequest asks for a ciphertext under another key or context,
// without the plaintext ever leaving.
type ReEncryptRequest struct {
	// Source is what DecryptRequest is.
	Source DecryptRequest `json:"source"`
	// Key is the new ciphertext's key.
	Key       string            `json:"key"`
	Algorithm string            `json:"algorithm,omitempty"`
	Context   map[string]string `json:"context,omitempty"`
}

// DataKeyRequest asks for random bytes and their ciphertext.
type DataKeyRequest struct {
	// Bytes is 1 to 1024; 0 stands for 32.
	Bytes   int               `json:"bytes,omitempty"`
	Context map[string]string `json:"context,omitempty"`
	// WithoutPlaintext asks for the ciphertext alone.
	WithoutPlaintext bool `json:"without_plaintext,omitempty"`
}

// DataKey is a random key and its ciphertext.
type DataKey struct {
	KeyID      string `json:"key_id"`
	Version    uint32 `json:"version"`
	Ciphertext []byte `json:"ciphertext"`
	// Plaintext is absent when it was not asked for.
	Plaintext []byte `json:"plaintext,omitempty"`
}

// MACRequest asks for the code of a message of at most 4,096 bytes.
type MACRequest struct {
	Algorithm string `json:"algorithm"`
	Message   []byte `json:"message"`
}

// MAC is a message authentication code.
type MAC struct {
	KeyID     string `json:"key_id"`
	Version   uint32 `json:"version"`
	Algorithm string `json:"algorithm"`
	MAC       []byte `json:"mac"`
}

// VerifyMACRequest asks whether a code is right; a wrong one is a problem of
// the kind bad-signature.
type VerifyMACRequest struct {
	MACRequest
	MAC []byte `json:"mac"`
}

// SharedSecretRequest asks for the secret that a key shares with the owner of
// another one.
type SharedSecretRequest struct {
	// Algorithm may be empty: ECDH is the only one.
	Algorithm string `json:"algorithm,omitempty"`
	// PublicKey is the other's SubjectPublicKeyInfo, of a key of the same spec.
	PublicKey []byte `json:"public_key"`
}

// SharedSecret is a shared secret as the algorithm yields it, of which a key
// derivation function makes keys.
type SharedSecret struct {
	KeyID     string `json:"key_id"`
	Version   uint32 `json:"version"`
	Algorithm string `json:"algorithm"`
	// Secret is the x coordinate of the shared point, as long as the curve's field.
	Secret []byte `json:"secret"`
}

// RandomRequest asks for random bytes.
type RandomRequest struct {
	// Bytes is 1 to 1024.
	Bytes int `json:"bytes"`
}

// Random is random bytes.
type Random struct {
	Random []byte `json:"random"`
}
