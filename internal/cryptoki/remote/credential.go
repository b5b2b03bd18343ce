package remote

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"log/slog"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// credential is who an application is.
type credential struct {
	own                 bool // the token's own, in its configuration
	id, secret, session string
}

// maxPIN is the longest PIN in bytes. Session tokens are the longest part.
const maxPIN = 8 << 10

// open reports whether the token is used without a PIN.
func (t *Token) open() bool { return t.config.Own && len(t.config.PIN) == 0 }

// unlocks reports whether a PIN is the configured one.
func (t *Token) unlocks(pin []byte) bool {
	given, want := sha256.Sum256(pin), sha256.Sum256(t.config.PIN)
	return len(t.config.PIN) > 0 && subtle.ConstantTimeCompare(given[:], want[:]) == 1
}

// credential reads a PIN: "ACCESSKEYID:SECRET", "ACCESSKEYID:SECRET:SESSIONTOKEN",
// or the secret only, where the token says whose. The configured one, or nil
// where there is none, stands for the token's own credential.
func (t *Token) credential(pin []byte) (credential, error) {
	switch {
	case pin == nil && t.open(), t.unlocks(pin):
		return credential{own: true}, nil
	case pin == nil:
		return credential{}, fault.Because(fault.Unauthenticated, fault.MissingCredential, "the token wants a PIN")
	case len(pin) > maxPIN:
		return credential{}, wrongPIN()
	}
	c := credential{}
	id, rest, found := strings.Cut(string(pin), ":")
	if found {
		c.id = id
		c.secret, c.session, _ = strings.Cut(rest, ":")
	} else {
		c.id, c.secret = t.config.AccessKeyID, id
	}
	if c.id == "" || c.secret == "" {
		return credential{}, wrongPIN()
	}
	return c, nil
}

func wrongPIN() error {
	return fault.Because(fault.Unauthenticated, fault.MalformedProof,
		"the PIN is no credential: it is ACCESSKEYID:SECRET, or the secret alone where the slot's configuration names the access key")
}

// digest is by what a credential is known without being kept.
func (c credential) digest() [sha256.Size]byte {
	own := "pin"
	if c.own {
		own = "own"
	}
	return sha256.Sum256([]byte(strings.Join([]string{own, c.id, c.secret, c.session}, "\x00")))
}

// String and LogValue tell nothing secret.
func (c credential) String() string { return "credential(" + c.id + ")" }

// LogValue implements slog.LogValuer.
func (c credential) LogValue() slog.Value { return slog.StringValue(c.String()) }

// serialOf returns a serial number for a token: 16 characters that are the
// same at every start.
func serialOf(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(sum[:8])
}
