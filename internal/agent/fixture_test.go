package agent

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/youmark/pkcs8"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/cert"
	"github.com/holdfast-kms/holdfast/internal/keystore"
)

// source is a Holdfast that issues at once.
type source struct {
	mu      sync.Mutex // guards what follows
	away    error      // what every call fails with
	now     func() time.Time
	root    *x509.Certificate
	rootKey crypto.Signer
	names   []string
	life    time.Duration
	current *issued
	byToken map[string]*issued
	revoked map[string]bool
	always  bool // whatever is asked for is revoked
	issues  int
	exports int
	reports []client.DeploymentReport
}

// issued is a certificate with its key, "" where that is the caller's.
type issued struct {
	serial, cert string
	key          []byte
}

func newSource(now func() time.Time) *source {
	s := &source{now: now, names: []string{"web.example.com"}, life: 90 * 24 * time.Hour, byToken: map[string]*issued{}, revoked: map[string]bool{}}
	s.rootKey = must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: now().Add(-time.Hour), NotAfter: now().Add(10 * 365 * 24 * time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der := must(x509.CreateCertificate(rand.Reader, t, t, s.rootKey.Public(), s.rootKey))
	s.root = must(x509.ParseCertificate(der))
	return s
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// sign issues for a public key.
func (s *source) sign(public any) *issued {
	serial := must(rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 126)))
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "web"}, DNSNames: s.names, NotBefore: s.now().Add(-time.Minute),
		NotAfter: s.now().Add(s.life), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der := must(x509.CreateCertificate(rand.Reader, t, s.root, public, s.rootKey))
	return &issued{serial: cert.SerialText(serial), cert: string(keystore.CertificatesPEM([][]byte{der}))}
}

// renew makes another managed certificate and returns its serial number.
func (s *source) renew() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	s.current = s.sign(k.Public())
	s.current.key = must(x509.MarshalPKCS8PrivateKey(k))
	return s.current.serial
}

func (s *source) chain() string { return string(keystore.CertificatesPEM([][]byte{s.root.Raw})) }

func (s *source) Managed(context.Context, string) (*client.Managed, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return nil, s.away
	}
	return &client.Managed{State: "issued", Serial: s.current.serial, Certificate: s.current.cert, Chain: s.chain()}, nil
}

func (s *source) ExportManaged(_ context.Context, _, passphrase string) (*client.ExportedManaged, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.exports++
	// As keystore.EncryptKey does, but with work for a test.
	private := must(x509.ParsePKCS8PrivateKey(s.current.key))
	der, err := pkcs8.MarshalPrivateKey(private, []byte(passphrase), &pkcs8.Opts{
		Cipher: pkcs8.AES256CBC, KDFOpts: pkcs8.PBKDF2Opts{SaltSize: 16, IterationCount: 1000, HMACHash: crypto.SHA256},
	})
	key := pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: der})
	return &client.ExportedManaged{Certificate: s.current.cert, Chain: s.chain(), PrivateKey: string(key)}, err
}

func (s *source) Issue(_ context.Context, req *client.IssueRequest) (*client.IssuedCertificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return nil, s.away
	}
	i, again := s.byToken[req.Token]
	if !again {
		block, _ := pem.Decode([]byte(req.CSR))
		csr := must(x509.ParseCertificateRequest(block.Bytes))
		s.issues++
		s.names = csr.DNSNames
		i = s.sign(csr.PublicKey)
		s.byToken[req.Token] = i
	}
	out := &client.IssuedCertificate{}
	out.Authority, out.Serial, out.Certificate.Certificate = "authority", i.serial, i.cert
	return out, nil
}

func (s *source) Certificate(_ context.Context, _, serial string) (*client.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return nil, s.away
	}
	state := "valid"
	if s.always || s.revoked[serial] {
		state = "revoked"
	}
	return &client.Certificate{State: state}, nil
}

func (s *source) ReportDeployment(_ context.Context, r *client.DeploymentReport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away != nil {
		return s.away
	}
	s.reports = append(s.reports, *r)
	return nil
}

// outcomes are those reported since the last call.
func (s *source) outcomes() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, r := range s.reports {
		all = append(all, r.Outcome)
	}
	s.reports = nil
	return strings.Join(all, " ")
}

// host is an agent's surroundings.
type host struct {
	t      *testing.T
	dir    string
	source *source
	at     time.Time
	config *Config
	agent  *Agent
}

// newHost returns a host whose configuration is the certificates that are
// given, with DIR for a directory of its own.
func newHost(t *testing.T, certificates string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), at: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	h.source = newSource(h.now)
	h.configure(certificates)
	t.Cleanup(func() {
		if h.agent != nil {
			_ = h.agent.Close() // the directory goes as well
		}
	})
	return h
}

func (h *host) now() time.Time { return h.at }

func (h *host) configure(certificates string) {
	h.t.Helper()
	text := "server: {url: https://localhost:1}\nhost: host-1\nstate: DIR/state\nretry: {first: 1m, most: 1h}\ncertificates:\n" + certificates
	c, err := Parse([]byte(strings.ReplaceAll(text, "DIR", h.dir)))
	if err != nil {
		h.t.Fatal(err)
	}
	h.config = c
}

// start opens the agent, as after a start of the machine.
func (h *host) start() {
	h.t.Helper()
	if h.agent != nil {
		if err := h.agent.Close(); err != nil {
			h.t.Fatal(err)
		}
	}
	a, err := Open(h.t.Context(), h.config, Options{Source: h.source, Log: slog.New(slog.DiscardHandler), Now: h.now})
	if err != nil {
		h.t.Fatal(err)
	}
	h.agent = a
}

// once has the agent do what there is to do.
func (h *host) once() error {
	h.t.Helper()
	if h.agent == nil {
		h.start()
	}
	return h.agent.Once(h.t.Context())
}

// well is once without a failure.
func (h *host) well() {
	h.t.Helper()
	if err := h.once(); err != nil {
		h.t.Fatal(err)
	}
}

func (h *host) path(name string) string { return filepath.Join(h.dir, name) }

// read returns a file's content, "" where there is none.
func (h *host) read(name string) string {
	text, err := os.ReadFile(h.path(name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		h.t.Fatal(err)
	}
	return string(text)
}

// inPlace returns the serial number of the pair of files, which has to match.
func (h *host) inPlace(cert, key string) string {
	h.t.Helper()
	serial, err := serialOf(h.path(cert), h.path(key))
	if err != nil {
		h.t.Fatal(err)
	}
	return serial
}

func serialOf(certificate, key string) (string, error) {
	p, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return "", err
	}
	return cert.SerialText(p.Leaf.SerialNumber), nil
}

// server is a TLS server that reads its pair anew when it is told to.
type server struct {
	address string
	mu      sync.Mutex // guards pair and deaf
	pair    *tls.Certificate
	deaf    bool // it does not load what it is told to
}

// listen starts a server without a certificate.
func listen(t *testing.T) *server {
	t.Helper()
	s := &server{}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.pair == nil {
			return nil, errors.New("no certificate")
		}
		return s.pair, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.address = l.Addr().String()
	t.Cleanup(func() { _ = l.Close() }) // the test is over
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func(c net.Conn) {
				_ = c.(*tls.Conn).HandshakeContext(context.Background()) // the client tells
				_ = c.Close()
			}(c)
		}
	}()
	return s
}

// follow has the server load a pair again and again, as a program that
// watches its files does, until the test ends.
func (s *server) follow(t *testing.T, certificate, key string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	t.Cleanup(func() { cancel(); done.Wait() })
	done.Go(func() {
		for ctx.Err() == nil {
			if p, err := tls.LoadX509KeyPair(certificate, key); err == nil {
				s.mu.Lock()
				if !s.deaf {
					s.pair = &p
				}
				s.mu.Unlock()
			}
			time.Sleep(5 * time.Millisecond)
		}
	})
}

func (s *server) setDeaf(deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = deaf
}
