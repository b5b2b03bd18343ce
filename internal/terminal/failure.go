package terminal

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"syscall"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// usageError is a failure to use the command line as it is meant.
type usageError struct{ error }

// Unwrap returns the failure.
func (e usageError) Unwrap() error { return e.error }

// WrongUsage returns the failure as one of wrong usage, whose exit status is 2.
func WrongUsage(err error) error { return usageError{err} }

// Usagef returns a failure of wrong usage.
func Usagef(format string, args ...any) error { return WrongUsage(fmt.Errorf(format, args...)) }

// hinted is a failure with what to try.
type hinted struct {
	error
	hint string
}

// Unwrap returns the failure.
func (e hinted) Unwrap() error { return e.error }

// Hint returns the failure with what to try, which is told beside it.
func Hint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// Plain returns a failure of the program's own parts with no more than the
// sentence that a caller of theirs would be told.
func Plain(err error) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Public != "" {
		return plain{f, f.Public}
	}
	return err
}

// plain is a fault told in its own words.
type plain struct {
	fault    error
	sentence string
}

// Error returns the sentence.
func (p plain) Error() string { return p.sentence }

// Unwrap returns the fault.
func (p plain) Unwrap() error { return p.fault }

// ExitCode returns the status of a run: 0, 1, or 2 for wrong usage.
func ExitCode(err error) int {
	if err == nil {
		return 0
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return 2
	}
	return 1
}

// failure is how --json tells an error, on stderr.
type failure struct {
	Error     string `json:"error"`
	Kind      string `json:"kind,omitempty"`
	Reason    string `json:"reason,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Hint      string `json:"hint,omitempty"`
}

// Report tells a failure on stderr.
func (t *Terminal) Report(err error) {
	f := failure{Error: err.Error()}
	if e, ok := errors.AsType[*client.Error](err); ok {
		f.Kind, f.Reason, f.RequestID = string(e.Kind), e.Reason, e.RequestID
	}
	if e, ok := errors.AsType[*holdfast.Error](err); ok && f.Kind == "" {
		f.Kind = string(e.Kind)
	}
	if h, ok := errors.AsType[hinted](err); ok {
		f.Hint = h.hint
	}
	if t.JSON {
		_ = json.NewEncoder(t.Err).Encode(f) // there is nobody left to tell
		return
	}
	var text strings.Builder
	fmt.Fprintf(&text, "holdfast: %s\n", f.Error)
	if f.Hint != "" {
		fmt.Fprintf(&text, "  %s\n", f.Hint)
	}
	if f.RequestID != "" {
		fmt.Fprintf(&text, "  request %s\n", f.RequestID)
	}
	_, _ = t.Err.Write([]byte(text.String())) // there is nobody left to tell
}

// Explain returns the failure of a request to the server at the address,
// with what to try.
func Explain(err error, address string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[hinted](err); ok {
		return err
	}
	if e, ok := errors.AsType[*client.Error](err); ok {
		if text := advice(e); text != "" {
			return Hint(err, "%s", text)
		}
		return err
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return unreachable(err, address)
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(e, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist", e.Path)
	}
	return err
}

// unreachable says why a server gave no answer.
func unreachable(err error, address string) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return Hint(fmt.Errorf("the certificate of %s is signed by nobody trusted here", address),
			"set HOLDFAST_CACERT to the server's CA certificate, or source DIR/env of a dev server")
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Errorf("the certificate of %s is for another host: %w", address, e)
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return Hint(fmt.Errorf("no server answers at %s: connection refused", address),
			"start one with \"holdfast dev --dir DIR\" and source DIR/env, or set HOLDFAST_ADDR")
	case errors.Is(err, context.DeadlineExceeded):
		return Hint(fmt.Errorf("the server at %s gave no answer in time", address),
			"a longer --timeout may help; a request that changes something may have been carried out")
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	}
	if e, ok := errors.AsType[*url.Error](err); ok {
		err = e.Err
	}
	return fmt.Errorf("asking %s: %w", address, err)
}

// advice says what may help against a failure that the server answered.
func advice(e *client.Error) string {
	byReason := map[string]string{
		"key-disabled":              "\"holdfast key enable KEY\" lets it be used again",
		"key-pending-deletion":      "\"holdfast key undelete KEY\" takes the deletion back",
		"wrong-usage":               "\"holdfast key show KEY\" tells what the key is for",
		"wrong-algorithm":           "\"holdfast key show KEY\" lists the key's algorithms; choose one with --algorithm",
		"malformed-key-id":          "a key is named by its id, its alias or an ARN; \"holdfast key list\" lists them",
		"unknown-credential":        "check HOLDFAST_ACCESS_KEY_ID, or source DIR/env of the server you mean",
		"wrong-proof":               "check HOLDFAST_SECRET_ACCESS_KEY, or source DIR/env of the server you mean",
		"expired-credential":        "\"holdfast identity session create\" makes a new session",
		"usage-required":            "say what the key is for: --usage SIGN_VERIFY or --usage ENCRYPT_DECRYPT",
		"message-too-long":          "encrypt larger data under a data key: \"holdfast key datakey\"",
		"policy-lockout":            "allow the caller kms:PutKeyPolicy, or give --bypass-lockout",
		"foreign-blob":              "\"holdfast byok kek list\" lists the key exchange keys here; the key has to be wrapped anew under one of them",
		"replayed-blob":             "\"holdfast byok wrap\" makes a new blob, of the key where it is",
		"weak-key":                  "such a key protects nothing: make a new one with \"holdfast key create\"",
		"mfa-required":              "\"holdfast identity session create --mfa CODE\" makes a session with a second factor",
		"no-identity-policy-allows": "an administrator can allow it: \"holdfast identity user policy put\"",
	}
	if text := byReason[e.Reason]; text != "" {
		return text
	}
	if e.Kind == client.NotFound && strings.Contains(e.Resource, "/alias/") {
		return "\"holdfast alias list\" lists the aliases"
	}
	return ""
}
