package edge

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/edge/setting"
)

func logger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// serveHandler serves a handler and returns its URL.
func serveHandler(t *testing.T, h http.Handler) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// TestForwarded: what a client says of itself and of others is taken out, and
// what a trusted proxy says is not.
func TestForwarded(t *testing.T) {
	said := []string{
		"X-Forwarded-For", "192.0.2.66", "X-Forwarded-Proto", "http", "X-Forwarded-Host", "evil", "Forwarded", "for=192.0.2.66", "X-Real-Ip", "192.0.2.66",
		"X_Forwarded_For", "192.0.2.66", "X-Forwarded-Prefix", "/evil",
	}
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	_, body := e.get(e.client("a.example"), "a.example", "/", said...)
	if strings.Contains(body, "192.0.2.66") || strings.Contains(body, "evil") {
		t.Errorf("an upstream is told\n%s", body)
	}
	for _, want := range []string{
		"X-Forwarded-For: 127.0.0.1\r\n", "X-Forwarded-Proto: https\r\n", "X-Forwarded-Host: a.example\r\n", `Forwarded: for=127.0.0.1;host="a.example";proto=https`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("an upstream is not told %q:\n%s", want, body)
		}
	}
	e = w.start(w.config("trusted_proxies: [127.0.0.0/8]\n", w.site("a.pem", "a.example")))
	_, body = e.get(e.client("a.example"), "a.example", "/", said...)
	for _, want := range []string{
		"X-Forwarded-For: 192.0.2.66, 127.0.0.1\r\n", "X-Forwarded-Proto: https\r\n", `Forwarded: for=192.0.2.66, for=127.0.0.1;host="a.example";proto=https`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("a trusted proxy's: an upstream is not told %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "evil") || strings.Contains(body, "X-Real-Ip") {
		t.Errorf("a trusted proxy's: an upstream is told\n%s", body)
	}
}

// TestStreams: bodies pass as they come, in both directions, and an upgraded
// connection is nobody's any more.
func TestStreams(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	c := e.client("a.example")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+e.address+"/stream", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "a.example"
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if first, err := bufio.NewReader(resp.Body).ReadString('\n'); err != nil || first != "one\n" {
		t.Errorf("%q, %v", first, err)
	}
	_ = resp.Body.Close()

	conn, err := (&tls.Dialer{Config: &tls.Config{RootCAs: w.pool, ServerName: "a.example"}}).DialContext(t.Context(), "tcp", e.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "GET /upgrade HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", answer, err)
	}
	_ = answer.Body.Close()
	for range 3 {
		_, _ = fmt.Fprintln(conn, "hello")
		if line, err := in.ReadString('\n'); err != nil || line != "hello\n" {
			t.Fatalf("%q, %v", line, err)
		}
	}
	_ = conn.Close()
	until(t, "the log has it", func() bool {
		return strings.Contains(e.log.String(), `"path":"/upgrade","protocol":"HTTP/1.1","status":101`)
	})
}

// TestUpstreams: requests go round, to none that cannot be reached, and their
// bodies are not lost by that.
func TestUpstreams(t *testing.T) {
	gone, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := gone.Addr().String()
	_ = gone.Close()
	w := newWorld(t)
	who := func(name string) string {
		return serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			_, _ = fmt.Fprintf(rw, "%s %s %s", name, r.URL.Path, body)
		}))
	}
	site := w.site("a.pem", "a.example")
	site = strings.Replace(site, w.upstream.URL, "http://"+address+", "+who("one")+"/prefix/, "+who("two"), 1)
	e := w.start(w.config("limits: {body_bytes: 100}\n", site))
	c := e.client("a.example")
	seen := map[string]int{}
	post := func(body string) (int, string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+e.address+"/x", io.MultiReader(strings.NewReader(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = "a.example"
		return e.do(c, r)
	}
	for range 12 {
		status, text := post("body")
		if status != http.StatusOK {
			t.Fatalf("%d %s", status, text)
		}
		seen[text]++
	}
	if len(seen) != 2 || seen["one /prefix/x body"] == 0 || seen["two /x body"] == 0 {
		t.Errorf("answered were %v", seen)
	}
	if _, text := e.figures("/metrics"); !strings.Contains(text, `holdfast_edge_upstream_up{upstream="http://`+address+`"} 0`) || !strings.Contains(text, `holdfast_edge_requests_total{code="200",site="a.example"} 12`) {
		t.Errorf("the metrics are\n%s", text)
	}
	if status, _ := post(strings.Repeat("x", 101)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a long body: %d", status)
	}
}

// TestUpstreamFails: what a client is told when nobody answers.
func TestUpstreamFails(t *testing.T) {
	slow := serveHandler(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	broken := serveHandler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	w := newWorld(t)
	sites := strings.Replace(w.site("a.pem", "a.example"), w.upstream.URL, slow, 1) + strings.Replace(w.site("b.pem", "b.example"), w.upstream.URL, broken, 1) +
		strings.Replace(w.site("c.pem", "c.example"), w.upstream.URL, "http://127.0.0.1:1", 1)
	e := w.start(w.config("", strings.ReplaceAll(sites, "upstreams:", "upstream_timeout: 20ms, upstreams:")))
	for name, want := range map[string]int{"a.example": http.StatusGatewayTimeout, "b.example": http.StatusBadGateway, "c.example": http.StatusBadGateway} {
		if status, text := e.get(e.client(name), name, "/"); status != want || strings.Contains(text, "127.0.0.1") {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
}

// TestProtocols: upstreams that speak TLS, HTTP/2 over TLS, and HTTP/2 without.
func TestProtocols(t *testing.T) {
	h := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprint(rw, r.Proto) })
	secure := httptest.NewUnstartedServer(h)
	secure.EnableHTTP2 = true
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := httptest.NewUnstartedServer(h)
	plain.Config.Protocols = new(http.Protocols)
	plain.Config.Protocols.SetUnencryptedHTTP2(true)
	plain.Start()
	t.Cleanup(plain.Close)
	w := newWorld(t)
	ca := filepath.Join(w.dir, "upstream.pem")
	if err := os.WriteFile(ca, pemOf(secure.Certificate().Raw), 0o600); err != nil {
		t.Fatal(err)
	}
	sites := strings.Replace(w.site("a.pem", "a.example"), "upstreams: ["+w.upstream.URL, "upstream_ca: "+ca+", upstreams: ["+secure.URL, 1) +
		strings.Replace(w.site("b.pem", "b.example"), w.upstream.URL, strings.Replace(plain.URL, "http:", "h2c:", 1), 1) +
		strings.Replace(w.site("c.pem", "c.example"), w.upstream.URL, secure.URL, 1)
	e := w.start(w.config("", sites))
	for name, want := range map[string]string{"a.example": "HTTP/2.0", "b.example": "HTTP/2.0", "c.example": "Bad Gateway\n"} {
		if _, text := e.get(e.client(name), name, "/"); text != want {
			t.Errorf("%s: %q", name, text)
		}
	}
}

// TestDrain: when the edge is stopped, what runs comes to its end, and what does
// not is cut off.
func TestDrain(t *testing.T) {
	begun, finish := make(chan bool, 2), make(chan bool)
	slow := serveHandler(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		begun <- true
		select {
		case <-finish:
		case <-r.Context().Done():
		}
		_, _ = fmt.Fprint(rw, "done")
	}))
	w := newWorld(t)
	for _, ends := range []bool{true, false} {
		drain := "20s"
		if !ends {
			drain = "50ms"
		}
		e := w.start(w.config("drain: "+drain+"\n", strings.Replace(w.site("a.pem", "a.example"), w.upstream.URL, slow, 1)))
		result := make(chan error, 1)
		go func() {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+e.address, http.NoBody)
			r.Host = "a.example"
			resp, err := e.client("a.example").Do(r)
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				_ = resp.Body.Close()
			}
			result <- err
		}()
		<-begun
		e.stop()
		until(t, "nobody is let in", func() bool { _, err := e.dial("a.example"); return err != nil })
		if ends {
			finish <- true
		}
		if err := <-result; (err == nil) != ends {
			t.Errorf("drained: %t; %v", ends, err)
		}
		e.end()
	}
}

// TestLimits: connections beyond the limit wait; a header that is too long or
// too slow is refused; a client that says nothing is no handshake.
func TestLimits(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("limits: {connections: 1, header_bytes: 4096, header_timeout: 200ms}\ntls: {handshake_timeout: 200ms}\n", w.site("a.pem", "a.example")))
	silent, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", e.address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = silent.Close() }()
	began := time.Now()
	if _, err := e.dial("a.example"); err != nil {
		t.Fatal(err)
	}
	if time.Since(began) < 100*time.Millisecond {
		t.Error("it did not wait for the silent one")
	}
	until(t, "the silent one is counted", func() bool {
		_, text := e.figures("/metrics")
		return strings.Contains(text, `holdfast_edge_handshakes_total{result="timeout",resumed="false",version=""} 1`)
	})
	if status, _ := e.get(e.client("a.example"), "a.example", "/", "X-Long", strings.Repeat("x", 10_000)); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long header: %d", status)
	}
}

// TestJournal: the forms of the access log, and that it is opened again.
func TestJournal(t *testing.T) {
	w := newWorld(t)
	file := filepath.Join(w.dir, "access.log")
	e := w.start(w.config("access_log: {file: "+file+", format: common}\n", w.site("a.pem", "a.example")))
	c := e.client("a.example")
	e.get(c, "a.example", "/a%22b?secret=1", "Authorization", "Bearer secret")
	until(t, "the line is there", func() bool { text, _ := os.ReadFile(file); return len(text) > 0 })
	text, _ := os.ReadFile(file)
	if !strings.HasPrefix(string(text), "127.0.0.1 - - [") || !strings.Contains(string(text), `] "GET /a%22b HTTP/1.1" 200 `) || strings.Contains(string(text), "secret") {
		t.Errorf("the log is %q", text)
	}
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	e.hangup()
	until(t, "the file is there again", func() bool { _, err := os.Stat(file); return err == nil })
	e.get(c, "a.example", "/"+strings.Repeat("x", 2000))
	until(t, "the line is in the new file", func() bool { text, _ := os.ReadFile(file); return strings.Contains(string(text), "/xxx") })
	if text, _ := os.ReadFile(file); len(text) > 1000 {
		t.Errorf("the line has %d bytes", len(text))
	}
	out := &logged{}
	j := &journal{metrics: newMetrics(), out: out, config: setting.AccessLog{Format: setting.FormatJSON}}
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/x", http.NoBody)
	r.Header.Set("User-Agent", "a\"\nb")
	j.request(r, &response{status: 777}, nil, time.Now())
	var l line
	if err := json.Unmarshal([]byte(out.String()), &l); err != nil || strings.Count(out.String(), "\n") != 1 || l.Agent != "a\"\nb" || l.Status != 777 {
		t.Errorf("%s: %v", out, err)
	}
}

func TestHosts(t *testing.T) {
	for text, want := range map[string]bool{
		"a.example": true, "A.example:443": true, "127.0.0.1": true, "[2001:db8::1]:443": true, "[::1]": true, "a_b.example": true,
		"": false, "a b": false, "a/b": false, "a@b": false, "a\\b": false, "a,b": false, strings.Repeat("a", 301): false, ":443": false,
	} {
		if plainHost(text) != want {
			t.Errorf("%q: %t", text, !want)
		}
	}
}
