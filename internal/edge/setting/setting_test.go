package setting

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// TestConnect: what is wrong with the files of a credential shows at once.
func TestConnect(t *testing.T) {
	for name, k := range map[string]KeyServers{
		"the CA":     {CA: "/none"},
		"the pair":   {Credential: Credential{ClientCertificate: "/none", ClientKey: "/none"}},
		"the secret": {Credential: Credential{AccessKeyID: "x", SecretAccessKeyFile: "/none"}},
	} {
		k.Servers = []string{"k:2407"}
		if c, err := k.Connect(slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s is not there, and there is %v", name, c)
		}
	}
	k := KeyServers{Servers: []string{"k:2407"}, CA: certificateFile(t)}
	c, err := k.Connect(slog.New(slog.DiscardHandler))
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

// certificateFile makes a certificate in a file.
func certificateFile(t *testing.T) string {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
