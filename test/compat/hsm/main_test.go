package hsm

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/holdfast-kms/holdfast/test/compat"
	"github.com/holdfast-kms/holdfast/test/compat/judge"
)

// label is the token that every test has.
const label = "hot"

// world is a running Holdfast with tokens of its own.
type world struct {
	*kms.Client
	*compat.SoftHSM

	server  *compat.Server
	dir     string
	timeout time.Duration // of a call of the token's
}

// The timeouts: hasty where a call is meant to fail by it, patient where keys
// are made on a machine that is busy.
const (
	hasty   = 2 * time.Second
	patient = 20 * time.Second
)

// binary is built once.
var binary = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "holdfast-hsm-binary-")
	if err != nil {
		return "", err
	}
	return compat.Build(context.Background(), dir)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := binary(); err == nil && strings.Contains(filepath.Dir(path), "holdfast-hsm-binary-") {
		if err := os.RemoveAll(filepath.Dir(path)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

// newWorld makes a token and starts a server that uses it.
func newWorld(t *testing.T, timeout time.Duration) *world {
	t.Helper()
	w := &world{dir: t.TempDir(), timeout: timeout}
	var err error
	if w.SoftHSM, err = compat.NewSoftHSM(w.dir); err != nil {
		t.Fatal(err)
	}
	if err := w.Token(t.Context(), label); err != nil {
		t.Fatal(err)
	}
	w.start(t)
	return w
}

// start starts the server, as a first time or again.
func (w *world) start(t *testing.T) {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	text, err := w.Config(w.dir, w.timeout, label)
	if err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(w.dir, "holdfast.yaml")
	judge.Write(t, w.dir, "holdfast.yaml", []byte(text))
	if w.server, err = compat.Start(t.Context(), path, filepath.Join(w.dir, "data"), "--config", config); err != nil {
		t.Fatal(err)
	}
	server := w.server
	t.Cleanup(server.Kill) // nothing is left behind when the test ends early
	if w.Client, err = client(server); err != nil {
		t.Fatal(err)
	}
}

// stop ends the server as an operator does, and holds that it leaves no
// process behind, and the PIN in no file.
func (w *world) stop(t *testing.T) {
	t.Helper()
	workers := w.workers(t)
	if err := w.server.Stop(); err != nil {
		t.Errorf("%v\n%s", err, w.server.Log())
	}
	for _, pid := range workers {
		if alive(pid) {
			t.Errorf("the worker %d outlives its server", pid)
		}
	}
	w.unwritten(t, compat.Secret{Name: "PIN", Bytes: []byte(compat.PIN)})
}

// unwritten holds that secrets are in no file of the server's and not in its log.
func (w *world) unwritten(t *testing.T, secrets ...compat.Secret) {
	t.Helper()
	found, err := compat.FindInFiles(secrets, w.server.Dir, w.server.Dir+".log")
	if err != nil {
		t.Error(err)
	}
	for _, what := range found {
		t.Errorf("found %s", what)
	}
}

// unseen holds that secrets are neither written nor in the server's memory.
// Then it has the server use a key of its own store, whose secret has to be
// there: a search that did not find that one would prove nothing.
func (w *world) unseen(t *testing.T, secrets ...compat.Secret) {
	t.Helper()
	w.unwritten(t, secrets...)
	for _, what := range w.seen(t, secrets...) {
		t.Errorf("found %s", what)
	}
	dir := t.TempDir()
	judge.PKCS8(t, dir, "key", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
	plain := judge.Read(t, dir, "key")
	var k struct {
		ID string `json:"id"`
	}
	out := w.holdfast(t, "key", "import", "--spec", "ECC_NIST_P256", "--in", filepath.Join(dir, "key"), "--json")
	if err := json.Unmarshal([]byte(out), &k); err != nil {
		t.Fatal(err)
	}
	judge.Key(t, w.Client, k.ID, plain)
	if soft := compat.Secrets("a key in software", plain); w.seen(t, soft...) == nil {
		t.Error("a key in software is not found in the server's memory: the search is blind")
	} else {
		w.unwritten(t, soft...)
	}
}

// seen returns what of the secrets is in the server's memory.
func (w *world) seen(t *testing.T, secrets ...compat.Secret) []string {
	t.Helper()
	found, err := compat.FindInMemory(w.server.PID(), secrets...)
	if err != nil {
		t.Error(err)
	}
	return found
}

// workers are the processes in which the server has its modules.
func (w *world) workers(t *testing.T) []int {
	t.Helper()
	pids, err := compat.Children(w.server.PID())
	if err != nil {
		t.Fatal(err)
	}
	return pids
}

// alive reports whether there is a process that is no zombie.
func alive(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// holdfast runs the command line against the server and returns its output.
func (w *world) holdfast(t *testing.T, args ...string) string {
	t.Helper()
	out, err := w.try(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func (w *world) try(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), w.server.Binary, args...)
	cmd.Env = append(append(compat.Environ(), w.server.Env...), "SOFTHSM2_CONF="+w.Conf)
	cmd.Dir = w.dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), errors.Join(fmt.Errorf("holdfast %s: %w", strings.Join(args, " "), err), errors.New(stderr.String()))
	}
	return stdout.String(), nil
}

// made runs a command that makes a key and returns its id.
func (w *world) made(t *testing.T, args ...string) string {
	t.Helper()
	var k struct {
		ID         string `json:"id"`
		Protection string `json:"protection"`
	}
	out := w.holdfast(t, append(args, "--json")...)
	if err := json.Unmarshal([]byte(out), &k); err != nil || k.ID == "" {
		t.Fatalf("holdfast %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	if k.Protection != "hsm" {
		t.Errorf("holdfast %s: protected by %q", strings.Join(args, " "), k.Protection)
	}
	return k.ID
}

// client returns a client of a server with its first credentials.
func client(s *compat.Server) (*kms.Client, error) {
	over, err := compat.Trusting(compat.Lookup(s.Env, "AWS_CA_BUNDLE"))
	if err != nil {
		return nil, err
	}
	return judge.Client(s.URL, compat.Lookup(s.Env, "AWS_ACCESS_KEY_ID"), compat.Lookup(s.Env, "AWS_SECRET_ACCESS_KEY"), over), nil
}
