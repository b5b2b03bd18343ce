package keyserver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// users is a gokeyless.yaml as users have it, with every key.
const users = `
loglevel: 1
hostname: 11aa22bb.keyless.example.com
zone_id: 0123456789abcdef
origin_ca_api_key: v1.0-key
private_key_stores:
- dir: keys
- file: /etc/ssl/other.key
- uri: pkcs11:token=production;object=tls?module-path=/usr/lib/libhsm.so&pin-value=1234&max-sessions=8
- uri: https://shop.managedhsm.azure.net/keys/tls/0123456789abcdef0123456789abcdef
- uri: projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1
auth_cert: auth/server.pem
auth_key: auth/server-key.pem
auth_csr: auth/server.csr
cloudflare_ca_cert: /etc/keyless/ca.pem
port: 2408
metrics_port: 2409
pid_file: keyless.pid
`

func load(t *testing.T, text string, variables map[string]string) (*Config, string, error) {
	t.Helper()
	dir := t.TempDir()
	path := filepath.Join(dir, "gokeyless.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path, func(name string) string { return variables[name] }, func(c *Config) {
		if variables["flag"] != "" {
			c.Port = 9999
		}
	})
	return c, dir, err
}

func TestUsersConfiguration(t *testing.T) {
	c, dir, err := load(t, users, map[string]string{"KEYLESS_METRICS_PORT": "1", "KEYLESS_PORT": "2", "KEYLESS_AUTH_CERT": "/cert", "STATE_DIRECTORY": "/var/lib/keyless", "flag": "yes"})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.LogLevel, want.Hostname, want.ZoneID, want.OriginCAAPIKey = "1", "11aa22bb.keyless.example.com", "0123456789abcdef", "v1.0-key"
	want.PrivateKeyStores = []Store{
		{Dir: dir + "/keys"},
		{File: "/etc/ssl/other.key"},
		{URI: "pkcs11:token=production;object=tls?module-path=/usr/lib/libhsm.so&pin-value=1234&max-sessions=8"},
		{URI: "https://shop.managedhsm.azure.net/keys/tls/0123456789abcdef0123456789abcdef"},
		{URI: "projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"},
	}
	want.AuthCert, want.AuthKey, want.AuthCSR, want.CloudflareCACert = "/cert", dir+"/auth/server-key.pem", "auth/server.csr", "/etc/keyless/ca.pem"
	want.Port, want.MetricsPort, want.PIDFile, want.AuditDir = 9999, 1, dir+"/keyless.pid", "/var/lib/keyless/audit"
	if d := cmp.Diff(want, c); d != "" {
		t.Error(d)
	}
	if lines := c.Undone(); len(lines) != 4 || !strings.HasPrefix(lines[0], "hostname is ignored") || strings.Contains(strings.Join(lines, ""), "v1.0") {
		t.Errorf("%q", lines)
	}
	if c.Address() != ":9999" || c.MetricsAddress() != ":1" || c.LogLevel.Name() != "info" {
		t.Errorf("%q %q %q", c.Address(), c.MetricsAddress(), c.LogLevel.Name())
	}
}

func TestConfigurationRefusals(t *testing.T) {
	const keys = "private_key_stores: [{file: k}]\n"
	for name, test := range map[string]struct {
		text      string
		variables map[string]string
		want      string
	}{
		"an unknown key":      {keys + "prot: 1\n", nil, "line 2: field prot not found"},
		"an unknown store":    {"private_key_stores:\n- path: k\n", nil, "line 2: field path not found"},
		"no keys":             {"port: 1\n", nil, "private_key_stores: there is no key"},
		"two in one":          {"private_key_stores: [{file: k, dir: d}]", nil, "private_key_stores[0]: it has 2 of dir, file and uri"},
		"no port that is one": {keys + "port: 70000\n", nil, "70000"},
		"nothing served":      {keys + "port: -1\n", nil, "nothing is served"},
		"a level":             {keys + "loglevel: 6\n", nil, `loglevel: "6" is none`},
		"TLS":                 {keys + "minimum_tls: \"1.1\"\n", nil, "minimum_tls"},
		"a limit":             {keys + "in_flight: -1\n", nil, "in_flight"},
		"an empty rule":       {keys + "allow: [{clients: [a]}]\n", nil, "allow[0]"},
		"a variable":          {keys, map[string]string{"KEYLESS_PORT": "many"}, `the variable KEYLESS_PORT is "many", and no number`},
	} {
		if _, _, err := load(t, test.text, test.variables); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestURIs(t *testing.T) {
	for text, want := range map[string]struct {
		uri      string // or what is wrong
		sessions int
	}{
		"pkcs11:token=t;object=k?module-path=/m.so&max-sessions=4&pin-value=hush1234": {"pkcs11:token=t;object=k?module-path=/m.so", 4},
		"pkcs11:token=t;object=k?max-sessions=4":                                      {"pkcs11:token=t;object=k", 4},
		"https://a.vault.azure.net/keys/k/0123456789abcdef0123456789abcdef":           {"azurekms://a.vault.azure.net/k/0123456789abcdef0123456789abcdef", 0},
		"https://a.managedhsm.azure.net/keys/k":                                       {"azurekms://a.managedhsm.azure.net/k?hsm=true", 0},
		"projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3":          {"gcpkms://projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/3", 0},
		"awskms:///alias/tls?region=eu-west-1":                                        {"awskms:///alias/tls?region=eu-west-1", 0},
		"hashivault://tls":                                                            {"hashivault://tls", 0},
		"holdfast:///alias/tls":                                                       {"holdfast:///alias/tls", 0},
		"pkcs11:token=t;object=k?max-sessions=0":                                      {"max-sessions", 0},
		"pkcs11:token=t?module-path=/m.so":                                            {"names a place of keys", 0},
		"https://a.vault.azure.net/secrets/k":                                         {"no key of Azure", 0},
		"https://u:p@a.vault.azure.net/keys/k":                                        {"no key of Azure", 0},
		"projects/p/locations/l/keyRings/r":                                           {"names a place of keys", 0},
		"ftp://k":                                                                     {`scheme "ftp"`, 0},
		"pkcs11:token=t;object=k?vendor=4&max-sessions=12":                            {"vendor", 0},
	} {
		u, sessions, err := readURI(text)
		if err != nil {
			if !strings.Contains(err.Error(), want.uri) || strings.Contains(err.Error(), "hush1234") {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if u.String() != want.uri || sessions != want.sessions {
			t.Errorf("%s: %s, %d", text, u, sessions)
		}
	}
}
