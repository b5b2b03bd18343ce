package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/plugin"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/test/compat"
)

const name = "age-plugin-holdfast"

// TestMain is the plug-in itself when the tests' binary is started under its
// name.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == name {
		main()
		return
	}
	os.Exit(m.Run()) //nolint:forbidigo // TestMain ends the process
}

// install puts age and the plug-in on the PATH, and returns a new folder.
func install(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Symlink(self, filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(program(t), filepath.Join(dir, "age")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return t.TempDir()
}

// built is the program age, which is built once.
var built = sync.OnceValues(func() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	// The tool's binary stays in Go's own cache, which "go tool -n" fills.
	out, err := exec.CommandContext(ctx, "go", "tool", "-n", "age").Output()
	return strings.TrimSpace(string(out)), err
})

func program(t *testing.T) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatalf("building age: %v", err)
	}
	return path
}

// do runs a program with an input and returns its output.
func do(t *testing.T, stdin, command string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command, args...)
	cmd.Stdin = strings.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		err = errors.New(stderr.String())
	}
	return string(out), err
}

// must is do for what has to work.
func must(t *testing.T, stdin, command string, args ...string) string {
	t.Helper()
	out, err := do(t, stdin, command, args...)
	if err != nil {
		t.Fatalf("%s %s: %v", command, strings.Join(args, " "), err)
	}
	return out
}

// makeKey makes a key.
func makeKey(t *testing.T, uri, spec, usage string, opts ...holdfast.Option) {
	t.Helper()
	key, err := holdfast.Create(t.Context(), uri, spec, append(opts, holdfast.WithUsage(usage))...)
	if err != nil {
		t.Fatal(err)
	}
	if err := key.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAge has the program age encrypt and decrypt by the plug-in.
func TestAge(t *testing.T) {
	dir := install(t)
	compat.Use(t)
	for _, test := range []struct{ name, uri, spec, usage, recipient string }{
		{"a server's AES key", "holdfast:///alias/aes", "aes-256", "encrypt-decrypt", "age1holdfast1"},
		{"a server's RSA key", "holdfast:///alias/rsa", "rsa-2048", "encrypt-decrypt", "age1holdfast1"},
		{"a server's key on P-256", "holdfast:///alias/ec", "p-256", "key-agreement", "age1tag1"},
		{"an AES key in a file", "file:" + dir + "/aes.key", "aes-256", "encrypt-decrypt", "age1holdfast1"},
		{"a key on P-256 in a file", "file:" + dir + "/p-256.pem", "p-256", "key-agreement", "age1tag1"},
		{"a key on P-521 in a file", "file:" + dir + "/p-521.pem", "p-521", "key-agreement", "age1holdfast1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			makeKey(t, test.uri, test.spec, test.usage)
			identities := filepath.Join(t.TempDir(), "identities")
			printed := must(t, "", name, "identity", test.uri)
			if err := os.WriteFile(identities, []byte(printed), 0o600); err != nil {
				t.Fatal(err)
			}
			recipient := strings.TrimSpace(must(t, "", name, "recipient", test.uri))
			if !strings.HasPrefix(recipient, test.recipient) || !strings.Contains(printed, "# recipient: "+recipient+"\n") {
				t.Errorf("the recipient is %s, and the identities are\n%s", recipient, printed)
			}
			for _, file := range []string{
				must(t, "text", "age", "-r", recipient),
				must(t, "text", "age", "-a", "-r", recipient),
				must(t, "text", "age", "-e", "-i", identities),
			} {
				if got := must(t, file, "age", "-d", "-i", identities); got != "text" {
					t.Errorf("decrypted: %q", got)
				}
				if test.recipient == "age1tag1" { // says nothing of where its key is
					continue
				}
				if got := must(t, file, "age", "-d", "-j", "holdfast"); got != "text" {
					t.Errorf("decrypted by the file itself: %q", got)
				}
			}
		})
	}
}

// TestAgeFails shows what age's users read.
func TestAgeFails(t *testing.T) {
	dir := install(t)
	makeKey(t, "file:"+dir+"/a.key", "aes-256", "encrypt-decrypt")
	makeKey(t, "file:"+dir+"/b.key", "aes-256", "encrypt-decrypt")
	makeKey(t, "file:"+dir+"/signs.pem", "ed25519", "sign-verify")
	file := must(t, "text", "age", "-r", strings.TrimSpace(must(t, "", name, "recipient", "file:"+dir+"/a.key")))
	other := filepath.Join(dir, "other")
	if err := os.WriteFile(other, []byte(must(t, "", name, "identity", "file:"+dir+"/b.key")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what, stdin string
		command     []string
		want        string
	}{
		{"another key", file, []string{"age", "-d", "-i", other}, "no identity matched"},
		{"a file that was changed", strings.Replace(file, "a.key", "b.key", 1), []string{"age", "-d", "-j", "holdfast"}, "no identity matched"},
		{"a key that is not there", strings.Replace(file, "a.key", "c.key", 1), []string{"age", "-d", "-j", "holdfast"}, "no such file"},
		{"all keys as a recipient", "text", []string{"age", "-e", "-j", "holdfast"}, "name a key"},
		{"a recipient that is cut", "text", []string{"age", "-r", "age1holdfast1qyqq"}, "invalid recipient encoding"},
		{"a key that signs", "", []string{name, "recipient", "file:" + dir + "/signs.pem"}, "neither encrypts nor agrees"},
		{"no key", "", []string{name, "identity", "file:" + dir + "/none"}, "no such file"},
		{"no URI", "", []string{name, "identity", "x"}, "not the URI of a key"},
		{"nothing", "", []string{name}, "print a file of identities"},
		{"no command", "", []string{name, "key", "file:x"}, `no "key"`},
		{"no flag", "", []string{name, "-x"}, "not defined"},
		{"another protocol", "", []string{name, "--age-plugin=x"}, "unknown state machine"},
	} {
		out, err := do(t, test.stdin, test.command[0], test.command[1:]...)
		if err == nil || !strings.Contains(err.Error(), test.want) || out != "" {
			t.Errorf("%s: %q, %v", test.what, out, err)
		}
	}
	if _, err := do(t, "", name, "-h"); err != nil {
		t.Errorf("help: %v", err)
	}
}

// TestPassphrase has age ask the user.
func TestPassphrase(t *testing.T) {
	dir := install(t)
	uri := "file:" + dir + "/rsa.pem"
	makeKey(t, uri, "rsa-2048", "encrypt-decrypt", holdfast.WithPassphrase(func() ([]byte, error) { return []byte("open sesame"), nil }))
	t.Setenv(holdfast.PassphraseVariable, "open sesame")
	printed := must(t, "", name, "identity", uri)
	lines := strings.Split(strings.TrimSpace(printed), "\n")
	t.Setenv(holdfast.PassphraseVariable, "")

	var asked []string
	ui := &plugin.ClientUI{RequestValue: func(_, prompt string, secret bool) (string, error) {
		if !secret {
			t.Error("what is typed would be shown")
		}
		asked = append(asked, prompt)
		return "open sesame", nil
	}}
	i, err := plugin.NewIdentity(lines[2], ui)
	if err != nil {
		t.Fatal(err)
	}
	r, err := plugin.NewRecipient(strings.TrimPrefix(lines[1], "# recipient: "), ui)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what      string
		recipient age.Recipient
		prompts   int
	}{
		{"the public half is all that is needed to encrypt", r, 1},
		{"an identity's key is opened to encrypt, too", i.Recipient(), 2},
	} {
		asked = nil
		var file bytes.Buffer
		w, err := age.Encrypt(&file, test.recipient)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := age.Decrypt(&file, i); err != nil || len(asked) != test.prompts || !strings.Contains(asked[0], "passphrase") {
			t.Errorf("%s: asked %q, %v", test.what, asked, err)
		}
	}
}
