package native

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/holdfast-kms/holdfast/internal/fault"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// statusOf returns the HTTP status of a kind of failure (RFC 9110 section 15).
func statusOf(k fault.Kind) int {
	switch k {
	case fault.InvalidArgument:
		return http.StatusBadRequest
	case fault.Unauthenticated:
		return http.StatusUnauthorized
	case fault.PermissionDenied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.AlreadyExists, fault.WrongState, fault.Conflict:
		return http.StatusConflict
	case fault.Unsupported, fault.LimitExceeded, fault.BadCiphertext, fault.BadSignature:
		return http.StatusUnprocessableEntity
	case fault.Unavailable:
		return http.StatusServiceUnavailable
	case fault.Internal:
		return http.StatusInternalServerError
	}
	return http.StatusInternalServerError
}

// problem puts a failure into the API's words. What nobody classified is told
// to nobody but the log.
func problem(requestID string, err error) *wire.Problem {
	f, ok := errors.AsType[*fault.Error](err)
	switch {
	case ok && f.Kind != fault.Internal:
	case errors.Is(err, context.DeadlineExceeded):
		f = fault.New(fault.Unavailable, "the request took too long")
	default:
		f = fault.New(fault.Internal, "the server failed; its log has the cause under this request id")
	}
	p := &wire.Problem{
		Type: wire.ProblemType + wire.KindName(f.Kind), Title: f.Kind.String(), Status: statusOf(f.Kind),
		Detail: f.Public, Kind: wire.KindName(f.Kind), Reason: wire.ReasonName(f.Reason), Resource: f.Resource,
		RequestID: requestID,
	}
	if p.Detail == "" {
		p.Detail = p.Title
	}
	return p
}

// WriteProblem answers a failed request (RFC 9457). The server does so too for
// what stands before the front: its seal.
func WriteProblem(w http.ResponseWriter, requestID string, err error) {
	p := problem(requestID, err)
	h := w.Header()
	h.Set(wire.HeaderRequestID, requestID)
	h.Set("Content-Type", wire.TypeProblem)
	if p.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Basic realm="holdfast", charset="UTF-8"`) // RFC 7617 section 2.1
	}
	if p.Status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "1")
	}
	if len(h["Allow"]) > 0 {
		p.Status = http.StatusMethodNotAllowed
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // a caller that went away needs no answer
}
