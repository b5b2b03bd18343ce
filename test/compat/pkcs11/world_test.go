package pkcs11

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// world is a Holdfast, an agent for PKCS #11 with tokens, and what a program
// has to be told.
type world struct {
	server *compat.Server
	dir    string
	// pins are the tokens' PINs.
	pins   map[string]string
	socket string
	// module is p11-kit-client.so, engine OpenSSL's; "" where they are not
	// installed.
	module, engine string
	agent          *exec.Cmd
	log            *os.File
}

// The tokens: what their PINs are, if they have one, and which keys they show.
const (
	tokenCredential = "holdfast" // an access key
	tokenShort      = "short"    // one of the agent's configuration
	tokenOpen       = "open"     // none
	tokenJava       = "java"     // as short; keys with a tag only
	shortPIN        = "correct-horse"
)

// shared is the world of all tests of the package.
var shared = sync.OnceValues(open)

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := shared(); err == nil {
		if err := w.close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

const slots = `socket: %[1]s/agent.sock
mode: 0666
log: {level: debug}
slots:
  - label: holdfast
    server: {url: %[2]q, ca: %[3]q, region: %[4]q}
    keyless: &keyless {servers: [%[5]q]}
  - label: short
    server: &own {url: %[2]q, ca: %[3]q, region: %[4]q, access_key_id: %[6]q, secret_access_key_file: %[1]s/secret}
    pin_file: %[1]s/pin
    keyless: *keyless
  - label: open
    server: *own
  - label: java
    server: *own
    pin_file: %[1]s/pin
    keyless: *keyless
    tags: {for: java}
`

func open() (*world, error) {
	dir, err := os.MkdirTemp("", "holdfast-pkcs11-")
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	ctx := context.Background()
	binary, err := compat.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, socket: filepath.Join(dir, "agent.sock"), module: find("pkcs11/p11-kit-client.so"), engine: find("engines-3/pkcs11.so")}
	if w.server, err = compat.Start(ctx, binary, filepath.Join(dir, "data"), "--in-memory"); err != nil {
		return nil, err
	}
	env := func(name string) string { return compat.Lookup(w.server.Env, name) }
	w.pins = map[string]string{tokenCredential: env("HOLDFAST_ACCESS_KEY_ID") + ":" + env("HOLDFAST_SECRET_ACCESS_KEY"), tokenShort: shortPIN, tokenJava: shortPIN}
	config := fmt.Sprintf(slots, dir, w.server.URL, env("HOLDFAST_CACERT"), env("HOLDFAST_REGION"), env("HOLDFAST_KEYLESS_ADDR"), env("HOLDFAST_ACCESS_KEY_ID"))
	err = errors.Join(
		os.WriteFile(filepath.Join(dir, "agent.yaml"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "secret"), []byte(env("HOLDFAST_SECRET_ACCESS_KEY")+"\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "pin"), []byte(shortPIN+"\n"), 0o600),
	)
	if err == nil {
		err = w.start()
	}
	if err != nil {
		w.server.Kill()
		return nil, err
	}
	return w, nil
}

func find(name string) string {
	for _, place := range []string{"/usr/lib/*/", "/usr/lib64/", "/usr/lib/"} {
		if list, err := filepath.Glob(place + name); err == nil && len(list) > 0 {
			return list[0]
		}
	}
	return ""
}

// start runs the agent until it says that it serves.
func (w *world) start() error {
	log, err := os.Create(filepath.Join(w.dir, "agent.log"))
	if err != nil {
		return err
	}
	w.log = log
	w.agent = exec.Command(w.server.Binary, "pkcs11", "serve", "--config", filepath.Join(w.dir, "agent.yaml")) //nolint:noctx // close ends it
	w.agent.Env, w.agent.Stderr = compat.Environ(), log
	out, err := w.agent.StdoutPipe()
	if err != nil {
		return err
	}
	if err := w.agent.Start(); err != nil {
		return err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "ready "+w.socket {
		return fmt.Errorf("the agent says %q (%w) and logs\n%s", line, err, w.logged())
	}
	return nil
}

func (w *world) logged() string {
	text, err := os.ReadFile(w.log.Name())
	if err != nil {
		return err.Error()
	}
	lines := slices.DeleteFunc(strings.SplitAfter(string(text), "\n"), func(l string) bool { return strings.Contains(l, "logged in") })
	return strings.Join(lines[max(0, len(lines)-40):], "")
}

// close wants both to end well.
func (w *world) close() error {
	err := w.agent.Process.Signal(syscall.SIGTERM)
	if err == nil {
		err = w.agent.Wait()
	}
	return errors.Join(err, w.log.Close(), w.server.Stop(), os.RemoveAll(w.dir))
}

// use returns the world for a test of the named programs, each with an argument
// that makes it say that it is there. What is absent skips the test.
func use(t *testing.T, programs ...[]string) *world {
	t.Helper()
	for _, p := range programs {
		if out, err := exec.CommandContext(t.Context(), p[0], p[1:]...).CombinedOutput(); err != nil && len(out) == 0 {
			t.Skipf("%s is not installed", p[0])
		}
	}
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	if w.module == "" {
		t.Skip("p11-kit-client.so is not installed")
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the agent:\n%s", w.logged())
		}
	})
	return w
}

// environ is the environment of a program: of "holdfast pkcs11 env --for shell",
// and more.
func (w *world) environ(more ...string) []string {
	list := append(compat.Environ(), "P11_KIT_SERVER_ADDRESS=unix:path="+w.socket, "LC_ALL=C.UTF-8", "HOME="+w.dir)
	return append(list, more...)
}

// nobodyID is a user and group without rights.
const nobodyID = 65534

// command is a program that is to be run in a folder.
type command struct {
	dir    string
	env    []string
	args   []string
	nobody bool // as a user without rights, where the tests have them
}

// run runs a program and returns what it writes.
func (w *world) run(ctx context.Context, c command) (string, error) {
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, c.args[0], c.args[1:]...)
	cmd.Dir, cmd.Env = c.dir, w.environ(c.env...)
	if c.nobody && os.Getuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobodyID, Gid: nobodyID}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}

// must is run for what has to go well.
func (w *world) must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := w.run(t.Context(), command{dir: dir, args: args})
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.ReplaceAll(strings.Join(args, " "), w.pins[tokenCredential], "PIN"), err, out)
	}
	return out
}

// holdfast runs the command line and reads its JSON.
func (w *world) holdfast(t *testing.T, v any, args ...string) {
	t.Helper()
	out, err := w.server.Run(t.Context(), append(slices.Clone(args), "--json")...)
	if err != nil {
		t.Fatal(err)
	}
	if v != nil {
		if err := json.Unmarshal([]byte(out), v); err != nil {
			t.Fatalf("%q: %v", out, err)
		}
	}
}

// uri names a private key of a token, with the PIN in it.
func (w *world) uri(token, object string) string {
	u := "pkcs11:token=" + token + ";object=" + url.QueryEscape(object) + ";type=private"
	if pin := w.pins[token]; pin != "" {
		u += ";pin-value=" + url.QueryEscape(pin)
	}
	return u
}

// key makes a key with an alias.
func (w *world) key(t *testing.T, alias, spec string) {
	t.Helper()
	w.holdfast(t, nil, "key", "create", "--alias", alias, "--spec", spec, "--usage", "SIGN_VERIFY")
}

// write writes a file of a test.
func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// read reads one.
func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// folder is a test's own, in which programs of other users may read.
func (w *world) folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(w.dir, "t-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
