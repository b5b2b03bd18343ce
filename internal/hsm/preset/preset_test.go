package preset

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPresets(t *testing.T) {
	var names []string
	tested := 0
	for _, p := range All() {
		names = append(names, p.Name)
		if p.Maker == "" || p.Product == "" || p.Source == "" || len(p.Modules) == 0 || len(p.Notes) == 0 {
			t.Errorf("%s is incomplete", p.Name)
		}
		for _, path := range p.Modules {
			if !strings.HasPrefix(path, "/") || !strings.HasSuffix(path, ".so") {
				t.Errorf("%s: %s", p.Name, path)
			}
		}
		if p.Tested {
			tested++
		}
		if got, ok := ByName(p.Name); !ok || got.Product != p.Product {
			t.Errorf("%s is not found", p.Name)
		}
	}
	want := []string{
		"aws-cloudhsm", "google-kmsp11", "ibm-hpcs", "luna", "luna-cloud", "nshield", "opencryptoki", "softhsm2", "utimaco", "yubihsm2",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	if tested != 1 {
		t.Errorf("%d presets are said to be tested", tested)
	}
}
