package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// What Decode takes, and what it says of the rest.
func TestDecode(t *testing.T) {
	tests := map[string]struct{ in, want string }{
		"all members":          {`{"spec":"RSA_2048","tags":[{"key":"a","value":"b"}],"bypass_lockout":true}`, ""},
		"white space":          {" {\n} ", ""},
		"null":                 {`{"tags":null}`, ""},
		"unknown":              {`{"specs":"x"}`, `the member "specs" is not known`},
		"unknown below":        {`{"policy":{"document":"x","version":1}}`, `the member "policy.version" is not known`},
		"unknown in a list":    {`{"tags":[{"key":"a","valeu":"b"}]}`, `the member "tags.valeu" is not known`},
		"wrong case":           {`{"Spec":"x"}`, `the member "Spec" is not known: it is written "spec"`},
		"twice":                {`{"spec":"a","spec":"b"}`, `the member "spec" comes twice`},
		"wrong type":           {`{"spec":7}`, `the member "spec" is of the wrong type: number`},
		"object for a string":  {`{"spec":{"a":1}}`, `the member "spec" is of the wrong type: object`},
		"list for an object":   {`[]`, "the body is not a JSON object"},
		"text for an object":   {`"x"`, "the body is not a JSON object"},
		"empty":                {``, "the body is not JSON of this request's shape"},
		"cut off":              {`{"spec":"x"`, "the body is not JSON of this request's shape"},
		"no JSON":              {`{spec}`, "the body is not JSON: byte 1"},
		"something after":      {`{} {}`, "the body has something after the JSON value"},
		"nested beyond reason": {`{"tags":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`, "the body is nested too deeply"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var req CreateKeyRequest
			err := Decode([]byte(test.in), &req)
			got := ""
			if err != nil {
				f, ok := errors.AsType[*fault.Error](err)
				if !ok || f.Kind != fault.InvalidArgument {
					t.Fatalf("%v is no InvalidArgument", err)
				}
				got = f.Public
			}
			if got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// What a key's URL is, and what is none.
func TestKeyURL(t *testing.T) {
	const id = "01234567-89ab-4def-8123-456789abcdef"
	if got, want := KeyURL("https://kms.example.com:8443/", id), "https://kms.example.com:8443/holdfast/v1/keys/"+id; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for text, want := range map[string]string{
		KeyURL("https://kms.example.com", id):        id,
		KeyURL("http://127.0.0.1:8080", "alias/a b"): "alias/a b",
		"https://vault.example.com/keys/KEK/5a3e":    "",
		"https://h/holdfast/v1/keys/":                "",
		"https://h/holdfast/v1/keys/" + id + "/1":    "",
		"https://h/holdfast/v1/keys/" + id + "?x=1":  "",
		"https:///holdfast/v1/keys/" + id:            "",
		"ftp://h/holdfast/v1/keys/" + id:             "",
		"/holdfast/v1/keys/" + id:                    "",
		id:                                           "",
		"https://h/holdfast/v1/keys/%zz":             "",
	} {
		if got, ok := ParseKeyURL(text); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", text, got, ok, want)
		}
	}
}

// FuzzParseKeyURL: the name in a URL makes a URL with the same name.
func FuzzParseKeyURL(f *testing.F) {
	f.Add("https://h/holdfast/v1/keys/alias%2Fx")
	f.Add("https://h:1/holdfast/v1/keys/01234567-89ab-4def-8123-456789abcdef")
	f.Fuzz(func(t *testing.T, text string) {
		name, ok := ParseKeyURL(text)
		if !ok {
			return
		}
		if again, ok := ParseKeyURL(KeyURL("https://h", name)); !ok || again != name {
			t.Errorf("%q is %q and then %q", text, name, again)
		}
	})
}

// A map takes every member, once.
func TestDecodeMap(t *testing.T) {
	var req EncryptRequest
	if err := Decode([]byte(`{"plaintext":"aGk=","context":{"Any":"x","any":"y"}}`), &req); err != nil {
		t.Fatal(err)
	}
	want := EncryptRequest{Plaintext: []byte("hi"), Context: map[string]string{"Any": "x", "any": "y"}}
	if diff := cmp.Diff(want, req); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := Decode([]byte(`{"plaintext":"","context":{"a":"x","a":"y"}}`), &req); err == nil {
		t.Error("a context name that comes twice was taken")
	}
}

// What parses, marshals and parses back the same.
func FuzzDecode(f *testing.F) {
	seeds := []string{
		`{}`, `{"authority":"a","profile":"tls-server","names":{"dns":["x"],"ips":["::1"]},"subject":{"common_name":"y"}}`,
		`{"csr":"-----BEGIN","validity_hours":1}`, `{"authority":1}`, `{"names":[]}`, `{"a":{"a":{"a":{}}}}`, `[[[[`, "\x00",
		`{"authority":"\ud800"}`, `{"validity_hours":1e400}`,
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first, second IssueRequest
		if err := Decode(data, &first); err != nil {
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Fatalf("%v is no InvalidArgument", err)
			}
			return
		}
		text, err := json.Marshal(first)
		if err != nil {
			t.Fatal(err)
		}
		if err := Decode(text, &second); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		again, err := json.Marshal(second)
		if err != nil {
			t.Fatal(err)
		}
		if string(again) != string(text) {
			t.Errorf("%s came back as %s", text, again)
		}
	})
}

// Every reason of package fault has a name of its own.
func TestReasonNames(t *testing.T) {
	names := reasons(t)
	if len(names) != len(reasonNames) {
		t.Errorf("fault has %d reasons, and %d have names", len(names), len(reasonNames))
	}
	seen := map[string]bool{}
	for i, name := range names {
		got := ReasonName(fault.Reason(i))
		if seen[got] || (got == "") != (name == "Unspecified") {
			t.Errorf("the reason %s has the name %q", name, got)
		}
		seen[got] = true
	}
	if got := ReasonName(255); got != "" {
		t.Errorf("an unknown reason has the name %q", got)
	}
}

// reasons reads the constants of the type Reason from package fault's source.
func reasons(t *testing.T) (names []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "../../fault/fault.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.CONST {
			continue
		}
		if typ, ok := g.Specs[0].(*ast.ValueSpec).Type.(*ast.Ident); !ok || typ.Name != "Reason" {
			continue
		}
		for _, s := range g.Specs {
			names = append(names, s.(*ast.ValueSpec).Names[0].Name)
		}
	}
	if len(names) == 0 {
		t.Fatal("no reason found: the test looks in the wrong place")
	}
	return names
}

// Every field of every shape has a JSON name, in snake case.
func TestMembers(t *testing.T) {
	members := Members(reflect.TypeFor[IssuedCertificate]())
	for _, want := range []string{"authority", "serial", "chain", "certificate"} {
		if members[want] == nil {
			t.Errorf("IssuedCertificate lacks the member %s", want)
		}
	}
	for name := range members {
		if name == "" || name != strings.ToLower(name) {
			t.Errorf("the member %q is not in snake case", name)
		}
	}
}

// A share travels as it is, shows itself nowhere else, and only as a text.
func FuzzShareText(f *testing.F) {
	f.Add([]byte(`{"share":"HFS1-AAAAA"}`))
	f.Add([]byte(`{"share":"a\n"}`))
	f.Add([]byte(`{"share":null}`))
	f.Add([]byte(`{"share":"&"}`))
	f.Add([]byte(`{"share":"\""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var req UnsealRequest
		if err := Decode(text, &req); err != nil {
			return
		}
		if strings.Contains(fmt.Sprintf("%v %+v %#v", req, req, req), "HFS1") {
			t.Error("it shows itself")
		}
		written, err := json.Marshal(req)
		if err != nil {
			return // a character that no share has
		}
		var again UnsealRequest
		if err := Decode(written, &again); err != nil || string(again.Share) != string(req.Share) {
			t.Errorf("%q comes back as %q, %v", req.Share, again.Share, err)
		}
	})
}

// What KindName and ReasonName write reads back as the same.
func TestParseNames(t *testing.T) {
	for _, k := range fault.Kinds() {
		if got, ok := ParseKind(KindName(k)); !ok || got != k {
			t.Errorf("%q is %v", KindName(k), got)
		}
	}
	if _, ok := ParseKind("boredom"); ok {
		t.Error("boredom is a kind")
	}
	for i := range reasonNames {
		if got := ParseReason(ReasonName(fault.Reason(i))); got != fault.Reason(i) {
			t.Errorf("%q is %v", ReasonName(fault.Reason(i)), got)
		}
	}
	if got := ParseReason("boredom"); got != fault.Unspecified {
		t.Errorf("boredom is %v", got)
	}
}
