package pki

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

const (
	known  = "0b6c2a6e-7a4c-4d0e-9f59-0f6f3f0f8b11"
	broken = "0b6c2a6e-7a4c-4d0e-9f59-0f6f3f0f8b12"
	absent = "0b6c2a6e-7a4c-4d0e-9f59-0f6f3f0f8b13"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// authorities knows one authority, and one that fails as err says.
type authorities struct {
	next time.Duration
	err  error
}

func (a authorities) PublicCRL(_ context.Context, id string) (*ca.CRL, error) {
	switch id {
	case known:
		return &ca.CRL{DER: []byte("crl"), Number: 7, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(a.next)}, nil
	case broken:
		return nil, a.err
	}
	return nil, fault.New(fault.NotFound, "no such authority")
}

func (a authorities) PublicCertificate(_ context.Context, id string) ([]byte, error) {
	switch id {
	case known:
		return []byte("certificate"), nil
	case broken:
		return nil, a.err
	}
	return nil, fault.New(fault.NotFound, "no such authority")
}

func serve(t *testing.T, a authorities, method, path string, head map[string]string) *httptest.ResponseRecorder {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody)
	for k, v := range head {
		r.Header.Set(k, v)
	}
	New(Config{Authorities: a, Now: func() time.Time { return now }}).ServeHTTP(w, r)
	return w
}

func TestPublish(t *testing.T) {
	day := authorities{next: 24 * time.Hour}
	const crlTag, cerTag = `"crl-7"`, `"03d66dd08835c1ca3f128cceacd1f31a"`
	for _, c := range []struct {
		name         string
		from         authorities
		method, path string
		head         map[string]string
		status       int
		want         map[string]string
		body         string
	}{
		{
			"CRL", day, "GET", known + ".crl", nil, 200,
			map[string]string{
				"Content-Type": "application/pkix-crl", "ETag": crlTag, "Cache-Control": "public, max-age=3600, must-revalidate",
				"Last-Modified": "Sun, 22 Nov 2026 11:59:00 GMT", "Content-Length": "3",
			},
			"crl",
		},
		{
			"CRL near its end",
			authorities{next: 90 * time.Second},
			"GET", known + ".crl", nil, 200,
			map[string]string{"Cache-Control": "public, max-age=90, must-revalidate"},
			"crl",
		},
		{
			"CRL past its end",
			authorities{next: -time.Second},
			"GET", known + ".crl", nil, 200,
			map[string]string{"Cache-Control": "public, max-age=0, must-revalidate"},
			"crl",
		},
		{
			"certificate", day, "GET", known + ".cer", nil, 200,
			map[string]string{"Content-Type": "application/pkix-cert", "ETag": cerTag, "Cache-Control": "public, max-age=86400, must-revalidate"},
			"certificate",
		},
		{"HEAD", day, "HEAD", known + ".crl", nil, 200, map[string]string{"Content-Length": "3", "ETag": crlTag}, ""},
		{"not changed", day, "GET", known + ".crl", map[string]string{"If-None-Match": crlTag}, 304, map[string]string{"ETag": crlTag}, ""},
		{"changed", day, "GET", known + ".crl", map[string]string{"If-None-Match": `"crl-6"`}, 200, nil, "crl"},
		{"not modified", day, "GET", known + ".crl", map[string]string{"If-Modified-Since": "Sun, 22 Nov 2026 11:59:00 GMT"}, 304, nil, ""},
		{"unknown", day, "GET", absent + ".crl", nil, 404, map[string]string{"Cache-Control": "no-store"}, "Not Found\n"},
		{"unknown certificate", day, "GET", absent + ".cer", nil, 404, nil, "Not Found\n"},
		{"no id", day, "GET", "x.crl", nil, 404, nil, "Not Found\n"},
		{"a name's form", day, "GET", "urn:uuid:" + known + ".crl", nil, 404, nil, "Not Found\n"},
		{"nothing", day, "GET", "", nil, 404, nil, "Not Found\n"},
		{"climbing", day, "GET", "../" + known + ".crl", nil, 404, nil, "Not Found\n"},
		{"another suffix", day, "GET", known + ".pem", nil, 404, nil, "Not Found\n"},
		{"long", day, "GET", strings.Repeat("a", 10000) + ".crl", nil, 404, nil, "Not Found\n"},
		{"POST", day, "POST", known + ".crl", nil, 405, map[string]string{"Allow": "GET, HEAD"}, "Method Not Allowed\n"},
		{"DELETE", day, "DELETE", known + ".cer", nil, 405, nil, "Method Not Allowed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := serve(t, c.from, c.method, Prefix+c.path, c.head)
			text := got.Body.String()
			if got.Code != c.status || text != c.body {
				t.Errorf("%d %q, want %d %q", got.Code, text, c.status, c.body)
			}
			have := map[string]string{}
			for k := range c.want {
				have[k] = got.Header().Get(k)
			}
			if c.want != nil {
				if d := cmp.Diff(c.want, have); d != "" {
					t.Errorf("headers (-want +got):\n%s", d)
				}
			}
		})
	}
}

// TestErrors gives every kind of failure its status, and no text beyond it.
func TestErrors(t *testing.T) {
	want := map[fault.Kind]int{fault.NotFound: 404, fault.Unavailable: 503, fault.WrongState: 503, fault.LimitExceeded: 503, fault.Conflict: 503}
	for _, kind := range fault.Kinds() {
		status := want[kind]
		if status == 0 {
			status = 500
		}
		for _, suffix := range []string{".crl", ".cer"} {
			got := serve(t, authorities{err: fault.New(kind, "secret")}, "GET", Prefix+broken+suffix, nil)
			if text := got.Body.String(); got.Code != status || strings.Contains(text, "secret") {
				t.Errorf("%s: %d %s, want %d", kind, got.Code, text, status)
			}
		}
	}
}

func TestObserve(t *testing.T) {
	var got []string
	h := New(Config{Authorities: authorities{}, Observe: func(api, op, code string, _ time.Duration) {
		got = append(got, api+" "+op+" "+code)
	}})
	for _, path := range []string{known + ".crl", known + ".cer", absent + ".crl", "x"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+path, http.NoBody))
	}
	want := []string{"pki GetCRL ok", "pki GetCertificate ok", "pki GetCRL 404", "pki Unknown 404"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
