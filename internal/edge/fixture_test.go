package edge

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/internal/edge/setting"
	"github.com/holdfast-kms/holdfast/internal/keylesstest"
)

// world is a CA with its responder, a key server and an upstream.
type world struct {
	t        *testing.T
	dir      string
	ca       *x509.Certificate
	caKey    crypto.Signer
	pool     *x509.CertPool
	key      crypto.Signer // of the sites' certificates, on the key server
	other    crypto.Signer // on no server
	keys     *keylesstest.Server
	socket   string
	upstream *httptest.Server
	ocsp     *httptest.Server
	asked    atomic.Int32 // questions to the responder
	status   atomic.Int32 // what it answers
	serial   int64
	managed  certificate.Managed // what an edge asks in the place of a server; nil for none
}

func newKey(t *testing.T) crypto.Signer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), caKey: newKey(t), key: newKey(t), other: newKey(t), serial: 1}
	w.ca = w.certify(&x509.Certificate{
		Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, w.caKey.Public())
	w.pool = x509.NewCertPool()
	w.pool.AddCert(w.ca)
	w.socket = filepath.Join(w.dir, "keys")
	w.startKeys()
	w.ocsp = httptest.NewServer(http.HandlerFunc(w.respond))
	t.Cleanup(w.ocsp.Close)
	w.upstream = httptest.NewServer(http.HandlerFunc(serveUpstream))
	t.Cleanup(w.upstream.Close)
	return w
}

// startKeys starts the key server, perhaps again.
func (w *world) startKeys() {
	w.t.Helper()
	if err := os.RemoveAll(w.socket); err != nil {
		w.t.Fatal(err)
	}
	w.keys = keylesstest.Start(w.t, keylesstest.Config{Keys: []crypto.Signer{w.key}, Network: "unix", Address: w.socket})
}

// certify signs a certificate with the CA's key.
func (w *world) certify(template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	w.t.Helper()
	w.serial++
	template.SerialNumber = big.NewInt(w.serial)
	if template.NotAfter.IsZero() {
		template.NotAfter = time.Now().Add(time.Hour)
	}
	template.NotBefore = time.Now().Add(-time.Hour)
	parent := w.ca
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, w.caKey)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// leaf makes a certificate of a server.
func (w *world) leaf(public crypto.PublicKey, must bool, names ...string) *x509.Certificate {
	template := &x509.Certificate{Subject: pkix.Name{CommonName: names[0]}, DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature}
	if must {
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 24}, Value: []byte{0x30, 3, 2, 1, 5}}}
	}
	if w.ocsp != nil {
		template.OCSPServer = []string{w.ocsp.URL}
	}
	return w.certify(template, public)
}

// write writes the chain of a certificate to a file in the world's directory.
func (w *world) write(name string, c *x509.Certificate) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.WriteFile(path, append(pemOf(c.Raw), pemOf(w.ca.Raw)...), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// site writes a certificate for names and returns a site in YAML.
func (w *world) site(file string, names ...string) string {
	w.t.Helper()
	w.write(file, w.leaf(w.key.Public(), false, names...))
	return fmt.Sprintf("  - {names: [%s], certificates: [{file: %s}], upstreams: [%s]}\n", strings.ReplaceAll(`"`+strings.Join(names, `","`)+`"`, `""`, `"`),
		filepath.Join(w.dir, file), w.upstream.URL)
}

// config is a configuration with sites, and settings before them.
func (w *world) config(settings, sites string) string {
	return "listen: [127.0.0.1:0]\npoll: 100ms\nkey_servers: {servers: [unix://" + w.socket + "], plain: true, timeout: 2s}\n" + settings + "sites:\n" + sites
}

// pemOf is a certificate in PEM.
func pemOf(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// respond is the responder of the CA.
func (w *world) respond(rw http.ResponseWriter, r *http.Request) {
	w.asked.Add(1)
	body, _ := io.ReadAll(r.Body)
	q, err := xocsp.ParseRequest(body)
	status := int(w.status.Load())
	if err != nil || status < 0 {
		http.Error(rw, "away", http.StatusServiceUnavailable)
		return
	}
	now := time.Now().Truncate(time.Second)
	answer := xocsp.Response{Status: status, SerialNumber: q.SerialNumber, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour), RevokedAt: now}
	raw, err := xocsp.CreateResponse(w.ca, w.ca, answer, w.caKey)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = rw.Write(raw)
}

// serveUpstream tells a client what the edge said to it.
func serveUpstream(rw http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		_, _ = io.Copy(rw, r.Body)
	case "/stream":
		_, _ = io.WriteString(rw, "one\n")
		_ = http.NewResponseController(rw).Flush()
		<-r.Context().Done()
	case "/upgrade":
		upgrade(rw)
	default:
		rw.Header().Set("Content-Type", "text/plain")
		_, _ = fmt.Fprintf(rw, "%s %s %s\n", r.Method, r.Host, r.RequestURI)
		_ = r.Header.Write(rw)
	}
}

// upgrade changes to a protocol that echoes.
func upgrade(rw http.ResponseWriter) {
	rw.Header().Set("Connection", "Upgrade")
	rw.Header().Set("Upgrade", "echo")
	rw.WriteHeader(http.StatusSwitchingProtocols)
	c, buffered, err := http.NewResponseController(rw).Hijack()
	if err != nil {
		return
	}
	_, _ = io.Copy(c, buffered)
	_ = c.Close()
}

// running is an edge.
type running struct {
	t       *testing.T
	w       *world
	address string
	file    string
	log     *logged
	metrics string
	reload  chan os.Signal
	stop    context.CancelFunc
	ended   chan error
}

// logged is what an edge writes.
type logged struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// start runs an edge, which stops with the test.
func (w *world) start(text string) *running {
	w.t.Helper()
	e := &running{t: w.t, w: w, log: &logged{}, reload: make(chan os.Signal, 1), ended: make(chan error, 1), file: filepath.Join(w.dir, "edge.yaml")}
	e.configure(text + "\nmetrics: {listen: 127.0.0.1:0}\n")
	c, err := setting.Load(e.file)
	if err != nil {
		w.t.Fatal(err)
	}
	o := Options{Config: c, Log: slog.New(slog.NewTextHandler(e.log, nil)), Stderr: e.log, Reload: e.reload}
	o.Again = func() (*setting.Config, error) { return setting.Load(e.file) }
	if o.Keys, err = c.KeyServers.Connect(o.Log); err != nil {
		w.t.Fatal(err)
	}
	if w.managed != nil {
		o.Managed = w.managed
	}
	ready := make(chan string, 1)
	o.Ready = func(addresses []string) error { ready <- addresses[0]; return nil }
	ctx, stop := context.WithCancel(w.t.Context())
	e.stop = stop
	go func() { e.ended <- Run(ctx, o) }()
	select {
	case e.address = <-ready:
	case err := <-e.ended:
		w.t.Fatalf("%v\n%s", err, e.log)
	}
	w.t.Cleanup(func() { e.end() })
	until(w.t, "the log has the address of the metrics", func() bool {
		_, rest, ok := strings.Cut(e.log.String(), "msg=metrics address=")
		e.metrics, _, _ = strings.Cut(rest, "\n")
		return ok
	})
	return e
}

// configure writes the configuration.
func (e *running) configure(text string) {
	e.t.Helper()
	if err := os.WriteFile(e.file, []byte(text), 0o600); err != nil {
		e.t.Fatal(err)
	}
}

// hangup asks the edge to look at everything.
func (e *running) hangup() { e.reload <- syscall.SIGHUP }

// end stops the edge, once.
func (e *running) end() {
	e.stop()
	if err := <-e.ended; err != nil {
		e.t.Errorf("the edge ended: %v\n%s", err, e.log)
	}
	e.ended <- nil // for whoever asks again
}

// client returns a client that takes the edge for a name.
func (e *running) client(name string, change ...func(*tls.Config)) *http.Client {
	c := &tls.Config{RootCAs: e.w.pool, ServerName: name}
	for _, f := range change {
		f(c)
	}
	t := &http.Transport{TLSClientConfig: c, Protocols: new(http.Protocols)}
	t.Protocols.SetHTTP1(true)
	e.t.Cleanup(t.CloseIdleConnections)
	return &http.Client{Transport: t, Timeout: 20 * time.Second}
}

// dial does a handshake.
func (e *running) dial(name string, change ...func(*tls.Config)) (*tls.ConnectionState, error) {
	c := &tls.Config{RootCAs: e.w.pool, ServerName: name}
	for _, f := range change {
		f(c)
	}
	conn, err := (&tls.Dialer{Config: c}).DialContext(e.t.Context(), "tcp", e.address)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	state := conn.(*tls.Conn).ConnectionState()
	return &state, nil
}

// get returns what a path answers.
func (e *running) get(c *http.Client, name, path string, headers ...string) (int, string) {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, "https://"+e.address+path, http.NoBody)
	if err != nil {
		e.t.Fatal(err)
	}
	r.Host = name
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return e.do(c, r)
}

func (e *running) do(c *http.Client, r *http.Request) (int, string) {
	e.t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		e.t.Fatalf("%v\n%s", err, e.log)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// figures returns what the metrics listener serves under a path.
func (e *running) figures(path string) (int, string) {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, "http://"+e.metrics+path, http.NoBody)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.do(http.DefaultClient, r)
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("after %v it is not so that %s", time.Since(began), what)
		}
	}
}
