package bucket

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

func openDir(t *testing.T) (*Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "buckets")
	d, err := OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d, path
}

// list returns every path below a directory.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDir(t *testing.T) {
	d, path := openDir(t)
	for _, content := range []string{"first", "second, which takes its place", ""} {
		if err := d.Put(t.Context(), "reports", "audit-report/1234/5678.json", "application/json", strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(path, "reports/audit-report/1234/5678.json")
		got, err := os.ReadFile(file)
		if err != nil || string(got) != content {
			t.Errorf("got %q, %v", got, err)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file has mode %v (%v)", info.Mode(), err)
		}
	}
	for _, folder := range []string{".", "reports", "reports/audit-report", "reports/audit-report/1234"} {
		info, err := os.Stat(filepath.Join(path, folder))
		if err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v (%v)", folder, info.Mode(), err)
		}
	}
	if got := list(t, path); len(got) != 1 {
		t.Errorf("left: %v", got)
	}
}

func TestNames(t *testing.T) {
	d, path := openDir(t)
	for _, c := range []struct{ bucket, name string }{
		{"", "a"},
		{"..", "a"},
		{"ab", "a"},
		{"a..b", "a"},
		{"a/b", "a"},
		{"Upper", "a"},
		{"-ab", "a"},
		{strings.Repeat("a", 64), "a"},
		{"good", ""},
		{"good", "/etc/passwd"},
		{"good", "../escape"},
		{"good", "a/../../escape"},
		{"good", "a//b"},
		{"good", "a/"},
		{"good", "a/."},
		{"good", ".hidden"},
		{"good", "a b"},
		{"good", "a\x00b"},
		{"good", `a\b`},
		{"good", "a%2e"},
		{"good", strings.Repeat("a", 201)},
		{"good", strings.Repeat("a/", 500) + "a"},
	} {
		err := d.Put(t.Context(), c.bucket, c.name, "", strings.NewReader("x"))
		if err == nil || fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%q in %q: %v, want InvalidArgument", c.name, c.bucket, err)
		}
	}
	if got := list(t, filepath.Dir(path)); len(got) != 0 {
		t.Errorf("written: %v", got)
	}
}

// TestLinks: a link in the directory does not lead out of it.
func TestLinks(t *testing.T) {
	d, path := openDir(t)
	outside := t.TempDir()
	for _, link := range []string{"linked", "good"} {
		target := outside
		if link == "good" {
			if err := os.Mkdir(filepath.Join(path, "good"), 0o700); err != nil {
				t.Fatal(err)
			}
			link = "good/folder"
		}
		if err := os.Symlink(target, filepath.Join(path, link)); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range [][2]string{{"linked", "a"}, {"good", "folder/a"}} {
		if err := d.Put(t.Context(), c[0], c[1], "", strings.NewReader("x")); err == nil || fault.KindOf(err) != fault.Unavailable {
			t.Errorf("%v: %v, want Unavailable", c, err)
		}
	}
	if got := list(t, outside); len(got) != 0 {
		t.Errorf("written outside: %v", got)
	}
}

// TestBrokenContent: what there was stays, and nothing is left behind.
func TestBrokenContent(t *testing.T) {
	d, path := openDir(t)
	if err := d.Put(t.Context(), "good", "a/b", "", strings.NewReader("before")); err != nil {
		t.Fatal(err)
	}
	cause := errors.New("the source broke")
	if err := d.Put(t.Context(), "good", "a/b", "", io.MultiReader(strings.NewReader("half"), iotest.ErrReader(cause))); !errors.Is(err, cause) {
		t.Errorf("a broken source gives %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := d.Put(ended, "good", "a/b", "", strings.NewReader("late")); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context gives %v", err)
	}
	if got := list(t, path); len(got) != 1 || got[0] != "good/a/b" {
		t.Errorf("left: %v", got)
	}
	if got, err := os.ReadFile(filepath.Join(path, "good/a/b")); err != nil || string(got) != "before" {
		t.Errorf("the file has %q (%v)", got, err)
	}
}
