package compat

import (
	"path/filepath"
	"strings"
	"testing"
)

// Use starts a server that keeps nothing for a test, gives the test the
// variables by which Holdfast's own clients find it, and stops it in the end.
func Use(t *testing.T) *Server {
	t.Helper()
	binary, err := Build(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), binary, filepath.Join(t.TempDir(), "data"), "--in-memory")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(); err != nil {
			t.Error(err)
		}
	})
	for _, variable := range s.Env {
		if name, value, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "HOLDFAST_") {
			t.Setenv(name, value)
		}
	}
	return s
}
