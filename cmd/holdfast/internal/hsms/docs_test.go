package hsms

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/hsm/preset"
)

// presetRow is a preset as a row of the table in docs/hsm.md.
func presetRow(p *preset.Preset) string {
	tested := "no"
	if p.Tested {
		tested = "**yes**"
	}
	pin := p.PIN
	if pin == "" {
		pin = "the user PIN"
	}
	return fmt.Sprintf("| `%s` | %s, %s | %s | %s | `%s` |", p.Name, p.Maker, p.Product, tested, pin, p.Modules[0])
}

// The table of presets in docs/hsm.md has the rows of the code, in their
// order, and no other.
func TestPresetsInDocs(t *testing.T) {
	text, err := os.ReadFile("../../../../docs/hsm.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "| preset | maker |")
	if !ok {
		t.Fatal("docs/hsm.md has no table of presets")
	}
	table, _, _ := strings.Cut(rest, "\n\n")
	have := strings.Split(table, "\n")[2:]
	all := preset.All()
	for i := range all {
		want := presetRow(&all[i])
		if i >= len(have) || have[i] != want {
			t.Errorf("docs/hsm.md lacks in its place:\n%s", want)
		}
	}
	if len(have) != len(all) {
		t.Errorf("docs/hsm.md has %d presets, the code %d", len(have), len(all))
	}
}
