package compat

import (
	"path/filepath"
	"strings"
	"testing"
)

// Use starts a server that keeps nothing for a test, gives the test the
// variables by which Holdfast's own clients and the SDKs of AWS find it, and
// stops it in the end.
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
		name, value, _ := strings.Cut(variable, "=")
		if strings.HasPrefix(name, "HOLDFAST_") || strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, value)
		}
	}
	return s
}
