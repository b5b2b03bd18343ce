package agent

import (
	"crypto/tls"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const requested = `  - name: web
    request: {authority: issuing, profile: tls-server, names: [web.example.com], renew: {share: 0.5, jitter: 1h}}
    dir: DIR/web
    files:
      - {path: cert.pem}
      - {path: key.pem, content: key}
`

// TestRequest holds that a certificate of the agent's own key is renewed when
// its rule says so, when it is revoked, and when another one is asked for.
func TestRequest(t *testing.T) {
	h := newHost(t, requested)
	h.well()
	serial := func() string { return h.inPlace("web/current/cert.pem", "web/current/key.pem") }
	first := serial()
	h.at = h.at.Add(44 * 24 * time.Hour) // of 90 days
	h.well()
	if got := serial(); got != first {
		t.Errorf("renewed before its time")
	}
	h.at = h.at.Add(24 * time.Hour)
	h.well()
	second := serial()
	if second == first {
		t.Errorf("not renewed in its time")
	}
	h.source.revoked[second] = true
	h.well()
	third := serial()
	if third == second {
		t.Errorf("a revoked certificate stays")
	}
	h.configure(`  - name: web
    request: {authority: issuing, profile: tls-server, names: [web.example.com, www.example.com]}
    dir: DIR/web
    files:
      - {path: cert.pem}
      - {path: key.pem, content: key}
`)
	h.start()
	h.well()
	if got := serial(); got == third {
		t.Errorf("other names are wanted, and the certificate stays")
	}
	if h.source.issues != 4 {
		t.Errorf("%d certificates were issued, want 4", h.source.issues)
	}
}

// TestReuseKey holds that the key stays where that is asked for, and changes
// otherwise.
func TestReuseKey(t *testing.T) {
	for reuse, same := range map[string]bool{"true": true, "false": false} {
		h := newHost(t, `  - name: web
    request: {authority: issuing, profile: tls-server, common_name: web, names: [web.example.com], reuse_key: `+reuse+`}
    dir: DIR/web
    files:
      - {path: bundle.pem, content: bundle}
`)
		h.well()
		before := must(tls.LoadX509KeyPair(h.path("web/current/bundle.pem"), h.path("web/current/bundle.pem")))
		h.at = h.at.Add(80 * 24 * time.Hour)
		h.well()
		after := must(tls.LoadX509KeyPair(h.path("web/current/bundle.pem"), h.path("web/current/bundle.pem")))
		if got := cmp.Equal(before.Leaf.RawSubjectPublicKeyInfo, after.Leaf.RawSubjectPublicKeyInfo); got != same {
			t.Errorf("reuse_key %s: the key stays: %t", reuse, got)
		}
	}
}

// TestRequestRepeated holds that a request whose answer was lost is repeated as
// it was, and does not become two certificates.
func TestRequestRepeated(t *testing.T) {
	h := newHost(t, requested)
	h.start()
	u := h.agent.units[0]
	o, key, err := u.order(u.c.Request.order(), h.now())
	if err != nil {
		t.Fatal(err)
	}
	h.start() // the agent is killed before the answer comes
	again, same, err := h.agent.units[0].order(u.c.Request.order(), h.now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(o, again); diff != "" || string(key) != string(same) {
		t.Errorf("the order is another one (-first +second):\n%s", diff)
	}
	h.at = h.at.Add(time.Minute)
	h.well()
	if h.source.byToken[o.Token] == nil || h.source.issues != 1 {
		t.Errorf("issued %d, with the token: %t", h.source.issues, h.source.byToken[o.Token] != nil)
	}
	if _, err := os.Stat(h.path("state/web/order.key")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the order's key is still there: %v", err)
	}
}

// TestRequestOnce holds that a certificate that could not be put in place is
// tried again, and no other one asked for.
func TestRequestOnce(t *testing.T) {
	h := newHost(t, requested+"    reload: {command: [/bin/false]}\n")
	if err := os.MkdirAll(h.path("web/versions/7"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("versions/7", h.path("web/current")); err != nil { // something was there before
		t.Fatal(err)
	}
	for range 20 {
		if err := h.once(); err == nil {
			t.Fatal("a reload that fails is a success")
		}
		h.at = h.at.Add(2 * time.Hour)
	}
	if h.source.issues != 1 {
		t.Errorf("%d certificates were asked for, want one", h.source.issues)
	}
	if to, err := os.Readlink(h.path("web/current")); err != nil || to != "versions/7" {
		t.Errorf("the link leads to %q: %v", to, err)
	}
}

// TestDue holds when certificates are renewed.
func TestDue(t *testing.T) {
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		rule        Renew
		life        time.Duration
		early, late time.Duration // after from
	}{
		"a share":            {Renew{Share: 0.5, Jitter: 1}, 90 * day, 45*day - 1, 45 * day},
		"before the end":     {Renew{Share: 0.9, Before: Duration(30 * day), Jitter: 1}, 90 * day, 60*day - 1, 60 * day},
		"the earlier counts": {Renew{Share: 0.5, Before: Duration(30 * day), Jitter: 1}, 90 * day, 45*day - 1, 45 * day},
		"spread":             {Renew{Share: 0.5, Jitter: Duration(10 * day)}, 90 * day, 35 * day, 45 * day},
		"spread by itself":   {Renew{Share: 0.5}, 100 * day, 45 * day, 50 * day},
		"longer than life":   {Renew{Share: 0.5, Before: Duration(30 * day)}, 7 * day, 3*day + 12*time.Hour, 3*day + 12*time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			at := c.rule.due(from, from.Add(c.life), "seed").Sub(from)
			if at < c.early || at > c.late {
				t.Errorf("due after %s, want %s to %s", at, c.early, c.late)
			}
			if again := c.rule.due(from, from.Add(c.life), "seed").Sub(from); again != at {
				t.Errorf("due after %s, and then after %s", at, again)
			}
		})
	}
}
