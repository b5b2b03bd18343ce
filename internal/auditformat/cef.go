package auditformat

import (
	"net/netip"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/audit"
)

// CEF appends a line of ArcSight's Common Event Format, version 0 (Micro Focus
// ArcSight Common Event Format, "Implementing ArcSight CEF"):
//
//	CEF:0|Holdfast|Holdfast|VERSION|ACTION|EVENT|SEVERITY|KEY=VALUE KEY=VALUE …
//
// In the header backslashes and pipes are escaped, in the extension
// backslashes, equals signs and ends of lines; the header has no ends of
// lines, which become spaces.
func (x *Encoder) CEF(dst []byte, r *audit.Record) []byte {
	e, v := &r.Entry, EventOf(&r.Entry)
	dst = append(dst, "CEF:0|Holdfast|Holdfast"...)
	severity, _ := severityOf(e)
	for _, field := range []string{x.version, e.Action.String(), v.Name, strconv.Itoa(cefSeverity[severity])} {
		dst = appendCEFHeader(append(dst, '|'), field)
	}
	dst = append(dst, '|')
	first := len(dst)
	add := func(name, value string) {
		if value == "" {
			return
		}
		if len(dst) > first {
			dst = append(dst, ' ')
		}
		dst = append(append(dst, name...), '=')
		dst = appendCEFValue(dst, value)
	}
	add("rt", strconv.FormatInt(e.Time.UnixMilli(), 10))
	add("externalId", EventID(x.log, r.Position).String())
	add("outcome", either(e.Result == succeeded, "success", "failure"))
	if e.Result != succeeded {
		add("reason", e.Result)
		add("msg", e.Error)
	}
	if a, err := netip.ParseAddr(e.Source); err == nil && a.Is6() {
		add("c6a2Label", "Source IPv6 Address")
		add("c6a2", e.Source)
	} else {
		add("src", e.Source)
	}
	add("suser", v.Username)
	add("suid", e.Principal)
	add("requestClientApplication", e.UserAgent)
	add("act", e.Operation)
	add("app", e.API)
	add("destinationServiceName", v.Source)
	add("cn1Label", "position")
	add("cn1", strconv.FormatUint(uint64(r.Position), 10))
	for i, c := range [...][2]string{
		{"resource", e.Resource},
		{"decision", string(e.Decision)},
		{"why", e.Why},
		{"request", e.RequestID},
		{"credential", e.Credential},
		{"details", detailsLine(e.Details)},
	} {
		if c[1] != "" {
			n := "cs" + strconv.Itoa(i+1)
			add(n+"Label", c[0])
			add(n, c[1])
		}
	}
	return dst
}

// cefSeverity are CEF's severities, 0 to 10, of OCSF's.
var cefSeverity = map[int]int{1: 1, 2: 3, 3: 6, 4: 8}

// detailsLine writes details as "name=value; name=value", in which semicolons
// and backslashes of theirs have a backslash.
func detailsLine(list []audit.Detail) string {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, `;`, `\;`)
	for i, d := range list {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(escape.Replace(d.Name) + "=" + escape.Replace(d.Value))
	}
	return b.String()
}

// appendCEFHeader appends a field of the header.
func appendCEFHeader(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '|':
			dst = append(dst, '\\', c)
		case '\n', '\r':
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// appendCEFValue appends a value of the extension.
func appendCEFValue(dst []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; c {
		case '\\', '=':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
