package audit

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Checkpoint is a signed statement that a log holds certain frames. It vouches
// for every frame before it. Kept elsewhere, it proves later that a log was
// not cut short (see Verify).
//
// The signature is Ed25519 (RFC 8032) over this text, its lines ended by line
// feeds, the time in UTC as RFC 3339 with nanoseconds:
//
//	holdfast audit checkpoint v1
//	log ID
//	segment NUMBER
//	position NUMBER
//	hash HEX
//	sealed true|false
//	time TIME
type Checkpoint struct {
	Version int `json:"v"`
	// Log is the id of the log.
	Log string `json:"log"`
	// Segment is the number of the segment that holds the checkpoint.
	Segment uint64 `json:"segment"`
	// Position is the last one before the checkpoint.
	Position Position `json:"position"`
	// Hash is the chain's value before the checkpoint.
	Hash Hash `json:"hash"`
	// Sealed is set in the checkpoint that ends a segment.
	Sealed bool      `json:"sealed,omitempty"`
	Time   time.Time `json:"time"`
	// Key names the public key: the first 8 bytes of its SHA-256, in hex.
	Key       string `json:"key"`
	Signature []byte `json:"signature"`
}

func (c *Checkpoint) text() []byte {
	return fmt.Appendf(nil, "holdfast audit checkpoint v1\nlog %s\nsegment %d\nposition %d\nhash %s\nsealed %t\ntime %s\n",
		c.Log, c.Segment, c.Position, c.Hash, c.Sealed, c.Time.UTC().Format(time.RFC3339Nano))
}

// Verify returns nil if the owner of the key signed the checkpoint.
func (c *Checkpoint) Verify(pub ed25519.PublicKey) error {
	if c.Version != 1 {
		return fmt.Errorf("a checkpoint of version %d", c.Version)
	}
	return verifyText(pub, c.Key, c.text(), c.Signature)
}

func (c *Checkpoint) sign(signer crypto.Signer) (err error) {
	c.Version = 1
	c.Key, c.Signature, err = signText(signer, c.text())
	return err
}

// signText signs a statement about the log, and names the key.
func signText(signer crypto.Signer, text []byte) (key string, signature []byte, err error) {
	pub, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return "", nil, fmt.Errorf("the audit log is signed with Ed25519, not with a %T", signer.Public())
	}
	signature, err = signer.Sign(rand.Reader, text, crypto.Hash(0))
	return keyName(pub), signature, err
}

// verifyText returns nil if a statement was signed with the key, which it
// names.
func verifyText(pub ed25519.PublicKey, key string, text, signature []byte) error {
	switch {
	case key != keyName(pub):
		return fmt.Errorf("signed by the key %q, not by %q", key, keyName(pub))
	case len(pub) != ed25519.PublicKeySize || !ed25519.Verify(pub, text, signature):
		return errors.New("the signature is wrong")
	}
	return nil
}

func keyName(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:8])
}

// header is the payload of a segment's first frame.
type header struct {
	Version int    `json:"v"`
	Log     string `json:"log"`
	Segment uint64 `json:"segment"`
	// First is the position of the first record to come.
	First Position `json:"first"`
	// Previous is the chain's value before the header.
	Previous Hash `json:"previous"`
	// Size is the size of the file in bytes.
	Size int64 `json:"size"`
	// Every is how many records may stand between two checkpoints.
	Every int       `json:"every"`
	Time  time.Time `json:"time"`
}

// gap is the payload of a gap: the positions From to To were given out, and
// the entries refused for the reason Why.
type gap struct {
	Version int       `json:"v"`
	From    Position  `json:"from"`
	To      Position  `json:"to"`
	Why     string    `json:"why"`
	Time    time.Time `json:"time"`
}

// jsonLine returns v as a line of JSON.
func jsonLine(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append(b, '\n'), err
}
