package native_test

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Every operation about a thing that is not there answers a problem, and
// leaves one entry in the audit log.
func TestNothingThere(t *testing.T) {
	h := newHouse(t)
	checked := 0
	for _, op := range h.front.Operations() {
		if !strings.Contains(op.Path, "{") || op.Action == key.NoAction {
			continue
		}
		checked++
		path := op.Path
		for strings.Contains(path, "{") {
			before, rest, _ := strings.Cut(path, "{")
			_, after, _ := strings.Cut(rest, "}")
			path = before + "nothing" + after
		}
		body := ""
		if op.Request != reflect.TypeFor[wire.None]() {
			body = "{}"
		}
		before := len(h.entries(t))
		w := h.serve(h.request(op.Method, path, body))
		if w.Code/100 != 4 {
			t.Errorf("%s %s answers %d: %s", op.Method, path, w.Code, w.Body)
			continue
		}
		problemOf(t, w)
		if n := len(h.entries(t)) - before; n != 1 {
			t.Errorf("%s %s leaves %d audit entries", op.Method, path, n)
		}
	}
	if checked < 40 {
		t.Errorf("only %d operations were tried", checked)
	}
}

// What a front end itself refuses of requests about authorities and
// certificates, by the member.
func TestAuthorityRefusals(t *testing.T) {
	h := newHouse(t)
	tests := []struct{ name, method, path, body, want string }{
		{"no key", "POST", "/authorities", `{"name": "a", "subject": {"common_name": "A"}}`, `one of the members "key" and "new_key"`},
		{"two keys", "POST", "/authorities", `{"name": "a", "key": "k", "new_key": "ECC_NIST_P256", "subject": {}}`, `one of the members "key" and "new_key"`},
		{"no name", "POST", "/authorities", `{"name": "", "new_key": "ECC_NIST_P256", "subject": {}}`, `"name" is missing`},
		{"a spec that is none", "POST", "/authorities", `{"name": "a", "new_key": "P", "subject": {}}`, `the key spec "P" is not known`},
		{"an attribute that is none", "POST", "/authorities", `{"name": "a", "new_key": "ECC_NIST_P256", "subject": {"custom": [{"oid": "x", "value": "y"}]}}`, `"subject.custom" has "x"`},
		{"too long", "POST", "/authorities", `{"name": "a", "new_key": "ECC_NIST_P256", "subject": {}, "validity_days": 100000}`, `"validity_days" must be 0 to`},
		{"no certificate", "PUT", "/authorities/a/certificate", `{"certificate": "x"}`, `"certificate"`},
		{"two validities", "POST", "/certificates", `{"authority": "a", "profile": "p", "validity": "1d", "validity_hours": 1}`, `exclude each other`},
		{"a validity that is none", "POST", "/certificates", `{"authority": "a", "profile": "p", "validity": "soon"}`, `"soon" is no validity`},
		{"an address that is none", "POST", "/certificates", `{"authority": "a", "profile": "p", "names": {"ips": ["1.2.3"]}}`, `"names.ips" has "1.2.3"`},
		{"a kind of name that is none", "POST", "/certificates", `{"authority": "a", "profile": "p", "names": {"others": [{"oid": "1", "value": ""}]}}`, `"names.others" has "1"`},
		{"a usage that is none", "POST", "/certificates", `{"authority": "a", "profile": "p", "extensions": {"key_usage": ["sign"]}}`, `"sign" is no key usage`},
		{"an extension that is none", "POST", "/certificates", `{"authority": "a", "profile": "p", "extensions": {"custom": [{"oid": "a.b", "value": "AA=="}]}}`, `"extensions.custom" has "a.b"`},
		{"a request that is none", "POST", "/certificates", `{"authority": "a", "profile": "p", "csr": "x"}`, `"csr" is not one certificate request`},
		{"a reason that is none", "POST", "/certificates/a/1/revoke", `{"reason": "bored"}`, `"bored" is no reason`},
		{"an action that is none of them", "POST", "/authorities/a/permissions", `{"principal": "p", "actions": ["key:Sign"]}`, `none that a permission may have`},
		{"delta or not", "GET", "/authorities/a/crl?delta=perhaps", "", `"delta" must be true or false`},
		{"nothing to forget", "DELETE", "/inventory", "", `"fingerprint" is missing`},
		{"a short passphrase", "POST", "/managed/a/export", `{"passphrase": "abc"}`, `"passphrase" has at least 4 bytes`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := problemOf(t, h.serve(h.request(tt.method, tt.path, tt.body)))
			if p.Kind != "invalid-argument" || !strings.Contains(p.Detail, tt.want) {
				t.Errorf("%s: %q, want %q", p.Kind, p.Detail, tt.want)
			}
		})
	}
}

// A profile is stored under its own name only.
func TestPutProfile(t *testing.T) {
	h := newHouse(t)
	const document = `{"document": "version: 1\nname: web\nkey_usage: [digitalSignature]\nvalidity: {default: 30d}\n"}`
	var p wire.Profile
	h.ask(t, "PUT", "/profiles/web", document, &p)
	if p.Name != "web" || p.Builtin || p.UpdatedAt.IsZero() {
		t.Errorf("stored as %+v", p)
	}
	if got := problemOf(t, h.serve(h.request("PUT", "/profiles/other", document))); !strings.Contains(got.Detail, `"web"`) {
		t.Errorf("under another name: %q", got.Detail)
	}
	var list wire.ProfileList
	h.ask(t, "GET", "/profiles", "", &list)
	if n := len(list.Profiles); n < 10 || list.Profiles[0].Document != "" {
		t.Errorf("%d profiles, the first with the document %q", n, list.Profiles[0].Document)
	}
}

// An export streams in its own media type; what is wrong from the start is a
// problem all the same.
func TestExport(t *testing.T) {
	h := newHouse(t)
	var a wire.Authority
	h.ask(t, "POST", "/authorities", `{"name": "root", "new_key": "ECC_NIST_P256", "subject": {"common_name": "Root"}}`, &a)
	var c wire.IssuedCertificate
	h.ask(t, "POST", "/certificates", `{"authority": "root", "profile": "tls-server", "new_key": "ECC_NIST_P256", "names": {"dns": ["web.example.com"]}}`, &c)
	w := h.serve(h.request("GET", "/inventory-export?name=web.example.com", ""))
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != 2 || w.Header().Get("Content-Type") != "text/csv" || w.Code != http.StatusOK {
		t.Errorf("%d %q with %d rows, %v", w.Code, w.Header().Get("Content-Type"), len(rows), err)
	}
	if p := problemOf(t, h.serve(h.request("GET", "/inventory-export?format=xml", ""))); p.Kind != "invalid-argument" {
		t.Errorf("another format: %+v", p)
	}
	r := h.request("GET", "/inventory-export", "")
	r.Header.Del("Authorization")
	if p := problemOf(t, h.serve(r)); p.Kind != "unauthenticated" {
		t.Errorf("without a credential: %+v", p)
	}
}

// A body that breaks off is no whole one: the connection breaks as well.
func TestStreamBreaks(t *testing.T) {
	h := newHouse(t)
	broken := native.Streamed("text/plain", func(_ context.Context, _ *native.Request, w io.Writer, _ func(string)) error {
		_, err := io.WriteString(w, "half")
		return errors.Join(err, errors.New("the rest is missing"))
	})
	h.config.Operations = []native.Operation{native.Get("/broken", "Broken", key.ListCertificates, broken)}
	defer func() {
		if got := recover(); got != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			t.Errorf("the handler ends with %v", got)
		}
	}()
	native.New(h.config).ServeHTTP(httptest.NewRecorder(), h.request("GET", "/broken", ""))
	t.Error("the handler ends as if all were well")
}
