package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Age is a time that can also be written in days, "365d", or as "forever".
type Age time.Duration

// Forever is the Age of what never gets too old.
const Forever Age = 1<<63 - 1

// Ages of the audit log: the least that can be set, and the least that most
// rules ask for (PCI DSS 4.0, 10.5.1: twelve months).
const (
	MinRetention     = Age(24 * time.Hour)
	UsualRetention   = Age(365 * 24 * time.Hour)
	defaultRetention = UsualRetention
)

// ParseAge reads a duration, days such as "365d", or "forever".
func ParseAge(text string) (Age, error) {
	if text == "forever" {
		return Forever, nil
	}
	if digits, ok := strings.CutSuffix(text, "d"); ok {
		days, err := strconv.Atoi(digits)
		if err != nil || days < 0 || days > 100*366 {
			return 0, fmt.Errorf("%q is no number of days", text)
		}
		return Age(days) * Age(24*time.Hour), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no time such as 365d, 8760h or forever", text)
	}
	return Age(d), nil
}

// String writes the age so that ParseAge reads it.
func (a Age) String() string {
	const day = Age(24 * time.Hour)
	switch {
	case a == Forever:
		return "forever"
	case a > 0 && a%day == 0:
		return strconv.FormatInt(int64(a/day), 10) + "d"
	}
	return time.Duration(a).String()
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (a *Age) UnmarshalYAML(n *yaml.Node) (err error) {
	if *a, err = ParseAge(n.Value); err != nil {
		return fmt.Errorf("line %d: %w", n.Line, err)
	}
	return nil
}

// Sink is where the audit log is sent: one of Syslog, HTTP and Bucket says
// which (docs/audit.md).
type Sink struct {
	// Name is what commands and figures call it: lower-case letters, digits and
	// dashes. How far it is is kept under this name.
	Name string `yaml:"name"`
	// Format is jsonl, cloudtrail, ocsf or cef, and for syslog also syslog:
	// structured data. Default: jsonl, and for syslog syslog.
	Format string `yaml:"format"`
	// Start is where a new sink begins: at the beginning of the log or now.
	// Default: beginning.
	Start string `yaml:"start"`
	// Interval is for how long entries wait for others, 100ms to 24h. Default: 1s,
	// 5s for syslog, 5m for a bucket.
	Interval time.Duration `yaml:"interval"`
	// Batch is how many entries go together at most, 1 to 10000. Default: 500, 1000
	// for syslog, 5000 for a bucket.
	Batch int `yaml:"batch"`
	// Behind is how old an entry gets undelivered until people are told
	// (audit.sink-behind), 10s to 720h. Default: 15m, and 1h for a bucket.
	Behind time.Duration `yaml:"behind"`

	Syslog *SyslogSink `yaml:"syslog"`
	HTTP   *HTTPSink   `yaml:"http"`
	Bucket *BucketSink `yaml:"bucket"`
}

// SyslogSink is a syslog server (RFC 5424 messages, octet counting).
type SyslogSink struct {
	// Address is its host and port. Default port: 6514, 601 without TLS.
	Address string `yaml:"address"`
	// Security is tls (RFC 5425), or none: plain TCP, in which whoever is on the
	// way reads and changes everything. Default: tls.
	Security string `yaml:"security"`
	// CACertificate is a PEM file with whom the server's certificate may be from.
	// Default: the system's.
	CACertificate string `yaml:"ca_certificate"`
	// ServerName is the name in the server's certificate. Default: the address's.
	ServerName string `yaml:"server_name"`
	// Certificate and Key are PEM files by which this server proves itself; they
	// are read for each connection. Default: none.
	Certificate string `yaml:"certificate"`
	Key         string `yaml:"key"`
	// Host is what messages call this host. Default: the host's name.
	Host string `yaml:"host"`
}

// HTTPSink takes batches by signed POST requests. The address is in URL or in
// the file URLFile; plain http is for a receiver on this machine only.
type HTTPSink struct {
	URL     string `yaml:"url"`
	URLFile string `yaml:"url_file"`
	// SecretFile has what requests are signed with: "whsec_" and the base64 of 24
	// to 64 bytes, one a line, at most three.
	SecretFile string `yaml:"secret_file"`
	// AuthorizationFile has the value of the header field Authorization, such as
	// "Bearer …"; it is read for each request. Default: none.
	AuthorizationFile string `yaml:"authorization_file"`
	// CACertificate is a PEM file with whom the receiver's certificate may be
	// from. Default: the system's.
	CACertificate string `yaml:"ca_certificate"`
	// Gzip compresses. Default: true.
	Gzip *bool `yaml:"gzip"`
	// Timeout bounds a request, 1s to 10m. Default: 30s.
	Timeout time.Duration `yaml:"timeout"`
}

// BucketSink is a bucket: of the server's own (buckets), or of a directory or
// an endpoint that only this sink uses.
type BucketSink struct {
	Name string `yaml:"name"`
	// Prefix begins the names of files. Default: none.
	Prefix string `yaml:"prefix"`
	// Dir and S3 are as in buckets. Default: buckets.
	Dir string `yaml:"dir"`
	S3  *S3    `yaml:"s3"`
}

// Kinds of sinks.
const (
	SinkSyslog = "syslog"
	SinkHTTP   = "http"
	SinkBucket = "bucket"
)

// Kind returns which kind of sink it is, "" for none or several.
func (s *Sink) Kind() string {
	switch given := [3]bool{s.Syslog != nil, s.HTTP != nil, s.Bucket != nil}; given {
	case [3]bool{true, false, false}:
		return SinkSyslog
	case [3]bool{false, true, false}:
		return SinkHTTP
	case [3]bool{false, false, true}:
		return SinkBucket
	}
	return ""
}

// maxSinks bounds how often the audit log is read.
const maxSinks = 16

func (a *Audit) validate(refuse func(name, format string, args ...any)) {
	if a.Retention < MinRetention {
		refuse("audit.retention", "%v is less than %v", a.Retention, MinRetention)
	}
	if len(a.Sinks) > maxSinks {
		refuse("audit.sinks", "there are more than %d", maxSinks)
	}
	var names []string
	for i := range a.Sinks {
		s := &a.Sinks[i]
		field := fmt.Sprintf("audit.sinks[%d]", i)
		if !channelName.MatchString(s.Name) || slices.Contains(names, s.Name) {
			refuse(field, "the name %q is not of lower-case letters, digits and dashes, or is taken", s.Name)
		}
		names = append(names, s.Name)
		s.validate(field, refuse)
	}
}

func (s *Sink) validate(field string, refuse func(name, format string, args ...any)) {
	between := func(name string, d, least, most time.Duration) {
		if d != 0 && (d < least || d > most) {
			refuse(field+"."+name, "%v is not between %v and %v", d, least, most)
		}
	}
	between("interval", s.Interval, 100*time.Millisecond, 24*time.Hour)
	between("behind", s.Behind, 10*time.Second, 720*time.Hour)
	if s.Batch < 0 || s.Batch > 10_000 {
		refuse(field+".batch", "%d is not between 1 and 10000", s.Batch)
	}
	if !slices.Contains([]string{"", "beginning", "now"}, s.Start) {
		refuse(field+".start", "%q is neither beginning nor now", s.Start)
	}
	formats := []string{"", "jsonl", "cloudtrail", "ocsf", "cef"}
	switch s.Kind() {
	case SinkSyslog:
		formats = append(formats, "syslog")
		s.Syslog.validate(field+".syslog", refuse)
	case SinkHTTP:
		s.HTTP.validate(field+".http", refuse)
		between("http.timeout", s.HTTP.Timeout, time.Second, 10*time.Minute)
	case SinkBucket:
		s.Bucket.validate(field+".bucket", refuse)
	default:
		refuse(field, "give one of syslog, http and bucket")
	}
	if !slices.Contains(formats, s.Format) {
		refuse(field+".format", "%q is none of %v", s.Format, formats[1:])
	}
}

// Target returns the address with its port.
func (s *SyslogSink) Target() (string, error) {
	host, port, err := net.SplitHostPort(s.Address)
	if missing, ok := errors.AsType[*net.AddrError](err); ok && missing.Err == "missing port in address" {
		host, port, err = strings.Trim(s.Address, "[]"), "6514", nil
		if s.Security == "none" {
			port = "601"
		}
	}
	if n, bad := strconv.ParseUint(port, 10, 16); err == nil && (host == "" || bad != nil || n == 0) {
		err = fmt.Errorf("%q is no host and port", s.Address)
	}
	return net.JoinHostPort(host, port), err
}

func (s *SyslogSink) validate(field string, refuse func(name, format string, args ...any)) {
	if _, err := s.Target(); err != nil {
		refuse(field+".address", "%v", err)
	}
	if !slices.Contains([]string{"", "tls", "none"}, s.Security) {
		refuse(field+".security", "%q is neither tls nor none", s.Security)
	}
	if s.Security == "none" && s.CACertificate+s.ServerName+s.Certificate+s.Key != "" {
		refuse(field, "security is none: there are no certificates in plain TCP")
	}
	if (s.Certificate == "") != (s.Key == "") {
		refuse(field, "certificate and key go together")
	}
	absolute(field+".ca_certificate", s.CACertificate, refuse)
	absolute(field+".certificate", s.Certificate, refuse)
	absolute(field+".key", s.Key, refuse)
}

func (h *HTTPSink) validate(field string, refuse func(name, format string, args ...any)) {
	w := NoticeWebhook{URL: h.URL, URLFile: h.URLFile, SecretFile: h.SecretFile}
	w.validate(field, refuse)
	absolute(field+".authorization_file", h.AuthorizationFile, refuse)
	absolute(field+".ca_certificate", h.CACertificate, refuse)
}

// Host returns what may be shown of the address.
func (h *HTTPSink) Host() string {
	u, err := url.Parse(h.URL)
	if err != nil || u.Host == "" {
		return "the address in " + path.Base(h.URLFile)
	}
	return u.Host
}

var prefixForm = regexp.MustCompile(`^([A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}(/[A-Za-z0-9_~-][A-Za-z0-9._~-]{0,99}){0,5})?$`)

func (b *BucketSink) validate(field string, refuse func(name, format string, args ...any)) {
	if b.Name == "" {
		refuse(field, "name is missing")
	}
	if !prefixForm.MatchString(b.Prefix) {
		refuse(field+".prefix", "%q is no beginning of names: letters, digits and . _ ~ - between slashes", b.Prefix)
	}
	if b.Dir != "" && b.S3 != nil {
		refuse(field, "give either dir or s3")
	}
	own := b.own()
	own.validate(func(name, format string, args ...any) {
		refuse(field+strings.TrimPrefix(name, "buckets"), format, args...)
	})
}

// own returns the buckets that only this sink uses, with their defaults.
func (b *BucketSink) own() Buckets {
	own := Buckets{Dir: b.Dir}
	if b.S3 != nil {
		own.S3 = *b.S3
	}
	if own.S3.Region == "" {
		own.S3.Region = "us-east-1"
	}
	if own.S3.Timeout == 0 {
		own.S3.Timeout = time.Minute
	}
	return own
}

// Buckets returns the buckets that the sink uses: its own, or the server's.
func (b *BucketSink) Buckets(c *Config) Buckets {
	if b.Dir != "" || b.S3 != nil {
		return b.own()
	}
	server := c.Buckets
	server.Dir = c.BucketDir()
	return server
}
