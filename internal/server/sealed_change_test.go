package server

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11/worker"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/split"
)

// changing is the variable that makes this test binary change the seal of its
// working directory until it is killed.
const changing = "HOLDFAST_TEST_CHANGE_SEAL"

func TestMain(m *testing.M) {
	worker.Main()
	if os.Getenv(changing) != "" {
		changeForEver(".")
		return
	}
	m.Run()
}

const onePhrase = "one correct horse battery"

func settingsOf(dir string) config.Config {
	c := config.Default()
	c.Data, c.Listen, c.RSA.Native = dir, "127.0.0.1:0", "off"
	return c
}

// unlock opens the seal of a directory, by the one passphrase if it has one.
func unlock(ctx context.Context, dir string) (*seal.Opened, error) {
	return seal.Unlock(ctx, dir, seal.Credentials{Passphrase: func() ([]byte, error) { return []byte(onePhrase), nil }})
}

// changeForEver replaces the root key and the way to it, again and again, and
// prints a line before each.
func changeForEver(dir string) {
	ctx := context.Background()
	plans := []seal.Plan{
		{Method: seal.InFile},
		{Method: seal.UnderPassphrase, Passphrase: []byte(onePhrase)},
		{Method: seal.InFile},
		{Method: seal.InFile},
		{Method: seal.InFile},
		{Method: seal.UnderShares, Shares: 3, Threshold: 2},
	}
	deliver := func([]split.Share) error { return errors.New("nobody takes them") }
	for n := 0; ; n++ {
		_, _ = fmt.Fprintln(os.Stdout, "change", n) // the parent reads it, or is gone
		o, err := unlock(ctx, dir)
		if err == nil {
			err = ChangeSeal(ctx, settingsOf(dir), o, SealChange{Plan: plans[n%len(plans)], ReplaceRoot: true, Deliver: deliver})
		}
		if err != nil && plans[n%len(plans)].Method != seal.UnderShares {
			_, _ = fmt.Fprintln(os.Stdout, "FAILED", err)
			return
		}
	}
}

// inhabited makes a data directory with keys and an administrator.
func inhabited(t *testing.T) (dir string, admin [2]string) {
	t.Helper()
	dir = t.TempDir()
	root, err := seal.Create(dir, seal.InFile, nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := Initialise(t.Context(), settingsOf(dir), root, "chief")
	if err != nil {
		t.Fatal(err)
	}
	r := start(t, dir, nil, nil)
	if status, text := r.do("POST", "/", k.ID, k.Secret, "CreateKey", "{}"); status != 200 {
		t.Fatalf("%d %s", status, text)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	return dir, [2]string{k.ID, k.Secret}
}

// works wants the directory's administrator to have the one key, usable, and
// the audit log to be intact.
func works(t *testing.T, dir string, o *seal.Opened, admin [2]string) {
	t.Helper()
	root, err := o.Root()
	if err != nil {
		t.Fatal(err)
	}
	off, err := OpenOffline(t.Context(), settingsOf(dir), root)
	if err != nil {
		t.Fatalf("it does not open: %v", err)
	}
	c, err := off.instance.directory.Credential(admin[0])
	if err != nil || c.Secret.Reveal() != admin[1] || off.Keys.Keys() != 1 {
		t.Errorf("the administrator: %v; %d keys", err, off.Keys.Keys())
	}
	public := off.AuditKey().Public().(ed25519.PublicKey)
	if _, err := off.Close(); err != nil {
		t.Error(err)
	}
	report, err := audit.Verify(filepath.Join(dir, auditDir), public)
	if err != nil || !report.OK() {
		t.Errorf("the audit log: %+v, %v", report.Problems, err)
	}
}

// A process that changes the seal and the root key is killed at any moment:
// the directory opens, and all that is in it works.
func TestChangeOfTheSealSurvivesKills(t *testing.T) {
	dir, admin := inhabited(t)
	between := 0
	for n := range 10 {
		after := time.Duration(n*7%23) * time.Millisecond
		if n%7 == 6 { // the change before has left the directory in the middle
			after = 0
		}
		said := killed(t, dir, 1+n%7, after)
		s, err := seal.Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Ways) > 1 || len(s.Ways[0].RootKeys) > 1 {
			between++
		}
		o, err := unlock(t.Context(), dir)
		if err != nil {
			t.Fatalf("round %d: nothing opens it any more: %v\n%s", n, err, said)
		}
		works(t, dir, o, admin)
		o.Close()
	}
	if between == 0 {
		t.Error("no kill hit the middle of a change: the test tests nothing")
	}
	t.Logf("%d of 10 kills were in the middle of a change", between)
}

// killed has the seal of a directory changed by a process of its own, which it
// kills some time into the n-th change, and returns what the process said.
func killed(t *testing.T, dir string, n int, after time.Duration) string {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), binary)
	cmd.Env = append(os.Environ(), changing+"=yes")
	cmd.Dir = dir
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	lines := bufio.NewScanner(out)
	for range n {
		if !lines.Scan() || strings.Contains(lines.Text(), "FAILED") {
			t.Fatalf("the process says %s %s", &said, lines.Text())
		}
		said.WriteString(lines.Text() + "\n")
	}
	time.Sleep(after) // a kill at an arbitrary moment is the test
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	return said.String()
}

// With a new root key nothing under the old one is left, and its sessions end.
func TestReplacedRootKey(t *testing.T) {
	dir, admin := inhabited(t)
	old, err := seal.Unlock(t.Context(), dir, seal.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	var shares []string
	change := SealChange{
		Plan: seal.Plan{Method: seal.UnderShares, Shares: 3, Threshold: 2}, ReplaceRoot: true, Deliver: texts(&shares),
	}
	if err := ChangeSeal(t.Context(), settingsOf(dir), old, change); err != nil {
		t.Fatal(err)
	}
	n := 0
	o, err := seal.Unlock(t.Context(), dir, seal.Credentials{Share: func(seal.Progress, error) ([]byte, error) { n++; return []byte(shares[n]), nil }})
	if err != nil {
		t.Fatal(err)
	}
	works(t, dir, o, admin)
	after, err := os.ReadFile(filepath.Join(dir, storeFile))
	if err != nil {
		t.Fatal(err)
	}
	wantChunksGone(t, before, after)
	wantEntry(t, dir, "server:ChangeSeal", "method", "shares")
	wantEntry(t, dir, "server:ChangeSeal", "root_key_replaced", "yes")
}

// wantChunksGone wants none of what the store's settings had sealed before in
// the file after. A sealed setting has a row name before it.
func wantChunksGone(t *testing.T, before, after []byte) {
	t.Helper()
	const name = auditKeySetting
	at, found := 0, 0
	for {
		i := bytes.Index(before[at:], []byte(name))
		if i < 0 {
			break
		}
		at += i + len(name)
		if at+40 > len(before) || before[at] != 1 { // what is sealed begins with its version
			continue
		}
		found++
		if bytes.Contains(after, before[at:at+40]) {
			t.Error("the file still has a setting as it was under the old root key")
		}
	}
	if found == 0 {
		t.Error("the file of before has no sealed setting: the test looks at the wrong place")
	}
}

func wantEntry(t *testing.T, dir, action, name, value string) {
	t.Helper()
	for r, err := range audit.Files(filepath.Join(dir, auditDir)).Read(t.Context(), audit.Filter{Action: action}) {
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(r.Entry.Details, audit.Detail{Name: name, Value: value}) {
			return
		}
	}
	t.Errorf("no entry of %s with %s %s", action, name, value)
}

func TestChangeOfAServedDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	start(t, dir, &Dev{}, nil)
	o, err := seal.Unlock(t.Context(), dir, seal.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, "seal.json"))
	if err != nil {
		t.Fatal(err)
	}
	err = ChangeSeal(t.Context(), settingsOf(dir), o, SealChange{Plan: seal.Plan{Method: seal.InFile}, ReplaceRoot: true})
	if fault.KindOf(err) != fault.Unavailable || err == nil {
		t.Errorf("got %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, "seal.json"))
	if err != nil || cmp.Diff(string(before), string(after)) != "" {
		t.Errorf("the seal was changed: %v", err)
	}
}

func TestRestore(t *testing.T) {
	dir, admin := inhabited(t)
	o, err := seal.Unlock(t.Context(), dir, seal.Credentials{})
	if err != nil {
		t.Fatal(err)
	}
	var kept, other *seal.RootKey
	keep := func(into **seal.RootKey) func(*seal.RootKey) error {
		return func(k *seal.RootKey) (err error) {
			*into, err = seal.NewRootKey(k.Installation(), bytes.Clone(k.Reveal()))
			return err
		}
	}
	if err := ExportRootKey(t.Context(), settingsOf(dir), o, keep(&kept)); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, dir, "server:ExportRootKey", "root_key", kept.ID())
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := Backup(t.Context(), settingsOf(dir), backup); err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	if other, err = seal.NewRootKey(kept.Installation(), secret); err != nil {
		t.Fatal(err)
	}
	plan := seal.Plan{Method: seal.UnderPassphrase, Passphrase: []byte(onePhrase)}
	fresh := filepath.Join(t.TempDir(), "new")
	err = Restore(t.Context(), settingsOf(fresh), Restoration{Key: other, Plan: plan, Backup: backup})
	if fault.KindOf(err) != fault.Unauthenticated || seal.Exists(fresh) {
		t.Errorf("a root key of another store: %v", err)
	}
	if _, err := os.Stat(filepath.Join(fresh, storeFile)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("its store was left: %v", err)
	}
	if err := Restore(t.Context(), settingsOf(fresh), Restoration{Key: kept, Plan: plan, Backup: backup}); err != nil {
		t.Fatal(err)
	}
	wantEntry(t, fresh, "server:Restore", "keys", "1")
	restored, err := unlock(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	works(t, fresh, restored, admin)
	if err := Restore(t.Context(), settingsOf(fresh), Restoration{Key: kept, Plan: plan}); fault.KindOf(err) != fault.AlreadyExists {
		t.Errorf("onto a directory: %v", err)
	}
}

// Whoever has the root key could store what it sealed: each such package is
// one that reseal calls, or stores nothing of the kind. A new one fails here,
// to be added to reseal.
func TestEverythingUnderTheRootKey(t *testing.T) {
	known := []string{
		"internal/seal",               // reseal calls it
		"internal/identity",           // reseal calls it
		"internal/factor",             // identity calls its part
		"internal/server",             // stores what it seals as settings (seal.Secret)
		"internal/ceremony",           // hands it to the server
		"cmd/holdfast",                // hands it to the server
		"cmd/holdfast/internal/seals", // hands it to the server
		"internal/recovery",           // makes none
		"internal/server/year",        // a test's: its root key is new each time
	}
	base := filepath.Join("..", "..")
	found := map[string]bool{}
	err := filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(base, filepath.Dir(path))
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Root" || s.Sel.Name == "Secret") {
				if x, ok := s.X.(*ast.Ident); ok && x.Name == "seal" {
					found[filepath.ToSlash(dir)] = true
				}
			}
			return true
		})
		return err
	})
	if err != nil || !found["internal/identity"] {
		t.Fatalf("it finds %v, %v", found, err)
	}
	for dir := range found {
		if !slices.Contains(known, dir) {
			t.Errorf("%s uses the root key: have reseal re-encrypt what it stores, and add it here", dir)
		}
	}
}
