package edge

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// TestKeyServerAway: new handshakes fail, and say so to the client and in the
// log and the metrics; sessions are resumed; and when the server is back, so is
// the edge.
func TestKeyServerAway(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			w := newWorld(t)
			e := w.start(strings.Replace(w.config("", w.site("a.pem", "a.example")), "timeout: 2s", "timeout: 200ms", 1))
			sessions := tls.NewLRUClientSessionCache(4)
			resuming := func(c *tls.Config) { c.ClientSessionCache, c.MinVersion, c.MaxVersion = sessions, version, version }
			visit := func() int {
				c := e.client("a.example", resuming)
				defer c.CloseIdleConnections()
				status, _ := e.get(c, "a.example", "/")
				return status
			}
			if visit() != http.StatusOK {
				t.Fatal("the first visit failed")
			}
			w.keys.Stop()
			if _, err := e.dial("a.example"); err == nil || !strings.Contains(err.Error(), "remote error: tls: ") {
				t.Errorf("a new client: %v", err)
			}
			if visit() != http.StatusOK {
				t.Error("a client with a session did not come in")
			}
			if _, text := e.figures("/metrics"); !strings.Contains(text, `holdfast_edge_handshakes_total{result="key",resumed="false",version=""} 1`) ||
				!strings.Contains(text, `result="ok",resumed="true",version="`+tls.VersionName(version)+`"} 1`) {
				t.Errorf("the metrics are\n%s", text)
			}
			if status, text := e.figures("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "no key server") {
				t.Errorf("ready: %d %s", status, text)
			}
			if text := e.log.String(); !strings.Contains(text, "no key server can be reached") || !strings.Contains(text, "result=key") {
				t.Errorf("the log is\n%s", text)
			}
			w.startKeys()
			until(t, "new clients come in", func() bool { _, err := e.dial("a.example"); return err == nil })
			until(t, "the edge is ready", func() bool { status, _ := e.figures("/readyz"); return status == http.StatusOK })
		})
	}
}

// TestKeyOnAnother: a certificate whose key no server has does not take the
// place of one that works, nor does a broken file, nor one that has ended.
func TestKeyOnAnother(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	first, err := e.dial("a.example")
	if err != nil {
		t.Fatal(err)
	}
	serial := first.PeerCertificates[0].SerialNumber.Int64()
	stays := func(what, said string) {
		t.Helper()
		until(t, "the log says of "+what+": "+said, func() bool { return strings.Contains(e.log.String(), said) })
		if state, err := e.dial("a.example"); err != nil || state.PeerCertificates[0].SerialNumber.Int64() != serial {
			t.Errorf("%s: %v", what, err)
		}
	}
	file := filepath.Join(w.dir, "a.pem")
	w.write("a.pem", w.leaf(w.other.Public(), false, "a.example"))
	stays("a certificate of another key", "no matching key")
	if err := os.WriteFile(file, []byte("-----BEGIN CERTIFICATE-----\nbroken\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	stays("a broken file", "the chain has no certificate")
	w.write("a.pem", w.certify(&x509.Certificate{DNSNames: []string{"a.example"}, NotAfter: first.PeerCertificates[0].NotBefore.AddDate(0, 0, -1)}, w.key.Public()))
	stays("a certificate of the past", "the certificate has ended")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	stays("no file", "no such file")
	w.write("a.pem", w.leaf(w.key.Public(), false, "a.example"))
	until(t, "the new certificate is presented", func() bool {
		state, err := e.dial("a.example")
		return err == nil && state.PeerCertificates[0].SerialNumber.Int64() == w.serial
	})
	if _, text := e.figures("/metrics"); strings.Contains(text, `holdfast_edge_certificate_failures_total{certificate="`+file+`"} 0`) {
		t.Error("the failures are not counted")
	}
}

// TestKeyFile: a key may be here, and that is said loudly.
func TestKeyFile(t *testing.T) {
	w := newWorld(t)
	w.write("a.pem", w.leaf(w.other.Public(), false, "a.example"))
	der, err := x509.MarshalECPrivateKey(w.other.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(w.dir, "a.key")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	e := w.start("listen: [127.0.0.1:0]\nsites:\n  - {default: true, certificates: [{file: " + filepath.Join(w.dir, "a.pem") + ", key_file: " + key + "}], upstreams: [" + w.upstream.URL + "]}\n")
	if status, _ := e.get(e.client("a.example"), "a.example", "/"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if !strings.Contains(e.log.String(), "A PRIVATE KEY IS ON THIS HOST") {
		t.Errorf("the log is\n%s", e.log)
	}
	if status, text := e.figures("/readyz"); status != http.StatusOK {
		t.Errorf("ready: %d %s", status, text)
	}
	e.configure(w.config("", w.site("b.pem", "a.example")))
	e.hangup()
	until(t, "the log says why not", func() bool { return strings.Contains(e.log.String(), "no key server when the edge was started") })
}

// TestTwoTypes: of a site's certificates, a client gets the first that it can
// use.
func TestTwoTypes(t *testing.T) {
	w := newWorld(t)
	w.write("a.pem", w.leaf(w.key.Public(), false, "a.example"))
	w.write("b.pem", w.leaf(w.key.Public(), false, "b.example"))
	e := w.start(w.config("", "  - {default: true, certificates: [{file: "+filepath.Join(w.dir, "a.pem")+"}, {file: "+filepath.Join(w.dir, "b.pem")+"}], upstreams: ["+w.upstream.URL+"]}\n"))
	for _, name := range []string{"a.example", "b.example"} {
		if _, err := e.dial(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOneSignature: the key server is asked once for each handshake.
func TestOneSignature(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	before := w.keys.Requests(wire.OpECDSASignSHA256)
	for range 3 {
		if _, err := e.dial("a.example"); err != nil {
			t.Fatal(err)
		}
	}
	if n := w.keys.Requests(wire.OpECDSASignSHA256) - before; n != 3 {
		t.Errorf("the key server was asked %d times", n)
	}
}

// TestVersions: what is below the minimum is refused.
func TestVersions(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("tls: {min_version: \"1.3\", tickets: {off: true}}\n", w.site("a.pem", "a.example")))
	if _, err := e.dial("a.example", func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }); err == nil || !strings.Contains(err.Error(), "protocol version") {
		t.Errorf("TLS 1.2: %v", err)
	}
	sessions := tls.NewLRUClientSessionCache(1)
	for range 2 {
		c := e.client("a.example", func(c *tls.Config) { c.ClientSessionCache = sessions })
		if status, _ := e.get(c, "a.example", "/"); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
		c.CloseIdleConnections()
	}
	if _, text := e.figures("/metrics"); !strings.Contains(text, `holdfast_edge_handshakes_total{result="client",resumed="false",version=""} 1`) || strings.Contains(text, `resumed="true",version`) {
		t.Errorf("the metrics are\n%s", text)
	}
}

// TestTickets: keys are forgotten when as many newer ones are there.
func TestTickets(t *testing.T) {
	config := &tls.Config{}
	k := &tickets{config: config, keep: 2}
	var seen [][32]byte
	rotation := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for range 4 {
		k.rotate(rotation)
		seen = append(seen, k.keys[0])
	}
	if len(k.keys) != 2 || k.keys[0] != seen[3] || k.keys[1] != seen[2] || seen[3] == seen[2] || k.rotated.Load() != rotation.Unix() {
		t.Errorf("%d keys", len(k.keys))
	}
}
