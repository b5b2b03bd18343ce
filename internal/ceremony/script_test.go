package ceremony

import (
	"strings"
	"testing"
	"time"
)

const good = `version: 1
ceremony: example-root
purpose: The root of Example
operator: Olga Operator
witnesses: [Wanda Witness]
steps:
  - initialise: {}
  - key: {alias: root, spec: ECC_NIST_P384}
  - root: {name: root, key: root, subject: {common_name: Example Root}, days: 3650, path_length: 1, certificate: root.pem}
  - sign: {authority: root, csr: issuing.csr, days: 1825, path_length: 0, certificate: issuing.pem}
  - crl: {authority: root, days: 365, file: root.crl}
`

// What a script may not be, each by one change to a good one.
func TestParseScriptRefuses(t *testing.T) {
	tests := []struct{ name, old, new, want string }{
		{"nothing", good, "", "the script is empty"},
		{"another version", "version: 1", "version: 2", "this program reads version 1"},
		{"a key that is not known", "purpose:", "reason:", `line 3: the key "reason" is not known`},
		{"a setting that is not known", "days: 365,", "dayz: 365,", `line 11: the key "dayz" is not known`},
		{"a key that comes twice", "operator: Olga Operator", "operator: Olga Operator\noperator: Eve", "already defined at line 4"},
		{"a second document", "  - crl:", "---\n  - crl:", "more than one document"},
		{"a step that is not known", "  - initialise: {}", "  - explode: {}", `line 7: the key "explode" is not known`},
		{"a step of two kinds", "  - initialise: {}", "  - {initialise: {}, open: {}}", "line 7: a step is one of"},
		{"a step without settings", "  - initialise: {}", "  - initialise:", "line 7: a step is one of"},
		{"a name that leads elsewhere", "ceremony: example-root", "ceremony: ../root", "the ceremony's name"},
		{"the data directory's name", "ceremony: example-root", "ceremony: data", "the ceremony's name"},
		{"no witness", "[Wanda Witness]", "[]", "at least one witness"},
		{"a witness who is the operator", "[Wanda Witness]", "[Olga Operator]", "is the operator"},
		{"a witness twice", "[Wanda Witness]", "[W, W]", "comes twice"},
		{"no beginning", "  - initialise: {}\n", "", "the first step is initialise"},
		{"two beginnings", "  - initialise: {}\n", "  - initialise: {}\n  - open: {}\n", "only the first step"},
		{"another seal", "initialise: {}", "initialise: {seal: wax}", "not passphrase or file"},
		{"a key for encryption", "ECC_NIST_P384", "SYMMETRIC_DEFAULT", "no kind of key for signing"},
		{"no common name", "{common_name: Example Root}", "{organization: Example}", "subject.common_name is missing"},
		{"no validity", "days: 3650, ", "", "days: 0 is not between"},
		{"an output elsewhere", "certificate: root.pem", "certificate: /tmp/root.pem", "not the name of a file"},
		{"an output that hides", "certificate: root.pem", "certificate: .root", "not the name of a file"},
		{"the transcript as output", "certificate: root.pem", "certificate: transcript.jsonl", "not the name of a file"},
		{"two outputs of one name", "file: root.crl", "file: root.pem", `line 11: the file "root.pem" is written twice`},
		{"half a digest", "csr: issuing.csr,", "csr: issuing.csr, csr_sha256: abcd,", "not 64 hexadecimal digits"},
		{"a range that is none", "path_length: 0,", "path_length: 0, name_constraints: {permitted: {ip: [10.0.0.0]}},", "no range of addresses"},
		{"no root to sign under", "  - root: {name: root, key: root, subject: {common_name: Example Root}, days: 3650, path_length: 1, certificate: root.pem}\n", "", "the script makes 0 roots"},
	}
	if _, err := ParseScript([]byte(good)); err != nil {
		t.Fatalf("the good script: %v", err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(good, tt.old, tt.new, 1)
			if text == good {
				t.Fatal("the test changes nothing")
			}
			_, err := ParseScript([]byte(text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// Whatever the text is, a script that parses is one that can be conducted:
// every step has one action, and every output stays in the ceremony's folder.
func FuzzParseScript(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(strings.Replace(good, "[Wanda Witness]", "&a [*a]", 1)))
	f.Add([]byte("version: 1\nsteps: [{open: {}}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := ParseScript(text)
		if err != nil {
			return
		}
		for _, step := range s.Steps {
			if step.action == nil {
				t.Fatal("a step without action")
			}
			for _, name := range step.action.outputs() {
				if strings.ContainsAny(name, "/\\") && !strings.Contains(name, "\\") {
					t.Errorf("the output %q leads elsewhere", name)
				}
			}
		}
	})
}

func fixedClock() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
