// Package observability holds the tests of the files for Prometheus and
// Grafana: that Prometheus's own tool takes them, that they ask for nothing that
// a server does not show, and that each alert has a runbook.
package observability

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/key"
)

const (
	rulesFile  = "prometheus/holdfast.rules.yaml"
	alertsFile = "prometheus/holdfast.alerts.yaml"
	testsFile  = "prometheus/holdfast.test.yaml"
	runbooks   = "../../docs/runbooks"
	page       = "../../docs/observability.md" // its table of metrics is tested against a server
	runbookURL = "https://github.com/holdfast-kms/holdfast/blob/main/docs/runbooks/"
)

// rule is a rule of Prometheus's.
type rule struct {
	Record, Alert, Expr, For string
	Labels, Annotations      map[string]string
}

func readRules(t *testing.T, file string) (list []rule) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	if err := yaml.Unmarshal(text, &f); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	for _, g := range f.Groups {
		list = append(list, g.Rules...)
	}
	if len(list) == 0 {
		t.Fatalf("%s has no rules", file)
	}
	return list
}

// panel is what matters of a panel of Grafana's.
type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ X, Y, W, H int }
	Targets     []struct{ RefID, Expr string }
}

type dashboard struct {
	UID, Title, file string
	Panels           []panel
	Templating       struct {
		List []struct{ Name, Definition string }
	}
	Links []struct{ URL string }
}

func readDashboards(t *testing.T) (list []dashboard) {
	t.Helper()
	files, err := filepath.Glob("grafana/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := dashboard{file: file}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		list = append(list, d)
	}
	return list
}

// TestDashboards asserts that Grafana can import the dashboards side by side.
func TestDashboards(t *testing.T) {
	uids, dashboards := map[string]bool{}, readDashboards(t)
	for _, d := range dashboards {
		if d.UID == "" || d.Title == "" || uids[d.UID] {
			t.Errorf("%s: the uid %q or the title %q is missing, or another's", d.file, d.UID, d.Title)
		}
		uids[d.UID] = true
		ids := map[int]bool{}
		for i, p := range d.Panels {
			if p.ID == 0 || ids[p.ID] || p.Title == "" {
				t.Errorf("%s: the panel %q has the id %d, which is another's, or no title", d.file, p.Title, p.ID)
			}
			ids[p.ID] = true
			if p.Type != "row" && len(p.Targets) == 0 {
				t.Errorf("%s: the panel %q asks for nothing", d.file, p.Title)
			}
			for _, other := range d.Panels[:i] {
				a, b := p.GridPos, other.GridPos
				if a.X < b.X+b.W && b.X < a.X+a.W && a.Y < b.Y+b.H && b.Y < a.Y+a.H {
					t.Errorf("%s: %q lies on %q", d.file, p.Title, other.Title)
				}
			}
		}
	}
	for _, d := range dashboards {
		for _, l := range d.Links {
			if !uids[strings.TrimPrefix(l.URL, "/d/")] {
				t.Errorf("%s: a link to %s, which is no dashboard", d.file, l.URL)
			}
		}
	}
}

// variables are what Grafana replaces in an expression, and what Prometheus's
// tool sees in their place.
var variables = strings.NewReplacer("$__rate_interval", "5m", "$__interval", "1m", "$__range", "1h", "$instance", ".*")

// expressions returns every expression of the rules, alerts and dashboards by
// where it stands.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, file := range []string{rulesFile, alertsFile} {
		for _, r := range readRules(t, file) {
			all[file+": "+r.Record+r.Alert] = r.Expr
		}
	}
	for _, d := range readDashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				all[d.file+": "+p.Title+" "+target.RefID] = variables.Replace(target.Expr)
			}
		}
		for _, v := range d.Templating.List {
			if v.Definition != "" {
				all[d.file+": the variable "+v.Name] = v.Definition
			}
		}
	}
	return all
}

var (
	row      = regexp.MustCompile("(?m)^\\| `(holdfast_\\w+)` \\| (\\w+) \\| ([^|]*) \\|")
	quoted   = regexp.MustCompile(`"(?:[^"\\]|\\.)*"`)
	metric   = regexp.MustCompile(`\b(?:\w+:)?holdfast_[\w:]+`)
	selector = regexp.MustCompile(`((?:\w+:)?holdfast_[\w:]+)\{([^}]*)\}`)
	matcher  = regexp.MustCompile(`(\w+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"`)
	other    = regexp.MustCompile(`\b(?:process|go|promhttp)_\w+`)
)

// metrics returns the labels of every metric that there is, by its name.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, r := range row.FindAllStringSubmatch(string(text), -1) {
		var labels []string
		for l := range strings.SplitSeq(r[3], ",") {
			labels = append(labels, strings.Trim(l, " `"))
		}
		names := []string{r[1]}
		if r[2] == "histogram" {
			names = []string{r[1] + "_bucket", r[1] + "_count", r[1] + "_sum"}
			labels = append(labels, "le")
		}
		for _, name := range names {
			all[name] = append(labels, "job", "instance")
		}
	}
	if len(all) < 40 {
		t.Fatalf("%s has a table of only %d metrics", page, len(all))
	}
	for _, r := range readRules(t, rulesFile) {
		level, _, _ := strings.Cut(r.Record, ":")
		all[r.Record] = append(strings.Split(level, "_"), "job")
	}
	return all
}

// TestExpressionsAskForWhatThereIs asserts that every metric, label and action
// that an expression names exists.
func TestExpressionsAskForWhatThereIs(t *testing.T) {
	known := metrics(t)
	var actions []string
	for _, a := range key.Actions() {
		actions = append(actions, a.String())
	}
	process := []string{"process_start_time_seconds", "process_open_fds", "process_max_fds", "process_resident_memory_bytes", "process_cpu_seconds_total"}
	for where, expr := range expressions(t) {
		for _, name := range metric.FindAllString(quoted.ReplaceAllString(expr, `""`), -1) {
			if known[name] == nil {
				t.Errorf("%s asks for %s, which there is not", where, name)
			}
		}
		for _, name := range other.FindAllString(expr, -1) {
			if !slices.Contains(process, name) {
				t.Errorf("%s asks for %s", where, name)
			}
		}
		for _, s := range selector.FindAllStringSubmatch(expr, -1) {
			for _, m := range matcher.FindAllStringSubmatch(s[2], -1) {
				if !slices.Contains(known[s[1]], m[1]) {
					t.Errorf("%s: %s has no label %s", where, s[1], m[1])
				}
				if m[1] == "action" && !slices.ContainsFunc(actions, regexp.MustCompile("^(?:"+m[3]+")$").MatchString) {
					t.Errorf("%s: no action is %s", where, m[3])
				}
			}
		}
	}
}

// TestRunbooks asserts that each alert names its runbook, that this is there
// and says what it has to, and that there is no other.
func TestRunbooks(t *testing.T) {
	have := map[string]bool{}
	files, err := filepath.Glob(runbooks + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		have[strings.TrimSuffix(filepath.Base(file), ".md")] = true
	}
	documentation, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	alerts, table := map[string]bool{}, string(documentation)
	for _, a := range readRules(t, alertsFile) {
		if alerts[a.Alert] {
			t.Errorf("%s is there twice", a.Alert)
		}
		alerts[a.Alert] = true
		if !slices.Contains([]string{"critical", "warning", "info"}, a.Labels["severity"]) {
			t.Errorf("%s has the severity %q", a.Alert, a.Labels["severity"])
		}
		if a.Annotations["summary"] == "" || a.Annotations["description"] == "" || a.Annotations["runbook_url"] != runbookURL+a.Alert+".md" {
			t.Errorf("%s: the annotations are %v", a.Alert, a.Annotations)
		}
		if !have[a.Alert] {
			t.Errorf("%s has no runbook", a.Alert)
			continue
		}
		text, err := os.ReadFile(filepath.Join(runbooks, a.Alert+".md"))
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(table, fmt.Sprintf("\n| [%s](runbooks/%s.md) | %s |", a.Alert, a.Alert, a.Labels["severity"])) {
			t.Errorf("%s has no row for %s with its severity", page, a.Alert)
		}
		for _, want := range []string{"# " + a.Alert + "\n", "\n## Look\n", "\n## Do\n", "```"} {
			if !strings.Contains(string(text), want) {
				t.Errorf("the runbook of %s lacks %q", a.Alert, want)
			}
		}
		for _, link := range links.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(runbooks, link[1])); err != nil {
				t.Errorf("the runbook of %s: %v", a.Alert, err)
			}
		}
	}
	for name := range have {
		if !alerts[name] {
			t.Errorf("the runbook %s is of no alert", name)
		}
	}
}

var links = regexp.MustCompile(`\]\(([^)#]+\.md)\)`)

// TestEveryAlertIsTested asserts that the unit tests raise each alert.
func TestEveryAlertIsTested(t *testing.T) {
	text, err := os.ReadFile(testsFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range readRules(t, alertsFile) {
		if !strings.Contains(string(text), fmt.Sprintf("{alertname=%q, instance=%q}", a.Alert, a.Alert)) {
			t.Errorf("no test raises %s", a.Alert)
		}
	}
}

// promtool runs Prometheus's own tool.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("promtool cannot be found: scripts/install-test-tools installs it")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestPromtool has the rules and alerts checked, and their unit tests run.
func TestPromtool(t *testing.T) {
	promtool(t, "check", "rules", rulesFile, alertsFile)
	promtool(t, "test", "rules", testsFile)
}

// TestPromtoolParsesDashboards has every expression of the dashboards parsed,
// as a rule in a file made for it.
func TestPromtoolParsesDashboards(t *testing.T) {
	var rules []map[string]string
	all := expressions(t)
	for _, where := range slices.Sorted(maps.Keys(all)) {
		if strings.HasPrefix(where, "grafana/") && !strings.Contains(where, ": the variable ") {
			rules = append(rules, map[string]string{"record": fmt.Sprintf("expression:%d", len(rules)), "expr": all[where]})
		}
	}
	var text bytes.Buffer
	if err := yaml.NewEncoder(&text).Encode(map[string]any{"groups": []any{map[string]any{"name": "dashboards", "rules": rules}}}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboards.yaml")
	if err := os.WriteFile(file, text.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
