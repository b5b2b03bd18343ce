package key

import (
	"fmt"
	"io"
	"log/slog"
)

// Secret is key material on its way out. However it is printed, logged or
// encoded, it shows "[redacted]"; Reveal alone has the bytes.
type Secret struct{ plain []byte }

// NewSecret returns material as a Secret, which takes the bytes over.
func NewSecret(plain []byte) Secret { return Secret{plain} }

// Reveal returns the material itself, which stays the Secret's: Wipe
// overwrites it.
func (s Secret) Reveal() []byte { return s.plain }

// Wipe overwrites the material. Copies that others made stay.
func (s Secret) Wipe() { clear(s.plain) }

const redacted = "[redacted]"

// String returns "[redacted]".
func (Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (Secret) GoString() string { return redacted }

// Format writes "[redacted]" whatever the verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// LogValue returns "[redacted]".
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON returns "[redacted]" as a JSON string.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalText returns "[redacted]".
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
