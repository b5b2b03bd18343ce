package azurekv

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// reply is an answer of the service as the SDK gives it.
func reply(status int, body string, header ...string) error {
	r := &http.Response{
		StatusCode: status, Status: http.StatusText(status), Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)),
		Request: &http.Request{Method: http.MethodPost, URL: &url.URL{Scheme: "https", Host: "v.vault.azure.net", Path: "/keys/k/sign"}},
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return runtime.NewResponseError(r)
}

func body(code, inner, message string) string {
	if inner == "" {
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q}}`, code, message)
	}
	return fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innererror":{"code":%q}}}`, code, message, inner)
}

// TestClassify is the table of what the service's documented answers mean.
func TestClassify(t *testing.T) {
	t.Parallel()
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	type v = remote.Verdict
	for _, tt := range []struct {
		name string
		err  error
		want v
	}{
		{"no token", reply(401, body("Unauthorized", "", "AKV10000")), v{Kind: fault.Unauthenticated, Refused: true}},
		{"not allowed", reply(403, body("Forbidden", "ForbiddenByRbac", "Caller is not authorized")), v{Kind: fault.PermissionDenied, Refused: true}},
		{"not by a policy", reply(403, body("Forbidden", "ForbiddenByPolicy", "")), v{Kind: fault.PermissionDenied, Refused: true}},
		{"disabled", reply(403, body("Forbidden", "KeyDisabled", "Operation sign is not allowed on a disabled key.")), v{Kind: fault.WrongState, Reason: fault.KeyDisabled, Refused: true}},
		{"disabled, other case of the member", reply(403, `{"error":{"code":"Forbidden","message":"x","innerError":{"code":"KeyDisabled"}}}`), v{Kind: fault.WrongState, Reason: fault.KeyDisabled, Refused: true}},
		{"disabled, without a code", reply(403, body("Forbidden", "", "Operation sign is not allowed on a disabled key.")), v{Kind: fault.WrongState, Reason: fault.KeyDisabled, Refused: true}},
		{"expired key", reply(403, body("Forbidden", "KeyExpired", "")), v{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Refused: true}},
		{"key not valid yet", reply(403, body("Forbidden", "KeyNotYetValid", "")), v{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Refused: true}},
		{"not in key_ops", reply(403, body("Forbidden", "KeyOperationForbidden", "Operation decrypt is not permitted on this key.")), v{Kind: fault.Unsupported, Refused: true}},
		{"no key", reply(404, body("KeyNotFound", "", "A key with (name/id) k was not found")), v{Kind: fault.NotFound, Refused: true}},
		{"deleted name", reply(409, body("Conflict", "ObjectIsDeletedButRecoverable", "")), v{Kind: fault.WrongState, Reason: fault.KeyPendingDeletion, Refused: true}},
		{"being deleted", reply(409, body("Conflict", "ObjectIsBeingDeleted", "")), v{Kind: fault.WrongState, Reason: fault.KeyPendingDeletion, Refused: true}},
		{"being recovered", reply(409, body("Conflict", "ObjectIsBeingRecovered", "")), v{Kind: fault.WrongState, Reason: fault.KeyPendingDeletion, Refused: true}},
		{"other conflict", reply(409, body("Conflict", "", "There was a conflict while recovering the soft-deleted key")), v{Kind: fault.Conflict, Again: true}},
		{"throttled", reply(429, body("Throttled", "", ""), "Retry-After", "3"), v{Kind: fault.LimitExceeded, Again: true, Refused: true, After: 3 * time.Second}},
		{"bad parameter", reply(400, body("BadParameter", "", "The parameter is incorrect.")), v{Kind: fault.InvalidArgument, Refused: true}},
		{"too large", reply(413, ""), v{Kind: fault.InvalidArgument, Reason: fault.MessageTooLong, Refused: true}},
		{"not offered", reply(501, ""), v{Kind: fault.Unsupported, Refused: true}},
		{"not offered by this flavour", reply(405, ""), v{Kind: fault.Unsupported, Refused: true}},
		{"internal error", reply(500, body("InternalServerError", "", "")), v{Kind: fault.Unavailable, Again: true, Down: true}},
		{"overloaded", reply(503, "<html>busy</html>", "Retry-After", "1"), v{Kind: fault.Unavailable, Again: true, Down: true, After: time.Second}},
		{"gateway", reply(504, ""), v{Kind: fault.Unavailable, Again: true, Down: true}},
		{"slow request", reply(408, ""), v{Kind: fault.Unavailable, Again: true, Down: true}},
		{"redirection", reply(302, ""), v{Kind: fault.Unavailable, Down: true}},
		{"another key", foreign("an answer about no key"), v{Kind: fault.Unavailable, Again: true}},
		{"no connection", &url.Error{Op: "Post", URL: "https://v", Err: dial}, v{Kind: fault.Unavailable, Again: true, Down: true, Refused: true}},
		{"cut", fmt.Errorf("reading: %w", io.ErrUnexpectedEOF), v{Kind: fault.Unavailable, Again: true, Down: true}},
		{"unreadable", errors.New("unmarshalling type *azkeys.KeyOperationResult: invalid character"), v{Kind: fault.Unavailable, Again: true, Down: true}},
		{"foreign certificate", &url.Error{Op: "Post", Err: x509.UnknownAuthorityError{}}, v{Kind: fault.Unavailable, Down: true, Refused: true}},
		{"other host's certificate", &url.Error{Op: "Post", Err: x509.HostnameError{}}, v{Kind: fault.Unavailable, Down: true, Refused: true}},
		{"credential refused", &azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: http.StatusUnauthorized}}, v{Kind: fault.Unauthenticated, Refused: true}},
		{"authority overloaded", &azidentity.AuthenticationFailedError{RawResponse: &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"2"}}}}, v{Kind: fault.Unavailable, Again: true, Refused: true, Down: true, After: 2 * time.Second}},
		{"authority out of reach", &azidentity.AuthenticationFailedError{}, v{Kind: fault.Unavailable, Again: true, Refused: true, Down: true}},
		{"no credential", final{errors.New("no credential is available")}, v{Kind: fault.Unauthenticated, Refused: true}},
		{"cut, by the SDK's mark", final{io.ErrUnexpectedEOF}, v{Kind: fault.Unavailable, Again: true, Down: true}},
	} {
		got := classify(shortened(tt.err))
		got.Public = "" // sentences are for people
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

// final is an error with the SDK's mark of what is not to be repeated.
type final struct{ error }

func (final) NonRetriable()   {}
func (f final) Unwrap() error { return f.error }

// TestRefusalText: what the operator reads is on one line, with the service's own
// words and its id of the request.
func TestRefusalText(t *testing.T) {
	t.Parallel()
	err := shortened(reply(403, body("Forbidden", "KeyDisabled", "Operation sign\r\nis not allowed."), "X-Ms-Request-Id", "4f2c"))
	if want := "403 Forbidden (KeyDisabled): Operation sign is not allowed. [request 4f2c]"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	long := shortened(reply(400, body("BadParameter", "", strings.Repeat("x", 10_000))))
	if len(long.Error()) > longest+100 {
		t.Errorf("a message of %d bytes is kept", len(long.Error()))
	}
	if err := errors.New("other"); !errors.Is(shortened(err), err) {
		t.Error("an error of another kind is changed")
	}
}

// TestRetryAfter is the header in its two forms, and in none.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "5": 5 * time.Second, "Mon, 23 Nov 2026 12:00:09 GMT": 9 * time.Second, "Mon, 23 Nov 2026 11:00:00 GMT": 0, "soon": 0, "-1": 0,
		"99999999999999999999": 0,
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// TestLost: a key that was there and is not found was deleted.
func TestLost(t *testing.T) {
	t.Parallel()
	err := lost(&fault.Error{Kind: fault.NotFound, Op: "op"})
	if fault.KindOf(err) != fault.WrongState || fault.ReasonOf(err) != fault.KeyUnavailable {
		t.Errorf("%v", err)
	}
	if lost(nil) != nil || fault.KindOf(lost(fault.New(fault.Unavailable, "x"))) != fault.Unavailable {
		t.Error("another error is changed")
	}
}

// TestSame: an answer names the key that was asked for, in the version that was.
func TestSame(t *testing.T) {
	t.Parallel()
	asked := azure.Identifier{Host: "v.vault.azure.net", Collection: azure.Keys, Name: "Web", Version: "0123456789abcdef0123456789abcdef"}
	current := asked
	current.Version = ""
	for kid, want := range map[string][2]bool{ // with the version, and without
		"https://v.vault.azure.net/keys/web/0123456789abcdef0123456789abcdef":    {true, true},
		"https://v.privatelink/keys/Web/0123456789abcdef0123456789abcdef":        {true, true},
		"https://v.vault.azure.net/keys/web/ffff":                                {false, true},
		"https://v.vault.azure.net/keys/web":                                     {false, false},
		"https://v.vault.azure.net/keys/other/0123456789abcdef0123456789abcdef":  {false, false},
		"https://v.vault.azure.net/secrets/web/0123456789abcdef0123456789abcdef": {false, false},
		"nonsense": {false, false},
	} {
		for i, a := range []azure.Identifier{asked, current} {
			got, err := same(a, new(azkeys.ID(kid)))
			if (err == nil) != want[i] || err == nil && (got.Host != a.Host || got.Name != a.Name || got.Version == "") {
				t.Errorf("%s for %s: %v, %v", kid, a, got, err)
			}
		}
	}
	if _, err := same(asked, nil); err == nil {
		t.Error("an answer about no key is taken")
	}
}
