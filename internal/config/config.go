// Package config is the server's configuration: one struct, one file format
// (YAML), validated whole. An unknown key is an error that names its line.
package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Config is everything that can be set. The zero value of a field means its
// default, which its comment gives.
type Config struct {
	// Data is the data directory. Default: /var/lib/holdfast.
	Data string `yaml:"data"`
	// Listen is the address of the TLS listener. Default: 127.0.0.1:8443.
	Listen string `yaml:"listen"`
	// PublicURL is how clients reach the server, for the addresses in
	// certificates (CRL, issuer). Default: none, and none in certificates.
	PublicURL string `yaml:"public_url"`
	// Region is the region of requests that name none. Default: us-east-1.
	Region string `yaml:"region"`

	TLS       TLS       `yaml:"tls"`
	Seal      Seal      `yaml:"seal"`
	Audit     Audit     `yaml:"audit"`
	RSA       RSA       `yaml:"rsa"`
	Limits    Limits    `yaml:"limits"`
	Log       Log       `yaml:"log"`
	Metrics   Metrics   `yaml:"metrics"`
	Lifecycle Lifecycle `yaml:"lifecycle"`
	Buckets   Buckets   `yaml:"buckets"`
	Trails    Trails    `yaml:"trails"`
	HSM       HSM       `yaml:"hsm"`
	// Providers are key services in which keys can live beside this process.
	// Default: none.
	Providers []Provider `yaml:"providers"`
	Mail      Mail       `yaml:"mail"`
	Notices   Notices    `yaml:"notices"`
	Egress    Egress     `yaml:"egress"`
	Tracing   Tracing    `yaml:"tracing"`
	Approvals Approvals  `yaml:"approvals"`
	Rotation  Rotation   `yaml:"rotation"`
	Keyless   Keyless    `yaml:"keyless"`

	Certificates Certificates `yaml:"certificates"`
	Issuers      Issuers      `yaml:"issuers"`
}

// TLS is the certificate that the server presents.
type TLS struct {
	// Certificate and Key are PEM files; SIGHUP has them read again. Default:
	// a certificate of the server's own making, in the data directory.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// Names are the DNS names and IP addresses of a self-made certificate,
	// beside localhost. Default: none.
	Names []string `yaml:"names"`
}

// Seal is how the server gets at a passphrase, if its root key has one.
type Seal struct {
	// PassphraseFile is read once at start. Default: the variable
	// HOLDFAST_PASSPHRASE, else the terminal.
	PassphraseFile string `yaml:"passphrase_file"`
}

// Audit is where the audit log's limits are set.
type Audit struct {
	// SegmentMiB is the size of one file of the log. Default: 64.
	SegmentMiB int `yaml:"segment_mib"`
	// Checkpoint is the longest time between signed checkpoints. Default: 10s.
	Checkpoint time.Duration `yaml:"checkpoint"`
	// Retention is how old files of the log get until they are removed: "365d",
	// "8760h", "forever"; at least 24h. Files that a sink has not got, or that are
	// under a legal hold, stay. Default: 365d.
	Retention Age `yaml:"retention"`
	// Sinks are where the log is sent. Default: none.
	Sinks []Sink `yaml:"sinks"`
}

// RSA is how RSA private keys are used.
type RSA struct {
	// Native says whether the system's libcrypto does RSA: "auto" uses it
	// where it is found and passes its self-test, "off" never. Default: auto.
	Native string `yaml:"native"`
	// Library is the library's name or path. Default: libcrypto.so.3.
	Library string `yaml:"library"`
}

// Limits bound what clients can use up.
type Limits struct {
	// Connections open at one time. Default: 10000.
	Connections int `yaml:"connections"`
	// OpenedKeys kept ready in memory. Default: 4096.
	OpenedKeys int `yaml:"opened_keys"`
}

// Certificates is what certificates are refused for, beside the lints.
type Certificates struct {
	// WeakKeys is a directory with the lists of Debian's package
	// openssl-blacklist ("blacklist.RSA-2048" and so on): RSA keys whose private
	// halves are published. Default: none; other weak keys are found without.
	WeakKeys string `yaml:"weak_keys"`
}

// Log is where and how the server logs: to stderr.
type Log struct {
	// Level is debug, info, warn or error. Default: info.
	Level string `yaml:"level"`
	// Format is text or json. Default: text.
	Format string `yaml:"format"`
}

// Metrics is where /metrics is served.
type Metrics struct {
	// Listen is a separate plain listener for /metrics. Default: none; the
	// main listener serves it.
	Listen string `yaml:"listen"`
}

// Lifecycle is how often the clock looks for what is due.
type Lifecycle struct {
	// Interval between looks. Default: 30s.
	Interval time.Duration `yaml:"interval"`
	// Mirror is how old the state that is known of a key in a provider gets.
	// Default: 1m.
	Mirror time.Duration `yaml:"mirror"`
	// RenewalsPerMinute is how many renewals of certificates begin within any
	// minute, over all servers of one store. Default: 1000.
	RenewalsPerMinute int `yaml:"renewals_per_minute"`
}

// Default returns the configuration with every default.
func Default() Config {
	return Config{
		Data: "/var/lib/holdfast", Listen: "127.0.0.1:8443", Region: "us-east-1",
		Audit:     Audit{SegmentMiB: 64, Checkpoint: 10 * time.Second, Retention: defaultRetention},
		RSA:       RSA{Native: "auto", Library: "libcrypto.so.3"},
		Limits:    Limits{Connections: 10_000, OpenedKeys: 4096},
		Log:       Log{Level: "info", Format: "text"},
		Lifecycle: Lifecycle{Interval: 30 * time.Second, Mirror: time.Minute, RenewalsPerMinute: 1000},
		Trails:    Trails{Interval: 5 * time.Minute},
		Buckets:   Buckets{S3: S3{Region: "us-east-1", Timeout: time.Minute}},
		Tracing:   Tracing{SampleRatio: 0.1, ServiceName: "holdfast"},
		Notices:   Notices{GiveUp: 72 * time.Hour, Denials: 20, DenialsWindow: 5 * time.Minute},
		Rotation:  Rotation{SymmetricDays: 365, AsymmetricDays: 730, OverlapDays: 90, NoticeDays: 30},
		Keyless:   Keyless{ClientCertificates: KeylessRequired, MinimumTLS: "1.2", MaxConnections: 10_000, InFlight: 256, Queue: 1024},
	}
}

// Load reads a file over the defaults.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return Config{}, fmt.Errorf("reading the configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration %s: %w", path, err)
	}
	return c, nil
}

// Parse reads YAML over the defaults and validates the result. Errors are
// InvalidArgument and name the line where they can.
func Parse(text []byte) (Config, error) {
	c := Default()
	if err := Decode(text, &c); err != nil {
		return Config{}, err
	}
	return c, c.Validate()
}

// Validate checks the whole configuration and reports all that is wrong.
func (c *Config) Validate() error {
	var wrong []error
	refuse := func(name, format string, args ...any) {
		wrong = append(wrong, fmt.Errorf("%s: %s", name, fmt.Sprintf(format, args...)))
	}
	if !filepath.IsAbs(c.Data) {
		refuse("data", "%q is not an absolute path", c.Data)
	}
	if _, err := net.ResolveTCPAddr("tcp", c.Listen); err != nil {
		refuse("listen", "%v", err)
	}
	if c.Metrics.Listen != "" {
		if _, err := net.ResolveTCPAddr("tcp", c.Metrics.Listen); err != nil {
			refuse("metrics.listen", "%v", err)
		}
	}
	if u, err := url.Parse(c.PublicURL); err != nil || c.PublicURL != "" && (u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		refuse("public_url", "%q is not an http or https address", c.PublicURL)
	}
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") {
		refuse("tls", "certificate and key go together")
	}
	c.Audit.validate(refuse)
	c.Buckets.validate(refuse)
	c.Mail.validate(refuse)
	c.Notices.validate(&c.Mail, refuse)
	c.Egress.validate(refuse)
	c.Tracing.validate(refuse)
	c.Approvals.validate(refuse)
	c.Rotation.validate(refuse)
	c.Keyless.validate(refuse)
	c.validateProviders(c.HSM.validate(refuse), refuse)
	c.validateRanges(refuse)
	if len(wrong) > 0 {
		return &fault.Error{Kind: fault.InvalidArgument, Op: "config", Public: errors.Join(wrong...).Error()}
	}
	return nil
}

func (c *Config) validateRanges(refuse func(name, format string, args ...any)) {
	ranges := []struct {
		name            string
		value, min, max int64
	}{
		{"audit.segment_mib", int64(c.Audit.SegmentMiB), 1, 4096},
		{"audit.checkpoint", int64(c.Audit.Checkpoint), int64(100 * time.Millisecond), int64(time.Hour)},
		{"limits.connections", int64(c.Limits.Connections), 1, 1_000_000},
		{"limits.opened_keys", int64(c.Limits.OpenedKeys), 1, 10_000_000},
		{"lifecycle.interval", int64(c.Lifecycle.Interval), int64(10 * time.Millisecond), int64(time.Hour)},
		{"trails.interval", int64(c.Trails.Interval), int64(10 * time.Millisecond), int64(24 * time.Hour)},
		{"lifecycle.mirror", int64(c.Lifecycle.Mirror), int64(10 * time.Millisecond), int64(24 * time.Hour)},
		{"lifecycle.renewals_per_minute", int64(c.Lifecycle.RenewalsPerMinute), 1, 1_000_000},
		{"keyless.max_connections", int64(c.Keyless.MaxConnections), 1, 1_000_000},
		{"keyless.in_flight", int64(c.Keyless.InFlight), 1, 65_536},
		{"keyless.queue", int64(c.Keyless.Queue), 1, 1_000_000},
	}
	for _, r := range ranges {
		if r.value < r.min || r.value > r.max {
			refuse(r.name, "%d is not between %d and %d", r.value, r.min, r.max)
		}
	}
	choices := []struct {
		name, value string
		allowed     []string
	}{
		{"rsa.native", c.RSA.Native, []string{"auto", "off"}},
		{"keyless.client_certificates", c.Keyless.ClientCertificates, []string{KeylessRequired, KeylessOptional}},
		{"keyless.minimum_tls", c.Keyless.MinimumTLS, []string{"1.2", "1.3"}},
		{"log.level", c.Log.Level, []string{"debug", "info", "warn", "error"}},
		{"log.format", c.Log.Format, []string{"text", "json"}},
	}
	for _, choice := range choices {
		if !slices.Contains(choice.allowed, choice.value) {
			refuse(choice.name, "%q is none of %v", choice.value, choice.allowed)
		}
	}
}

// Loopback reports whether a listen address is of this machine alone.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback()
}
