package edge

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
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

// world is two Holdfasts with the same keys, certificates for those, and a web
// server.
type world struct {
	dir     string
	one     *compat.Server // has the authorities too
	two     *compat.Server
	start   func(ctx context.Context) (*compat.Server, error) // starts one again
	root    string                                            // the root's certificate in a file
	trusted string                                            // what key servers are trusted by
	keys    map[string][]byte                                 // the private keys in PKCS #8, by their names
	web     *httptest.Server
}

// The names of the sites, each of which has a key of another type.
const (
	siteEC  = "ec.example.com"
	siteRSA = "rsa.example.com"
)

// shared is the world of all tests of the package.
var shared = sync.OnceValues(open)

func TestMain(m *testing.M) {
	code := m.Run()
	if w, err := shared(); err == nil {
		for _, s := range []*compat.Server{w.one, w.two} {
			if err := s.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
				code = 1
			}
		}
		w.web.Close()
		_ = os.RemoveAll(w.dir) // only temporary files
	}
	os.Exit(code) //nolint:forbidigo // this is how a TestMain ends
}

// access is an access key that both Holdfasts know.
const access = "AKIAEDGEEDGEEDGEEDGE:edge-secret-6f1e2a9c40"

func open() (*world, error) {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "holdfast-edge-")
	if err != nil {
		return nil, err
	}
	binary, err := compat.Build(ctx, dir)
	if err != nil {
		return nil, err
	}
	w := &world{dir: dir, root: filepath.Join(dir, "root.pem"), trusted: filepath.Join(dir, "trusted.pem"), keys: map[string][]byte{}}
	public, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	server := func(name, settings string, args ...string) func(ctx context.Context) (*compat.Server, error) {
		return func(ctx context.Context) (*compat.Server, error) {
			config := filepath.Join(dir, name+".yaml")
			if err := os.WriteFile(config, []byte(settings), 0o600); err != nil {
				return nil, err
			}
			return compat.Start(ctx, binary, filepath.Join(dir, name), append([]string{"--config", config, "--aws-credential", access}, args...)...)
		}
	}
	keyless, err := freeAddress(ctx)
	if err != nil {
		return nil, err
	}
	w.start = server("one", "public_url: http://"+public+"\nkeyless: {listen: "+keyless+", client_certificates: optional}\n", "--listen-http", public)
	if w.one, err = w.start(ctx); err != nil {
		return nil, err
	}
	if w.two, err = server("two", "keyless: {client_certificates: optional}\n")(ctx); err != nil {
		return nil, err
	}
	w.web = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprintf(rw, "hello from behind, %s\n", r.Host)
	}))
	return w, w.fill(ctx)
}

// freeAddress returns a loopback address that is free at the moment: the
// certificates name it before the server listens on it.
func freeAddress(ctx context.Context) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// fill makes the authorities, the keys, their certificates and the edge's user.
func (w *world) fill(ctx context.Context) error {
	for _, args := range []string{
		"ca create --name root --new-key ECC_NIST_P256 --cn Edge-Root",
		"ca create --name issuing --new-key ECC_NIST_P256 --cn Edge-Issuing --parent root",
		"ca permission create issuing --principal acm.amazonaws.com --action ca:Issue --action ca:GetCertificate --action ca:ListPermissions",
		"identity user create edge-1",
		"identity user certificate add edge-1 --ca issuing --subject CN=edge-1",
	} {
		if _, err := w.one.Run(ctx, strings.Fields(args)...); err != nil {
			return err
		}
	}
	chain, err := w.one.Run(ctx, "ca", "chain", "root")
	if err != nil {
		return err
	}
	if err := os.WriteFile(w.root, []byte(chain), 0o600); err != nil {
		return err
	}
	var trusted []byte
	for _, s := range []*compat.Server{w.one, w.two} {
		ca, err := os.ReadFile(compat.Lookup(s.Env, "HOLDFAST_CACERT"))
		if err != nil {
			return err
		}
		trusted = append(trusted, ca...)
	}
	if err := os.WriteFile(w.trusted, trusted, 0o600); err != nil {
		return err
	}
	return w.permit(ctx)
}

// permit makes the sites' keys and lets the edge's user sign with them alone, by
// the policy of docs/edge.md.
func (w *world) permit(ctx context.Context) error {
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	bits, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	var arns []string
	for name, key := range map[string]crypto.Signer{siteEC: ec, siteRSA: bits} {
		arn, err := w.site(ctx, name, key)
		if err != nil {
			return err
		}
		arns = append(arns, arn)
	}
	page, err := os.ReadFile("../../../docs/edge.md")
	if err != nil {
		return err
	}
	fenced := regexp.MustCompile("(?s)```json\n(.*?)```").FindSubmatch(page)
	if fenced == nil {
		return fmt.Errorf("docs/edge.md has no policy")
	}
	policy := strings.Replace(string(fenced[1]), `"KEY", "KEY"`, `"`+strings.Join(arns, `", "`)+`"`, 1)
	file := filepath.Join(w.dir, "policy.json")
	if err := os.WriteFile(file, []byte(policy), 0o600); err != nil {
		return err
	}
	if _, err := w.one.Run(ctx, "identity", "user", "policy", "put", "edge-1", "--policy-name", "keys", "--in", file); err != nil {
		return err
	}
	_, err = w.one.Run(ctx, "cert", "issue", "--ca", "issuing", "--profile", "tls-client", "--cn", "edge-1", "--csr", w.request(ctx), "--out", filepath.Join(w.dir, "edge-1.pem"))
	return err
}

// request makes the edge's own key and a request for its certificate.
func (w *world) request(ctx context.Context) string {
	csr := filepath.Join(w.dir, "edge-1.csr")
	// What fails shows when the request is read.
	_ = exec.CommandContext(ctx, "openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
		"-subj", "/CN=edge-1", "-keyout", filepath.Join(w.dir, "edge-1.key"), "-out", csr).Run()
	return csr
}

// site brings a key to both Holdfasts and has a certificate issued for it. It
// returns the key's ARN in the first.
func (w *world) site(ctx context.Context, name string, key crypto.Signer) (string, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	w.keys[name] = der
	file := filepath.Join(w.dir, name+".key")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return "", err
	}
	alias, _, _ := strings.Cut(name, ".")
	spec := "ECC_NIST_P256"
	if alias == "rsa" {
		spec = "RSA_2048"
	}
	for _, s := range []*compat.Server{w.one, w.two} {
		if _, err := s.Run(ctx, "key", "import", "--spec", spec, "--usage", "SIGN_VERIFY", "--in", file, "--alias", alias); err != nil {
			return "", err
		}
	}
	if _, err := w.one.Run(ctx, "cert", "issue", "--ca", "issuing", "--cn", name, "--dns", name, "--key", alias, "--out", filepath.Join(w.dir, name+".pem")); err != nil {
		return "", err
	}
	out, err := w.one.Run(ctx, "key", "show", alias, "--json")
	if err != nil {
		return "", err
	}
	var shown struct {
		ID     string `json:"id"`
		Realm  string `json:"realm"`
		Region string `json:"region"`
	}
	err = json.Unmarshal([]byte(out), &shown)
	return fmt.Sprintf("arn:aws:kms:%s:%s:key/%s", shown.Region, shown.Realm, shown.ID), err
}

// edge is a running "holdfast edge" with a directory of its own.
type edge struct {
	t       *testing.T
	w       *world
	dir     string
	port    string
	metrics string
	cmd     *exec.Cmd
	exited  chan error
}

// settings are what tells edges apart.
type settings struct {
	keys  string // key_servers in YAML
	sites string // in place of the usual ones
}

// mutual has an edge prove itself to the first Holdfast by its certificate.
func (w *world) mutual() string {
	return fmt.Sprintf("{servers: [%q], ca: %s, client_certificate: %s, client_key: %s}", compat.Lookup(w.one.Env, "HOLDFAST_KEYLESS_ADDR"),
		w.trusted, filepath.Join(w.dir, "edge-1.pem"), filepath.Join(w.dir, "edge-1.key"))
}

// both has an edge prove itself to both Holdfasts by an access key.
func (w *world) both(t *testing.T) string {
	t.Helper()
	id, secret, _ := strings.Cut(access, ":")
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{servers: [%q, %q], ca: %s, access_key_id: %s, secret_access_key_file: %s}", compat.Lookup(w.one.Env, "HOLDFAST_KEYLESS_ADDR"),
		compat.Lookup(w.two.Env, "HOLDFAST_KEYLESS_ADDR"), w.trusted, id, file)
}

// run starts an edge, which stops with the test.
func (w *world) run(t *testing.T, s settings) *edge {
	t.Helper()
	metrics, err := freeAddress(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, w: w, dir: t.TempDir(), metrics: metrics, exited: make(chan error, 1)}
	if s.sites == "" {
		for _, name := range []string{siteEC, siteRSA} {
			s.sites += fmt.Sprintf("  - {names: [%s], certificates: [{file: %s}], upstreams: [%s]}\n", name, e.certificate(name), w.web.URL)
		}
	}
	config := filepath.Join(e.dir, "edge.yaml")
	text := fmt.Sprintf("listen: [127.0.0.1:0]\npoll: 200ms\nmetrics: {listen: %s}\naccess_log: {file: %s}\nkey_servers: %s\nsites:\n%s",
		metrics, filepath.Join(e.dir, "access.log"), s.keys, s.sites)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(e.dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	e.cmd = exec.Command(w.one.Binary, "edge", "--config", config) //nolint:noctx // Cleanup ends it
	e.cmd.Env, e.cmd.Stderr = compat.Environ(), log
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	line, err := bufio.NewReader(out).ReadString('\n')
	_, e.port, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "ready https://"), ":")
	if err != nil || e.port == "" {
		t.Fatalf("%q, %v; the log:\n%s", line, err, e.log())
	}
	return e
}

// certificate puts a site's certificate into the edge's directory.
func (e *edge) certificate(name string) string {
	e.t.Helper()
	text, err := os.ReadFile(filepath.Join(e.w.dir, name+".pem"))
	if err != nil {
		e.t.Fatal(err)
	}
	file := filepath.Join(e.dir, name+".pem")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		e.t.Fatal(err)
	}
	return file
}

// log returns what the edge has logged.
func (e *edge) log() string {
	text, err := os.ReadFile(filepath.Join(e.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// stop ends the edge as an operator would.
func (e *edge) stop() {
	_ = e.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	if err := e.cmd.Wait(); err != nil {
		e.t.Errorf("the edge ended: %v; its log:\n%s", err, e.log())
	}
}

// client runs a client with an input, and returns what it says and its status.
func client(t *testing.T, input string, command ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// curl asks for a page of a site.
func (e *edge) curl(name string, args ...string) (string, error) {
	e.t.Helper()
	command := append([]string{"curl", "--silent", "--show-error", "--max-time", "30", "--cacert", e.w.root, "--resolve", name + ":" + e.port + ":127.0.0.1"}, args...)
	return client(e.t, "", append(command, "https://"+name+":"+e.port+"/")...)
}

// openssl connects to a site and asks for a page.
func (e *edge) openssl(name string, args ...string) (string, error) {
	e.t.Helper()
	command := append([]string{
		"openssl", "s_client", "-connect", "127.0.0.1:" + e.port, "-servername", name, "-CAfile", e.w.root, "-verify_return_error", "-verify_hostname", name, "-ign_eof",
	}, args...)
	return client(e.t, "GET / HTTP/1.1\r\nHost: "+name+"\r\nConnection: close\r\n\r\n", command...)
}

// serial returns the serial number of the certificate that a site presents.
func (e *edge) serial(name string) (string, error) {
	e.t.Helper()
	out, err := e.openssl(name)
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return client(e.t, out, "openssl", "x509", "-noout", "-serial")
}
