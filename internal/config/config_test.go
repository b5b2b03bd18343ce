package config

import (
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

func TestParse(t *testing.T) {
	c, err := Parse([]byte("data: /srv/keys\nlisten: 0.0.0.0:443\naudit:\n  checkpoint: 2s\nrsa: {native: \"off\"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Data, want.Listen, want.Audit.Checkpoint, want.RSA.Native = "/srv/keys", "0.0.0.0:443", 2*time.Second, "off"
	if c.Data != want.Data || c.Listen != want.Listen || c.Audit != want.Audit || c.RSA != want.RSA || c.Limits != want.Limits {
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
