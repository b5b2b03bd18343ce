package config

import (
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Buckets is where files for others go: audit reports, and lists that are
// published.
type Buckets struct {
	// Dir is a directory with a directory for each bucket. Default: "buckets"
	// in the data directory. It is not used when there is an S3 endpoint.
	Dir string `yaml:"dir"`
	// S3 is an endpoint that speaks the API of Amazon S3. Default: none.
	S3 S3 `yaml:"s3"`
}

// S3 is an endpoint of buckets. Buckets are named in the path.
type S3 struct {
	// Endpoint is its address, such as https://s3.example.com. Plain http is for
	// an endpoint on this machine only. Default: none.
	Endpoint string `yaml:"endpoint"`
	// Region is what requests are signed for. Default: us-east-1.
	Region string `yaml:"region"`
	// AccessKeyID and SecretAccessKey are what they are signed with; the secret
	// may stand in a file of its own instead. Default: none.
	AccessKeyID         string `yaml:"access_key_id"`
	SecretAccessKey     Secret `yaml:"secret_access_key"`
	SecretAccessKeyFile string `yaml:"secret_access_key_file"`
	// SessionToken goes with a temporary credential. Default: none.
	SessionToken Secret `yaml:"session_token"`
	// CACertificate is a PEM file with whom the endpoint's certificate may be
	// from. Default: the system's.
	CACertificate string `yaml:"ca_certificate"`
	// Timeout bounds one attempt at a file. Default: 1m.
	Timeout time.Duration `yaml:"timeout"`
}

// BucketDir returns the directory of buckets.
func (c *Config) BucketDir() string {
	if c.Buckets.Dir != "" {
		return c.Buckets.Dir
	}
	return filepath.Join(c.Data, "buckets")
}

// Secret returns the secret access key, from its file when it has one.
func (s *S3) Secret() (Secret, error) {
	if s.SecretAccessKeyFile == "" {
		return s.SecretAccessKey, nil
	}
	text, err := os.ReadFile(s.SecretAccessKeyFile)
	if err != nil {
		return "", fmt.Errorf("reading buckets.s3.secret_access_key_file: %w", err)
	}
	return Secret(strings.TrimSpace(string(text))), nil
}

func (b *Buckets) validate(refuse func(name, format string, args ...any)) {
	if b.Dir != "" && !filepath.IsAbs(b.Dir) {
		refuse("buckets.dir", "%q is not an absolute path", b.Dir)
	}
	s := &b.S3
	if s.Endpoint == "" {
		if s.AccessKeyID != "" || s.SecretAccessKey != "" || s.SecretAccessKeyFile != "" {
			refuse("buckets.s3.endpoint", "a credential without an endpoint")
		}
		return
	}
	u, err := url.Parse(s.Endpoint)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		refuse("buckets.s3.endpoint", "%q is not an http or https address", s.Endpoint)
	case u.Scheme == "http" && !Loopback(withPort(u)):
		refuse("buckets.s3.endpoint", "%q is not on this machine, and would get its files in the clear: use https", s.Endpoint)
	}
	if s.AccessKeyID == "" || (s.SecretAccessKey == "") == (s.SecretAccessKeyFile == "") {
		refuse("buckets.s3", "an endpoint needs access_key_id, and either secret_access_key or secret_access_key_file")
	}
	if s.Timeout < time.Second || s.Timeout > time.Hour {
		refuse("buckets.s3.timeout", "%v is not between 1s and 1h", s.Timeout)
	}
}

func withPort(u *url.URL) string {
	if u.Port() == "" {
		return u.Host + ":80"
	}
	return u.Host
}

// Secret is a text that is not shown.
type Secret string

const redacted = "[redacted]"

// String keeps the secret.
func (Secret) String() string { return redacted }

// GoString keeps the secret.
func (Secret) GoString() string { return redacted }

// LogValue keeps the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalJSON keeps the secret.
func (Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalYAML keeps the secret.
func (Secret) MarshalYAML() (any, error) { return redacted, nil }

// Reveal returns the secret.
func (s Secret) Reveal() string { return string(s) }
