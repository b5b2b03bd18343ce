package holdfast

import (
	"os"
	"strings"
	"testing"
)

// TestParameters: docs/library.md has each parameter of each scheme, and those
// that a foreign URI may have are parameters.
func TestParameters(t *testing.T) {
	page, err := os.ReadFile("docs/library.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| scheme | parameter |")
	table, _, _ = strings.Cut(table, "\n\n")
	sections := map[string]string{}
	scheme := ""
	for line := range strings.SplitSeq(table, "\n") {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			if name := strings.Trim(cells[1], " `"); name != "" {
				scheme = name
			}
			sections[scheme] += cells[2]
		}
	}
	for scheme, names := range parameters {
		for _, name := range names {
			if text := sections[scheme]; !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, "`"+name+"=") {
				t.Errorf("docs/library.md does not have the parameter %s of %s", name, scheme)
			}
		}
		for _, name := range harmless[scheme] {
			if !strings.Contains(" "+strings.Join(names, " ")+" ", " "+name+" ") {
				t.Errorf("%s has no parameter %s", scheme, name)
			}
		}
	}
	if len(parameters) != 6 {
		t.Errorf("%d schemes", len(parameters))
	}
}
