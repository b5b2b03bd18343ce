package auditformat

import (
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// EnterpriseID is the private enterprise number in the names of structured
// data: the one that RFC 5612 keeps for those who have none of their own.
const EnterpriseID = 32473

// facility is "log audit" (RFC 5424 section 6.2.1).
const facility = 13

// SyslogSource is what a syslog message says of whoever sends it. Empty
// members are nil values in the message.
type SyslogSource struct{ Host, App, Process string }

// The limits of a message's header fields, in characters (RFC 5424 section 6).
const (
	maxHost    = 255
	maxApp     = 48
	maxProcess = 128
	maxMessage = 32
)

// Syslog appends a message of syslog (RFC 5424): the header, one element of
// structured data with all that the entry has, and a sentence for people. It
// has no end: the transport frames it. Control characters, of which some
// transports make ends of messages, become spaces.
func (x *Encoder) Syslog(dst []byte, from SyslogSource, r *audit.Record) []byte {
	e, v := &r.Entry, EventOf(&r.Entry)
	dst = appendSyslogHead(dst, from, e, &v)
	dst = append(append(dst, " [holdfast@"...), strconv.Itoa(EnterpriseID)...)
	for _, p := range [...][2]string{
		{"event", EventID(x.log, r.Position).String()},
		{"position", strconv.FormatUint(uint64(r.Position), 10)},
		{"log", x.log},
		{"time", e.Time.UTC().Format(time.RFC3339Nano)},
		{"realm", string(e.Realm)},
		{"region", e.Region},
		{"request", e.RequestID},
		{"api", e.API},
		{"operation", e.Operation},
		{"action", e.Action.String()},
		{"principal", e.Principal},
		{"credential", e.Credential},
		{"method", e.Method},
		{"mfa", either(e.MFA, "true", "")},
		{"source", e.Source},
		{"agent", e.UserAgent},
		{"resource", e.Resource},
		{"decision", string(e.Decision)},
		{"why", e.Why},
		{"result", e.Result},
		{"error", e.Error},
	} {
		dst = appendParameter(dst, p[0], p[1])
	}
	for i := range e.Details {
		dst = appendParameter(dst, "detail", e.Details[i].Name+"="+e.Details[i].Value)
	}
	dst = append(dst, "] "...)
	return appendClean(dst, summary(r, &v), false)
}

// SyslogWith appends a message of syslog whose text is the entry in a format,
// without structured data.
func (x *Encoder) SyslogWith(dst []byte, from SyslogSource, f Format, r *audit.Record) []byte {
	v := EventOf(&r.Entry)
	dst = append(appendSyslogHead(dst, from, &r.Entry, &v), " - "...)
	return x.Append(f, dst, r)
}

// appendSyslogHead appends a message's header, without a space behind it.
func appendSyslogHead(dst []byte, from SyslogSource, e *audit.Entry, v *Event) []byte {
	level, _ := severityOf(e)
	dst = append(dst, '<')
	dst = strconv.AppendInt(dst, int64(facility*8+syslogSeverity[level]), 10)
	dst = append(dst, ">1 "...)
	dst = e.Time.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z")
	for _, f := range [...]struct {
		text  string
		limit int
	}{{from.Host, maxHost}, {from.App, maxApp}, {from.Process, maxProcess}, {v.Name, maxMessage}} {
		dst = appendHeader(append(dst, ' '), f.text, f.limit)
	}
	return dst
}

// syslogSeverity are syslog's severities of OCSF's: informational, notice,
// warning, error.
var syslogSeverity = map[int]int{1: 6, 2: 5, 3: 4, 4: 3}

// appendHeader appends a field of the header: printable ASCII without spaces,
// or a hyphen for nothing.
func appendHeader(dst []byte, s string, limit int) []byte {
	if s == "" {
		return append(dst, '-')
	}
	for i := range min(len(s), limit) {
		c := s[i]
		if c <= ' ' || c >= 0x7F {
			c = '_'
		}
		dst = append(dst, c)
	}
	return dst
}

// appendParameter appends a parameter of structured data, unless it is empty.
func appendParameter(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(append(append(dst, ' '), name...), `="`...)
	return append(appendClean(dst, value, true), '"')
}

// appendClean appends a text without control characters, as the value of a
// parameter with what RFC 5424 section 6.3.3 has escaped.
func appendClean(dst []byte, s string, value bool) []byte {
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c == 0x7F:
			c = ' '
		case value && (c == '"' || c == '\\' || c == ']'):
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}
