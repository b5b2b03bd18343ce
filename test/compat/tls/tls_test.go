package tls

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/test/compat"
)

// client is a TLS client of somebody's.
type client struct {
	name string
	tool compat.Tool
	// fetch gets the URL as the identity and returns the protocol and the
	// page, in the words of the client.
	fetch func(t *testing.T, p *pki, url string, id identity) (string, error)
	// checked fetches as well, and refuses a server whose certificate is
	// revoked; nil for a client that does not check.
	checked func(t *testing.T, p *pki, url string, id identity) (string, error)
	// protocol is how the client says TLS 1.3.
	protocol string
}

func clients(ctx context.Context) []client {
	return []client{
		{"Go", compat.Tool{Name: "Go", Version: "1"}, fetchGo, fetchGoChecked, "TLS 1.3"},
		{"curl", compat.FindTool(ctx, "curl", "curl", "--version"), fetchCurl(false), fetchCurl(true), "TLSv1.3"},
		{"openssl", compat.FindTool(ctx, "openssl", "openssl", "version"), fetchOpenSSL(false), fetchOpenSSL(true), "TLSv1.3"},
		{"GnuTLS", compat.FindTool(ctx, "gnutls-cli", "gnutls-cli", "--version"), fetchGnuTLS(false), fetchGnuTLS(true), "TLS1.3"},
		{"Node", compat.FindTool(ctx, "node", "node", "--version"), fetchNode(false), fetchNode(true), "TLSv1.3"},
		{"Java", compat.FindTool(ctx, "java", "java", "--source", "17", "--version"), fetchJava(""), fetchJava("check"), "TLSv1.3"},
	}
}

// page is what the server says.
const page = "hello, client"

// serve runs a TLS server with the identity that asks for a client's
// certificate, and returns its URL.
func serve(t *testing.T, p *pki, id identity) string {
	t.Helper()
	own, err := tls.LoadX509KeyPair(id.chain, id.key)
	if err != nil {
		t.Fatal(err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{
		ReadHeaderTimeout: time.Minute,
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{own}, ClientCAs: p.roots(t), ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS13,
		},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s\n", page, r.TLS.PeerCertificates[0].Subject.CommonName)
		}),
		ErrorLog: log.New(io.Discard, "", 0), // a client that refuses us is what some tests want
	}
	go func() {
		if err := server.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { _ = server.Close() }) // the test is over
	return "https://" + l.Addr().String() + "/"
}

func (p *pki) roots(t *testing.T) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(leaf(t, p.root))
	return pool
}

// TestMutualTLS has every client fetch a page over TLS 1.3 from a server, both
// with certificates for each type of key.
func TestMutualTLS(t *testing.T) {
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	all := clients(t.Context())
	for kind, generate := range keyTypes() {
		t.Run(kind, func(t *testing.T) {
			server, own := p.issue(t, generate, "tls-server", "server.example.com"), p.issue(t, generate, "tls-client", "client.example.com")
			url := serve(t, p, server)
			for _, c := range all {
				t.Run(c.name, func(t *testing.T) {
					need(t, c.tool)
					out, err := c.fetch(t, p, url, own)
					if err != nil {
						t.Fatalf("%v\n%s", err, out)
					}
					if !strings.Contains(out, c.protocol) || !strings.Contains(out, page+" client.example.com") {
						t.Errorf("the client says %q, want %s and the page", out, c.protocol)
					}
				})
			}
		})
	}
}

// TestRevoked has the clients that check accept a server, and refuse it from
// the moment of its certificate's revocation on.
func TestRevoked(t *testing.T) {
	p, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	p256 := keyTypes()["P-256"]
	server, own := p.issue(t, p256, "tls-server", "revoked.example.com"), p.issue(t, p256, "tls-client", "checker.example.com")
	url := serve(t, p, server)
	all := clients(t.Context())
	all = append(all, client{"Java by CRL", all[len(all)-1].tool, nil, fetchJava("crl"), "TLSv1.3"})
	for _, c := range all {
		t.Run("good/"+c.name, func(t *testing.T) {
			need(t, c.tool)
			if out, err := c.checked(t, p, url, own); err != nil || !strings.Contains(out, page) {
				t.Errorf("refused before the revocation: %v\n%s", err, out)
			}
		})
	}
	p.run(t, "cert", "revoke", server.serial, "--ca", "issuing", "--reason", "keyCompromise", "--yes")
	for _, c := range all {
		t.Run("revoked/"+c.name, func(t *testing.T) {
			need(t, c.tool)
			out, err := c.checked(t, p, url, own)
			if err == nil || strings.Contains(out, page) {
				t.Errorf("the revoked server is accepted:\n%s", out)
			}
			if !strings.Contains(strings.ToLower(out+fmt.Sprint(err)), "revoked") {
				t.Errorf("refused, but not for the revocation: %v\n%s", err, out)
			}
		})
	}
}

// need skips a client that the machine lacks.
func need(t *testing.T, tool compat.Tool) {
	t.Helper()
	if tool.Version == "" {
		t.Skipf("%s is not installed", tool.Name)
	}
}

func fetchGo(t *testing.T, p *pki, url string, id identity) (string, error) {
	t.Helper()
	return get(t, p, url, id, nil)
}

// fetchGoChecked asks the server's issuer by OCSP in the handshake.
func fetchGoChecked(t *testing.T, p *pki, url string, id identity) (string, error) {
	t.Helper()
	return get(t, p, url, id, func(state tls.ConnectionState) error {
		return askOCSP(t.Context(), state.PeerCertificates[0], state.PeerCertificates[1])
	})
}

func get(t *testing.T, p *pki, url string, id identity, verify func(tls.ConnectionState) error) (string, error) {
	t.Helper()
	own, err := tls.LoadX509KeyPair(id.chain, id.key)
	if err != nil {
		t.Fatal(err)
	}
	c := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		RootCAs: p.roots(t), Certificates: []tls.Certificate{own}, VerifyConnection: verify, MinVersion: tls.VersionTLS13,
	}}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := c.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	body, err := io.ReadAll(answer.Body)
	return tls.VersionName(answer.TLS.Version) + " " + string(body), err
}

// askOCSP asks by GET (RFC 6960 appendix A.1) whether a certificate is good.
func askOCSP(ctx context.Context, c, issuer *x509.Certificate) error {
	if len(c.OCSPServer) == 0 {
		return errors.New("the certificate names no OCSP responder")
	}
	question, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return err
	}
	escaped := strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(base64.StdEncoding.EncodeToString(question))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.OCSPServer[0]+"/"+escaped, http.NoBody)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	der, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	status, err := ocsp.ParseResponseForCert(der, c, issuer)
	if err != nil {
		return fmt.Errorf("the answer, status %d: %w", answer.StatusCode, err)
	}
	if status.Status != ocsp.Good {
		return fmt.Errorf("the certificate is revoked, or not known: status %d", status.Status)
	}
	return nil
}

// crls returns files with the CRLs of the root and of the issuing authority,
// as they are now, and one with both.
func (p *pki) crls(t *testing.T) (both string, each []string) {
	t.Helper()
	dir := t.TempDir()
	both = dir + "/both.pem"
	var joined bytes.Buffer
	for _, name := range []string{"root", "issuing"} {
		file := dir + "/" + name + ".crl"
		text := p.run(t, "ca", "crl", name)
		joined.WriteString(text)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		each = append(each, file)
	}
	if err := os.WriteFile(both, joined.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return both, each
}

func command(t *testing.T, stdin, name string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = compat.Environ()
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func fetchCurl(check bool) func(*testing.T, *pki, string, identity) (string, error) {
	return func(t *testing.T, p *pki, url string, id identity) (string, error) {
		t.Helper()
		args := []string{"--silent", "--show-error", "--verbose", "--tlsv1.3", "--cacert", p.root, "--cert", id.chain, "--key", id.key, url}
		if check {
			both, _ := p.crls(t)
			args = append(args, "--crlfile", both)
		}
		return command(t, "", "curl", args...)
	}
}

func fetchOpenSSL(check bool) func(*testing.T, *pki, string, identity) (string, error) {
	return func(t *testing.T, p *pki, url string, id identity) (string, error) {
		t.Helper()
		args := []string{
			"s_client", "-connect", strings.Trim(strings.TrimPrefix(url, "https://"), "/"), "-tls1_3",
			"-cert", id.chain, "-cert_chain", p.issuer, "-key", id.key, "-verify_return_error", "-verify_ip", "127.0.0.1", "-ign_eof",
		}
		if check {
			both, _ := p.crls(t) // -CRL reads one, -CAfile as many as there are
			args = append(args, "-crl_check_all", "-CAfile", concat(t, p.root, both))
		} else {
			args = append(args, "-CAfile", p.root)
		}
		return command(t, "GET / HTTP/1.0\r\n\r\n", "openssl", args...)
	}
}

// concat joins files into a new one.
func concat(t *testing.T, files ...string) string {
	t.Helper()
	var all []byte
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	joined := filepath.Join(t.TempDir(), "joined.pem")
	if err := os.WriteFile(joined, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return joined
}

func fetchGnuTLS(check bool) func(*testing.T, *pki, string, identity) (string, error) {
	return func(t *testing.T, p *pki, url string, id identity) (string, error) {
		t.Helper()
		host, port, err := net.SplitHostPort(strings.Trim(strings.TrimPrefix(url, "https://"), "/"))
		if err != nil {
			t.Fatal(err)
		}
		args := []string{
			"--port", port, "--x509cafile", p.root, "--x509certfile", id.chain, "--x509keyfile", id.key,
			"--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.3", "--disable-sni", host,
		}
		if check {
			args = append([]string{"--ocsp"}, args...)
		}
		return command(t, "GET / HTTP/1.0\r\n\r\n", "gnutls-cli", args...)
	}
}

func fetchNode(check bool) func(*testing.T, *pki, string, identity) (string, error) {
	return func(t *testing.T, p *pki, url string, id identity) (string, error) {
		t.Helper()
		args := []string{"testdata/client.mjs", url, p.root, id.chain, id.key}
		if check {
			_, each := p.crls(t)
			args = append(args, each...)
		}
		return command(t, "", "node", args...)
	}
}

func fetchJava(check string) func(*testing.T, *pki, string, identity) (string, error) {
	return func(t *testing.T, p *pki, url string, id identity) (string, error) {
		t.Helper()
		args := []string{"-Dcom.sun.security.enableAIAcaIssuers=false", "testdata/Client.java", url, p.root, id.bundle, password}
		if check != "" {
			args = append(args, check)
		}
		return command(t, "", "java", args...)
	}
}
