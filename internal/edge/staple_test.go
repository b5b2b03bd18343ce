package edge

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	xocsp "golang.org/x/crypto/ocsp"
)

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
	until(t, "the log says that it is revoked", func() bool { return strings.Contains(e.log.String(), "the certificate is revoked") })
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
