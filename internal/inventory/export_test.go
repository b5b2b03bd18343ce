package inventory

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/bundle"
	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/term"
)

// TestExport: every format has all certificates, more than are read at a time.
func TestExport(t *testing.T) {
	f := newFixture(t)
	f.caughtUp(t)
	first := f.issue(t, f.house.list[0], spec{common: "=cmd(),\"x\"", names: []string{"a.example.com", "b.example.com"}, profile: "tls-server", revoked: ca.KeyCompromise})
	n := pieceLength*2 + 7
	want := []string{ca.CertificateID(first.Authority, first.Serial)}
	for i := range n {
		c := *first
		c.Serial, c.RevokedAt = fmt.Sprintf("%032x", i), nil
		f.put(t, &c)
		want = append(want, ca.CertificateID(c.Authority, c.Serial))
	}
	_, _, leaf := foreign(t, "web.example.net")
	if _, err := f.Register(t.Context(), f.as("admin"), "", []Sighting{{Data: leaf, Address: "10.0.0.1:443", Name: "web.example.net"}}); err != nil {
		t.Fatal(err)
	}
	want = append(want, "found/"+Fingerprint(leaf))
	slices.Sort(want)
	write := func(format Format) []byte {
		t.Helper()
		var b bytes.Buffer
		got, err := f.Export(t.Context(), f.as("admin"), Query{}, format, &b)
		if err != nil || got != n+2 {
			t.Fatalf("%s: %d of %d (%v)", format, got, n+2, err)
		}
		return b.Bytes()
	}
	check := func(format Format, ids []string) {
		t.Helper()
		slices.Sort(ids)
		if diff := cmp.Diff(want, ids); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}

	rows, err := csv.NewReader(bytes.NewReader(write(CSV))).ReadAll()
	if err != nil || !slices.Equal(rows[0], columns()) {
		t.Fatalf("the first line is %v (%v)", rows[0], err)
	}
	var ids []string
	for _, row := range rows[1:] {
		ids = append(ids, row[0])
		for _, value := range row {
			if strings.HasPrefix(value, "=") {
				t.Errorf("a spreadsheet would run %q", value)
			}
		}
	}
	check(CSV, ids)

	var array []map[string]string
	if err := json.Unmarshal(write(JSON), &array); err != nil {
		t.Fatal(err)
	}
	ids = nil
	for _, object := range array {
		ids = append(ids, object["id"])
		if object["serial"] == first.Serial && (object["state"] != "revoked" || object["revocation_reason"] != "keyCompromise" ||
			object["names"] != "a.example.com b.example.com" || object["key_sha256"] != term.KeyHash(first.DER) || !strings.HasPrefix(object["subject"], "CN==cmd") && !strings.Contains(object["subject"], "cmd()")) {
			t.Errorf("the revoked one is %v", object)
		}
		if object["origin"] == "foreign" && object["places"] != "10.0.0.1:443 web.example.net" {
			t.Errorf("the foreign one is %v", object)
		}
	}
	check(JSON, ids)

	ids = nil
	for line := range bytes.Lines(write(JSONLines)) {
		var object map[string]string
		if err := json.Unmarshal(line, &object); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, object["id"])
	}
	check(JSONLines, ids)

	ders, err := bundle.Read(write(PEM))
	if err != nil || len(ders) != n+2 {
		t.Errorf("%d certificates in PEM (%v)", len(ders), err)
	}
}

func TestEmptyExport(t *testing.T) {
	f := newFixture(t)
	for format, want := range map[Format]string{
		JSON: "[\n]\n", JSONLines: "", PEM: "", CSV: strings.Join(columns(), ",") + "\n",
	} {
		var b bytes.Buffer
		if n, err := f.Export(t.Context(), f.as("admin"), Query{}, format, &b); err != nil || n != 0 || b.String() != want {
			t.Errorf("%s: %q, %d, %v", format, b.String(), n, err)
		}
	}
	_, err := f.Export(t.Context(), f.as("admin"), Query{}, "xml", nil)
	wantFault(t, err, fault.InvalidArgument, "xml")
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

func TestExportToABrokenWriter(t *testing.T) {
	f := newFixture(t)
	f.issue(t, f.house.list[0], spec{common: "a"})
	for _, format := range []Format{CSV, JSON, JSONLines, PEM} {
		if _, err := f.Export(t.Context(), f.as("admin"), Query{}, format, brokenWriter{}); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", format, err)
		}
	}
}
