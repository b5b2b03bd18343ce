package compat

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestUse holds that a server that a test uses is the one that the variables
// name, and that it answers the command line there.
func TestUse(t *testing.T) {
	s := Use(t)
	if diff := cmp.Diff([]string{s.URL, s.URL}, []string{os.Getenv("HOLDFAST_ADDR"), os.Getenv("AWS_ENDPOINT_URL")}); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if out, err := s.Run(t.Context(), "key", "list"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
