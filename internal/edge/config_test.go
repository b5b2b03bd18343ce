package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/client"
)

// oneSite is a whole one, on one line.
const oneSite = "sites: [{names: [a.example], certificates: [{file: /a.pem}], upstreams: [http://127.0.0.1:1]}]\n"

// TestWrong: what is wrong is said by its line or its name.
func TestWrong(t *testing.T) {
	servers := "key_servers: {servers: [k:2407]}\n"
	for name, test := range map[string][2]string{
		"an unknown key":        {"listen: [\":1\"]\nsites: []\nkeys: 1\n", "line 3: field keys not found"},
		"nothing":               {"", "listen: there are 0 addresses"},
		"an address":            {"listen: [x]\n" + servers + oneSite, "listen: address x: missing port"},
		"no key server":         {"listen: [\":1\"]\n" + oneSite, "key_servers.servers: there is none"},
		"plain TCP":             {"listen: [\":1\"]\nkey_servers: {servers: [k:2407], plain: true}\n" + oneSite, "by TLS only"},
		"half a credential":     {"listen: [\":1\"]\nkey_servers: {servers: [k:2407], access_key_id: x}\n" + oneSite, "go together"},
		"half a pair":           {"listen: [\":1\"]\nkey_servers: {servers: [k:2407], client_key: x}\n" + oneSite, "go together"},
		"no server":             {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "file: /a.pem", "managed: x", 1), "holdfast.url: it is not given"},
		"two sources":           {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "file: /a.pem", "file: /a.pem, managed: x", 1), "either a file or managed"},
		"a managed key":         {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "file: /a.pem", "key_file: x, managed: x", 1), "has no key_file"},
		"a responder":           {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "file: /a.pem", "file: /a.pem, staple: x", 1), "neither auto, off nor an URL"},
		"an upstream":           {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "http://127.0.0.1:1", "ftp://x", 1), "no http, https or h2c URL"},
		"a name":                {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "a.example", "a..example", 1), "is no DNS name"},
		"a name of two":         {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "[{", "[{names: [A.example], certificates: [{file: /a.pem}], upstreams: [http://127.0.0.1:1]}, {", 1), "is of sites[0] already"},
		"a certificate twice":   {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "{file: /a.pem}", "{file: /a.pem}, {file: /a.pem, staple: \"off\"}", 1), "is there twice, with different settings"},
		"a site of no name":     {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "names: [a.example], ", "", 1), "and it is not the default"},
		"no certificate":        {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "{file: /a.pem}", "", 1), "sites[0].certificates: there are 0"},
		"a version":             {"listen: [\":1\"]\ntls: {min_version: \"1.1\"}\n" + servers + oneSite, "tls.min_version"},
		"a time":                {"listen: [\":1\"]\npoll: 1ms\n" + servers + oneSite, "poll: 1ms is not between"},
		"a number":              {"listen: [\":1\"]\nlimits: {connections: -1}\n" + servers + oneSite, "limits.connections: -1 is not between"},
		"two defaults":          {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "[{", "[{default: true, certificates: [{file: /a.pem}], upstreams: [http://127.0.0.1:1]}, {default: true, ", 1), "2 are the default"},
		"an upstream's timeout": {"listen: [\":1\"]\n" + servers + strings.Replace(oneSite, "[{", "[{upstream_timeout: 1us, ", 1), "upstream_timeout"},
		"a word":                {"listen: [\":1\"]\naccess_log: {format: xml}\n" + servers + oneSite, "access_log.format"},
	} {
		if _, err := Parse([]byte(test[0])); err == nil || !strings.Contains(err.Error(), test[1]) {
			t.Errorf("%s: %v, not %q", name, err, test[1])
		}
	}
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there")
	}
}

// TestDefaults: what is left out has the default of its comment.
func TestDefaults(t *testing.T) {
	c, err := Parse([]byte("listen: [\":1\"]\nkey_servers: {servers: [k:2407]}\n" + oneSite))
	if err != nil {
		t.Fatal(err)
	}
	want := Limits{
		Connections: 10_000, Handshakes: 1000, Streams: 250, HeaderBytes: 64 << 10, HeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, StallTimeout: time.Minute,
	}
	if d := cmp.Diff(want, c.Limits); d != "" {
		t.Error(d)
	}
	if c.Poll != 30*time.Second || c.Drain != 30*time.Second || c.TLS.Tickets.Keep != 4 || c.Sites[0].Certificates[0].Staple != "auto" {
		t.Errorf("%+v", c)
	}
}

// TestCheck: the files that a configuration names are read.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	check := func(sites string) error {
		c, err := Parse([]byte(w.config("", sites)))
		if err != nil {
			t.Fatal(err)
		}
		keys, err := c.KeyServers.Connect(logger(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = keys.Close() }()
		return Check(t.Context(), Options{Config: c, Keys: keys})
	}
	good := w.site("a.pem", "a.example", "*.a.example")
	if err := check(good); err != nil {
		t.Error(err)
	}
	for want, sites := range map[string]string{
		"it is not for b.example": strings.Replace(good, `"a.example"`, `"b.example"`, 1), "b.pem: no such file": strings.Replace(good, "a.pem", "b.pem", 1),
		"upstream_ca": strings.Replace(good, "upstreams:", "upstream_ca: /none, upstreams:", 1), "/none: no such file": strings.Replace(good, "a.pem}", "a.pem, key_file: /none}", 1),
	} {
		if err := check(sites); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
}

// TestConnect: what is wrong with the files of a credential shows at once.
func TestConnect(t *testing.T) {
	w := newWorld(t)
	for name, k := range map[string]KeyServers{
		"the CA":     {CA: "/none"},
		"the pair":   {Credential: Credential{ClientCertificate: "/none", ClientKey: "/none"}},
		"the secret": {Credential: Credential{AccessKeyID: "x", SecretAccessKeyFile: "/none"}},
	} {
		k.Servers = []string{"k:2407"}
		if c, err := k.Connect(logger(io.Discard)); err == nil {
			t.Errorf("%s is not there, and there is %v", name, c)
		}
	}
	k := KeyServers{Servers: []string{"k:2407"}, CA: w.write("ca.pem", w.ca)}
	c, err := k.Connect(logger(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	if m, err := (&Holdfast{URL: "https://h", Credential: Credential{AccessKeyID: "x", SecretAccessKeyFile: k.CA}}).Connect("test"); err != nil || m == nil {
		t.Errorf("%v, %v", m, err)
	}
	if _, err := (&Holdfast{URL: "https://h", Credential: Credential{AccessKeyID: "x", SecretAccessKeyFile: "/none"}}).Connect("test"); err == nil {
		t.Error("a secret that is not there")
	}
}

// managed answers as a Holdfast server does.
type managed struct {
	mu  sync.Mutex // guards now
	now *client.Managed
}

func (m *managed) Managed(context.Context, string) (*client.Managed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now == nil {
		return nil, errors.New("away")
	}
	return m.now, nil
}

func (m *managed) set(now *client.Managed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// TestManaged: a managed certificate is waited for, taken, and renewed.
func TestManaged(t *testing.T) {
	w := newWorld(t)
	m := &managed{}
	issued := func() *client.Managed {
		c := w.leaf(w.key.Public(), false, "a.example")
		return &client.Managed{State: "issued", Serial: c.SerialNumber.Text(16), Certificate: string(pemOf(c.Raw)), Chain: string(pemOf(w.ca.Raw))}
	}
	w.managed = m
	site := fmt.Sprintf("  - {default: true, certificates: [{managed: web}], upstreams: [%s]}\n", w.upstream.URL)
	e := w.start(w.config("holdfast: {url: http://127.0.0.1:1}\n", site))
	if _, err := e.dial("a.example"); err == nil {
		t.Error("there is a certificate")
	}
	for _, state := range []string{"failed", "issued", "issued"} {
		next := issued()
		next.State = state
		m.set(next)
		until(t, "it is "+state, func() bool {
			s, err := e.dial("a.example")
			if state != "issued" {
				return strings.Contains(e.log.String(), "the managed certificate is failed")
			}
			return err == nil && s.PeerCertificates[0].SerialNumber.Text(16) == next.Serial
		})
	}
	m.set(nil)
	e.hangup()
	until(t, "the log says that it is away", func() bool { return strings.Count(e.log.String(), "asking for the managed certificate: away") > 1 })
	if status, _ := e.get(e.client("a.example"), "a.example", "/"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// TestReload: a configuration that cannot be used changes nothing, and settings
// that do not change while the edge runs are said to be so.
func TestReload(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	for said, text := range map[string]string{
		"line 1": "unknown: 1\n", "no such file": w.config("", strings.Replace(w.site("a.pem", "a.example"), "a.pem", "none.pem", 1)),
		"setting=limits": w.config("limits: {connections: 5}\n", w.site("a.pem", "a.example")),
	} {
		e.configure(text)
		e.hangup()
		until(t, "the log says "+said, func() bool { return strings.Contains(e.log.String(), said) })
		if _, err := e.dial("a.example"); err != nil {
			t.Errorf("%s: %v", said, err)
		}
	}
	e.configure(w.config("", w.site("b.pem", "b.example")))
	e.hangup()
	until(t, "there is another site", func() bool { _, err := e.dial("b.example"); return err == nil })
	if _, err := e.dial("a.example"); err == nil {
		t.Error("the site that is gone is served")
	}
	if !strings.Contains(e.log.String(), "the configuration stays as it was") {
		t.Error("the log does not say that a configuration was not taken")
	}
}
