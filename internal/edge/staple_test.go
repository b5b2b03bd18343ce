package edge

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"
)

func testTime() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// TestStaple: clients get the responder's answer, which stays when the responder
// goes away, and goes when it calls the certificate revoked.
func TestStaple(t *testing.T) {
	w := newWorld(t)
	e := w.start(w.config("", w.site("a.pem", "a.example")))
	stapled := func() *xocsp.Response {
		state, err := e.dial("a.example")
		if err != nil {
			t.Fatal(err)
		}
		if state.OCSPResponse == nil {
			return nil
		}
		r, err := xocsp.ParseResponseForCert(state.OCSPResponse, state.PeerCertificates[0], w.ca)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	until(t, "there is a staple", func() bool { return stapled() != nil })
	if r := stapled(); r.Status != xocsp.Good {
		t.Errorf("%+v", r)
	}
	if _, text := e.figures("/metrics"); strings.Contains(text, `holdfast_edge_staple_timestamp_seconds{certificate="`+filepath.Join(w.dir, "a.pem")+`"} 0`) {
		t.Error("the staple's age is not in the metrics")
	}
	asked := w.asked.Load()
	w.status.Store(-1)
	e.hangup()
	until(t, "the certificate was looked at", func() bool { return strings.Count(e.log.String(), "a certificate is in use") > 1 })
	if stapled() == nil || w.asked.Load() != asked {
		t.Error("the staple is gone, or asked for before it is due")
	}
	w.write("a.pem", w.leaf(w.key.Public(), false, "a.example"))
	until(t, "the log says that there is no staple", func() bool { return strings.Contains(e.log.String(), "no staple from the responder") })
	if stapled() != nil {
		t.Error("the staple is another certificate's")
	}
	w.status.Store(xocsp.Revoked)
	w.write("a.pem", w.leaf(w.key.Public(), true, "a.example"))
	until(t, "the log says that it is revoked", func() bool { return strings.Contains(e.log.String(), errRevoked.Error()) })
}

// TestRefresh: when a staple is due, it is asked for; a failure leaves it where
// it is until it ends, and the answer that the certificate is revoked does not.
func TestRefresh(t *testing.T) {
	w := newWorld(t)
	leaf := w.leaf(w.key.Public(), false, "a.example")
	log := &logged{}
	c := &credential{source: source{Certificate: Certificate{File: "f", Staple: stapleAuto}}, responder: newResponder(), log: logger(log)}
	old := &staple{raw: []byte("old"), this: time.Now().Add(-2 * time.Hour), next: time.Now().Add(time.Hour)}
	c.served.Store(&served{Certificate: tls.Certificate{Leaf: leaf}, issuer: w.ca, staple: old})
	w.status.Store(-1)
	c.refreshStaple(t.Context())
	if s := c.served.Load(); s.staple != old || c.unstapled.Load() != 1 || !c.retry.After(time.Now()) {
		t.Errorf("after a failure: %v, %v", s.staple, c.retry)
	}
	asked := w.asked.Load()
	c.refreshStaple(t.Context())
	if w.asked.Load() != asked {
		t.Error("it is asked again at once")
	}
	c.retry = time.Time{}
	w.status.Store(xocsp.Good)
	c.refreshStaple(t.Context())
	if s := c.served.Load(); s.staple == old || s.at(time.Now()).OCSPStaple == nil || s.at(s.staple.next).OCSPStaple != nil {
		t.Error("the staple was not renewed, or outlives itself")
	}
	fresh := c.served.Load()
	c.served.Store(&served{Certificate: fresh.Certificate, issuer: w.ca, staple: old, must: true})
	w.status.Store(xocsp.Revoked)
	c.refreshStaple(t.Context())
	if s := c.served.Load(); s.staple != nil || s.at(time.Now()) != nil || !strings.Contains(log.String(), "REVOKED") {
		t.Error("the certificate is still presented")
	}
}

// TestJudge: which answers are staples.
func TestJudge(t *testing.T) {
	w := newWorld(t)
	leaf := w.leaf(w.key.Public(), false, "a.example")
	delegate := func(usage ...x509.ExtKeyUsage) *x509.Certificate {
		return w.certify(&x509.Certificate{ExtKeyUsage: usage}, w.other.Public())
	}
	now := time.Now()
	for name, test := range map[string]struct {
		change func(r *xocsp.Response) crypto.Signer
		want   string // "" for a staple
	}{
		"by the issuer": {func(*xocsp.Response) crypto.Signer { return w.caKey }, ""},
		"by a delegate": {func(r *xocsp.Response) crypto.Signer {
			r.Certificate = delegate(x509.ExtKeyUsageOCSPSigning)
			return w.other
		}, ""},
		"by another certificate": {func(r *xocsp.Response) crypto.Signer {
			r.Certificate = delegate(x509.ExtKeyUsageServerAuth)
			return w.other
		}, "by who may not"},
		"by the leaf itself":     {func(r *xocsp.Response) crypto.Signer { r.Certificate = leaf; return w.key }, "by who may not"},
		"by nobody's key":        {func(*xocsp.Response) crypto.Signer { return w.other }, "signature"},
		"of another certificate": {func(r *xocsp.Response) crypto.Signer { r.SerialNumber = w.ca.SerialNumber; return w.caKey }, "answer"},
		"unknown":                {func(r *xocsp.Response) crypto.Signer { r.Status = xocsp.Unknown; return w.caKey }, "does not know"},
		"revoked":                {func(r *xocsp.Response) crypto.Signer { r.Status = xocsp.Revoked; return w.caKey }, "revoked"},
		"old":                    {func(r *xocsp.Response) crypto.Signer { r.NextUpdate = now.Add(-time.Minute); return w.caKey }, "is old"},
		"of the future": {func(r *xocsp.Response) crypto.Signer {
			r.ThisUpdate = now.Add(time.Hour)
			r.NextUpdate = now.Add(2 * time.Hour)
			return w.caKey
		}, "of the future"},
		"without an end": {func(r *xocsp.Response) crypto.Signer { r.NextUpdate = time.Time{}; return w.caKey }, ""},
	} {
		w.signer = test.change
		s, err := newResponder().ask(t.Context(), &question{w.ocsp.URL, leaf, w.ca}, now)
		switch {
		case test.want == "" && (err != nil || !s.next.After(now)):
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, not %q", name, err, test.want)
		}
	}
	w.signer = nil
	moved := http.RedirectHandler(w.ocsp.URL, http.StatusFound)
	if _, err := newResponder().ask(t.Context(), &question{serveHandler(t, moved), leaf, w.ca}, now); err == nil {
		t.Error("a redirect was followed")
	}
	if _, err := judge([]byte("nothing"), &question{leaf: leaf, issuer: w.ca}, now); err == nil {
		t.Error("nothing is an answer")
	}
}

// TestMustStaple: such a certificate is not presented before there is a staple.
func TestMustStaple(t *testing.T) {
	w := newWorld(t)
	w.status.Store(-1)
	site := w.site("a.pem", "a.example")
	w.write("a.pem", w.leaf(w.key.Public(), true, "a.example"))
	e := w.start(w.config("", site))
	if _, err := e.dial("a.example"); err == nil || !strings.Contains(err.Error(), "internal error") {
		t.Errorf("without a staple: %v", err)
	}
	if status, text := e.figures("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(text, "a.example has no certificate") {
		t.Errorf("ready: %d %s", status, text)
	}
	w.status.Store(xocsp.Good)
	until(t, "it is presented, with a staple", func() bool {
		state, err := e.dial("a.example")
		return err == nil && state.OCSPResponse != nil
	})
}

// TestDue: a staple is renewed in the middle of its life, and after a failure in
// a tenth of what is left of it.
func TestDue(t *testing.T) {
	now := testTime()
	s := &staple{this: now, next: now.Add(10 * time.Hour)}
	if got := s.due(); !got.Equal(now.Add(5 * time.Hour)) {
		t.Errorf("due at %v", got)
	}
	for left, want := range map[time.Duration]time.Duration{5 * time.Hour: 30 * time.Minute, 100 * time.Hour: time.Hour, time.Second: 30 * time.Second} {
		if got := s.after(s.next.Add(-left)); got.Sub(s.next.Add(-left)) != want {
			t.Errorf("%v before its end again after %v, not %v", left, got.Sub(s.next.Add(-left)), want)
		}
	}
	var none *staple
	if got := none.after(now); got.Sub(now) != 30*time.Second {
		t.Errorf("without a staple again at %v", got)
	}
}
