package engine

import (
	"fmt"
	"io"
	"log/slog"
)

// redaction is what is shown of a secret.
const redaction = "[redacted]"

// Redacted is embedded in every type that holds a secret, so that no way of
// printing or encoding the type shows it. Such types are used by pointer.
type Redacted struct{}

// String returns "[redacted]".
func (Redacted) String() string { return redaction }

// GoString returns "[redacted]".
func (Redacted) GoString() string { return redaction }

// Format writes "[redacted]" whatever the verb.
func (Redacted) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redaction) }

// LogValue returns "[redacted]".
func (Redacted) LogValue() slog.Value { return slog.StringValue(redaction) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redaction + `"`), nil }

// MarshalText returns "[redacted]".
func (Redacted) MarshalText() ([]byte, error) { return []byte(redaction), nil }
