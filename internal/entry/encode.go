package entry

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/key"
)

// The limits of an entry's strings, in bytes of UTF-8. A longer string is cut
// and ends with an ellipsis. What a client sends without having proved who it
// is (its user agent, say) must not fill the disk.
const (
	maxShort   = 64   // realm, region, API, operation, method, result, source
	maxID      = 256  // request id, credential, user agent, a detail's name
	maxName    = 512  // principal, resource
	maxText    = 1024 // why, error, a detail's value
	maxDetails = 64

	ellipsis = "…"
)

// MaxSize limits one record's JSON in bytes. All strings of an entry but
// its details fit with every byte escaped; details that do not are left out.
const MaxSize = 64 << 10

// moreDetails is kept free for the note that says how many were left out.
const moreDetails = 64

// recordVersion is the "v" of the records that this package writes.
const recordVersion = 1

// Append appends the entry as one line of JSON:
//
//	{"v":1,"time":"2026-11-22T16:00:00.123456789Z","realm":"123456789012",…}\n
//
// The members stand in this order, empty ones are left out: v, time
// (RFC 3339 in UTC, to the nanosecond), realm, region, request, api,
// operation, action, principal, credential, method, mfa, source, agent,
// resource, decision, why, result, error, details (a list of name and value).
// Bytes that are not UTF-8 become U+FFFD. It allocates nothing but what buf
// needs to grow. The line is at most limit bytes, which is 32 KiB or more.
func Append(buf []byte, e *Entry, at time.Time, limit int) []byte {
	start := len(buf)
	buf = append(buf, `{"v":1`...)
	if year := at.Year(); !at.IsZero() && year >= 0 && year <= 9999 { // RFC 3339 has no other years
		buf = append(buf, `,"time":"`...)
		buf = at.UTC().AppendFormat(buf, time.RFC3339Nano)
		buf = append(buf, '"')
	}
	buf = appendMember(buf, "realm", string(e.Realm), maxShort)
	buf = appendMember(buf, "region", e.Region, maxShort)
	buf = appendMember(buf, "request", e.RequestID, maxID)
	buf = appendMember(buf, "api", e.API, maxShort)
	buf = appendMember(buf, "operation", e.Operation, maxShort)
	if e.Action != key.NoAction {
		buf = appendMember(buf, "action", e.Action.String(), maxShort)
	}
	buf = appendMember(buf, "principal", e.Principal, maxName)
	buf = appendMember(buf, "credential", e.Credential, maxID)
	buf = appendMember(buf, "method", e.Method, maxShort)
	if e.MFA {
		buf = append(buf, `,"mfa":true`...)
	}
	buf = appendMember(buf, "source", e.Source, maxShort)
	buf = appendMember(buf, "agent", e.UserAgent, maxID)
	buf = appendMember(buf, "resource", e.Resource, maxName)
	buf = appendMember(buf, "decision", string(e.Decision), maxShort)
	buf = appendMember(buf, "why", e.Why, maxText)
	buf = appendMember(buf, "result", e.Result, maxShort)
	buf = appendMember(buf, "error", e.Error, maxText)
	if len(e.Details) > 0 {
		buf = appendDetails(buf, e.Details, start+limit)
	}
	return append(buf, "}\n"...)
}

// appendDetails appends the list of details. It ends before the byte at end,
// with room for the record's own end.
func appendDetails(buf []byte, details []Detail, end int) []byte {
	buf = append(buf, `,"details":[`...)
	for i, d := range details {
		before := len(buf)
		last := i == maxDetails-1 && len(details) > maxDetails
		if !last {
			buf = appendDetail(buf, i, d.Name, d.Value)
		}
		if last || len(buf)+moreDetails > end {
			buf = appendDetail(buf[:before], i, ellipsis, "more were left out")
			break
		}
	}
	return append(buf, ']')
}

func appendDetail(buf []byte, i int, name, value string) []byte {
	if i > 0 {
		buf = append(buf, ',')
	}
	buf = append(buf, `{"name":`...)
	buf = AppendString(buf, name, maxID)
	buf = append(buf, `,"value":`...)
	buf = AppendString(buf, value, maxText)
	return append(buf, '}')
}

func appendMember(buf []byte, name, value string, limit int) []byte {
	if value == "" {
		return buf
	}
	buf = append(buf, ',', '"')
	buf = append(buf, name...)
	buf = append(buf, '"', ':')
	return AppendString(buf, value, limit)
}

// AppendString appends a JSON string (RFC 8259 section 7) of at most limit
// bytes before escaping.
func AppendString(buf []byte, s string, limit int) []byte {
	if len(s) > limit || !utf8.ValidString(s) {
		s = tidy(s, limit)
	}
	buf = append(buf, '"')
	done := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if plain[c] {
			continue
		}
		if c >= utf8.RuneSelf && !lineSeparator(s[i:]) {
			continue
		}
		buf = append(buf, s[done:i]...)
		var n int
		buf, n = appendEscaped(buf, s[i:])
		i += n - 1
		done = i + 1
	}
	buf = append(buf, s[done:]...)
	return append(buf, '"')
}

// plain marks the bytes that stand for themselves in a JSON string here:
// printable ASCII but the quotation mark and the backslash.
var plain = func() (t [256]bool) {
	for c := byte(' '); c < 0x7F; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// lineSeparator reports whether s begins with U+2028 or U+2029, which some
// readers of lines take for the end of one.
func lineSeparator(s string) bool {
	return len(s) >= 3 && s[0] == 0xE2 && s[1] == 0x80 && s[2]&^1 == 0xA8
}

// appendEscaped appends the escaped form of the character that s begins with
// and returns how many bytes of s that was.
func appendEscaped(buf []byte, s string) ([]byte, int) {
	const hex = "0123456789abcdef"
	switch c := s[0]; {
	case c == '"' || c == '\\':
		return append(buf, '\\', c), 1
	case c == '\n':
		return append(buf, '\\', 'n'), 1
	case c == '\r':
		return append(buf, '\\', 'r'), 1
	case c == '\t':
		return append(buf, '\\', 't'), 1
	case c >= utf8.RuneSelf:
		return append(buf, '\\', 'u', '2', '0', '2', hex[s[2]&0xF]), 3
	default:
		return append(buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&0xF]), 1
	}
}

// tidy returns s as UTF-8 of at most limit bytes, with an ellipsis where it
// was cut. What it returns, it returns unchanged.
func tidy(s string, limit int) string {
	cut := len(s) > limit
	s = strings.ToValidUTF8(s[:min(len(s), limit)], "\uFFFD")
	if !cut && len(s) <= limit {
		return s
	}
	end := min(len(s), limit-len(ellipsis))
	for end < len(s) && end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + ellipsis
}
