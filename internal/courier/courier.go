// Package courier carries messages out of the server: e-mail by SMTP, and
// bodies by HTTP POST, signed for their receivers where they have a secret.
//
// Start with SMTP and HTTP. Both carry a message once when asked once: what
// failed for the moment is the caller's to send again, what was refused for
// good is not worth it, and Permanent tells which is which.
package courier

import (
	"errors"
	"fmt"
	"time"
)

// Failure is why a message did not arrive. Its text is for the operator: it
// quotes what the other side said, cut short, and never what was sent.
type Failure struct {
	// Status is what the other side answered: an SMTP reply code or an HTTP
	// status, 0 when it did not answer.
	Status int
	// Permanent says that this message is refused for good, Down that no other
	// would arrive at the moment either.
	Permanent, Down bool
	// RetryAfter is how long the other side asks to be left alone, 0 when it
	// does not say.
	RetryAfter time.Duration
	// Err says what happened.
	Err error
}

// Error returns what happened.
func (f *Failure) Error() string { return f.Err.Error() }

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// Permanent reports whether an error of this package says that sending the
// same message again is useless. Any other error is worth another attempt.
func Permanent(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Permanent
}

// Down reports whether an error of this package is about the other side and
// not about the message: others to it can wait as well.
func Down(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Down
}

// Status returns the other side's answer that is in an error, 0 for none.
func Status(err error) int {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.Status
	}
	return 0
}

// RetryAfter returns how long the other side asked to be left alone, 0 when it
// did not.
func RetryAfter(err error) time.Duration {
	if f, ok := errors.AsType[*Failure](err); ok {
		return f.RetryAfter
	}
	return 0
}

// refused is the failure of a message that cannot be sent as it is.
func refused(format string, args ...any) error {
	return &Failure{Permanent: true, Err: fmt.Errorf(format, args...)}
}

// maxQuote is how much of an answer is quoted, in bytes.
const maxQuote = 200

// quote returns the beginning of what the other side said, on one line.
func quote(text string) string {
	line := make([]rune, 0, maxQuote)
	for _, r := range text {
		if len(line) == maxQuote {
			break
		}
		if r < ' ' || r == 0x7f {
			r = ' '
		}
		line = append(line, r)
	}
	return string(line)
}
