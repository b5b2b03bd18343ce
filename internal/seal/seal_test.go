package seal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

func phrase(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}

const goodPhrase = "correct horse battery"

func TestSealsOpenAgain(t *testing.T) {
	for _, method := range []Method{InFile, UnderPassphrase} {
		t.Run(string(method), func(t *testing.T) {
			dir := t.TempDir()
			made, err := Create(dir, method, []byte(goodPhrase))
			if err != nil {
				t.Fatal(err)
			}
			sealed := made.Seal("test", []byte("secret"), []byte("bound"))
			opened, err := Open(dir, phrase(goodPhrase))
			if err != nil {
				t.Fatal(err)
			}
			got, err := opened.Unseal("test", sealed, []byte("bound"))
			if err != nil || string(got) != "secret" {
				t.Errorf("got %q, %v", got, err)
			}
			if opened.Installation() != made.Installation() {
				t.Error("the installation changed its id")
			}
			if _, err := Create(dir, method, []byte(goodPhrase)); fault.KindOf(err) != fault.AlreadyExists {
				t.Errorf("a second seal in the directory: %v", err)
			}
		})
	}
}

func TestWrongSeals(t *testing.T) {
	files := func(t *testing.T, method Method) string {
		t.Helper()
		dir := t.TempDir()
		if _, err := Create(dir, method, []byte(goodPhrase)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	tests := []struct {
		name string
		make func(t *testing.T) string
		ask  func() ([]byte, error)
		kind fault.Kind
		text string
	}{
		{"no data directory", func(t *testing.T) string { return t.TempDir() }, nil, fault.NotFound, "not a data directory"},
		{
			"wrong passphrase", func(t *testing.T) string { return files(t, UnderPassphrase) }, phrase("wrong horse battery"),
			fault.Unauthenticated, "the passphrase is wrong",
		},
		{
			"no passphrase", func(t *testing.T) string { return files(t, UnderPassphrase) }, nil,
			fault.Unauthenticated, "sealed under a passphrase",
		},
		{"foreign root key", func(t *testing.T) string {
			dir, other := files(t, InFile), files(t, InFile)
			copyFile(t, filepath.Join(other, rootFile), filepath.Join(dir, rootFile))
			return dir
		}, nil, fault.Unauthenticated, "is not that of this data directory"},
		{"root key that others can read", func(t *testing.T) string {
			dir := files(t, InFile)
			if err := os.Chmod(filepath.Join(dir, rootFile), 0o640); err != nil {
				t.Fatal(err)
			}
			return dir
		}, nil, fault.PermissionDenied, "must be 0600"},
		{"root key cut short", func(t *testing.T) string {
			dir := files(t, InFile)
			if err := os.WriteFile(filepath.Join(dir, rootFile), []byte("abcd"), 0o600); err != nil {
				t.Fatal(err)
			}
			return dir
		}, nil, fault.InvalidArgument, "does not hold a root key"},
		{"later format", func(t *testing.T) string {
			dir := files(t, InFile)
			edit(t, dir, func(d *description) { d.V = 3 })
			return dir
		}, nil, fault.Unsupported, "version 3"},
		{"a method of a later version", func(t *testing.T) string {
			dir := files(t, InFile)
			edit(t, dir, func(d *description) { d.Ways[0].Method = "cloud" })
			return dir
		}, nil, fault.Unsupported, `"cloud"`},
		{"a method without what it needs", func(t *testing.T) string {
			dir := files(t, UnderPassphrase)
			edit(t, dir, func(d *description) { d.Ways[0].Passphrase = nil })
			return dir
		}, phrase(goodPhrase), fault.InvalidArgument, "contradicts itself"},
		{"no way", func(t *testing.T) string {
			dir := files(t, InFile)
			edit(t, dir, func(d *description) { d.Ways = nil })
			return dir
		}, nil, fault.InvalidArgument, "0 ways"},
		{"weakened Argon2id", func(t *testing.T) string {
			dir := files(t, UnderPassphrase)
			edit(t, dir, func(d *description) { d.Ways[0].Passphrase.MemoryKiB = 1 })
			return dir
		}, phrase(goodPhrase), fault.InvalidArgument, "out of bounds"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(test.make(t), test.ask)
			if fault.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.text) {
				t.Errorf("got %v, want %q with %q", err, test.kind, test.text)
			}
		})
	}
	if _, err := Create(t.TempDir(), UnderPassphrase, []byte("short")); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("a short passphrase: %v", err)
	}
}

// A Create that was killed between the root key and the seal is done by the
// next one, with the same root key: data may depend on it.
func TestCreateGoesOnWhereItWasInterrupted(t *testing.T) {
	dir := t.TempDir()
	first, err := Create(dir, InFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, describes)); err != nil {
		t.Fatal(err)
	}
	second, err := Create(dir, InFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := second.Unseal("test", first.Seal("test", []byte("x"), nil), nil); err != nil || string(text) != "x" {
		t.Errorf("the root key was replaced: %v", err)
	}
	if _, err := Open(dir, nil); err != nil {
		t.Error(err)
	}
	if _, err := Create(dir, InFile, nil); fault.KindOf(err) != fault.AlreadyExists || err == nil {
		t.Errorf("a seal was made over another: %v", err)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*.new*"))
	if err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func edit(t *testing.T, dir string, change func(*description)) {
	t.Helper()
	path := filepath.Join(dir, describes)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var d description
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	change(&d)
	if text, err = json.Marshal(d); err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPassphraseIsAskedAndFails(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(dir, UnderPassphrase, []byte(goodPhrase)); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("no terminal")
	if _, err := Open(dir, func() ([]byte, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v, want the asker's own error", err)
	}
}

func TestWhatIsSealedIsBound(t *testing.T) {
	r, err := Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	other, err := Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	sealed := r.Seal("purpose", []byte("secret"), []byte("owner"))
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the secret is readable")
	}
	refused := func(name string, err error) {
		t.Helper()
		if fault.KindOf(err) != fault.Internal || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err = r.Unseal("another purpose", sealed, []byte("owner"))
	refused("another purpose", err)
	_, err = r.Unseal("purpose", sealed, []byte("somebody"))
	refused("another owner", err)
	_, err = other.Unseal("purpose", sealed, []byte("owner"))
	refused("another root key", err)
	_, err = r.Unseal("purpose\x00owner", sealed, nil)
	refused("a shifted border", err)
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x80
		_, err = r.Unseal("purpose", changed, []byte("owner"))
		refused(fmt.Sprintf("byte %d changed", i), err)
	}
	for n := range sealed {
		_, err = r.Unseal("purpose", sealed[:n], []byte("owner"))
		refused(fmt.Sprintf("cut to %d bytes", n), err)
	}
}

func TestKeyringKeepsRealmsApart(t *testing.T) {
	r, err := Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	s := mem.New()
	const a, b key.RealmID = "111111111111", "222222222222"
	wrapped, err := NewKeyring(r, s).Wrap(a, []byte("material"), []byte("key 1"))
	if err != nil {
		t.Fatal(err)
	}
	again := NewKeyring(r, s) // as after a restart
	if got, err := again.Unwrap(a, wrapped, []byte("key 1")); err != nil || string(got) != "material" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := again.Unwrap(b, wrapped, []byte("key 1")); fault.KindOf(err) != fault.Internal {
		t.Errorf("another realm unwrapped it: %v", err)
	}
	if _, err := again.Unwrap(a, wrapped, []byte("key 2")); fault.KindOf(err) != fault.Internal {
		t.Errorf("it was unwrapped for another key: %v", err)
	}
}

func TestForeignStoreIsRefused(t *testing.T) {
	a, err := Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	b, err := Ephemeral()
	if err != nil {
		t.Fatal(err)
	}
	s := mem.New()
	for range 2 {
		if err := Claim(t.Context(), a, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := Claim(t.Context(), b, s); fault.KindOf(err) != fault.Unauthenticated || !strings.Contains(err.Error(), "not of one data directory") {
		t.Errorf("got %v", err)
	}
}

func TestSecretsRedactThemselves(t *testing.T) {
	secret := bytes.Repeat([]byte{0xA7}, keySize)
	r, err := newRoot("id", bytes.Clone(secret))
	if err != nil {
		t.Fatal(err)
	}
	k := NewKeyring(r, mem.New())
	key, err := NewRootKey("id", bytes.Clone(secret))
	if err != nil {
		t.Fatal(err)
	}
	open := &Opened{description: &description{Installation: "id"}, keys: [][]byte{bytes.Clone(secret)}}
	for _, v := range []any{r, k, key, open} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s"} {
			text := fmt.Sprintf(format, v)
			if strings.Contains(text, "167") || strings.Contains(text, "a7a7") || strings.Contains(text, "0xa7") {
				t.Errorf("%s of %T shows the key: %s", format, v, text)
			}
		}
	}
}
