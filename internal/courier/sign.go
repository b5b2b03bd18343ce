package courier

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed message, after the Standard Webhooks specification
// 1.0.0 ("Webhook metadata", "Signature scheme").
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Limits of a signing secret in bytes, and of how many sign at a time, so that
// receivers can change theirs.
const (
	minSecret  = 24
	maxSecret  = 64
	maxSecrets = 3
)

// tolerance is how far a receiver's clock may be from the sender's.
const tolerance = 5 * time.Minute

const secretPrefix = "whsec_"

// Signer signs messages with symmetric secrets that their receivers have.
type Signer struct{ secrets [][]byte }

// ParseSigner reads secrets: one a line, "whsec_" and base64 of 24 to 64
// bytes, at most three. The first of them is the one to stay.
func ParseSigner(text string) (*Signer, error) {
	s := new(Signer)
	for line := range strings.FieldsSeq(text) {
		encoded, ok := strings.CutPrefix(line, secretPrefix)
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil || len(secret) < minSecret || len(secret) > maxSecret {
			return nil, fmt.Errorf("a signing secret is %q and the base64 of %d to %d bytes", secretPrefix, minSecret, maxSecret)
		}
		s.secrets = append(s.secrets, secret)
	}
	if len(s.secrets) == 0 || len(s.secrets) > maxSecrets {
		return nil, fmt.Errorf("1 to %d signing secrets, one a line, and not %d", maxSecrets, len(s.secrets))
	}
	return s, nil
}

// Sign returns the headers of a message. The id is the same at every attempt;
// it has no dot.
func (s *Signer) Sign(id string, now time.Time, body []byte) http.Header {
	stamp := strconv.FormatInt(now.Unix(), 10)
	signatures := make([]string, 0, len(s.secrets))
	for _, secret := range s.secrets {
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(code(secret, id, stamp, body)))
	}
	return http.Header{HeaderID: {id}, HeaderTimestamp: {stamp}, HeaderSignature: {strings.Join(signatures, " ")}}
}

// Verify checks the headers of a message, as a receiver does: one of the
// signatures is by one of the secrets, and the time is within five minutes.
func (s *Signer) Verify(header http.Header, now time.Time, body []byte) error {
	stamp := header.Get(HeaderTimestamp)
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("the message has no timestamp")
	}
	if d := now.Sub(time.Unix(seconds, 0)); d > tolerance || d < -tolerance {
		return errors.New("the message's timestamp is too far from now")
	}
	for signature := range strings.FieldsSeq(header.Get(HeaderSignature)) {
		encoded, ok := strings.CutPrefix(signature, "v1,")
		given, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil {
			continue // of another version
		}
		for _, secret := range s.secrets {
			if hmac.Equal(given, code(secret, header.Get(HeaderID), stamp, body)) {
				return nil
			}
		}
	}
	return errors.New("no signature of the message verifies")
}

func code(secret []byte, id, stamp string, body []byte) []byte {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte(id + "." + stamp + "."))
	m.Write(body)
	return m.Sum(nil)
}

// String keeps the secrets.
func (*Signer) String() string { return "[redacted]" }

// GoString keeps the secrets.
func (*Signer) GoString() string { return "[redacted]" }

// LogValue keeps the secrets.
func (*Signer) LogValue() slog.Value { return slog.StringValue("[redacted]") }
