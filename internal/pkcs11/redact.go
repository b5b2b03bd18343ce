package pkcs11

import (
	"fmt"
	"log/slog"
)

// Calls, results and attributes carry PINs and key material. None of them shows
// a value to a printing verb, to a log or to JSON.

// String returns the attribute's type and the length of its value.
func (a Attribute) String() string {
	if a.Value == nil {
		return fmt.Sprintf("CKA 0x%x: none", uint64(a.Type))
	}
	return fmt.Sprintf("CKA 0x%x: %d bytes", uint64(a.Type), len(a.Value))
}

// Format shows what String does, whatever the verb.
func (a Attribute) Format(s fmt.State, _ rune) { write(s, a.String()) }

// LogValue shows what String does.
func (a Attribute) LogValue() slog.Value { return slog.StringValue(a.String()) }

// MarshalJSON shows what String does.
func (a Attribute) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", a.String()), nil }

// String returns the name of the call's function.
func (c *Call) String() string { return c.Function.String() }

// Format shows what String does, whatever the verb.
func (c *Call) Format(s fmt.State, _ rune) { write(s, c.String()) }

// LogValue shows what String does.
func (c *Call) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON shows what String does.
func (c *Call) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", c.String()), nil }

// String says how much the result has, not what.
func (r *Result) String() string {
	return fmt.Sprintf("%d handles, %d attributes, %d bytes", len(r.Handles), len(r.Attributes), len(r.Data))
}

// Format shows what String does, whatever the verb.
func (r *Result) Format(s fmt.State, _ rune) { write(s, r.String()) }

// LogValue shows what String does.
func (r *Result) LogValue() slog.Value { return slog.StringValue(r.String()) }

// MarshalJSON shows what String does.
func (r *Result) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", r.String()), nil }

// write writes to a printer, which keeps its errors to itself.
func write(s fmt.State, text string) { _, _ = s.Write([]byte(text)) }
