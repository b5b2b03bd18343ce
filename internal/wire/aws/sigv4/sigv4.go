// Package sigv4 is Signature Version 4, with which clients of the AWS APIs and
// of S3 sign requests: what is signed, and with which key. It is a pure codec:
// it holds no secrets and decides nothing.
//
// Start with ParseAuthorization to verify a request and Sign to make one.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Words of Signature Version 4 (AWS General Reference, "Create a signed AWS
// API request").
const (
	Algorithm           = "AWS4-HMAC-SHA256"       // the one that is accepted
	AsymmetricAlgorithm = "AWS4-ECDSA-P256-SHA256" // SigV4A, refused by name
	Terminator          = "aws4_request"
	DateFormat          = "20060102T150405Z" // of X-Amz-Date, in UTC
	dayFormat           = "20060102"

	HeaderDate   = "X-Amz-Date"
	HeaderToken  = "X-Amz-Security-Token" //nolint:gosec // the name of a header, no credential
	HeaderSHA256 = "X-Amz-Content-Sha256"
	HeaderTarget = "X-Amz-Target"

	// unsignedPayload is what S3 clients may send for a body hash.
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// Scope limits what a signing key is good for.
type Scope struct {
	Day     string // YYYYMMDD
	Region  string
	Service string
}

// String returns the credential scope as a string to sign has it.
func (s Scope) String() string {
	return s.Day + "/" + s.Region + "/" + s.Service + "/" + Terminator
}

// Authorization is a parsed Authorization header.
type Authorization struct {
	AccessKeyID string
	Scope       Scope
	// SignedHeaders are lower-case names, sorted, separated by semicolons.
	SignedHeaders string
	Signature     [sha256.Size]byte
}

// String returns the header's value. What ParseAuthorization reads, String
// writes in this one form.
func (a *Authorization) String() string {
	return Algorithm + " Credential=" + a.AccessKeyID + "/" + a.Scope.String() +
		", SignedHeaders=" + a.SignedHeaders + ", Signature=" + hex.EncodeToString(a.Signature[:])
}

// ParseAuthorization reads an Authorization header. Errors are
// fault.Unauthenticated with MalformedProof or UnsupportedProof and AWS's
// own texts.
func ParseAuthorization(header string) (Authorization, error) {
	var a Authorization
	algorithm, rest, _ := strings.Cut(header, " ")
	switch algorithm {
	case Algorithm:
	case AsymmetricAlgorithm:
		return a, unsupported("SigV4A (" + AsymmetricAlgorithm + ") is not supported. Sign with " + Algorithm + ".")
	default:
		return a, malformed("Authorization header requires the algorithm " + Algorithm + ".")
	}
	var credential, signature string
	parts := []struct {
		name  string
		value *string
	}{{"Credential", &credential}, {"Signature", &signature}, {"SignedHeaders", &a.SignedHeaders}}
	for pair := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.Trim(pair, " "), "=")
		known := false
		for _, p := range parts {
			if p.name == name && *p.value == "" {
				*p.value, known = value, true
			}
		}
		if !known {
			return a, malformed("Authorization header has an unknown, empty or repeated parameter.")
		}
	}
	var missing []string
	for _, p := range parts {
		if *p.value == "" {
			missing = append(missing, "Authorization header requires '"+p.name+"' parameter.")
		}
	}
	if missing != nil {
		return a, malformed(strings.Join(missing, " "))
	}
	if err := a.parseCredential(credential); err != nil {
		return a, err
	}
	if len(signature) != hex.EncodedLen(sha256.Size) || strings.ToLower(signature) != signature {
		return a, malformed("Signature must be 64 lower-case hexadecimal digits.")
	}
	if _, err := hex.Decode(a.Signature[:], []byte(signature)); err != nil {
		return a, malformed("Signature must be 64 lower-case hexadecimal digits.")
	}
	return a, a.checkSignedHeaders()
}

func (a *Authorization) parseCredential(credential string) error {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 {
		return malformed("Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term.")
	}
	a.AccessKeyID, a.Scope = parts[0], Scope{Day: parts[1], Region: parts[2], Service: parts[3]}
	if parts[4] != Terminator {
		return malformed("Credential should be scoped with a valid terminator: '" + Terminator + "'.")
	}
	if len(a.Scope.Day) != len(dayFormat) || strings.Trim(a.Scope.Day, "0123456789") != "" {
		return malformed("Date in Credential scope must be YYYYMMDD.")
	}
	if !word(a.AccessKeyID, 128, isIDByte) {
		return malformed("Credential must begin with an access key id.")
	}
	if !word(a.Scope.Region, 64, isScopeByte) || !word(a.Scope.Service, 64, isScopeByte) {
		return malformed("Credential should be scoped to a region and a service in lower case.")
	}
	return nil
}

// checkSignedHeaders wants lower-case header names in strict order, "host"
// among them. Whether what must be signed is there depends on the request:
// see Unsigned.
func (a *Authorization) checkSignedHeaders() error {
	previous, host := "", false
	for name := range strings.SplitSeq(a.SignedHeaders, ";") {
		if !word(name, 128, isHeaderByte) || name <= previous {
			return malformed("SignedHeaders must be lower-case header names in order, separated by semicolons.")
		}
		host = host || name == "host"
		previous = name
	}
	if !host {
		return malformed("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	return nil
}

// word reports whether s has 1 to limit bytes that all satisfy ok.
func word(s string, limit int, ok func(byte) bool) bool {
	if s == "" || len(s) > limit {
		return false
	}
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlphanumeric(c byte) bool { return isLower(c) || isDigit(c) || 'A' <= c && c <= 'Z' }

func isIDByte(c byte) bool { return isAlphanumeric(c) || c == '-' || c == '_' || c == '.' }

func isScopeByte(c byte) bool { return isLower(c) || isDigit(c) || c == '-' }

// isHeaderByte accepts RFC 9110's tokens in lower case, less what separates
// elsewhere in the header.
func isHeaderByte(c byte) bool { return isLower(c) || isDigit(c) || c == '-' || c == '_' || c == '.' }

func malformed(text string) error {
	return &fault.Error{Kind: fault.Unauthenticated, Reason: fault.MalformedProof, Public: text}
}

func unsupported(text string) error {
	return &fault.Error{Kind: fault.Unauthenticated, Reason: fault.UnsupportedProof, Public: text}
}

// SigningKey is the key that signs in a scope, ready for use again and again
// by many goroutines at once: keying HMAC costs as much as a short message.
type SigningKey struct{ macs sync.Pool }

// NewSigningKey derives the key of a secret in a scope.
func NewSigningKey(secret string, s Scope) *SigningKey {
	k := mac([]byte("AWS4"+secret), s.Day)
	k = mac(k[:], s.Region)
	k = mac(k[:], s.Service)
	k = mac(k[:], Terminator)
	return &SigningKey{sync.Pool{New: func() any { return hmac.New(sha256.New, k[:]) }}}
}

// sum returns the code of a message.
func (k *SigningKey) sum(message []byte) (sum [sha256.Size]byte) {
	h, _ := k.macs.Get().(hash.Hash)
	h.Reset()
	h.Write(message)
	h.Sum(sum[:0])
	k.macs.Put(h)
	return sum
}

func mac(key []byte, message string) (sum [sha256.Size]byte) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	h.Sum(sum[:0])
	return sum
}

// Signed returns the signature of a request under a signing key. scratch
// is overwritten and returned for use again.
func (a *Authorization) Signed(scratch []byte, key *SigningKey, r *http.Request, payload *[sha256.Size]byte) ([sha256.Size]byte, []byte) {
	scratch = AppendCanonicalRequest(scratch[:0], r, a.SignedHeaders, payload)
	sum := sha256.Sum256(scratch)
	scratch = append(scratch[:0], Algorithm...)
	scratch = append(scratch, '\n')
	scratch = append(scratch, r.Header.Get(HeaderDate)...)
	for i, part := range [...]string{a.Scope.Day, a.Scope.Region, a.Scope.Service, Terminator} {
		scratch = append(scratch, "\n///"[min(i, 1)])
		scratch = append(scratch, part...)
	}
	scratch = append(scratch, '\n')
	scratch = hex.AppendEncode(scratch, sum[:])
	return key.sum(scratch), scratch
}

// Credentials are what a client signs with.
type Credentials struct {
	AccessKeyID string
	// Secret and Token never leave the process: only what they make does.
	Secret, Token string
}

// Sign signs a request with its body's bytes, as a client does: it sets
// X-Amz-Date, X-Amz-Security-Token where there is a token, and Authorization.
func Sign(r *http.Request, body []byte, c Credentials, region, service string, now time.Time) {
	SignHashed(r, sha256.Sum256(body), c, region, service, now)
}

// SignHashed is Sign for a body of which the SHA-256 is known.
func SignHashed(r *http.Request, payload [sha256.Size]byte, c Credentials, region, service string, now time.Time) {
	now = now.UTC()
	r.Header.Set(HeaderDate, now.Format(DateFormat))
	if c.Token != "" {
		r.Header.Set(HeaderToken, c.Token)
	}
	a := Authorization{
		AccessKeyID: c.AccessKeyID, SignedHeaders: signedNames(r.Header),
		Scope: Scope{now.Format(dayFormat), region, service},
	}
	a.Signature, _ = a.Signed(nil, NewSigningKey(c.Secret, a.Scope), r, &payload)
	r.Header.Set("Authorization", a.String())
}
