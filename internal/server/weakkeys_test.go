package server

import (
	"os"
	"path/filepath"
	"testing"
)

// TestWeakKeys: lists are read where they are configured, and a directory
// without any keeps the server from starting.
func TestWeakKeys(t *testing.T) {
	dir := t.TempDir()
	if _, err := weakKeys(dir); err == nil {
		t.Error("a directory without lists is read in silence")
	}
	if err := os.WriteFile(filepath.Join(dir, "blacklist.RSA-2048"), []byte("3ff0bdec95d9fe569885\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := weakKeys(dir); err != nil || l.Len() != 1 {
		t.Errorf("%d keys: %v", l.Len(), err)
	}
	if l, err := weakKeys(""); err != nil || l.Len() != 0 {
		t.Errorf("%d keys without a directory: %v", l.Len(), err)
	}
}
