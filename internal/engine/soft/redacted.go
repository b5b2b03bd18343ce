package soft

import (
	"fmt"
	"io"
	"log/slog"
)

// redaction is what is shown of a secret.
const redaction = "[redacted]"

// redacted is embedded in every type that holds a secret, so that no way of
// printing or encoding the type shows it. Such types are used by pointer.
type redacted struct{}

// String returns "[redacted]".
func (redacted) String() string { return redaction }

// GoString returns "[redacted]".
func (redacted) GoString() string { return redaction }

// Format writes "[redacted]" whatever the verb.
func (redacted) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, redaction) }

// LogValue returns "[redacted]".
func (redacted) LogValue() slog.Value { return slog.StringValue(redaction) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (redacted) MarshalJSON() ([]byte, error) { return []byte(`"` + redaction + `"`), nil }

// MarshalText returns "[redacted]".
func (redacted) MarshalText() ([]byte, error) { return []byte(redaction), nil }
