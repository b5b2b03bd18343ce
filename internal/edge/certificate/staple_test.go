package certificate

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"log/slog"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	xocsp "golang.org/x/crypto/ocsp"
)

func testTime() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// world is a CA with its responder.
type world struct {
	t          *testing.T
	ca         *x509.Certificate
	caKey      crypto.Signer
	key, other crypto.Signer
	ocsp       *httptest.Server
	asked      atomic.Int32                        // questions to the responder
	status     atomic.Int32                        // what it answers, below 0 for a failure
	signer     func(*xocsp.Response) crypto.Signer // signs and may change an answer; nil for the CA
	serial     int64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	newKey := func() crypto.Signer {
		k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	w := &world{t: t, caKey: newKey(), key: newKey(), other: newKey()}
	w.ca = w.certify(&x509.Certificate{Subject: pkix.Name{CommonName: "CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}, w.caKey.Public())
	w.ocsp = httptest.NewServer(http.HandlerFunc(w.respond))
	t.Cleanup(w.ocsp.Close)
	return w
}

// certify signs a certificate with the CA's key.
func (w *world) certify(template *x509.Certificate, public crypto.PublicKey) *x509.Certificate {
	w.t.Helper()
	w.serial++
	template.SerialNumber = big.NewInt(w.serial)
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent := w.ca
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, w.caKey)
	if err != nil {
		w.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// leaf makes a certificate of a server, which names the responder.
func (w *world) leaf() *x509.Certificate {
	return w.certify(&x509.Certificate{DNSNames: []string{"a.example"}, OCSPServer: []string{w.ocsp.URL}}, w.key.Public())
}

// respond is the responder.
func (w *world) respond(rw http.ResponseWriter, r *http.Request) {
	w.asked.Add(1)
	body, _ := io.ReadAll(r.Body)
	q, err := xocsp.ParseRequest(body)
	status := int(w.status.Load())
	if err != nil || status < 0 {
		http.Error(rw, "away", http.StatusServiceUnavailable)
		return
	}
	now := time.Now().Truncate(time.Second)
	answer := xocsp.Response{Status: status, SerialNumber: q.SerialNumber, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(time.Hour), RevokedAt: now}
	signer := w.caKey
	if w.signer != nil {
		signer = w.signer(&answer)
	}
	responder := w.ca
	if answer.Certificate != nil {
		responder = answer.Certificate
	}
	raw, err := xocsp.CreateResponse(w.ca, responder, answer, signer)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = rw.Write(raw)
}

// TestRefresh: when a staple is due, it is asked for; a failure leaves it where
// it is until it ends, and the answer that the certificate is revoked does not.
func TestRefresh(t *testing.T) {
	w := newWorld(t)
	leaf := w.leaf()
	log := &strings.Builder{}
	c := New(Setting{File: "f", Staple: StapleAuto}, &Options{Responder: NewResponder(), Log: slog.New(slog.NewTextHandler(log, nil))})
	old := &staple{raw: []byte("old"), this: time.Now().Add(-2 * time.Hour), next: time.Now().Add(time.Hour)}
	c.served.Store(&Served{Certificate: tls.Certificate{Leaf: leaf}, issuer: w.ca, staple: old})
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
	if s := c.served.Load(); s.staple == old || s.At(time.Now()).OCSPStaple == nil || s.At(s.staple.next).OCSPStaple != nil {
		t.Error("the staple was not renewed, or outlives itself")
	}
	fresh := c.served.Load()
	c.served.Store(&Served{Certificate: fresh.Certificate, issuer: w.ca, staple: old, must: true})
	w.status.Store(xocsp.Revoked)
	c.refreshStaple(t.Context())
	if s := c.served.Load(); s.staple != nil || s.At(time.Now()) != nil || !strings.Contains(log.String(), "REVOKED") {
		t.Error("the certificate is still presented")
	}
}

// TestJudge: which answers are staples.
func TestJudge(t *testing.T) {
	w := newWorld(t)
	leaf := w.leaf()
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
		s, err := NewResponder().ask(t.Context(), &question{w.ocsp.URL, leaf, w.ca}, now)
		switch {
		case test.want == "" && (err != nil || !s.next.After(now)):
			t.Errorf("%s: %v", name, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: %v, not %q", name, err, test.want)
		}
	}
	w.signer = nil
	moved := http.RedirectHandler(w.ocsp.URL, http.StatusFound)
	elsewhere := httptest.NewServer(moved)
	t.Cleanup(elsewhere.Close)
	if _, err := NewResponder().ask(t.Context(), &question{elsewhere.URL, leaf, w.ca}, now); err == nil {
		t.Error("a redirect was followed")
	}
	if _, err := judge([]byte("nothing"), &question{leaf: leaf, issuer: w.ca}, now); err == nil {
		t.Error("nothing is an answer")
	}
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
