package agent

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// world is a Holdfast with a root and an issuing authority, and a user for
// agents with the documented policy.
type world struct {
	server *compat.Server
	dir    string
	root   string // the root's certificate in a file
	// issuer and managed are ids.
	issuer, managed string
	// id and key are a client's certificate of the user in files.
	id, key string
}

// shared is the world of all tests of the package.
var shared = sync.OnceValues(open)

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := shared(); err == nil {
		if err := w.server.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
		_ = os.RemoveAll(w.dir) // only temporary files
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

func open() (*world, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "holdfast-agent-")
	if err != nil {
		return nil, err
	}
	// nginx, which is another user where the tests are root, looks in here.
	if err := os.Chmod(dir, 0o755); err != nil {
		return nil, err
	}
	binary, err := compat.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	server, err := compat.Start(ctx, binary, filepath.Join(dir, "data"))
	if err != nil {
		return nil, err
	}
	w := &world{
		server: server, dir: dir, root: filepath.Join(dir, "root.pem"), id: filepath.Join(dir, "id.pem"), key: filepath.Join(dir, "id.key"),
	}
	return w, w.fill(ctx)
}

// fill makes what the tests use.
func (w *world) fill(ctx context.Context) error {
	for _, args := range []string{
		"key create --spec ECC_NIST_P256 --alias root",
		"ca create --name root --key root --cn Agent-Root",
		"key create --spec ECC_NIST_P256 --alias issuing",
		"ca create --name issuing --key issuing --cn Agent-Issuing --parent root",
		"ca permission create issuing --principal acm.amazonaws.com --action ca:Issue --action ca:GetCertificate --action ca:ListPermissions",
		"identity user create web-1",
		"identity user certificate add web-1 --ca issuing --subject CN=web-1",
	} {
		if _, err := w.server.Run(ctx, strings.Fields(args)...); err != nil {
			return err
		}
	}
	chain, err := w.server.Run(ctx, "ca", "chain", "root")
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.root, []byte(chain), 0o644); err != nil {
		return err
	}
	authority, err := w.describe(ctx, "ca", "show", "issuing")
	if err != nil {
		return err
	}
	managed, err := w.describe(ctx, "managed", "request", "--ca", "issuing", "--domain", "web.example.com", "--spec", "ECC_NIST_P256")
	if err != nil {
		return err
	}
	w.issuer, w.managed = authority.ID, managed.ID
	if err := w.identify(ctx); err != nil {
		return err
	}
	return w.permit(ctx)
}

// described is what the tests read of the command line's JSON.
type described struct {
	ID          string `json:"id"`
	Serial      string `json:"serial"`
	Certificate string `json:"certificate"`
}

func (w *world) describe(ctx context.Context, args ...string) (d described, err error) {
	out, err := w.server.Run(ctx, append(args, "--json")...)
	if err != nil {
		return d, err
	}
	return d, json.Unmarshal([]byte(out), &d)
}

// identify makes the agent's client certificate, with openssl.
func (w *world) identify(ctx context.Context) error {
	csr := filepath.Join(w.dir, "id.csr")
	out, err := exec.CommandContext(ctx, "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-subj", "/CN=web-1", "-keyout", w.key, "-out", csr).CombinedOutput()
	if err != nil {
		return fmt.Errorf("openssl req: %w\n%s", err, out)
	}
	return w.renewIdentity(ctx, w.id)
}

// renewIdentity has another certificate issued for the agent's key, into a file.
func (w *world) renewIdentity(ctx context.Context, file string) error {
	issued, err := w.describe(ctx, "cert", "issue", "--ca", "issuing", "--profile", "tls-client", "--csr", filepath.Join(w.dir, "id.csr"))
	if err != nil {
		return err
	}
	w.id = file
	return os.WriteFile(w.id, []byte(issued.Certificate), 0o600)
}

var fencedPolicy = regexp.MustCompile("(?s)```json\n(.*?)```")

// permit gives the user the policy of docs/agent.md.
func (w *world) permit(ctx context.Context) error {
	root, err := compat.Root()
	if err != nil {
		return err
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "agent.md"))
	if err != nil {
		return err
	}
	found := fencedPolicy.FindSubmatch(page)
	if found == nil {
		return fmt.Errorf("docs/agent.md has no policy")
	}
	policy := strings.NewReplacer("/MANAGED\"", "/"+w.managed+"\"", "/AUTHORITY\"", "/"+w.issuer+"\"").Replace(string(found[1]))
	file := filepath.Join(w.dir, "policy.json")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		return err
	}
	_, err = w.server.Run(ctx, "identity", "user", "policy", "put", "web-1", "--policy-name", "agent", "--in", file)
	return err
}

// as runs the command line as the agent's user.
func (w *world) as(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, w.server.Binary, args...)
	cmd.Env = append(compat.Environ(), "HOLDFAST_ADDR="+w.server.URL, "HOLDFAST_CACERT="+compat.Lookup(w.server.Env, "HOLDFAST_CACERT"),
		"HOLDFAST_CLIENT_CERTIFICATE="+w.id, "HOLDFAST_CLIENT_KEY="+w.key)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// configure writes an agent's configuration: what is the same for all, and
// the certificates.
func (w *world) configure(t *testing.T, dir, certificates string) string {
	t.Helper()
	text := fmt.Sprintf(`server:
  url: %s
  ca: %s
  client_certificate: %s
  client_key: %s
state: %s
host: host-1
poll: 100ms
retry: {first: 200ms, most: 1s}
certificates:
%s`, w.server.URL, compat.Lookup(w.server.Env, "HOLDFAST_CACERT"), w.id, w.key, filepath.Join(dir, "state"), certificates)
	file := filepath.Join(dir, "agent.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// agent is a running agent.
type agent struct {
	cmd *exec.Cmd
	log *bytes.Buffer
}

// start runs an agent until stop or kill.
func (w *world) start(t *testing.T, config string) *agent {
	t.Helper()
	a := &agent{cmd: exec.Command(w.server.Binary, "agent", "--config", config), log: &bytes.Buffer{}} //nolint:noctx // it is stopped by name
	a.cmd.Env, a.cmd.Stderr = compat.Environ(), a.log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

// stop ends an agent as systemd does.
func (a *agent) stop(t *testing.T) {
	t.Helper()
	_ = a.cmd.Process.Signal(syscall.SIGTERM) // Wait tells
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("the agent: %v", err)
	}
	if t.Failed() {
		t.Logf("the agent's log:\n%s", a.log)
	}
}

// presented returns the serial number of the certificate that a server at the
// address presents, verified.
func (w *world) presented(ctx context.Context, address string) (string, error) {
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: 5 * time.Second}, Config: w.tls()}
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	defer func() { _ = c.Close() }() // all is known
	return serialOf(c.(*tls.Conn).ConnectionState().PeerCertificates[0]), nil
}

// tls verifies the chain up to the root.
func (w *world) tls() *tls.Config {
	pool := x509.NewCertPool()
	text, _ := os.ReadFile(w.root) // an empty pool verifies nothing
	pool.AppendCertsFromPEM(text)
	return &tls.Config{RootCAs: pool, ServerName: "web.example.com", MinVersion: tls.VersionTLS12}
}

func serialOf(c *x509.Certificate) string { return fmt.Sprintf("%032x", c.SerialNumber) }

// pair reads a certificate and its key, and fails where they do not match.
func pair(cert, key string) (string, error) {
	p, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return "", err
	}
	return serialOf(p.Leaf), nil
}

// deployment is what the tests read of `deployment list --json`.
type deployment struct {
	Host    string `json:"host"`
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Serial  string `json:"serial"`
	Serving string `json:"serving"`
	Failure string `json:"failure"`
}

// deployed returns what the server knows of a certificate on the host.
func (w *world) deployed(ctx context.Context, name string) (deployment, error) {
	out, err := w.server.Run(ctx, "deployment", "list", "--json")
	if err != nil {
		return deployment{}, err
	}
	var all []deployment
	if err := json.Unmarshal([]byte(out), &all); err != nil {
		return deployment{}, err
	}
	for _, d := range all {
		if d.Name == name {
			return d, nil
		}
	}
	return deployment{}, fmt.Errorf("there is no deployment %s in %s", name, out)
}

// eventually waits for what comes in its time.
func eventually(t *testing.T, what string, within time.Duration, is func() (bool, string)) {
	t.Helper()
	end := time.Now().Add(within)
	for {
		ok, seen := is()
		if ok {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s; last seen: %s", what, within, seen)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
