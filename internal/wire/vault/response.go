package vault

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
)

// Response is what every successful request answers, with Data of its own.
type Response[T any] struct {
	RequestID     string   `json:"request_id"`
	LeaseID       string   `json:"lease_id"`
	Renewable     bool     `json:"renewable"`
	LeaseDuration int      `json:"lease_duration"`
	Data          *T       `json:"data"`
	Warnings      []string `json:"warnings"`
	Auth          *Auth    `json:"auth"`
}

// Auth is what a login and a renewal answer.
type Auth struct {
	ClientToken Token    `json:"client_token"`
	Accessor    string   `json:"accessor"`
	Policies    []string `json:"policies"`
	// LeaseDuration is in seconds, 0 for a token that does not end.
	LeaseDuration int    `json:"lease_duration"`
	Renewable     bool   `json:"renewable"`
	TokenType     string `json:"token_type,omitempty"`
}

// Token is a Vault token. It does not show itself, except in JSON.
type Token string

// Format writes "[redacted]" whatever the verb.
func (Token) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "[redacted]") }

// LogValue returns "[redacted]".
func (Token) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// ParseResponse reads an answer. Members that it does not know are the other
// product's or a later version's, and are skipped.
func ParseResponse[T any](text []byte) (*Response[T], error) {
	r := &Response[T]{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return r, nil
}

// Warning returns the warning of an answer about a key that was there before
// the request that would have made it.
func Warning(name string) string { return "key " + name + " already existed" }

// AlreadyExisted reports whether the key was there before the request.
func (r *Response[T]) AlreadyExisted(name string) bool {
	return slices.Contains(r.Warnings, Warning(name))
}

// Error is what a request that fails answers: {"errors": […]}.
type Error struct {
	// Status is the HTTP status, from 400.
	Status int      `json:"-"`
	Errors []string `json:"errors"`
}

// Error returns the texts, in one line.
func (e *Error) Error() string {
	text := strings.Join(e.Errors, "; ")
	if text == "" {
		text = "no reason given"
	}
	return fmt.Sprintf("status %d: %s", e.Status, strings.Join(strings.Fields(text), " "))
}

// Says reports whether one of the texts has words in it.
func (e *Error) Says(words string) bool {
	return slices.ContainsFunc(e.Errors, func(text string) bool { return strings.Contains(text, words) })
}

// ParseError reads the answer of a request that failed. What is not Vault's, as
// of a proxy, is one text as it is, cut.
func ParseError(status int, text []byte) *Error {
	e := &Error{Status: status}
	var found struct{ Errors *[]string }
	if err := json.Unmarshal(text, &found); err == nil && found.Errors != nil {
		e.Errors = *found.Errors
		return e
	}
	if cut := strings.TrimSpace(string(text[:min(len(text), 500)])); cut != "" {
		e.Errors = []string{strings.ToValidUTF8(cut, "?")}
	}
	return e
}

// Marshal returns the answer as it is sent.
func (e *Error) Marshal() []byte {
	errs := e.Errors
	if errs == nil {
		errs = []string{} // "errors": null is nobody's
	}
	text, err := json.Marshal(struct {
		Errors []string `json:"errors"`
	}{errs})
	if err != nil {
		return []byte(`{"errors":[]}`) // texts always marshal
	}
	return append(text, '\n')
}

// Errorf returns an error with one text, as Vault frames those that its engines
// return.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Errors: []string{fmt.Sprintf(format, args...)}}
}

// Framed returns an error with texts in the frame that Vault puts around what
// its engines return as errors: "1 error occurred:\n\t* text\n\n".
func Framed(status int, texts ...string) *Error {
	var b strings.Builder
	noun := "errors"
	if len(texts) == 1 {
		noun = "error"
	}
	fmt.Fprintf(&b, "%d %s occurred:\n", len(texts), noun)
	for _, t := range texts {
		b.WriteString("\t* " + t + "\n")
	}
	b.WriteString("\n")
	return &Error{Status: status, Errors: []string{b.String()}}
}

// ErrorOf returns the *Error in err's chain, or nil.
func ErrorOf(err error) *Error {
	e, _ := errors.AsType[*Error](err)
	return e
}
