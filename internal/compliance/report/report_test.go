package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/compliance"
	"github.com/holdfast-kms/holdfast/internal/key"
)

var now = time.Date(2026, 11, 23, 12, 0, 0, 123456789, time.UTC)

// hostile is a name that no format may take for more than a name.
const hostile = `=cmd|' /C calc'!A0<script>alert(1)</script>"&{{.}}` + "\x1b[2J\nnext"

// sample is a report with findings of every severity, one that is excused, an
// exception that has ended, and gaps.
func sample(t *testing.T) *compliance.Report {
	t.Helper()
	c := compliance.NewChecker("here", compliance.Defaults(), now)
	k := &compliance.Key{
		Place: compliance.Holdfast, Resource: "123456789012/us-east-1/k1", ID: "k1", Name: hostile, Region: "us-east-1",
		Type: compliance.TypeOf(alg.AES256, alg.EncryptDecrypt), State: compliance.Known(key.Enabled),
		Created: compliance.Known(now.AddDate(-4, 0, 0)), Rotation: compliance.Known(compliance.Rotation{Possible: true}),
		Policy: compliance.Known([]compliance.Statement{{Label: "1", Everyone: true, All: true}}),
	}
	c.Key(k)
	other := *k
	other.Resource, other.ID, other.Name = "123456789012/us-east-1/k2", "k2", "alias/two"
	c.Key(&other)
	c.Installation(&compliance.Installation{Place: compliance.Holdfast, Resource: "123456789012/server/holdfast", Logging: compliance.Known(compliance.Log{Where: "nowhere"})})
	c.Certificate(&compliance.Certificate{
		Place: compliance.Holdfast, Resource: "found/00 ü/x", Name: "CN=old", Type: compliance.TypeOf(alg.P256, alg.SignVerify), Signature: "ECDSA-SHA256",
		NotBefore: now.AddDate(-1, 0, 0), NotAfter: now.AddDate(0, 0, -1),
	})
	r := c.Report()
	m := compliance.Moment{Settings: compliance.Defaults(), Now: now}
	idle := r.Excuse([]compliance.Exception{
		{Rule: "key-old", Resource: "alias/*", Owner: "ops", Reason: "<b>soon</b>", Until: "2027-01-01"},
		{Rule: "policy-open-to-all", Resource: "k2", Owner: "ops", Reason: "was soon", Until: "2026-01-01"},
		{Rule: "key-unused", Resource: "*", Owner: "ops", Reason: "nothing", Until: "2027-01-01"},
	}, m)
	if len(idle) != 1 || idle[0].Rule != "key-unused" {
		t.Errorf("idle are %v", idle)
	}
	return r
}

func written(t *testing.T, f Format, r *compliance.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, f, r, Producer{"1.2.3"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// schema compiles a schema of testdata.
func schema(t *testing.T, name string) *jsonschema.Schema {
	t.Helper()
	text, err := os.Open("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = text.Close() }()
	doc, err := jsonschema.UnmarshalJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// valid judges a text by a schema.
func valid(s *jsonschema.Schema, text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// TestSchemas: SARIF is what OASIS says, and the JSON form what our own schema
// does; also of a report without any finding. The schemas refuse what is not.
func TestSchemas(t *testing.T) {
	empty := compliance.NewChecker("here", compliance.Defaults(), now).Report()
	for _, c := range []struct {
		format Format
		schema string
		spoils [][2]string
	}{
		{SARIF, "sarif-schema-2.1.0.json", [][2]string{{`"version": "2.1.0"`, `"version": "3"`}, {`"level": "error"`, `"level": "bad"`}, {`"ruleId"`, `"rule"`}}},
		{JSON, "report.schema.json", [][2]string{{`"place": "here"`, `"place": ""`}, {`"HIGH"`, `"CRITICAL"`}, {`"issue":`, `"finding":`}}},
	} {
		s := schema(t, c.schema)
		if err := valid(s, written(t, c.format, empty)); err != nil {
			t.Errorf("%s: %v", c.format, err)
		}
		text := written(t, c.format, sample(t))
		if err := valid(s, text); err != nil {
			t.Errorf("%s: %v", c.format, err)
		}
		for _, spoil := range c.spoils {
			if spoiled := strings.Replace(text, spoil[0], spoil[1], 1); spoiled == text || valid(s, spoiled) == nil {
				t.Errorf("%s: the schema takes %s", c.format, spoil[1])
			}
		}
	}
}

// TestJSONShape: who reads the members of the known checker finds them, with
// its numbers.
func TestJSONShape(t *testing.T) {
	var got struct {
		GeneratedAt time.Time `json:"generated_at"`
		Summary     map[string]int
		Issues      map[string][]struct {
			KeyID          string `json:"key_id"`
			Issue          string
			Severity       string
			Recommendation string
		}
	}
	r := sample(t)
	if err := json.Unmarshal([]byte(written(t, JSON, r)), &got); err != nil {
		t.Fatal(err)
	}
	if !got.GeneratedAt.Equal(now) {
		t.Errorf("generated at %v", got.GeneratedAt)
	}
	s := got.Summary
	if s["total_issues"] != s["high_severity"]+s["medium_severity"]+s["low_severity"] || s["excused"] != 1 || s["high_severity"] != r.Count(compliance.High) {
		t.Errorf("the summary is %v", s)
	}
	first := got.Issues["key_rotation"][0]
	if first.KeyID != "k1" || first.Issue != "Key rotation is not enabled" || first.Severity != "MEDIUM" || first.Recommendation == "" {
		t.Errorf("%+v", first)
	}
	if n := len(got.Issues["key_policies"]); n != 4 {
		t.Errorf("%d issues of policies, want 4", n)
	}
	if len(got.Issues["logging"]) != 1 || got.Issues["logging"][0].Severity != "HIGH" {
		t.Errorf("logging: %+v", got.Issues["logging"])
	}
}

// TestSARIF: what is excused is suppressed, and each result is of its rule.
func TestSARIF(t *testing.T) {
	var got sarifLog
	r := sample(t)
	if err := json.Unmarshal([]byte(written(t, SARIF, r)), &got); err != nil {
		t.Fatal(err)
	}
	run := got.Runs[0]
	suppressed, prints := 0, map[string]bool{}
	for _, x := range run.Results {
		if run.Tool.Driver.Rules[x.RuleIndex].ID != x.RuleID {
			t.Errorf("result of %s says rule %d", x.RuleID, x.RuleIndex)
		}
		suppressed += len(x.Suppressions)
		prints[x.Fingerprints["resource/v1"]] = true
	}
	if suppressed != 1 || len(prints) != len(r.Findings) || len(run.Results) != len(r.Findings) {
		t.Errorf("%d suppressed, %d fingerprints, %d results of %d findings", suppressed, len(prints), len(run.Results), len(r.Findings))
	}
	if n := len(run.Invocations[0].Notifications); n != len(r.Gaps) || n == 0 {
		t.Errorf("%d notifications of %d gaps", n, len(r.Gaps))
	}
}

// TestCSV: a finding a row, and no cell that a spreadsheet computes.
func TestCSV(t *testing.T) {
	r := sample(t)
	rows, err := csv.NewReader(strings.NewReader(written(t, CSV, r))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != len(r.Findings)+1 {
		t.Errorf("%d rows of %d findings", len(rows), len(r.Findings))
	}
	for _, row := range rows {
		for _, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@\t\r", rune(cell[0])) {
				t.Errorf("a formula: %q", cell)
			}
		}
	}
	if !slices.ContainsFunc(rows, func(row []string) bool { return slices.Contains(row, "'"+hostile) }) {
		t.Error("the name is not there")
	}
}

// TestHTML: the page needs nothing from elsewhere, and runs nothing.
func TestHTML(t *testing.T) {
	page := written(t, HTML, sample(t))
	if external := regexp.MustCompile(`(?i)(<script|<link|<img|<iframe|src=|href=|url\(|@import|https?://)`).FindString(page); external != "" {
		t.Errorf("the page has %q", external)
	}
	for _, want := range []string{"policy-open-to-all", "&lt;script&gt;", "excused by ops until 2027-01-01: &lt;b&gt;soon&lt;/b&gt;", "exception-expired", "Not evaluated", "@media print", `name="viewport"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

// TestText: names do nothing to a terminal, and long lists are cut.
func TestText(t *testing.T) {
	text := written(t, Text, sample(t))
	if strings.ContainsAny(text, "\x1b\x07") || strings.Contains(text, "\nnext") {
		t.Errorf("a name reaches the terminal:\n%q", text)
	}
	for _, want := range []string{"HIGH    policy-open-to-all", "$ holdfast key rotation enable k1 --region us-east-1", "excused by ops", "Not evaluated:"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text lacks %q:\n%s", want, text)
		}
	}
	c := compliance.NewChecker("here", compliance.Defaults(), now)
	for i := range 30 {
		c.Key(&compliance.Key{Resource: fmt.Sprint("k", i), State: compliance.Known(key.Enabled), Type: compliance.TypeOf(alg.AES256, alg.EncryptDecrypt), Rotation: compliance.Known(compliance.Rotation{Possible: true})})
	}
	if text := written(t, Text, c.Report()); !strings.Contains(text, "and 10 more") {
		t.Errorf("the list is not cut:\n%s", text)
	}
}

func TestUnknownFormat(t *testing.T) {
	if err := Write(new(bytes.Buffer), "xml", sample(t), Producer{}); err == nil || !strings.Contains(err.Error(), "text, json, sarif, csv, html") {
		t.Error(err)
	}
}
