package kms_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	awskms "github.com/holdfast-kms/holdfast/internal/front/aws/kms"
	"github.com/holdfast-kms/holdfast/internal/front/aws/sts"
)

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	const begin, end = "-update -->\n", "<!-- end of operations -->"
	path := filepath.Join("..", "..", "..", "..", "docs", "aws.md")
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(raw), begin)
	_, after, closed := strings.Cut(rest, end)
	if !ok || !closed {
		t.Fatal("the page has no marks for the table")
	}
	want := before + begin + table("AWS KMS", awskms.Operations()) + table("AWS STS", sts.Operations()) + end + after
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(raw) {
		t.Error("docs/aws.md is out of date: go test ./internal/front/aws/kms -update")
	}
}

func table(api string, operations []front.Coverage) string {
	var served, not []string
	for _, o := range operations {
		if o.Served {
			served = append(served, o.Name)
		} else {
			not = append(not, o.Name)
		}
	}
	return fmt.Sprintf("**%s**: %d of %d.\n\n| implemented | not implemented |\n|---|---|\n| %s | %s |\n\n",
		api, len(served), len(operations), strings.Join(served, ", "), strings.Join(not, ", "))
}
