package azure

import (
	"encoding/json"
	"errors"
)

// ErrorCode is the service's word for what went wrong: the code of an answer, or
// the inner code that refines it.
type ErrorCode string

// The codes that this package knows: the first are codes, those after Throttled
// inner ones.
const (
	BadParameter        ErrorCode = "BadParameter"
	Unauthorized        ErrorCode = "Unauthorized"
	Forbidden           ErrorCode = "Forbidden"
	KeyNotFound         ErrorCode = "KeyNotFound"
	CertificateNotFound ErrorCode = "CertificateNotFound"
	ConflictError       ErrorCode = "Conflict"
	InternalServerError ErrorCode = "InternalServerError"
	Throttled           ErrorCode = "Throttled"

	KeyDisabled              ErrorCode = "KeyDisabled"
	KeyExpired               ErrorCode = "KeyExpired"
	KeyNotYetValid           ErrorCode = "KeyNotYetValid"
	KeyOperationForbidden    ErrorCode = "KeyOperationForbidden"
	KeyOperationNotAllowed   ErrorCode = "KeyOperationNotAllowed"
	ForbiddenByRbac          ErrorCode = "ForbiddenByRbac"
	ForbiddenByPolicy        ErrorCode = "ForbiddenByPolicy"
	ObjectDeletedRecoverable ErrorCode = "ObjectIsDeletedButRecoverable"
	ObjectBeingDeleted       ErrorCode = "ObjectIsBeingDeleted"
	ObjectBeingRecovered     ErrorCode = "ObjectIsBeingRecovered"
)

// Error is the body of an answer that refuses:
// {"error":{"code","message","innererror":{"code"}}}.
type Error struct {
	Code    ErrorCode
	Message string
	// Inner is the innermost code that there is, "" for none.
	Inner ErrorCode
}

type errorBody struct {
	Error *errorDetail `json:"error"`
}

type errorDetail struct {
	Code    string      `json:"code"`
	Message string      `json:"message,omitempty"`
	Inner   *errorInner `json:"innererror,omitempty"` // also read as "innerError": encoding/json does not tell them apart
}

type errorInner struct {
	Code  string      `json:"code,omitempty"`
	Inner *errorInner `json:"innererror,omitempty"`
}

// ParseError reads the body of a refusal.
func ParseError(body []byte) (Error, error) {
	var in errorBody
	if err := json.Unmarshal(body, &in); err != nil {
		return Error{}, err
	}
	if in.Error == nil {
		return Error{}, errors.New("the answer has no error")
	}
	e := Error{Code: ErrorCode(in.Error.Code), Message: in.Error.Message}
	for inner := in.Error.Inner; inner != nil; inner = inner.Inner {
		if inner.Code != "" {
			e.Inner = ErrorCode(inner.Code)
		}
	}
	return e, nil
}

// MarshalJSON writes the body of a refusal.
func (e Error) MarshalJSON() ([]byte, error) {
	detail := &errorDetail{Code: string(e.Code), Message: e.Message}
	if e.Inner != "" {
		detail.Inner = &errorInner{Code: string(e.Inner)}
	}
	return json.Marshal(errorBody{detail})
}
