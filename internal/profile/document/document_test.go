package document

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/profile"
)

// same compares profiles by what is written in them.
func same(a, b *profile.Profile) string {
	return cmp.Diff(a, b, cmpopts.IgnoreUnexported(profile.Profile{}), cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Prefix{}))
}

// TestBuiltinDocuments: every built-in profile is what its document says.
func TestBuiltinDocuments(t *testing.T) {
	for _, p := range profile.Builtin() {
		text, err := Format(&p)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(text)
		if err != nil {
			t.Fatalf("%s: %v\n%s", p.Name, err, text)
		}
		if d := same(&p, again); d != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", p.Name, d, text)
		}
	}
}

// documents returns the documents of testdata, which docs/certificates.md
// shows as its examples.
func documents(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no documents: %v", err)
	}
	all := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(path)] = text
	}
	return all
}

// TestDocuments: each parses, formats and parses the same.
func TestDocuments(t *testing.T) {
	for file, text := range documents(t) {
		p, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		again, err := Format(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Parse(again)
		if err != nil {
			t.Fatalf("%s: %v\n%s", file, err, again)
		}
		if d := same(p, q); d != "" {
			t.Errorf("%s (-want +got):\n%s", file, d)
		}
	}
}

// TestDocumented: the manual's examples are those of testdata.
func TestDocumented(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/certificates.md")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range documents(t) {
		if !strings.Contains(string(manual), "```yaml\n"+string(text)+"```") {
			t.Errorf("docs/certificates.md does not show %s as it is", file)
		}
	}
}

// TestJSON: a document may be JSON, tabs and all.
func TestJSON(t *testing.T) {
	p, err := Parse([]byte("{\n\t\"version\": 1,\n\t\"name\": \"web\",\n\t\"names\": {\"dns\": {\"domains\": [\"example.com\"]}},\n\t\"validity\": {\"default\": \"90d\"}\n}\n"))
	if err != nil || p.Name != "web" || p.Names != profile.DNSName || p.Maximum != profile.Days(90) {
		t.Errorf("%+v, %v", p, err)
	}
}

// TestBadDocuments is the table of what is refused, and how.
func TestBadDocuments(t *testing.T) {
	const head = "version: 1\nname: x\nvalidity: {default: 90d}\n"
	for name, c := range map[string]struct{ text, says string }{
		"nothing":                      {"", "empty"},
		"a list":                       {"- 1", "line 1"},
		"no version":                   {"name: x\nvalidity: {default: 90d}", "version 0"},
		"a later version":              {"version: 2\nname: x\nvalidity: {default: 90d}", "version 2"},
		"an unknown member":            {head + "usages: []", "line 4: field usages not found"},
		"an unknown member, deeper":    {head + "names:\n  dns:\n    domain: [a.b]", "line 6: field domain not found"},
		"a member twice":               {head + "name: y", "already defined at line 2"},
		"two documents":                {head + "---\n" + head, "one document"},
		"an alias":                     {head + "callers: &a [x]\nfrom: *a", "line 4"},
		"a merge":                      {head + "keys: {<<: {types: [p-256]}}", "line 4"},
		"a tag":                        {head + "description: !!binary aGVsbG8=", "line 4"},
		"too long":                     {head + strings.Repeat("#", MaxSize), "65536"},
		"no name":                      {"version: 1\nvalidity: {default: 90d}", "name"},
		"a bad name":                   {"version: 1\nname: a b\nvalidity: {default: 90d}", "name"},
		"no validity":                  {"version: 1\nname: x", "validity"},
		"a bad validity":               {"version: 1\nname: x\nvalidity: {default: 90 days}", "90 days"},
		"a default above the maximum":  {"version: 1\nname: x\nvalidity: {default: 90d, maximum: 1mo}", "longer"},
		"a fixed and a default":        {"version: 1\nname: x\nvalidity: {default: 90d, fixed: 1d}", "fixed"},
		"a bad backdate":               {"version: 1\nname: x\nvalidity: {default: 90d, backdate: 1y}", "backdate"},
		"a key usage":                  {head + "key_usage: [sign]", `"sign"`},
		"an extended usage":            {head + "extended_key_usage: [webServer]", "serverAuth"},
		"an authority's usage":         {head + "key_usage: [keyCertSign]", "authorities"},
		"an authority's constraints":   {head + "name_constraints: {permitted: {dns: [a.b]}}", "authorities"},
		"a path length":                {head + "authority: {path_length: all}", "path_length"},
		"an attribute":                 {head + "subject: {attributes: {company: {}}}", `"company"`},
		"an attribute under two names": {head + "subject: {attributes: {commonName: {}, 2.5.4.3: {}}}", "twice"},
		"a pattern":                    {head + "subject: {attributes: {commonName: {pattern: '('}}}", "regular expression"},
		"a fixed value out of line":    {head + "subject: {attributes: {country: {fixed: Switzerland}}}", "country"},
		"a fixed and default value":    {head + "subject: {attributes: {organization: {fixed: A, default: B}}}", "default"},
		"a domain":                     {head + "names: {dns: {domains: ['*.a.b']}}", "domain"},
		"a network":                    {head + "names: {ip: {networks: [10.0.0.1/8]}}", "network"},
		"a required name of no kind":   {head + "names: {required: true}", "no kind"},
		"too many names":               {head + "names: {maximum: 151}", "150"},
		"a key":                        {head + "keys: {types: [p-224]}", "p-224"},
		"no key":                       {head + "keys: {}", "no keys"},
		"a small RSA key":              {head + "keys: {rsa: {minimum: 1024, maximum: 4096}}", "2048"},
		"a source":                     {head + "from: [anyone]", "anyone"},
		"a policy":                     {head + "policies: [{oid: gold}]", "gold"},
		"a rule of two times":          {"version: 1\nname: x\nvalidity: {default: 90d}\nrenewal: {before: 1d, share: 0.5}", "not both"},
		"an authority's renewal":       {"version: 1\nname: x\nvalidity: {default: 90d}\nauthority: {path_length: 0}\nrenewal: {before: 1d}", "who owns them"},
		"a bad time before the end":    {"version: 1\nname: x\nvalidity: {default: 90d}\nrenewal: {before: soon}", "soon"},
		"a constraint":                 {"version: 1\nname: x\nvalidity: {default: 90d}\nauthority: {path_length: 0}\nname_constraints: {permitted: {dns: ['*.b']}}", "constraint"},
		"an extension of ours":         {head + "extensions: [{oid: 2.5.29.19, hex: 30030101ff}]", "2.5.29.19"},
		"an extension twice":           {head + "extensions: [{oid: 1.2.3, utf8: a}, {oid: 1.2.3, utf8: b}]", "twice"},
		"an extension of two values":   {head + "extensions: [{oid: 1.2.3, utf8: a, hex: '0500'}]", "as hex"},
		"an extension without DER":     {head + "extensions: [{oid: 1.2.3, hex: ff}]", "DER"},
		"a rule that is none":          {head + "rules: [{expression: 'request.dns.all('}]", "rule"},
		"a rule of unknown words":      {head + "rules: [{expression: 'request.dnss == []'}]", "undeclared"},
		"a rule that is a number":      {head + "rules: [{expression: 'request.validity'}]", "not bool"},
		"a rule that reads files":      {head + "rules: [{expression: 'readFile(\"/etc/passwd\") == \"\"'}]", "undeclared"},
		"an oversize rule":             {head + "rules: [{expression: '" + strings.Repeat("true&&", 1000) + "true'}]", "4096"},
		"a nested rule":                {head + "rules: [{expression: '" + strings.Repeat("(", 2000) + "true" + strings.Repeat(")", 2000) + "'}]", "recursion"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want it to say %q", err, c.says)
			}
			if err != nil && strings.Contains(err.Error(), "document.") {
				t.Errorf("the error shows Go's types: %v", err)
			}
		})
	}
}

// someKey returns a public key.
func someKey(t *testing.T) *engine.PublicKey {
	t.Helper()
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := engine.MarshalPublic(alg.Ed25519, pub)
	if err != nil {
		t.Fatal(err)
	}
	k, err := engine.ParsePublic(alg.Ed25519, spki)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestNoTemplates: what looks like a template in a document, or in a request,
// is text and stays text.
func TestNoTemplates(t *testing.T) {
	t.Setenv("HOLDFAST_SECRET", "leaked")
	for _, text := range []string{"{{.Env.HOLDFAST_SECRET}}", "${HOLDFAST_SECRET}", "$(id)", "`id`", "<%= 1 %>", "%{x}"} {
		p, err := Parse([]byte("version: 1\nname: x\nvalidity: {default: 90d}\nsubject: {attributes: {organization: {fixed: '" + text + "'}, commonName: {}}}\n" +
			"rules: [{expression: \"request.subject.organization != 'leaked'\"}]\n"))
		if err != nil {
			t.Fatal(err)
		}
		d, err := p.Draft(t.Context(), &profile.Input{
			Key: someKey(t), Subject: profile.Subject{CommonName: text}, Now: time.Now(), Room: profile.NoPathLimit,
			Issuer: &x509.Certificate{NotAfter: time.Now().AddDate(1, 0, 0)},
		})
		if err != nil {
			t.Fatal(err)
		}
		if d.Subject.Organization != text || d.Subject.CommonName != text {
			t.Errorf("%q became %q", text, d.Subject)
		}
	}
}

// FuzzParse: a document is refused with InvalidArgument, or what it says can
// be written, and reads the same.
func FuzzParse(f *testing.F) {
	for _, text := range documents(f) {
		f.Add(text)
	}
	for _, p := range profile.Builtin() {
		text, err := Format(&p)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			if k := fault.KindOf(err); k != fault.InvalidArgument && k != fault.LimitExceeded {
				t.Fatalf("a bad document is %s: %v", k, err)
			}
			return
		}
		again, err := Format(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := Parse(again)
		if err != nil {
			t.Fatalf("%v\n%s", err, again)
		}
		if d := same(p, q); d != "" {
			t.Errorf("reads as another profile (-first +second):\n%s\n%s", d, again)
		}
	})
}
