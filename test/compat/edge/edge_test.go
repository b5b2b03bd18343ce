package edge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/test/compat"
)

func opened(t *testing.T) *world {
	t.Helper()
	w, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("after %v it is not so that %s", time.Since(began), what)
		}
	}
}

// TestClients: curl, OpenSSL and GnuTLS come in, in both versions of TLS and of
// HTTP, to certificates of both types of key, verified to the root.
func TestClients(t *testing.T) {
	w := opened(t)
	e := w.run(t, settings{keys: w.mutual()})
	for _, name := range []string{siteEC, siteRSA} {
		for _, version := range []string{"1.2", "1.3"} {
			for _, http := range []string{"1.1", "2"} {
				out, err := e.curl(name, "--tlsv"+version, "--tls-max", version, "--http"+http, "--write-out", "%{http_version} %{http_code}")
				want := "hello from behind, " + name + ":" + e.port + "\n" + http + " 200"
				if err != nil || out != want {
					t.Errorf("curl, %s, TLS %s, HTTP/%s: %v\n%s", name, version, http, err, out)
				}
			}
			out, err := e.openssl(name, "-tls"+strings.Replace(version, ".", "_", 1))
			if err != nil || !strings.Contains(out, "Verification: OK") || !strings.Contains(out, "hello from behind") || !strings.Contains(out, "New, TLSv"+version) {
				t.Errorf("openssl, %s, TLS %s: %v\n%s", name, version, err, out)
			}
			t.Run("GnuTLS/"+name+"/"+version, func(t *testing.T) { gnutls(t, e, name, version) })
		}
	}
	if out, err := e.curl("other.example.com", "--insecure"); err == nil || !strings.Contains(out, "unrecognized name") {
		t.Errorf("a name of no site: %v\n%s", err, out)
	}
	entries, err := w.one.Run(t.Context(), "audit", "tail", "--json")
	if err != nil || !strings.Contains(entries, "edge-1") {
		t.Errorf("the audit log does not name the edge: %v", err)
	}
}

func gnutls(t *testing.T, e *edge, name, version string) {
	t.Helper()
	if tool := compat.FindTool(t.Context(), "gnutls-cli", "gnutls-cli", "--version"); tool.Version == "" {
		t.Skip(tool)
	}
	out, err := client(t, "GET / HTTP/1.0\r\nHost: "+name+"\r\n\r\n", "gnutls-cli", "--x509cafile", e.w.root, "--port", e.port, "--sni-hostname", name,
		"--verify-hostname", name, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS"+version, "127.0.0.1")
	if err != nil || !strings.Contains(out, "The certificate is trusted") || !strings.Contains(out, "(TLS"+version+"-") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestStaple: OpenSSL gets and verifies the answer of the authority's responder.
func TestStaple(t *testing.T) {
	w := opened(t)
	e := w.run(t, settings{keys: w.mutual()})
	for _, name := range []string{siteEC, siteRSA} {
		var out string
		until(t, "OpenSSL is told that "+name+" is good", func() bool {
			out, _ = e.openssl(name, "-status")
			return strings.Contains(out, "OCSP Response Status: successful") && strings.Contains(out, "Cert Status: good")
		})
		if !strings.Contains(out, "Verification: OK") {
			t.Errorf("%s", out)
		}
	}
	out, err := client(t, "", "curl", "--silent", "http://"+e.metrics+"/metrics")
	if err != nil || !strings.Contains(out, "holdfast_edge_staple_timestamp_seconds{certificate=") || strings.Contains(out, "holdfast_edge_staple_timestamp_seconds{certificate=\""+filepath.Join(e.dir, siteEC)+".pem\"} 0\n") {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestResumption: sessions are resumed, in both versions, without a signature.
func TestResumption(t *testing.T) {
	w := opened(t)
	e := w.run(t, settings{keys: w.mutual()})
	for _, version := range []string{"1_2", "1_3"} {
		session := filepath.Join(t.TempDir(), "session")
		if out, err := e.openssl(siteEC, "-tls"+version, "-sess_out", session); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if out, err := e.openssl(siteEC, "-tls"+version, "-sess_in", session); err != nil || !strings.Contains(out, "Reused, TLSv"+strings.Replace(version, "_", ".", 1)) {
			t.Errorf("TLS %s: %v\n%s", version, err, out)
		}
	}
	out, err := e.openssl(siteRSA, "-tls1_2", "-reconnect")
	if err != nil || strings.Count(out, "Reused, TLSv1.2") != 5 {
		t.Errorf("-reconnect: %v\n%s", err, out)
	}
}

// TestNoKeyHere: none of the private keys is in the edge's memory or on its disk,
// after handshakes with each. The same search finds them in an edge that has
// them.
func TestNoKeyHere(t *testing.T) {
	w := opened(t)
	var secrets []compat.Secret
	for name, plain := range w.keys {
		secrets = append(secrets, compat.Secrets(name, plain)...)
	}
	if len(secrets) != 4 { // a scalar; an exponent and two primes
		t.Fatalf("%d secrets", len(secrets))
	}
	search := func(e *edge) (memory, disk []string) {
		for range 3 {
			for _, name := range []string{siteEC, siteRSA} {
				if out, err := e.curl(name); err != nil {
					t.Fatalf("%v\n%s", err, out)
				}
			}
		}
		memory, err := compat.FindInMemory(e.cmd.Process.Pid, secrets...)
		if err != nil {
			t.Fatal(err)
		}
		disk, err = compat.FindInFiles(append(secrets, compat.Secret{Name: "any key in PEM", Bytes: []byte("PRIVATE KEY-----")}), e.dir)
		if err != nil {
			t.Fatal(err)
		}
		return memory, disk
	}
	memory, disk := search(w.run(t, settings{keys: w.mutual()}))
	for _, found := range append(memory, disk...) {
		t.Error(found)
	}
	var sites strings.Builder
	for _, name := range []string{siteEC, siteRSA} {
		file := filepath.Join(w.dir, name)
		_, _ = fmt.Fprintf(&sites, "  - {names: [%s], certificates: [{file: %s.pem, key_file: %s.key}], upstreams: [%s]}\n", name, file, file, w.web.URL)
	}
	control := w.run(t, settings{keys: "{}", sites: sites.String()})
	memory, _ = search(control)
	for _, s := range secrets {
		if !strings.Contains(strings.Join(memory, "\n"), s.Name+",") {
			t.Errorf("the search does not find what is there: %s", s.Name)
		}
	}
	kept := t.TempDir()
	for name, plain := range w.keys {
		if err := os.WriteFile(filepath.Join(kept, name), plain, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := compat.FindInFiles(secrets, kept); err != nil || len(found) != len(secrets) {
		t.Errorf("the search of files finds %v, %v", found, err)
	}
	if !strings.Contains(control.log(), "A PRIVATE KEY IS ON THIS HOST") {
		t.Errorf("the log is\n%s", control.log())
	}
}

// TestManaged: a managed certificate of Holdfast is presented, renewed, and
// presented again; nobody restarts anything. With the same key no client fails;
// with a new one those do that come before the edge looks again, for the old key
// is gone with the renewal.
func TestManaged(t *testing.T) {
	w := opened(t)
	for _, key := range []string{"same", "new"} {
		out, err := w.one.Run(t.Context(), "managed", "request", "--ca", "issuing", "--domain", "managed.example.com", "--spec", "ECC_NIST_P256", "--key-stays",
			"--renew-before", "30d", "--renew-key", key, "--json")
		if err != nil {
			t.Fatal(err)
		}
		_, rest, _ := strings.Cut(out, `"id": "`)
		id, _, _ := strings.Cut(rest, `"`)
		site := fmt.Sprintf("  - {names: [managed.example.com], certificates: [{managed: %s}], upstreams: [%s]}\n", id, w.web.URL)
		keys := w.both(t)
		_, credential, _ := strings.Cut(keys, "access_key_id")
		holdfast := fmt.Sprintf("{url: %q, ca: %s, access_key_id%s", w.one.URL, w.trusted, credential)
		e := w.run(t, settings{keys: keys + "\nholdfast: " + holdfast, sites: site})
		first, err := e.serial("managed.example.com")
		if err != nil {
			t.Fatalf("%v\n%s", err, e.log())
		}
		if _, err := w.one.Run(t.Context(), "managed", "renew", id); err != nil {
			t.Fatal(err)
		}
		until(t, "another certificate is presented", func() bool {
			now, err := e.serial("managed.example.com")
			if err != nil && key == "same" {
				t.Errorf("%v\n%s", err, e.log())
			}
			return err == nil && now != first
		})
	}
}

// TestHotReload: a certificate's file is replaced, and presented; a broken one is
// not; SIGHUP takes a changed configuration.
func TestHotReload(t *testing.T) {
	w := opened(t)
	e := w.run(t, settings{keys: w.mutual()})
	serial := func() string {
		text, err := e.serial(siteEC)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	first := serial()
	file := filepath.Join(e.dir, siteEC+".pem")
	if err := os.WriteFile(file, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "the log says so", func() bool { return strings.Contains(e.log(), "the certificate stays as it was") })
	if serial() != first {
		t.Error("another certificate is presented")
	}
	if _, err := w.one.Run(t.Context(), "cert", "issue", "--ca", "issuing", "--cn", siteEC, "--dns", siteEC, "--key", "ec", "--out", file); err != nil {
		t.Fatal(err)
	}
	until(t, "the new certificate is presented", func() bool { return serial() != first })

	config := filepath.Join(e.dir, "edge.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(config, []byte(strings.Replace(string(text), "names: ["+siteRSA+"]", "names: ["+siteRSA+", new.example.com]", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "there is a new name", func() bool { _, err := e.curl("new.example.com", "--insecure"); return err == nil })
}

// TestOutage: the key server stops. New clients of an edge that has only that one
// fail with an alert, and sessions are resumed; of an edge that has two, no
// client fails. When it is back, so are all. It is the last test, for it stops a
// server of all.
func TestOutage(t *testing.T) {
	w := opened(t)
	alone, safe := w.run(t, settings{keys: w.mutual()}), w.run(t, settings{keys: w.both(t)})
	session := filepath.Join(t.TempDir(), "session")
	if out, err := alone.openssl(siteEC, "-sess_out", session); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	stop, visits := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		defer func() { visits <- n }()
		for ; ; n++ {
			name := []string{siteEC, siteRSA}[n%2]
			if out, err := safe.curl(name); err != nil {
				t.Errorf("with two key servers, visit %d to %s: %v\n%s", n, name, err, out)
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	if err := w.one.Stop(); err != nil {
		t.Error(err)
	}
	out, err := alone.curl(siteEC)
	if err == nil || !strings.Contains(out, "tlsv1 alert internal error") && !strings.Contains(out, "alert internal error") {
		t.Errorf("without a key server: %v\n%s", err, out)
	}
	if out, err := alone.openssl(siteEC, "-sess_in", session); err != nil || !strings.Contains(out, "Reused, TLSv1.3") || !strings.Contains(out, "hello from behind") {
		t.Errorf("a session without a key server: %v\n%s", err, out)
	}
	if out, err := client(t, "", "curl", "--silent", "http://"+alone.metrics+"/metrics"); err != nil || !strings.Contains(out, `holdfast_edge_handshakes_total{result="key",resumed="false",version=""} 1`) {
		t.Errorf("%v\n%s", err, out)
	}
	if text := alone.log(); !strings.Contains(text, "a key server is away") || !strings.Contains(text, "result=key") {
		t.Errorf("the log is\n%s", text)
	}
	w.one, err = w.start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	until(t, "new clients come in", func() bool { _, err := alone.curl(siteEC); return err == nil })
	close(stop)
	if n := <-visits; n < 5 {
		t.Errorf("only %d visits", n)
	}
}
