package setting

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
)

// The values of AccessLog.Format.
const (
	FormatJSON   = "json"
	FormatCommon = "common"
	FormatOff    = "off"
)

// Bounds of a configuration.
const (
	maxListeners    = 64
	maxSites        = 10_000
	maxNames        = 1000 // of one site
	maxCertificates = 8    // of one site
	maxUpstreams    = 64   // of one site
)

// siteName is what a name of a site looks like.
var siteName = regexp.MustCompile(`^(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// faults collects what is wrong with a configuration.
type faults []error

func (f *faults) add(where, format string, args ...any) {
	*f = append(*f, fmt.Errorf("%s: %s", where, fmt.Sprintf(format, args...)))
}

// validate returns all that is wrong.
func (c *Config) validate() error {
	var wrong faults
	if len(c.Listen) == 0 || len(c.Listen) > maxListeners {
		wrong.add("listen", "there are %d addresses, not 1 to %d", len(c.Listen), maxListeners)
	}
	for _, address := range c.Listen {
		wrong.address("listen", address)
	}
	if c.Metrics.Listen != "" {
		wrong.address("metrics.listen", c.Metrics.Listen)
	}
	c.KeyServers.validate(c.remote(), &wrong)
	c.Holdfast.validate(c.managed(), &wrong)
	c.validateChoices(&wrong)
	c.validateRanges(&wrong)
	c.validateSites(&wrong)
	return errors.Join(wrong...)
}

func (f *faults) address(where, address string) {
	if _, err := net.ResolveTCPAddr("tcp", address); err != nil {
		f.add(where, "%v", err)
	}
}

// certificates returns every certificate of the sites.
func (c *Config) certificates() []*certificate.Setting {
	var all []*certificate.Setting
	for i := range c.Sites {
		for j := range c.Sites[i].Certificates {
			all = append(all, &c.Sites[i].Certificates[j])
		}
	}
	return all
}

// remote reports whether there is a certificate whose key is not here.
func (c *Config) remote() bool {
	return slices.ContainsFunc(c.certificates(), func(t *certificate.Setting) bool { return t.KeyFile == "" })
}

// managed reports whether there is a managed certificate.
func (c *Config) managed() bool {
	return slices.ContainsFunc(c.certificates(), func(t *certificate.Setting) bool { return t.Managed != "" })
}

func (k *KeyServers) validate(needed bool, wrong *faults) {
	if needed && len(k.Servers) == 0 {
		wrong.add("key_servers.servers", "there is none, and there are certificates without a key_file")
	}
	for _, s := range k.Servers {
		if k.Plain && !strings.HasPrefix(s, "unix://") {
			wrong.add("key_servers.plain", "%s is not a Unix socket: it is reached by TLS only", s)
		}
	}
	k.Credential.validate("key_servers", wrong)
}

func (h *Holdfast) validate(needed bool, wrong *faults) {
	if needed && h.URL == "" {
		wrong.add("holdfast.url", "it is not given, and there are managed certificates")
	}
	h.Credential.validate("holdfast", wrong)
}

func (c *Credential) validate(where string, wrong *faults) {
	if (c.ClientCertificate == "") != (c.ClientKey == "") {
		wrong.add(where, "client_certificate and client_key go together")
	}
	if (c.AccessKeyID == "") != (c.SecretAccessKeyFile == "") {
		wrong.add(where, "access_key_id and secret_access_key_file go together")
	}
}

func (c *Config) validateChoices(wrong *faults) {
	for _, choice := range []struct {
		name, value string
		allowed     []string
	}{
		{"tls.min_version", c.TLS.MinVersion, []string{"1.2", "1.3"}},
		{"access_log.format", c.AccessLog.Format, []string{FormatJSON, FormatCommon, FormatOff}},
		{"log.level", c.Log.Level, []string{"debug", "info", "warn", "error"}},
		{"log.format", c.Log.Format, []string{"text", "json"}},
	} {
		if !slices.Contains(choice.allowed, choice.value) {
			wrong.add(choice.name, "%q is none of %v", choice.value, choice.allowed)
		}
	}
}

func (c *Config) validateRanges(wrong *faults) {
	l := &c.Limits
	for _, r := range []struct {
		name             string
		value, low, high int64
	}{
		{"limits.connections", int64(l.Connections), 1, 1_000_000},
		{"limits.handshakes", int64(l.Handshakes), 1, 1_000_000},
		{"limits.streams", int64(l.Streams), 1, 100_000},
		{"limits.header_bytes", int64(l.HeaderBytes), 1 << 10, 16 << 20},
		{"limits.body_bytes", l.BodyBytes, 0, 1 << 50},
		{"key_servers.connections", int64(c.KeyServers.Connections), 1, 256},
		{"tls.tickets.keep", int64(c.TLS.Tickets.Keep), 1, 100},
	} {
		if r.value < r.low || r.value > r.high {
			wrong.add(r.name, "%d is not between %d and %d", r.value, r.low, r.high)
		}
	}
	for _, r := range []struct {
		name             string
		value, low, high time.Duration
	}{
		{"poll", c.Poll, 100 * time.Millisecond, 24 * time.Hour},
		{"drain", c.Drain, time.Millisecond, time.Hour},
		{"key_servers.timeout", c.KeyServers.Timeout, 10 * time.Millisecond, time.Minute},
		{"holdfast.timeout", c.Holdfast.Timeout, 10 * time.Millisecond, 10 * time.Minute},
		{"tls.handshake_timeout", c.TLS.HandshakeTimeout, 100 * time.Millisecond, 10 * time.Minute},
		{"tls.tickets.rotate", c.TLS.Tickets.Rotate, time.Second, 7 * 24 * time.Hour},
		{"limits.header_timeout", l.HeaderTimeout, 100 * time.Millisecond, 10 * time.Minute},
		{"limits.idle_timeout", l.IdleTimeout, 100 * time.Millisecond, 24 * time.Hour},
		{"limits.stall_timeout", l.StallTimeout, 100 * time.Millisecond, 24 * time.Hour},
	} {
		if r.value < r.low || r.value > r.high {
			wrong.add(r.name, "%v is not between %v and %v", r.value, r.low, r.high)
		}
	}
}

func (c *Config) validateSites(wrong *faults) {
	if len(c.Sites) == 0 || len(c.Sites) > maxSites {
		wrong.add("sites", "there are %d, not 1 to %d", len(c.Sites), maxSites)
	}
	same := map[string]*certificate.Setting{}
	for _, t := range c.certificates() {
		if other := same[t.File+t.Managed]; other != nil && *other != *t {
			wrong.add("sites", "the certificate %s is there twice, with different settings", t.File+t.Managed)
		}
		same[t.File+t.Managed] = t
	}
	owners, defaults := map[string]int{}, 0
	for i := range c.Sites {
		s := &c.Sites[i]
		where := fmt.Sprintf("sites[%d]", i)
		s.validate(where, wrong)
		for j, name := range s.Names {
			s.Names[j] = strings.ToLower(name)
			if other, taken := owners[s.Names[j]]; taken {
				wrong.add(where, "the name %s is of sites[%d] already", name, other)
			}
			owners[s.Names[j]] = i
		}
		if s.Default {
			defaults++
		}
	}
	if defaults > 1 {
		wrong.add("sites", "%d are the default", defaults)
	}
}

func (s *Site) validate(where string, wrong *faults) {
	if len(s.Names) == 0 && !s.Default {
		wrong.add(where+".names", "there is none, and it is not the default")
	}
	for name, n := range map[string][3]int{
		"names": {len(s.Names), 0, maxNames}, "certificates": {len(s.Certificates), 1, maxCertificates}, "upstreams": {len(s.Upstreams), 1, maxUpstreams},
	} {
		if n[0] < n[1] || n[0] > n[2] {
			wrong.add(where+"."+name, "there are %d, not %d to %d", n[0], n[1], n[2])
		}
	}
	for _, name := range s.Names {
		if !siteName.MatchString(strings.ToLower(name)) || len(name) > 253 {
			wrong.add(where+".names", "%q is no DNS name", name)
		}
	}
	for i := range s.Certificates {
		validateCertificate(&s.Certificates[i], fmt.Sprintf("%s.certificates[%d]", where, i), wrong)
	}
	for _, text := range s.Upstreams {
		if _, err := ParseUpstream(text); err != nil {
			wrong.add(where+".upstreams", "%v", err)
		}
	}
	if s.UpstreamTimeout < time.Millisecond || s.UpstreamTimeout > 24*time.Hour {
		wrong.add(where+".upstream_timeout", "%v is not between 1ms and 24h", s.UpstreamTimeout)
	}
}

// validateCertificate checks one certificate of a site.
func validateCertificate(t *certificate.Setting, where string, wrong *faults) {
	if (t.File == "") == (t.Managed == "") {
		wrong.add(where, "it is either a file or managed")
	}
	if t.Managed != "" && t.KeyFile != "" {
		wrong.add(where, "a managed certificate has no key_file")
	}
	if t.Staple != certificate.StapleAuto && t.Staple != certificate.StapleOff {
		if u, err := url.Parse(t.Staple); err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			wrong.add(where+".staple", "%q is neither auto, off nor an URL", t.Staple)
		}
	}
}

// ParseUpstream reads the address of an upstream.
func ParseUpstream(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, err
	}
	if u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || !slices.Contains([]string{"http", "https", "h2c"}, u.Scheme) {
		return nil, fmt.Errorf("%q is no http, https or h2c URL with a host and a path only", text)
	}
	return u, nil
}
