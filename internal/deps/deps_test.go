// Package deps holds the test that states which package may import which.
//
// It parses the imports itself: a test that runs "go list" is answered from
// the test cache after a violation is added, and stays green.
package deps

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/holdfast-kms/holdfast"

// layers lists the packages from the bottom up. A package may import only
// packages of layers below its own: neither a higher one nor a sibling.
// "x/*" stands for every package under x, but not for x itself; "." is the
// public library at the root. A package in no layer fails the test.
//
// DO NOT add or move an entry just to make the build pass: the table is the
// design (see ARCHITECTURE.md). A change says why in docs/design.
var layers = [][]string{
	{"internal/fault", "internal/alg", "internal/durable", "internal/padding"},
	{"internal/key", "internal/name", "internal/pkcs11", "internal/split", "internal/renewal", "internal/disk", "internal/trace"},
	{"internal/pkcs11/native", "internal/pkcs11/pkcs11test", "internal/pkcs11/uri", "internal/hsm/preset"},
	{"internal/pkcs11/worker"},
	{"internal/entry"}, // one call, as the audit log has it
	{"internal/policy", "internal/audit", "internal/engine", "internal/store", "internal/extension", "internal/compliance"},
	{"internal/audit/*", "internal/event", "internal/lease"}, // the log and the store as others use them
	{"internal/seal", "internal/guard", "internal/wire/*", "internal/cert", "internal/bundle", "internal/weakkey", "internal/token", "internal/totp", "internal/webidentity", "internal/ciphertext", "internal/importtoken", "internal/transfer", "internal/hsm", "internal/remote"},
	{"internal/hsm/sealkey", "internal/remote/remotetest"},
	{"internal/figure", "internal/keylesstest", "internal/trial", "internal/factor", "internal/auditformat"},
	{"internal/catalog"},    // the keys as records and in memory
	{"internal/material"},   // what they are made of, in the engines
	{"internal/alias"},      // how callers name them
	{"internal/succession"}, // how they get new material by the clock
	{"internal/operation"},  // what they do
	{"internal/approval", "internal/identity", "internal/kms", "internal/recovery", "internal/engine/*", "internal/store/*", "internal/profile", "internal/lint", "internal/ocsp", "internal/keystore"},
	{"internal/profile/document"}, // profiles as text
	{"internal/cluster"},          // clusters of HSMs
	{"internal/customstore"},      // key stores over them
	{"internal/authority", "internal/ledger"},
	{"internal/hierarchy"}, // makes and changes authorities
	{"internal/ca"},
	{"internal/term", "internal/metric", "internal/filter"},
	{"internal/status", "internal/inventory", "internal/managed", "internal/secret", "internal/topic", "internal/rotation", "internal/deployment"}, // what is built on authorities and keys
	{"internal/alarm", "internal/trail", "internal/function", "internal/notice", "internal/compliance/*", "internal/retention"},                    // what looks after all of that
	{"internal/lifecycle"},
	{"internal/front/aws", "internal/front/native"}, // the protocols that the packages under them share
	{"internal/front/aws/awstest"},                  // what their tests share
	{"internal/cryptoki/mechanism", "internal/cryptoki/object", "internal/cryptoki/softkey", "internal/cryptoki/socket", "internal/cryptoki/token"}, // PKCS #11 without its slots: what can be told without them
	{"internal/front/*", "internal/config", "internal/bucket", "internal/courier", "internal/courier/couriertest", "internal/cryptoki"},
	{"internal/sink"},     // where the audit log goes
	{"internal/server/*"}, // its parts
	{"internal/server", "client", "jws", "cms", "sshkey", "envelope", "keyless"}, // beside the server, public packages that need no server
	{"internal/edge/certificate"},
	{"internal/edge/setting"}, // which says what certificates there are
	{"internal/place"},        // the places of keys that the public library opens
	{"."},                     // the public library
	{"internal/terminal", "internal/ceremony", "internal/discovery", "internal/agent", "internal/edge", "internal/keyserver", "internal/cryptoki/*"}, // what the commands share
	{"cmd/holdfast/internal/*"}, // groups of commands, by their nouns
	{"adapters/age", "adapters/gocloud", "adapters/sigstore", "adapters/spire", "adapters/step", "adapters/tink"}, // modules of their own
	{"cmd/holdfast", "cmd/demo", "bench", "bench/*", "test/compat", "test/compat/*", "test/matrix", "adapters/*"}, // adapters' commands are in a folder below them
}

// core names the packages that know no transport and no cloud's words.
var core = []string{
	"internal/fault", "internal/alg", "internal/durable", "internal/padding", "internal/disk", "internal/key", "internal/name", "internal/policy", "internal/entry", "internal/audit", "internal/engine",
	"internal/store", "internal/extension", "internal/seal", "internal/guard", "internal/ciphertext", "internal/importtoken", "internal/identity", "internal/factor", "internal/totp", "internal/webidentity", "internal/kms", "internal/keystore", "internal/profile", "internal/profile/document", "internal/cert", "internal/bundle", "internal/weakkey", "internal/token", "internal/lint",
	"internal/ocsp", "internal/authority", "internal/ledger", "internal/hierarchy", "internal/ca", "internal/term", "internal/status", "internal/inventory", "internal/managed", "internal/lifecycle",
	"internal/event", "internal/lease", "internal/renewal", "internal/trace", "internal/approval", "internal/metric", "internal/secret", "internal/filter", "internal/topic", "internal/rotation", "internal/deployment", "internal/alarm", "internal/trail", "internal/function", "internal/notice", "internal/compliance", "internal/compliance/*", "internal/retention", "internal/audit/*",
	"internal/pkcs11", "internal/pkcs11/native", "internal/pkcs11/worker", "internal/pkcs11/uri", "internal/hsm/preset", "internal/hsm", "internal/hsm/sealkey", "internal/transfer", "internal/split", "internal/recovery", "internal/catalog", "internal/material", "internal/alias", "internal/succession", "internal/operation", "internal/cluster", "internal/customstore", "internal/remote",
}

// A rule says that the packages in from import nothing under one of deny.
type rule struct {
	from, deny []string
	why        string
}

var rules = []rule{
	{core, []string{"net/http", "google.golang.org", "go.opentelemetry.io"}, "the core knows no HTTP, no gRPC, no protobuf, no telemetry's protocol"},
	{core, []string{module + "/internal/wire"}, "the core knows no API's vocabulary"},
	{
		[]string{"internal/front/*"},
		[]string{
			module + "/internal/store", module + "/internal/engine", module + "/internal/audit", module + "/internal/entry",
			module + "/internal/seal", module + "/internal/guard",
		},
		"a front end goes through kms and ca",
	},
	{[]string{"internal/wire/*"}, []string{"database/sql", "os"}, "wire packages are pure codecs: no I/O"},
	{
		[]string{"internal/identity", "internal/kms", "internal/catalog", "internal/material", "internal/alias", "internal/succession", "internal/operation", "internal/cluster", "internal/customstore", "internal/authority", "internal/ledger", "internal/hierarchy", "internal/ca", "internal/term", "internal/status", "internal/inventory", "internal/managed", "internal/lifecycle"},
		[]string{module + "/internal/engine/", module + "/internal/store/"},
		"kms and ca know the interfaces; server and cmd choose the implementations",
	},
	{[]string{"test/compat", "test/compat/*"}, []string{module}, "compat drives the binary from outside"},
	{[]string{"adapters/*"}, []string{module + "/internal", module + "/cmd"}, "adapters use the public library, as everybody does"},
	{[]string{"jws", "cms", "sshkey", "envelope", "client", "keyless", "."}, []string{"github.com/aws", "github.com/Azure", "cloud.google.com", "github.com/hashicorp", "google.golang.org"}, "the SDKs stay in the engines"},
}

// only lists what just these packages may import. The messages of Google's
// APIs are generated code in Google's modules, hence wire and front there.
var only = map[string][]string{
	"C":                            {},
	"github.com/aws":               {"internal/engine/awskms", "internal/engine/awskms/*", "test/compat/*", "test/matrix", "bench/*"},
	"github.com/Azure":             {"internal/engine/azurekv", "internal/engine/azurekv/*", "test/compat/*", "bench/*"},
	"cloud.google.com/go":          {"internal/engine/gcpkms", "internal/engine/gcpkms/*", "internal/wire/gcp", "internal/front/gcp", "test/compat/*", "bench/*"},
	"github.com/hashicorp/vault":   {"internal/engine/vault", "internal/engine/vault/*", "test/compat/*", "bench/*"},
	"go.opentelemetry.io":          {"internal/server/tracing", "internal/server/tracing/*"},
	"github.com/ebitengine/purego": {"internal/engine/soft", "internal/pkcs11/native"},
}

func TestLayers(t *testing.T) {
	root := filepath.Join("..", "..")
	checked := 0
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != root && skip(d.Name()) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		checked++
		return checkFile(t, path, filepath.ToSlash(dir))
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked == 0 {
		t.Fatal("no Go file found: the test looks in the wrong place")
	}
}

// checkFile reports every import of the file at path, in package dir, that
// the tables do not allow.
func checkFile(t *testing.T, path, dir string) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
	if err != nil {
		return err
	}
	from := layer(dir)
	if from < 0 {
		t.Errorf("%s is in no layer", dir)
	}
	for _, spec := range f.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		if to, ours := inModule(imp); ours && layer(to) >= from {
			t.Errorf("%s: %s may not import %s: it is not below", path, dir, to)
		}
		for _, r := range rules {
			if matches(r.from, dir) && slices.ContainsFunc(r.deny, func(p string) bool { return under(imp, p) }) {
				t.Errorf("%s: %s may not import %s: %s", path, dir, imp, r.why)
			}
		}
		for prefix, allowed := range only {
			if under(imp, prefix) && !matches(allowed, dir) {
				t.Errorf("%s: %s may not import %s: only %s may", path, dir, imp, strings.Join(allowed, ", "))
			}
		}
	}
	return nil
}

// skip reports whether the go command ignores a folder of this name.
func skip(name string) bool {
	return name == "testdata" || name == "vendor" || name == "node_modules" ||
		strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

// layer returns the index of the layer that holds package dir, or -1.
func layer(dir string) int {
	return slices.IndexFunc(layers, func(l []string) bool { return matches(l, dir) })
}

// inModule returns the folder of an import path of this module.
func inModule(imp string) (string, bool) {
	if imp == module {
		return ".", true
	}
	return strings.CutPrefix(imp, module+"/")
}

// matches reports whether one of the patterns stands for package dir.
func matches(patterns []string, dir string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		if parent, ok := strings.CutSuffix(p, "/*"); ok {
			return strings.HasPrefix(dir, parent+"/")
		}
		return p == dir
	})
}

// under reports whether an import path is prefix or lies under it. A prefix
// that ends in a slash stands only for what lies under it.
func under(imp, prefix string) bool {
	return imp == prefix || strings.HasPrefix(imp, strings.TrimSuffix(prefix, "/")+"/")
}
