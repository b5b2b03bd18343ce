package vault

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	wire "github.com/holdfast-kms/holdfast/internal/wire/vault"
)

// verdict is what a row says of an error.
type verdict struct {
	kind                 fault.Kind
	reason               fault.Reason
	again, refused, down bool
}

// TestClassify is the table of answers, in the words of both products.
func TestClassify(t *testing.T) {
	disabled := verdict{kind: fault.WrongState, reason: fault.KeyDisabled}
	unavailable := verdict{kind: fault.WrongState, reason: fault.KeyUnavailable}
	later := verdict{kind: fault.Unavailable, again: true, refused: true, down: true}
	unknown := verdict{kind: fault.Unavailable, again: true, down: true}
	for _, tt := range []struct {
		status int
		text   string
		want   verdict
	}{
		{400, "refusing to use soft-deleted key", disabled},
		{400, "signing key not found", unavailable},
		{400, "signature verification key not found", unavailable},
		{400, "encryption key not found", unavailable},
		{400, "unknown key type none", unavailable}, // an encryption that would have made the key
		{400, "unknown key type mldsa-44", verdict{kind: fault.Unsupported}},
		{400, "no existing key named k could be found", unavailable},
		{400, "error deleting policy k: could not delete key; not found", unavailable},
		{400, "ciphertext or signature version is disallowed by policy (too old)", unavailable},
		{400, "requested version for signing is less than the minimum encryption key version", unavailable},
		{400, "requested version for signing is higher than the latest key version", unavailable},
		{400, "requested version for signing does not contain a private part", unavailable},
		{400, "no such key version", unavailable},
		{400, "key type aes256-gcm96 does not support signing", verdict{kind: fault.Unsupported}},
		{400, "message decryption not supported for key type ed25519", verdict{kind: fault.Unsupported}},
		{400, "invalid ciphertext: no prefix", verdict{kind: fault.BadCiphertext}},
		{400, "invalid ciphertext: version is too new", verdict{kind: fault.BadCiphertext}},
		{400, "invalid ciphertext: could not decode base64", verdict{kind: fault.BadCiphertext}},
		{400, "invalid ciphertext length", verdict{kind: fault.BadCiphertext}},
		{400, "cipher: message authentication failed", verdict{kind: fault.BadCiphertext}},
		{500, "1 error occurred:\n\t* failed to RSA decrypt the ciphertext: crypto/rsa: decryption error\n\n", verdict{kind: fault.BadCiphertext}},
		{400, "supplied signature is invalid", verdict{kind: fault.BadSignature}},
		{400, "invalid signature: version is too new", verdict{kind: fault.BadSignature}},
		{400, "invalid base64 signature value", verdict{kind: fault.BadSignature}},
		{400, "invalid HMAC: version is too new", verdict{kind: fault.BadSignature}},
		{400, "error deleting policy k: deletion is not allowed for this key", verdict{kind: fault.WrongState}},
		{500, "1 error occurred:\n\t* the import path cannot be used with an existing key; use import-version to rotate an existing imported key\n\n", verdict{kind: fault.AlreadyExists}},
		{400, "invalid key_size 7", verdict{kind: fault.InvalidArgument}},
		{401, "", verdict{kind: fault.PermissionDenied}},
		{403, "1 error occurred:\n\t* permission denied\n\n", verdict{kind: fault.PermissionDenied}},
		{404, "", verdict{kind: fault.NotFound}},
		{404, `no handler for route "transit/keys/k". route entry not found.`, verdict{kind: fault.Unavailable, down: true}},
		{404, "1 error occurred:\n\t* unsupported path\n\n", verdict{kind: fault.Unsupported}},
		{405, "1 error occurred:\n\t* unsupported operation\n\n", verdict{kind: fault.Unsupported}},
		{412, "required index state not present", later},
		{413, "http: request body too large", verdict{kind: fault.LimitExceeded}},
		{418, "", verdict{kind: fault.Internal}},
		{429, `1 error occurred:\n\t* request path "transit/sign/k": rate limit quota exceeded\n\n`, verdict{kind: fault.LimitExceeded, again: true, refused: true}},
		{472, "", later},
		{473, "", later},
		{500, "1 error occurred:\n\t* internal error\n\n", unknown},
		{502, "<html>", unknown},
		{503, "Vault is sealed", later},
		{504, "", unknown},
	} {
		e := &answer{said: wire.Errorf(tt.status, "%s", tt.text), after: 3 * time.Second}
		got := classify(fmt.Errorf("PUT transit/sign/k: %w", e))
		if diff := cmp.Diff(tt.want, short(got), cmp.AllowUnexported(verdict{})); diff != "" {
			t.Errorf("%d %s (-want +got):\n%s", tt.status, tt.text, diff)
		}
		if got.Again && got.After != 3*time.Second {
			t.Errorf("%d: asked again after %v, and not when the server says", tt.status, got.After)
		}
	}
}

func short(v remote.Verdict) verdict {
	return verdict{v.Kind, v.Reason, v.Again, v.Refused, v.Down}
}

// TestClassifyOthers is the table of what goes wrong on the way.
func TestClassifyOthers(t *testing.T) {
	unknown := verdict{kind: fault.Unavailable, again: true, down: true}
	later := verdict{kind: fault.Unavailable, again: true, refused: true, down: true}
	dial := &url.Error{Op: "Put", URL: "https://127.0.0.1:1/", Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}
	for _, tt := range []struct {
		name string
		err  error
		want verdict
	}{
		{"a broken connection", io.ErrUnexpectedEOF, unknown},
		{"a reset connection", &net.OpError{Op: "read", Err: errors.New("connection reset by peer")}, unknown},
		{"no connection", dial, later},
		{"a certificate of nobody's", &tls.CertificateVerificationError{Err: errors.New("x")}, verdict{kind: fault.Unavailable, refused: true, down: true}},
		{"an answer to something else", wrongAnswer("x"), unknown},
		{"the caller has gone", context.Canceled, verdict{kind: fault.Unavailable}},
		{"a check of ours", fault.Because(fault.WrongState, fault.KeyDisabled, "x"), verdict{kind: fault.WrongState, reason: fault.KeyDisabled}},
		{"a login that is refused", &notIn{&answer{said: wire.Errorf(400, "invalid role or secret ID")}}, verdict{kind: fault.Unauthenticated}},
		{"a login that is not allowed", &notIn{&answer{said: wire.Errorf(403, "permission denied")}}, verdict{kind: fault.Unauthenticated}},
		{"a login that is throttled", &notIn{&answer{said: wire.Errorf(429, "x")}}, verdict{kind: fault.LimitExceeded, again: true, refused: true}},
		{"a login that fails", &notIn{&answer{said: wire.Errorf(500, "x")}}, later},
		{"a login that does not get there", &notIn{dial}, later},
		{"a login without a file", &notIn{os.ErrNotExist}, verdict{kind: fault.Unauthenticated}},
	} {
		if diff := cmp.Diff(tt.want, short(classify(tt.err)), cmp.AllowUnexported(verdict{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestTold is what callers see of errors of a key's use.
func TestTold(t *testing.T) {
	cause := errors.New("PUT transit/decrypt/k: status 400: cipher: message authentication failed")
	for _, tt := range []struct {
		kind fault.Kind
		want string
	}{
		{fault.BadCiphertext, "bad ciphertext: the ciphertext cannot be decrypted with this key"},
		{fault.BadSignature, "bad signature: the signature does not verify"},
		{fault.NotFound, "engine/vault: wrong state: the key is not in the key service where it should be: not found: " + cause.Error()},
		{fault.Unavailable, "unavailable: " + cause.Error()},
	} {
		if got := used(plainly(&fault.Error{Kind: tt.kind, Err: cause})); got.Error() != tt.want {
			t.Errorf("%s: %q, want %q", tt.kind, got, tt.want)
		}
	}
}
