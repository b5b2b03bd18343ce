package keyless_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/keyless"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// TestCoverage: the table in docs/keyless.md is the table of operations.
func TestCoverage(t *testing.T) {
	text, err := os.ReadFile("../../../docs/keyless.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "<!-- operations: TestCoverage compares -->\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	rows := strings.Split(table, "\n")[2:]
	operations := keyless.Operations()
	if len(rows) != len(operations) {
		t.Fatalf("the page has %d rows, the table %d", len(rows), len(operations))
	}
	for i, o := range operations {
		action := o.Action.String()
		if o.Action == key.NoAction {
			action = "–"
		}
		start, end := fmt.Sprintf("| %02X | %s | ", byte(o.Opcode), o.Name()), "| "+action+" |"
		if !strings.HasPrefix(rows[i], start) || !strings.HasSuffix(rows[i], end) {
			t.Errorf("%q is not %q…%q", rows[i], start, end)
		}
	}
}
