package edge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-kms/holdfast/client"
	"github.com/holdfast-kms/holdfast/internal/edge/setting"
)

// TestCheck: the files that a configuration names are read.
func TestCheck(t *testing.T) {
	w := newWorld(t)
	check := func(sites string) error {
		c, err := setting.Parse([]byte(w.config("", sites)))
		if err != nil {
			t.Fatal(err)
		}
		keys, err := c.KeyServers.Connect(logger(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = keys.Close() }()
		return Check(t.Context(), Options{Config: c, Keys: keys})
	}
	good := w.site("a.pem", "a.example", "*.a.example")
	if err := check(good); err != nil {
		t.Error(err)
	}
	for want, sites := range map[string]string{
		"it is not for b.example": strings.Replace(good, `"a.example"`, `"b.example"`, 1), "b.pem: no such file": strings.Replace(good, "a.pem", "b.pem", 1),
		"upstream_ca": strings.Replace(good, "upstreams:", "upstream_ca: /none, upstreams:", 1), "/none: no such file": strings.Replace(good, "a.pem}", "a.pem, key_file: /none}", 1),
	} {
		if err := check(sites); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, not %q", err, want)
		}
	}
}

// managed answers as a Holdfast server does.
type managed struct {
	mu  sync.Mutex // guards now
	now *client.Managed
}

func (m *managed) Managed(context.Context, string) (*client.Managed, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.now == nil {
		return nil, errors.New("away")
	}
	return m.now, nil
}

func (m *managed) set(now *client.Managed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.now = now
}

// TestManaged: a managed certificate is waited for, taken, and renewed.
func TestManaged(t *testing.T) {
	w := newWorld(t)
	m := &managed{}
	issued := func() *client.Managed {
		c := w.leaf(w.key.Public(), false, "a.example")
		return &client.Managed{State: "issued", Serial: c.SerialNumber.Text(16), Certificate: string(pemOf(c.Raw)), Chain: string(pemOf(w.ca.Raw))}
	}
	w.managed = m
	site := fmt.Sprintf("  - {default: true, certificates: [{managed: web}], upstreams: [%s]}\n", w.upstream.URL)
	e := w.start(w.config("holdfast: {url: http://127.0.0.1:1}\n", site))
	if _, err := e.dial("a.example"); err == nil {
		t.Error("there is a certificate")
	}
	for _, state := range []string{"failed", "issued", "issued"} {
		next := issued()
		next.State = state
		m.set(next)
		until(t, "it is "+state, func() bool {
			s, err := e.dial("a.example")
			if state != "issued" {
				return strings.Contains(e.log.String(), "the managed certificate is failed")
			}
			return err == nil && s.PeerCertificates[0].SerialNumber.Text(16) == next.Serial
		})
	}
	m.set(nil)
	e.hangup()
	until(t, "the log says that it is away", func() bool { return strings.Count(e.log.String(), "asking for the managed certificate: away") > 1 })
	if status, _ := e.get(e.client("a.example"), "a.example", "/"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
}

// TestReload: a configuration that cannot be used changes nothing, and settings
// that do not change while the edge runs are said to be so.
func TestReload(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	for said, text := range map[string]string{
		"line 1": "unknown: 1\n", "no such file": w.config("", strings.Replace(w.site("a.pem", "a.example"), "a.pem", "none.pem", 1)),
		"setting=limits": w.config("limits: {connections: 5}\n", w.site("a.pem", "a.example")),
	} {
		e.configure(text)
		e.hangup()
		until(t, "the log says "+said, func() bool { return strings.Contains(e.log.String(), said) })
		if _, err := e.dial("a.example"); err != nil {
			t.Errorf("%s: %v", said, err)
		}
	}
	e.configure(w.config("", w.site("b.pem", "b.example")))
	e.hangup()
	until(t, "there is another site", func() bool { _, err := e.dial("b.example"); return err == nil })
	if _, err := e.dial("a.example"); err == nil {
		t.Error("the site that is gone is served")
	}
	if !strings.Contains(e.log.String(), "the configuration stays as it was") {
		t.Error("the log does not say that a configuration was not taken")
	}
}
