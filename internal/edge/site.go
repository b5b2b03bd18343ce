package edge

import (
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/internal/edge/setting"
)

// site is what is served under some names.
type site struct {
	name         string // of the log and the metrics: its first name
	certificates []*certificate.Kept
	handler      http.Handler
	upstreams    *upstreams
}

// table finds sites by names.
type table struct {
	sites     []*site
	exact     map[string]*site
	wildcards map[string]*site // by what follows "*."
	otherwise *site            // nil for none
}

// find returns the site of a name, the default one of a name of no site, or nil.
func (t *table) find(name string) *site {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if s, ok := t.exact[name]; ok {
		return s
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if s, ok := t.wildcards[parent]; ok {
			return s
		}
	}
	return t.otherwise
}

// add has the site found by its names.
func (t *table) add(s *site, c *setting.Site) {
	t.sites = append(t.sites, s)
	for _, name := range c.Names {
		if parent, ok := strings.CutPrefix(name, "*."); ok {
			t.wildcards[parent] = s
		} else {
			t.exact[name] = s
		}
	}
	if c.Default {
		t.otherwise = s
	}
}

// presented is a certificate that a client is given, with where it is from.
type presented struct {
	*tls.Certificate
	from *certificate.Kept
}

// certificate returns the first of the site's certificates that a client can
// use, or where it can use none of them the first; nil while there is none.
func (s *site) certificate(hello *tls.ClientHelloInfo, now time.Time) *presented {
	var first *presented
	for _, c := range s.certificates {
		served := c.Now()
		if served == nil {
			continue
		}
		found := served.At(now)
		if found == nil {
			continue
		}
		if len(s.certificates) == 1 || hello.SupportsCertificate(found) == nil {
			return &presented{found, c}
		}
		if first == nil {
			first = &presented{found, c}
		}
	}
	return first
}

// host returns the name that a request is for.
func host(r *http.Request) string {
	if name, _, err := net.SplitHostPort(r.Host); err == nil {
		return name
	}
	return r.Host
}
