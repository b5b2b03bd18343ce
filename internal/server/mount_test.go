package server

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// The mount serves every operation that docs/openapi.yaml promises: a package
// of operations that is not mounted would be missed here.
func TestNativeOperationsAreMounted(t *testing.T) {
	r := start(t, t.TempDir(), &Dev{}, nil)
	text, err := os.ReadFile("../../docs/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var document struct {
		Paths map[string]map[string]yaml.Node `yaml:"paths"`
	}
	if err := yaml.Unmarshal(text, &document); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for path, methods := range document.Paths {
		for method := range methods {
			if method == "parameters" {
				continue
			}
			tried++
			if status, body := r.do(strings.ToUpper(method), "/holdfast/v1"+path, "", "", "", ""); status != http.StatusUnauthorized {
				t.Errorf("%s %s without a credential: %d %s", method, path, status, body)
			}
		}
	}
	if tried == 0 {
		t.Error("the document has no operation")
	}
}
