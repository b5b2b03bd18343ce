package server

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

var update = flag.Bool("update", false, "write the table of metrics into docs/observability.md")

// metricsPage is where the table of metrics is, between the two marks. The
// tests of deploy/observability take it for what there is.
const (
	metricsPage = "../../docs/observability.md"
	tableBegins = "<!-- metrics: made by go test ./internal/server -run TestMetricsTable -update -->\n"
	tableEnds   = "<!-- end of metrics -->\n"
)

var describes = regexp.MustCompile(`^Desc\{fqName: "([^"]+)", help: "((?:[^"\\]|\\.)*)", unit: "[^"]*", constLabels: \{([^}]*)\}, variableLabels: \{([^}]*)\}`)

// TestMetricsTable asserts that the table in the documentation has what a
// server shows, no more and no less.
func TestMetricsTable(t *testing.T) {
	s := &server{}
	s.openMetrics()
	descs := make(chan *prometheus.Desc)
	go func() {
		s.metrics.registry.Describe(descs)
		close(descs)
	}()
	var rows []string
	for d := range descs {
		found := describes.FindStringSubmatch(d.String())
		if found == nil {
			t.Fatalf("%s cannot be read", d)
		}
		if name := found[1]; strings.HasPrefix(name, "holdfast_") {
			rows = append(rows, fmt.Sprintf("| `%s` | %s | %s | %s |\n", name, kindOf(name), labelsOf(found[3], found[4]), strings.ReplaceAll(found[2], "\\\"", "\"")))
		}
	}
	slices.Sort(rows)
	table := tableBegins + "| metric | kind | labels | |\n|---|---|---|---|\n" + strings.Join(rows, "") + tableEnds

	page, err := os.ReadFile(metricsPage)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(page), tableBegins)
	_, after, ok2 := strings.Cut(rest, tableEnds)
	if !ok || !ok2 {
		t.Fatalf("%s has no table of metrics", metricsPage)
	}
	if *update {
		if err := os.WriteFile(metricsPage, []byte(before+table+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !strings.Contains(string(page), table) {
		t.Errorf("%s has another table than this, which -update writes:\n%s", metricsPage, table)
	}
}

// kindOf tells a metric's kind by its name, whose ending promtool judges.
func kindOf(name string) string {
	switch {
	case strings.HasSuffix(name, "_total"):
		return "counter"
	case strings.HasSuffix(name, "_duration_seconds"):
		return "histogram"
	}
	return "gauge"
}

var constLabel = regexp.MustCompile(`(\w+)="[^"]*"`)

// labelsOf returns the names of labels as the table has them.
func labelsOf(fixed, variable string) string {
	var list []string
	for _, l := range constLabel.FindAllStringSubmatch(fixed, -1) {
		list = append(list, "`"+l[1]+"`")
	}
	for l := range strings.SplitSeq(variable, ",") {
		if l != "" {
			list = append(list, "`"+l+"`")
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
