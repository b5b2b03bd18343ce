package config

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestSinks reads a sink of each kind.
func TestSinks(t *testing.T) {
	c, err := Parse([]byte(`data: /d
audit:
  retention: 400d
  sinks:
    - name: siem
      format: cef
      behind: 10m
      syslog: {address: siem.example.com, ca_certificate: /etc/ca.pem, certificate: /etc/c.pem, key: /etc/k.pem}
    - {name: lake, format: ocsf, http: {url: "https://lake.example.com/in", secret_file: /etc/s, gzip: false}}
    - {name: archive, start: now, bucket: {name: audit-archive, prefix: a/b}}
    - {name: away, bucket: {name: audit, s3: {endpoint: "https://s3.example.com", access_key_id: a, secret_access_key_file: /etc/s}}}
`))
	if err != nil {
		t.Fatal(err)
	}
	plain := false
	want := []Sink{
		{
			Name: "siem", Format: "cef", Behind: 10 * time.Minute,
			Syslog: &SyslogSink{Address: "siem.example.com", CACertificate: "/etc/ca.pem", Certificate: "/etc/c.pem", Key: "/etc/k.pem"},
		},
		{Name: "lake", Format: "ocsf", HTTP: &HTTPSink{URL: "https://lake.example.com/in", SecretFile: "/etc/s", Gzip: &plain}},
		{Name: "archive", Start: "now", Bucket: &BucketSink{Name: "audit-archive", Prefix: "a/b"}},
		{Name: "away", Bucket: &BucketSink{Name: "audit", S3: &S3{Endpoint: "https://s3.example.com", AccessKeyID: "a", SecretAccessKeyFile: "/etc/s"}}},
	}
	if diff := cmp.Diff(want, c.Audit.Sinks); diff != "" || c.Audit.Retention != Age(400*24*time.Hour) {
		t.Errorf("retention %v (-want +got)\n%s", c.Audit.Retention, diff)
	}
	if own := c.Audit.Sinks[3].Bucket.Buckets(&c); own.S3.Region != "us-east-1" || own.S3.Timeout != time.Minute {
		t.Errorf("the sink's own endpoint is %+v", own.S3)
	}
	if shared := c.Audit.Sinks[2].Bucket.Buckets(&c); shared.Dir != "/d/buckets" {
		t.Errorf("the server's buckets are %+v", shared)
	}
	if d := Default(); d.Audit.Retention != UsualRetention || d.Audit.Retention.String() != "365d" {
		t.Errorf("the default is %v", d.Audit.Retention)
	}
}

// TestWrongSinks: what cannot be a sink is refused with its name.
func TestWrongSinks(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"short":          {"retention: 12h", "audit.retention: 12h0m0s is less than 1d"},
		"no time":        {"retention: soon", "line 2: \"soon\" is no time"},
		"no kind":        {"sinks: [{name: a}]", "give one of syslog, http and bucket"},
		"two kinds":      {"sinks: [{name: a, bucket: {name: b}, syslog: {address: h}}]", "give one of"},
		"a name twice":   {"sinks: [{name: a, bucket: {name: b}}, {name: a, bucket: {name: b}}]", "is taken"},
		"format":         {"sinks: [{name: a, format: syslog, bucket: {name: b}}]", `"syslog" is none of`},
		"no address":     {"sinks: [{name: a, syslog: {}}]", "is no host and port"},
		"no port":        {`sinks: [{name: a, syslog: {address: "h:x"}}]`, "is no host and port"},
		"security":       {"sinks: [{name: a, syslog: {address: h, security: some}}]", "neither tls nor none"},
		"none with CA":   {"sinks: [{name: a, syslog: {address: h, security: none, ca_certificate: /c}}]", "no certificates in plain TCP"},
		"half a pair":    {"sinks: [{name: a, syslog: {address: h, key: /k}}]", "certificate and key go together"},
		"in the clear":   {`sinks: [{name: a, http: {url: "http://h.example.com/", secret_file: /s}}]`, "use https"},
		"not signed":     {`sinks: [{name: a, http: {url: "https://h.example.com/"}}]`, "secret_file is missing"},
		"timeout":        {`sinks: [{name: a, http: {url: "https://h/", secret_file: /s, timeout: 1h}}]`, "http.timeout: 1h0m0s is not between"},
		"prefix":         {"sinks: [{name: a, bucket: {name: b, prefix: ../c}}]", "is no beginning of names"},
		"half an S3":     {`sinks: [{name: a, bucket: {name: b, s3: {endpoint: "https://s"}}}]`, "audit.sinks[0].bucket.s3: an endpoint needs"},
		"dir and S3":     {`sinks: [{name: a, bucket: {name: b, dir: /x, s3: {endpoint: "https://s", access_key_id: a, secret_access_key: b}}}]`, "either dir or s3"},
		"batch":          {"sinks: [{name: a, batch: 20000, bucket: {name: b}}]", "batch: 20000"},
		"start":          {"sinks: [{name: a, start: later, bucket: {name: b}}]", "neither beginning nor now"},
		"interval":       {"sinks: [{name: a, interval: 1ms, bucket: {name: b}}]", "interval: 1ms is not between"},
		"unknown member": {"sinks: [{name: a, bucket: {nam: b}}]", "field nam not found"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Parse([]byte("audit:\n  " + test.text + "\n"))
			if fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an invalid argument with %q", err, test.want)
			}
		})
	}
}

// FuzzAge: what is read as an age is written as the same again.
func FuzzAge(f *testing.F) {
	for _, text := range []string{"365d", "forever", "8760h", "90m", "0d", "-1d", "99999d", "1d2h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAge(text)
		if err != nil {
			return
		}
		if again, err := ParseAge(a.String()); err != nil || again != a || a < 0 {
			t.Fatalf("%q is %d, and %q is %d, %v", text, a, a.String(), again, err)
		}
	})
}
