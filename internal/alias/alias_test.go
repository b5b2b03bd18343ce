package alias

import (
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestCheck is the table of what is an alias. What is done with them, package kms
// tests.
func TestCheck(t *testing.T) {
	for name, reason := range map[string]fault.Reason{
		"one": fault.MalformedAlias, "alias/": fault.MalformedAlias, "alias/a b": fault.MalformedAlias,
		"alias/ä": fault.MalformedAlias, "alias/" + strings.Repeat("a", 251): fault.MalformedAlias, "alias/aws/ebs": fault.ReservedAlias,
	} {
		if got := fault.ReasonOf(Check(name)); got != reason {
			t.Errorf("Check(%q) has reason %d, want %d", name, got, reason)
		}
	}
	for _, name := range []string{"alias/a", "alias/a/b_c-D9", "alias/" + strings.Repeat("a", 250), "alias/awsome"} {
		if err := Check(name); err != nil {
			t.Errorf("Check(%q): %v", name, err)
		}
	}
}
