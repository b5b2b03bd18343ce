package certificate

import (
	"os"
	"path/filepath"
	"testing"
)

func TestSelfMadeCertificateIsMadeAnewForANewName(t *testing.T) {
	dir := t.TempDir()
	read := func() string {
		t.Helper()
		text, err := os.ReadFile(filepath.Join(dir, certFile))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if err := selfMade(dir, []string{"localhost"}); err != nil {
		t.Fatal(err)
	}
	first := read()
	if err := selfMade(dir, []string{"localhost"}); err != nil || read() != first {
		t.Errorf("a good certificate was replaced (%v)", err)
	}
	if err := selfMade(dir, []string{"localhost", "kms.example.com"}); err != nil || read() == first {
		t.Errorf("a certificate without the new name was kept (%v)", err)
	}
}

// A start that was killed between writing the new key and its certificate is
// followed by one that makes both anew.
func TestSelfMadeCertificateOfAnotherKeyIsReplaced(t *testing.T) {
	for name, file := range map[string]string{"the key": keyFile, "the CA": caCertFile} {
		t.Run(name, func(t *testing.T) {
			dir, other := t.TempDir(), t.TempDir()
			for _, d := range []string{dir, other} {
				if err := selfMade(d, []string{"localhost"}); err != nil {
					t.Fatal(err)
				}
			}
			files := []string{file}
			if file == caCertFile {
				files = append(files, caKeyFile)
			}
			for _, f := range files {
				text, err := os.ReadFile(filepath.Join(other, f))
				if err == nil {
					err = os.WriteFile(filepath.Join(dir, f), text, 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if err := selfMade(dir, []string{"localhost"}); err != nil {
				t.Fatal(err)
			}
			if !stillGood(dir, []string{"localhost"}) {
				t.Error("the server's certificate, its key and its CA do not go together")
			}
		})
	}
}
