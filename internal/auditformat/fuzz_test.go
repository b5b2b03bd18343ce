package auditformat

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/entry"
)

// FuzzEntry: whatever callers send, each format stays what it is, and what
// was put in comes out again where the format can hold it.
func FuzzEntry(f *testing.F) {
	for _, s := range []string{"", "plain", `a|b\c=d`, "line\nfeed\rreturn", `quote" bracket] back\`, "é\u2028\x00\x7f", "\xff", " lead", "x= y=z"} {
		f.Add(s, s, s)
		f.Add("agent", s, "name")
	}
	schema := schemaOf(f)
	f.Fuzz(func(t *testing.T, agent, value, name string) {
		e := entry.Entry{
			Time: time.Unix(1_700_000_000, 0), Realm: "123456789012", RequestID: value, Operation: name, Principal: "123456789012:user:" + value,
			UserAgent: agent, Error: value, Result: "not found", Resource: "123456789012/r/" + name,
			Details: []entry.Detail{{Name: name, Value: value}, {Name: "context:" + name, Value: value}},
		}
		decoded, err := entry.Decode(entry.Append(nil, &e, e.Time, entry.MaxSize))
		if err != nil {
			t.Fatal(err)
		}
		r := record(7, &decoded)
		x := New("log "+name, strings.ToValidUTF8(value, "?"))
		checkJSON(t, x.CloudTrail(nil, r), decoded.Details[1])
		validate(t, schema, x.OCSF(nil, r))
		checkCEF(t, string(x.CEF(nil, r)), &decoded)
		checkSyslog(t, string(x.Syslog(nil, SyslogSource{Host: name, App: agent}, r)), &decoded)
	})
}

func checkJSON(t *testing.T, b []byte, context entry.Detail) {
	t.Helper()
	var got struct {
		EventName         string
		RequestParameters struct{ EncryptionContext map[string]string }
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	name, is := strings.CutPrefix(context.Name, "context:")
	if value, ok := got.RequestParameters.EncryptionContext[name]; is && name != "" && (!ok || value != context.Value) {
		t.Fatalf("the context %v became %v", context, got.RequestParameters.EncryptionContext)
	}
}

// checkCEF reads a line as its consumers do.
func checkCEF(t *testing.T, line string, e *entry.Entry) {
	t.Helper()
	if strings.ContainsAny(line, "\r\n") || !utf8.ValidString(line) {
		t.Fatalf("%q is not one line", line)
	}
	fields := splitUnescaped(line, '|', 8)
	if len(fields) != 8 || fields[0] != "CEF:0" {
		t.Fatalf("%q has the header %q", line, fields)
	}
	got := extension(fields[7])
	for name, want := range map[string]string{
		"requestClientApplication": e.UserAgent, "msg": e.Error, "suid": e.Principal, "cs1": e.Resource, "cs4": e.RequestID,
		"cs6": detailsLine(e.Details), "act": e.Operation,
	} {
		if got[name] != want {
			t.Fatalf("%s of %q is %q, want %q", name, line, got[name], want)
		}
	}
}

// splitUnescaped splits at a byte that no backslash stands before.
func splitUnescaped(s string, at byte, limit int) (list []string) {
	from := 0
	for i := 0; i < len(s) && len(list) < limit-1; i++ {
		switch s[i] {
		case '\\':
			i++
		case at:
			list, from = append(list, s[from:i]), i+1
		}
	}
	return append(list, s[from:])
}

// extension reads KEY=VALUE pairs: a key is the word before an equals sign
// that is not escaped.
func extension(s string) map[string]string {
	got := map[string]string{}
	parts := splitUnescaped(s, '=', 1<<30)
	for i := 1; i < len(parts); i++ {
		key := parts[i-1][strings.LastIndexByte(parts[i-1], ' ')+1:]
		value := parts[i]
		if i+1 < len(parts) {
			value = value[:strings.LastIndexByte(value, ' ')]
		}
		got[key] = strings.NewReplacer(`\\`, `\`, `\=`, "=", `\n`, "\n", `\r`, "\r").Replace(value)
	}
	return got
}

// checkSyslog reads a message by RFC 5424's grammar.
func checkSyslog(t *testing.T, message string, e *entry.Entry) {
	t.Helper()
	words := strings.SplitN(message, " ", 8)
	if len(words) != 8 || !strings.HasPrefix(message, "<") || !strings.HasSuffix(words[0], ">1") {
		t.Fatalf("%q has no header", message)
	}
	for i, limit := range []int{10, 64, maxHost, maxApp, maxProcess, maxMessage} {
		w := words[i]
		if w == "" || len(w) > limit || strings.ContainsFunc(w, func(r rune) bool { return r <= ' ' || r >= 0x7F }) {
			t.Fatalf("field %d of %q is %q", i, message, w)
		}
	}
	if words[6] != fmt.Sprintf("[holdfast@%d", EnterpriseID) {
		t.Fatalf("%q has the structured data %q", message, words[6])
	}
	got, rest := structured(t, words[7])
	clean := func(s string) string {
		return strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7F {
				return ' '
			}
			return r
		}, s)
	}
	for name, want := range map[string]string{"agent": e.UserAgent, "error": e.Error, "principal": e.Principal, "resource": e.Resource} {
		if value := strings.Join(got[name], ","); value != clean(want) {
			t.Fatalf("%s of %q is %q, want %q", name, message, value, want)
		}
	}
	if want := clean(e.Details[0].Name + "=" + e.Details[0].Value); !slices.Contains(got["detail"], want) {
		t.Fatalf("the details of %q are %q, want %q", message, got["detail"], want)
	}
	if !strings.HasPrefix(rest, " ") {
		t.Fatalf("%q has no message behind its data", message)
	}
}

// structured reads parameters up to the bracket that ends them.
func structured(t *testing.T, s string) (got map[string][]string, rest string) {
	t.Helper()
	got = map[string][]string{}
	for {
		name, after, ok := strings.Cut(s, `="`)
		if !ok {
			t.Fatalf("%q does not end", s)
		}
		parts := splitUnescaped(after, '"', 2)
		if strings.Contains(splitUnescaped(parts[0], ']', 2)[0], "]") && len(splitUnescaped(parts[0], ']', 2)) > 1 {
			t.Fatalf("%q has a bracket that is not escaped", parts[0])
		}
		got[name] = append(got[name], strings.NewReplacer(`\\`, `\`, `\"`, `"`, `\]`, "]").Replace(parts[0]))
		if after, ok := strings.CutPrefix(parts[1], "]"); ok {
			return got, after
		}
		s = strings.TrimPrefix(parts[1], " ")
	}
}
