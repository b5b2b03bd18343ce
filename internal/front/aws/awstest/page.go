package awstest

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/front/aws"
)

// Page is a page for users that says which operations are implemented.
type Page struct {
	// Path is the file's, Package the import path's end for the mark in it, such
	// as "aws/acm".
	Path, Package string
	Operations    []aws.Coverage
	// Update rewrites the page.
	Update bool
}

// TestPage holds that a page for users has the operations between its marks.
func TestPage(t *testing.T, p Page) {
	raw, err := os.ReadFile(p.Path)
	if err != nil {
		t.Fatal(err)
	}
	var served, unserved []string
	for _, o := range p.Operations {
		if o.Served {
			served = append(served, o.Name)
		} else {
			unserved = append(unserved, o.Name)
		}
	}
	text := fmt.Sprintf("%d of %d: %s.\n\nNot served: %s.\n", len(served), len(p.Operations), strings.Join(served, ", "), strings.Join(unserved, ", "))
	begin, end := "<!-- operations: written by go test ./internal/front/"+p.Package+" -update -->\n", "<!-- end of operations -->"
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatalf("%s has no marks for the operations", p.Path)
	}
	want := before + begin + text + end + after
	if p.Update {
		if err := os.WriteFile(p.Path, []byte(want), 0o600); err != nil { //nolint:gosec // the page that the test names
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Errorf("%s is out of date: go test ./internal/front/%s -update", p.Path, p.Package)
	}
}
