package auditformat

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/entry"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

var update = flag.Bool("update", false, "write the golden files")

const (
	log   = "3b1f7c1e-6a34-4b8e-9d60-0a2f4c5d6e7f"
	keyID = "123456789012/us-east-1/1234abcd-12ab-34cd-56ef-1234567890ab"
)

// cases are entries of every kind, by their names in the golden files.
func cases() []struct {
	name  string
	entry entry.Entry
} {
	at := time.Date(2026, 11, 23, 4, 5, 6, 789_000_000, time.UTC)
	return []struct {
		name  string
		entry entry.Entry
	}{
		{"a user signs", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "6f1a2b3c-0000-4000-8000-000000000001",
			API: "aws.kms", Operation: "Sign", Action: key.Sign, Principal: "123456789012:user:ops/alice", Credential: "AKIAIOSFODNN7EXAMPLE",
			Method: "sigv4", Source: "192.0.2.17", UserAgent: "aws-cli/2.15.0", Resource: keyID, Decision: entry.Allowed,
			Why: "key policy, statement 1", Result: "ok", Details: []entry.Detail{{Name: "algorithm", Value: "ECDSA_SHA_256"}, {Name: "version", Value: "3"}},
		}},
		{"a role's session is refused", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "eu-central-1", RequestID: "6f1a2b3c-0000-4000-8000-000000000002",
			API: "aws.kms", Operation: "Decrypt", Action: key.Decrypt, Principal: "123456789012:session:app/worker/job-7", Credential: "ASIAIOSFODNN7EXAMPLE",
			Method: "sigv4", MFA: true, Source: "2001:db8::7", Resource: keyID, Decision: entry.Denied, Why: "no statement allows it",
			Result: "permission denied", Error: "not authorized to perform key:Decrypt",
			Details: []entry.Detail{{Name: "context:tenant", Value: `"a=b|c"`}, {Name: "context:line", Value: "one\ntwo"}},
		}},
		{"the native API makes a key", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "r3", API: "holdfast", Operation: "CreateKey", Action: key.CreateKey,
			Principal: "123456789012:root:", Credential: "AKIAROOT", Method: "basic", Source: "127.0.0.1", UserAgent: "holdfast/dev", Resource: keyID,
			Decision: entry.Allowed, Result: "ok", Details: []entry.Detail{{Name: "spec", Value: "RSA_2048"}, {Name: "usage", Value: "sign-verify"}},
		}},
		{"the clock rotates", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "r4", API: "holdfast", Operation: "Rotate", Action: key.RotateKeyOnDemand,
			Principal: "123456789012:service:lifecycle", Method: "internal", Resource: keyID, Decision: entry.Allowed, Result: "ok",
		}},
		{"nobody was proved", entry.Entry{
			Time: at, Region: "us-east-1", RequestID: "r5", API: "aws.kms", Operation: "Encrypt", Action: key.Encrypt, Credential: "AKIAFORGED",
			Source: "198.51.100.1", Result: "unauthenticated", Error: "The request signature we calculated does not match the signature you provided.",
		}},
		{"a role is assumed", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "r6", API: "aws.sts", Operation: "AssumeRole", Action: key.AssumeRole,
			Principal: "123456789012:user:alice", Credential: "AKIAIOSFODNN7EXAMPLE", Method: "sigv4", Source: "192.0.2.17",
			Resource: "123456789012/role/app/worker", Decision: entry.Allowed, Result: "ok",
		}},
		{"a token assumes a role", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "r6b", API: "aws.sts", Operation: "AssumeRoleWithWebIdentity",
			Action: key.AssumeRoleWithWebIdentity, Principal: "123456789012:federated:oidc.example.com/id/1", Credential: "system:serviceaccount:ns:app",
			Method: "oidc", Source: "192.0.2.17", Resource: "123456789012/role/app/worker", Decision: entry.Allowed, Result: "ok",
			Details: []entry.Detail{{Name: "session", Value: "job-8"}, {Name: "credential", Value: "ASIANEW"}},
		}},
		{"an authority issues", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "r7", API: "aws.pca", Operation: "IssueCertificate", Action: key.IssueCertificate,
			Principal: "123456789012:user:alice", Credential: "AKIA", Method: "sigv4", Source: "192.0.2.17",
			Resource: "123456789012/us-east-1/authority/0e7f", Decision: entry.Allowed, Result: "ok",
			Details: []entry.Detail{{Name: "serial", Value: "0a1b"}, {Name: "names", Value: "web.example.com; odd"}},
		}},
		{"and its key signs", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "r7", API: "holdfast", Operation: "Sign", Action: key.Sign,
			Principal: "123456789012:service:ca/0e7f", Method: "internal", Source: "192.0.2.17", Resource: keyID, Decision: entry.Allowed, Result: "ok",
		}},
		{"an operation that nobody has", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "r8", API: "aws.kms", Operation: "unknown", Principal: "123456789012:user:alice",
			Result: "unsupported", Error: "The requested operation is not recognized by the service.",
		}},
		{"of Holdfast alone", entry.Entry{
			Time: at, Realm: key.DefaultRealm, Region: "us-east-1", API: "holdfast", Operation: "PutProfile", Action: key.PutProfile,
			Principal: "123456789012:user:alice", Resource: "123456789012/us-east-1/profile/web", Decision: entry.Allowed, Result: "ok",
		}},
		{"nothing", entry.Entry{Time: at, Result: "internal"}},
	}
}

func record(n int, e *entry.Entry) *audit.Record {
	line := entry.Append(nil, e, e.Time, entry.MaxSize)
	return &audit.Record{Position: audit.Position(n), Entry: *e, JSON: bytes.TrimSuffix(line, []byte("\n"))}
}

// TestGolden compares every format with what it was, entry by entry.
func TestGolden(t *testing.T) {
	x := New(log, "1.2.3")
	formats := map[string]func(*audit.Record) []byte{
		"cloudtrail": func(r *audit.Record) []byte { return indented(t, x.CloudTrail(nil, r)) },
		"ocsf":       func(r *audit.Record) []byte { return indented(t, x.OCSF(nil, r)) },
		"cef":        func(r *audit.Record) []byte { return x.CEF(nil, r) },
		"syslog": func(r *audit.Record) []byte {
			return x.Syslog(nil, SyslogSource{Host: "kms.example.com", App: "holdfast", Process: "77"}, r)
		},
	}
	for format, write := range formats {
		var got bytes.Buffer
		for i, c := range cases() {
			got.WriteString("# " + c.name + "\n")
			got.Write(write(record(i+1, &c.entry)))
			got.WriteByte('\n')
		}
		path := filepath.Join("testdata", format+".txt")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

func indented(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	return out.Bytes()
}

// schemaOf compiles the JSON schema of the events that we write.
func schemaOf(t testing.TB) *jsonschema.Schema {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile("testdata/ocsf-1.8.0.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t testing.TB, schema *jsonschema.Schema, b []byte) {
	t.Helper()
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err == nil {
		err = schema.Validate(v)
	}
	if err != nil {
		t.Fatalf("%s\n%v", b, err)
	}
}

// TestOCSFSchema: every event is one of the schema's.
func TestOCSFSchema(t *testing.T) {
	schema, x := schemaOf(t), New(log, "")
	for i, c := range cases() {
		validate(t, schema, x.OCSF(nil, record(i+1, &c.entry)))
	}
	for _, a := range key.Actions() {
		for _, k := range append(fault.Kinds(), 0xFF) {
			e := entry.Entry{Time: time.Now(), Realm: "1", Action: a, Result: k.String(), Principal: "1:user:a", Resource: "1/r/k"}
			if k == 0xFF {
				e.Result = succeeded
			}
			validate(t, schema, x.OCSF(nil, record(1, &e)))
		}
	}
}

// TestSchemaRefuses: the schema would notice.
func TestSchemaRefuses(t *testing.T) {
	c := cases()[0]
	whole := string(New(log, "").OCSF(nil, record(1, &c.entry)))
	for _, change := range [][2]string{
		{`"class_uid":6003`, `"class_uid":6004`},
		{`"severity_id":1`, `"severity_id":9`},
		{`"actor":`, `"actors":`},
		{`"time":`, `"time":"1","at":`},
		{`"type_uid":600302`, `"type_uid":600399`},
		{`"version":"1.8.0"`, `"version":"1.0.0"`},
	} {
		broken := strings.Replace(whole, change[0], change[1], 1)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(broken))
		if err != nil || broken == whole {
			t.Fatalf("%v makes no other event of %s (%v)", change, whole, err)
		}
		if schemaOf(t).Validate(v) == nil {
			t.Errorf("the schema takes %s", change[1])
		}
	}
}

// TestEveryActionHasItsWords: an action that is added has a name, a source
// and a kind of access.
func TestEveryActionHasItsWords(t *testing.T) {
	for _, a := range key.Actions() {
		v := EventOf(&entry.Entry{Action: a, API: "holdfast", Operation: "x"})
		if v.Name == "" || v.Name == "x" || !strings.HasSuffix(v.Source, ".amazonaws.com") {
			t.Errorf("%s is %q of %q", a, v.Name, v.Source)
		}
	}
	for _, k := range key.ResourceKinds() {
		if strings.Count(typeOf(k), "::") < 1 {
			t.Errorf("%s has the type %q", k, typeOf(k))
		}
	}
}

func TestEventID(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range []audit.Position{1, 2, 255, 256, 1 << 32, 1<<48 - 1} {
		id := EventID(log, p).String()
		if seen[id] || id[14] != '8' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Errorf("position %d has the id %s", p, id)
		}
		seen[id] = true
		if got, ok := ParseEventID(log, id); !ok || got != p {
			t.Errorf("%s is position %d, %t; want %d", id, got, ok, p)
		}
		if _, ok := ParseEventID("another log", id); ok {
			t.Errorf("%s is an id of another log, too", id)
		}
	}
	if EventID(log, 1).String() != "572ab9bf-c50a-8c69-a705-2640a6c5431f" {
		t.Errorf("the id of position 1 has changed: %s", EventID(log, 1))
	}
	for _, id := range []string{"", "x", "00000000-0000-0000-0000-000000000000"} {
		if _, ok := ParseEventID(log, id); ok {
			t.Errorf("%q is taken for an event's id", id)
		}
	}
}

func TestWriter(t *testing.T) {
	e := cases()[0].entry
	for _, f := range []Format{JSONL, CloudTrail, OCSF, CEF} {
		for _, n := range []int{0, 1, 3} {
			for _, compressed := range []bool{false, true} {
				var file bytes.Buffer
				w := NewWriter(&file, f, New(log, ""), compressed)
				for i := range n {
					if err := w.Write(record(i+1, &e)); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil || w.Count() != n {
					t.Fatalf("%d entries, %v", w.Count(), err)
				}
				var plain io.Reader = &file
				if compressed {
					z, err := gzip.NewReader(&file)
					if err != nil {
						t.Fatal(err)
					}
					plain = z
				}
				text, err := io.ReadAll(plain)
				if err != nil {
					t.Fatal(err)
				}
				if got := entriesOf(t, f, text); got != n {
					t.Errorf("%s: %d entries became %d: %s", f, n, got, text)
				}
			}
		}
	}
}

func entriesOf(t *testing.T, f Format, text []byte) int {
	t.Helper()
	if f != CloudTrail {
		return bytes.Count(text, []byte("\n"))
	}
	var file struct{ Records []json.RawMessage }
	if err := json.Unmarshal(text, &file); err != nil || file.Records == nil {
		t.Fatalf("%s: %v", text, err)
	}
	return len(file.Records)
}

func TestFormats(t *testing.T) {
	for _, name := range Formats() {
		f, ok := ParseFormat(name)
		if !ok || f.String() != name {
			t.Errorf("%q is %v", name, f)
		}
	}
	if _, ok := ParseFormat("xml"); ok {
		t.Error("a format that there is not")
	}
}

// TestAllocations: the codecs are for every call that there is.
func TestAllocations(t *testing.T) {
	x, r, buf := New(log, ""), record(1, &cases()[0].entry), make([]byte, 0, 8<<10)
	for _, f := range []Format{CloudTrail, OCSF, CEF} {
		if n := testing.AllocsPerRun(100, func() { buf = x.Append(f, buf[:0], r) }); n > 80 {
			t.Errorf("%s: %v allocations an entry", f, n)
		}
	}
}
