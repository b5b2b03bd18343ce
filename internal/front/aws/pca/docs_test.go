package pca_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws/pca"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "aws-pca.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, o := range pca.Operations() {
		names = append(names, o.Name)
	}
	want := fill(t, string(raw), "operations", fmt.Sprintf("%d of %d: %s.\n", len(names), len(names), strings.Join(names, ", ")))
	want = fill(t, want, "templates", "`arn:aws:acm-pca:::template/` and "+strings.Join(wire.Templates(), ", ")+".\n")
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/aws-pca.md is out of date: go test ./internal/front/aws/pca -update")
	}
}

// fill puts a text between the marks of a name.
func fill(t *testing.T, page, name, text string) string {
	t.Helper()
	begin := "<!-- " + name + ": written by go test ./internal/front/aws/pca -update -->\n"
	before, rest, ok := strings.Cut(page, begin)
	_, after, closed := strings.Cut(rest, "<!-- end of "+name+" -->")
	if !ok || !closed {
		t.Fatalf("the page has no marks for the %s", name)
	}
	return before + begin + text + "<!-- end of " + name + " -->" + after
}
