package durable_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/durable"
)

func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o644, 0o600} {
		if err := durable.WriteFile(path, []byte("new"), mode); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		info, statErr := os.Stat(path)
		if err != nil || statErr != nil || string(text) != "new" || info.Mode() != mode {
			t.Errorf("%q with %v: %v, %v", text, info.Mode(), err, statErr)
		}
	}
	if err := durable.WriteFile(dir, nil, 0o600); err == nil { // no file takes a folder's place
		t.Error("a folder was replaced")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	outside, err := filepath.Glob(dir + ".new*")
	if err != nil || len(outside) > 0 {
		t.Errorf("%v is left, %v", outside, err)
	}
}

func TestRename(t *testing.T) {
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := durable.Rename(from, to); err == nil {
		t.Error("what is not there has a new name")
	}
	if err := os.WriteFile(from, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := durable.Rename(from, to); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(to); err != nil || string(text) != "text" {
		t.Errorf("%q, %v", text, err)
	}
}
