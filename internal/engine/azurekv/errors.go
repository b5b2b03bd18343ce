package azurekv

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/wire/azure"
)

// refusal is an answer of the service that is none, on one line.
type refusal struct {
	status  int
	said    azure.Error
	after   time.Duration
	request string // the service's id of it, for its support
}

// Error returns what the service said.
func (r *refusal) Error() string {
	text := fmt.Sprintf("%d %s", r.status, r.said.Code)
	if r.said.Inner != "" {
		text += " (" + string(r.said.Inner) + ")"
	}
	text += ": " + strings.Join(strings.Fields(r.said.Message), " ")
	if r.request != "" {
		text += " [request " + r.request + "]"
	}
	return text
}

// longest is how much of a service's message is kept, in bytes.
const longest = 500

// shortened returns an error of the SDK with what is of use in it.
func shortened(err error) error {
	if a, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok && a.RawResponse != nil {
		return tokenless(a)
	}
	answer, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok || answer.RawResponse == nil {
		return err
	}
	r := &refusal{status: answer.StatusCode, said: azure.Error{Code: azure.ErrorCode(answer.ErrorCode)}}
	r.after = retryAfter(answer.RawResponse.Header, time.Now())
	r.request = fmt.Sprintf("%.64s", answer.RawResponse.Header.Get("X-Ms-Request-Id"))
	if body, err := runtime.Payload(answer.RawResponse); err == nil {
		if parsed, err := azure.ParseError(body); err == nil {
			r.said = parsed
		}
	}
	r.said.Message = r.said.Message[:min(len(r.said.Message), longest)]
	return r
}

// noToken is that the authority gave no token, on one line: the SDK's own text
// has the answer as it came, over a dozen lines.
type noToken struct {
	*azidentity.AuthenticationFailedError
	text string
}

// Error returns what the authority said.
func (n *noToken) Error() string { return n.text }

// Unwrap returns the SDK's error.
func (n *noToken) Unwrap() error { return n.AuthenticationFailedError }

// tokenless returns why there is no token, in the words of an OAuth 2 error (RFC
// 6749 section 5.2).
func tokenless(a *azidentity.AuthenticationFailedError) error {
	var said struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if body, err := runtime.Payload(a.RawResponse); err == nil {
		_ = json.Unmarshal(body, &said) // of something else than an authority there are no words
	}
	text := fmt.Sprintf("getting a token: %d %s: %s", a.RawResponse.StatusCode, said.Error, strings.Join(strings.Fields(said.Description), " "))
	return &noToken{a, text[:min(len(text), longest)]}
}

// retryAfter returns for how long the service asks to be left alone (RFC 9110
// section 10.2.3).
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// strange is an answer that does not go with its question: somebody between
// changed it, or gave another's.
type strange struct{ text string }

func (s *strange) Error() string { return "the service gave " + s.text }

func foreign(format string, args ...any) error { return &strange{fmt.Sprintf(format, args...)} }

// classify says what an error of a request means.
func classify(err error) remote.Verdict {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.verdict()
	}
	if _, ok := errors.AsType[*strange](err); ok {
		return remote.Verdict{Kind: fault.Unavailable, Again: true, Public: "the key service gave an answer to something else"}
	}
	if a, ok := errors.AsType[*azidentity.AuthenticationFailedError](err); ok {
		return unproved(a.RawResponse)
	}
	if unauthenticated(err) {
		return remote.Verdict{Kind: fault.Unauthenticated, Refused: true}
	}
	return broken(err)
}

// unauthenticated reports whether the SDK gave up before it had a token. It marks
// those errors as not to be repeated, and answers that broke off too.
func unauthenticated(err error) bool {
	var final interface {
		error
		NonRetriable()
	}
	var network net.Error
	return errors.As(err, &final) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) && !errors.As(err, &network)
}

// unproved says what it means that no token came: the authority refuses, or is
// itself in trouble. The request was not sent to the vault.
func unproved(answer *http.Response) remote.Verdict {
	if answer == nil || answer.StatusCode == http.StatusTooManyRequests || answer.StatusCode >= 500 {
		v := remote.Verdict{
			Kind: fault.Unavailable, Again: true, Refused: true, Down: true,
			Public: "the authority that gives the tokens for the key service cannot be reached, or does not answer",
		}
		if answer != nil {
			v.After = retryAfter(answer.Header, time.Now())
		}
		return v
	}
	return remote.Verdict{Kind: fault.Unauthenticated, Refused: true}
}

// broken says what it means that no answer came.
func broken(err error) remote.Verdict {
	v := remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true}
	if dial, ok := errors.AsType[*net.OpError](err); ok && dial.Op == "dial" {
		v.Refused = true
	}
	var authority x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &authority) || errors.As(err, &host) || errors.As(err, &invalid) {
		v.Again, v.Refused = false, true
		v.Public = "the certificate of the key service is not one that this server trusts"
	}
	return v
}

// verdict says what an answer that refuses means.
func (r *refusal) verdict() remote.Verdict {
	switch {
	case r.status == http.StatusUnauthorized:
		return remote.Verdict{Kind: fault.Unauthenticated, Refused: true}
	case r.status == http.StatusForbidden:
		return r.forbidden()
	case r.status == http.StatusNotFound:
		return remote.Verdict{Kind: fault.NotFound, Refused: true}
	case r.status == http.StatusConflict:
		return r.conflict()
	case r.status == http.StatusTooManyRequests:
		return remote.Verdict{Kind: fault.LimitExceeded, Again: true, Refused: true, After: r.after}
	case r.status == http.StatusNotImplemented, r.status == http.StatusMethodNotAllowed:
		return remote.Verdict{Kind: fault.Unsupported, Refused: true}
	case r.status == http.StatusRequestEntityTooLarge:
		return remote.Verdict{Kind: fault.InvalidArgument, Reason: fault.MessageTooLong, Refused: true}
	case r.status == http.StatusRequestTimeout, r.status >= 500:
		return remote.Verdict{Kind: fault.Unavailable, Again: true, Down: true, After: r.after}
	case r.status >= 400:
		return remote.Verdict{Kind: fault.InvalidArgument, Refused: true}
	}
	return remote.Verdict{Kind: fault.Unavailable, Down: true} // a redirection: this is no vault
}

// forbidden tells what the key's state forbids from what the server may not do.
// A Managed HSM does not document its inner codes: its message has to do.
func (r *refusal) forbidden() remote.Verdict {
	v := remote.Verdict{Kind: fault.PermissionDenied, Refused: true}
	switch inner := r.said.Inner; {
	case inner == azure.KeyDisabled, inner == "" && strings.Contains(strings.ToLower(r.said.Message), "disabled key"):
		return disabled()
	case inner == azure.KeyExpired, inner == azure.KeyNotYetValid:
		v.Kind, v.Reason, v.Public = fault.WrongState, fault.KeyUnavailable, "the key is outside its time of validity where it lives"
	case inner == azure.KeyOperationForbidden, inner == azure.KeyOperationNotAllowed:
		v.Kind = fault.Unsupported
	}
	return v
}

func disabled() remote.Verdict {
	return remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyDisabled, Refused: true, Public: "the key is disabled where it lives"}
}

// conflict tells a key that is on its way into or out of deletion, and soon is
// there, from one that stays as it is.
func (r *refusal) conflict() remote.Verdict {
	v := remote.Verdict{Kind: fault.WrongState, Reason: fault.KeyPendingDeletion, Refused: true}
	switch r.said.Inner {
	case azure.ObjectBeingDeleted, azure.ObjectBeingRecovered:
		v.Public = "the key is being deleted or recovered where it lives"
	case azure.ObjectDeletedRecoverable:
		v.Public = "a deleted key has the name where it lives, until it is purged or recovered"
	default:
		v = remote.Verdict{Kind: fault.Conflict, Again: true, After: r.after}
	}
	return v
}

// lost returns the error of using a key that was there once: that it is not
// found means that it was deleted.
func lost(err error) error {
	if e, ok := errors.AsType[*fault.Error](err); ok && e.Kind == fault.NotFound {
		return &fault.Error{Kind: fault.WrongState, Reason: fault.KeyUnavailable, Op: e.Op, Public: "the key is not there any more where it lived", Err: e.Err}
	}
	return err
}
