package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

func TestParse(t *testing.T) {
	c, err := Parse([]byte("data: /srv/keys\nlisten: 0.0.0.0:443\naudit:\n  checkpoint: 2s\nrsa: {native: \"off\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Data, want.Listen, want.Audit.Checkpoint, want.RSA.Native = "/srv/keys", "0.0.0.0:443", 2*time.Second, "off"
	if c.Data != want.Data || c.Listen != want.Listen || !cmp.Equal(c.Audit, want.Audit) || c.RSA != want.RSA || c.Limits != want.Limits {
		t.Errorf("got %+v, want %+v", c, want)
	}
}

func TestEmptyFileIsTheDefault(t *testing.T) {
	if _, err := Parse(nil); err != nil {
		t.Error(err)
	}
}

func TestWrongConfigurations(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"unknown key", "data: /d\nlisten: :1\nlisen: x\n", "line 3: field lisen not found"},
		{"unknown nested key", "tls:\n  cert: x\n", "line 2: field cert not found"},
		{"wrong type", "limits:\n  connections: many\n", "line 2: cannot unmarshal"},
		{"relative directory", "data: keys\n", `data: "keys" is not an absolute path`},
		{"address", "listen: nowhere\n", "listen: "},
		{"public address", "public_url: ftp://x\n", "public_url: "},
		{"key without certificate", "tls: {key: k.pem}\n", "tls: certificate and key go together"},
		{"range", "audit: {segment_mib: 100000}\n", "audit.segment_mib: 100000 is not between 1 and 4096"},
		{"choice", "log: {level: loud}\n", `log.level: "loud" is none of`},
		{"relative buckets", "buckets: {dir: b}\n", `buckets.dir: "b" is not an absolute path`},
		{"endpoint in the clear", "buckets: {s3: {endpoint: http://s3.example.com, access_key_id: a, secret_access_key: b}}\n", "use https"},
		{"endpoint without credential", "buckets: {s3: {endpoint: https://s3.example.com}}\n", "an endpoint needs access_key_id"},
		{"two secrets", "buckets: {s3: {endpoint: https://s3.example.com, access_key_id: a, secret_access_key: b, secret_access_key_file: c}}\n", "either"},
		{"credential without endpoint", "buckets: {s3: {access_key_id: a}}\n", "a credential without an endpoint"},
		{"no address", "buckets: {s3: {endpoint: s3, access_key_id: a, secret_access_key: b}}\n", `"s3" is not an http`},
		{"timeout", "buckets: {s3: {endpoint: https://a, access_key_id: a, secret_access_key: b, timeout: 2h}}\n", "buckets.s3.timeout"},
		{"all at once", "data: d\nlog: {level: loud}\n", "log.level"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse([]byte(test.text))
			if fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an invalid argument with %q", err, test.want)
			}
		})
	}
}

func TestLoopback(t *testing.T) {
	for address, want := range map[string]bool{
		"127.0.0.1:80": true, "[::1]:80": true, "localhost:80": true,
		"0.0.0.0:80": false, ":80": false, "10.0.0.1:80": false, "example.com:80": false,
	} {
		if got := Loopback(address); got != want {
			t.Errorf("Loopback(%q) = %v, want %v", address, got, want)
		}
	}
}

func TestBuckets(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("in a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const common = "data: /srv/keys\nbuckets:\n  s3:\n    endpoint: http://127.0.0.1:9000\n    access_key_id: id\n    "
	for text, want := range map[string]string{
		"secret_access_key: here": "here", "secret_access_key_file: " + file: "in a file",
	} {
		c, err := Parse([]byte(common + text + "\n"))
		if err != nil {
			t.Fatal(err)
		}
		secret, err := c.Buckets.S3.Secret()
		if err != nil || secret.Reveal() != want {
			t.Errorf("%s gives %q, %v", text, secret.Reveal(), err)
		}
		if c.BucketDir() != "/srv/keys/buckets" || c.Buckets.S3.Region != "us-east-1" || c.Buckets.S3.Timeout != time.Minute {
			t.Errorf("defaults: %+v", c.Buckets)
		}
	}
}

func TestSecretIsNotShown(t *testing.T) {
	c := Default()
	c.Buckets.S3.SecretAccessKey, c.Buckets.S3.SessionToken = "hidden", "hidden"
	encoded, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	slog.New(slog.NewTextHandler(&logged, nil)).Info("x", slog.Any("secret", c.Buckets.S3.SecretAccessKey)) //nolint:sloglint // what is tested
	for _, shown := range []string{string(encoded), string(text), logged.String(), fmt.Sprintf("%v %+v %#v %s", c, c, c, c.Buckets.S3.SecretAccessKey)} {
		if strings.Contains(shown, "hidden") || !strings.Contains(shown, "redacted") {
			t.Errorf("shown: %s", shown)
		}
	}
}
