package deps

import (
	"go/build"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sdks are what each build tag leaves out of the binary.
var sdks = map[string]string{
	"noaws":   "github.com/aws/aws-sdk-go-v2",
	"noazure": "github.com/Azure/azure-sdk-for-go",
	"nogcp":   "cloud.google.com/go",
	"novault": "github.com/hashicorp/vault",
}

// TestTagsLeaveSDKsOut asserts that the binary has every SDK, and lacks one
// with its tag.
func TestTagsLeaveSDKsOut(t *testing.T) {
	all := imports(t, nil)
	for tag, sdk := range sdks {
		if !slices.ContainsFunc(all, func(p string) bool { return under(p, sdk) }) {
			t.Errorf("the binary lacks %s", sdk)
		}
		for _, p := range imports(t, []string{tag}) {
			if under(p, sdk) {
				t.Errorf("with the tag %s the binary imports %s", tag, p)
			}
		}
	}
}

// imports returns what the binary's own packages import when it is built with
// tags.
func imports(t *testing.T, tags []string) []string {
	t.Helper()
	c := build.Default
	c.BuildTags = tags
	seen := map[string]bool{}
	waiting := []string{"cmd/holdfast"}
	for len(waiting) > 0 {
		dir := waiting[0]
		waiting = waiting[1:]
		p, err := c.ImportDir(filepath.Join("..", "..", filepath.FromSlash(dir)), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range p.Imports {
			if seen[imp] {
				continue
			}
			seen[imp] = true
			if own, ok := strings.CutPrefix(imp, module+"/"); ok {
				waiting = append(waiting, own)
			}
		}
	}
	return slices.Sorted(maps.Keys(seen))
}
