package edge

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// TestServe: requests come through, over both versions of TLS and of HTTP, by a
// key that is elsewhere.
func TestServe(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := e.client("a.example", func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version })
		if status, body := e.get(c, "a.example", "/path?q=1;2"); status != http.StatusOK || !strings.HasPrefix(body, "GET a.example /path?q=1;2\n") {
			t.Errorf("%s: %d %s", tls.VersionName(version), status, body)
		}
	}
	c := e.client("a.example")
	c.Transport.(*http.Transport).Protocols.SetHTTP2(true)
	if status, body := e.get(c, "a.example", "/two"); status != http.StatusOK || !strings.HasPrefix(body, "GET a.example /two\n") {
		t.Errorf("HTTP/2: %d %s", status, body)
	}
	e.end()
	for _, want := range []string{`"path":"/path"`, `"protocol":"HTTP/2.0"`, `"tls":"TLS 1.2"`, `"site":"a.example"`, `"status":200`} {
		if !strings.Contains(e.log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, e.log)
		}
	}
	if strings.Contains(e.log.String(), "q=1") {
		t.Error("the log has the query")
	}
}

// TestNames: the site of a name is presented, and refused is what has none; a
// request for another site than the handshake's is misdirected.
func TestNames(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example", "*.a.example")+w.site("b.pem", "b.example")))
	for name, want := range map[string]string{"a.example": "a.example", "X.a.example": "a.example", "b.example": "b.example"} {
		state, err := e.dial(name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := state.PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%s: the certificate of %s", name, got)
		}
	}
	for _, name := range []string{"c.example", "x.b.example", "x.y.a.example"} {
		if _, err := e.dial(name); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := e.client("a.example")
	for name, want := range map[string]int{"a.example": 200, "a.example:443": 200, "x.a.example": 200, "b.example": 421, "c.example": 421, "a.example\\@b": 400} {
		if status, _ := e.get(c, name, "/"); status != want {
			t.Errorf("a request for %s: %d, not %d", name, status, want)
		}
	}
	w.write("d.pem", w.leaf(w.key.Public(), false, "b.example"))
	e.configure(w.config("", w.site("a.pem", "a.example")+fmt.Sprintf("  - {default: true, certificates: [{file: %s}], upstreams: [%s]}\n", filepath.Join(w.dir, "d.pem"), w.upstream.URL)))
	e.hangup()
	until(t, "there is a default site", func() bool {
		state, err := e.dial("c.example", func(c *tls.Config) { c.InsecureSkipVerify = true })
		return err == nil && state.PeerCertificates[0].Subject.CommonName == "b.example"
	})
}
