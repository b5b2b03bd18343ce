package pki

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/ocsp"
	"github.com/holdfast-kms/holdfast/internal/status"
)

const (
	known  = "0b6c2a6e-7a4c-4d0e-9f59-0f6f3f0f8b11"
	broken = "0b6c2a6e-7a4c-4d0e-9f59-0f6f3f0f8b12"
	absent = "0b6c2a6e-7a4c-4d0e-9f59-0f6f3f0f8b13"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// publisher knows one authority, and one that fails as err says. It answers
// OCSP requests by repeating them.
type publisher struct {
	next time.Duration
	err  error
}

func of[T any](p publisher, id string, found T) (T, error) {
	var none T
	switch id {
	case known:
		return found, nil
	case broken:
		return none, p.err
	}
	return none, fault.New(fault.NotFound, "no such authority")
}

func (p publisher) PublicCRL(_ context.Context, id, shard string, delta bool) (*status.List, error) {
	text := "crl"
	if shard != "" {
		text += " of " + shard
	}
	if delta {
		text += " delta"
	}
	return of(p, id, status.NewList(status.List{Authority: id, Number: 7, ThisUpdate: now.Add(-time.Minute), NextUpdate: now.Add(p.next)}, []byte(text)))
}

func (p publisher) PublicCertificate(_ context.Context, id string) ([]byte, error) {
	return of(p, id, []byte("certificate"))
}

func (p publisher) PublicChain(_ context.Context, id string) ([][]byte, error) {
	return of(p, id, [][]byte{[]byte("own"), []byte("root")})
}

func (p publisher) PublicIssuers(_ context.Context, id string) ([][]byte, error) {
	return of(p, id, [][]byte{{0x30, 1, 2}, {0x30, 1, 1}})
}

func (p publisher) Respond(_ context.Context, id string, request []byte) *status.Answer {
	if len(request) == 0 {
		return &status.Answer{DER: ocsp.MalformedRequest.Encode(), Failure: ocsp.MalformedRequest}
	}
	a := &status.Answer{DER: append([]byte(id+" "), request...)}
	if p.next != 0 {
		a.ThisUpdate, a.NextUpdate, a.Tag = now.Add(-time.Minute), now.Add(p.next), "tag"
	}
	return a
}

func serve(t *testing.T, p publisher, method, path string, head map[string]string, body []byte) *httptest.ResponseRecorder {
	t.Helper()
	w, r := httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader(body))
	for k, v := range head {
		r.Header.Set(k, v)
	}
	New(Config{Status: p, Now: func() time.Time { return now }}).ServeHTTP(w, r)
	return w
}

func TestPublish(t *testing.T) {
	day := publisher{next: 24 * time.Hour}
	const crlTag, cerTag = `"crl-7"`, `"03d66dd08835c1ca3f128cceacd1f31a"`
	for _, c := range []struct {
		name         string
		from         publisher
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
			publisher{next: 90 * time.Second},
			"GET", known + ".crl", nil, 200,
			map[string]string{"Cache-Control": "public, max-age=90, must-revalidate"},
			"crl",
		},
		{
			"CRL past its end",
			publisher{next: -time.Second},
			"GET", known + ".crl", nil, 200,
			map[string]string{"Cache-Control": "public, max-age=0, must-revalidate"},
			"crl",
		},
		{
			"certificate", day, "GET", known + ".cer", nil, 200,
			map[string]string{"Content-Type": "application/pkix-cert", "ETag": cerTag, "Cache-Control": "public, max-age=86400, must-revalidate"},
			"certificate",
		},
		{"shard", day, "GET", known + "/12.crl", nil, 200, map[string]string{"Content-Type": "application/pkix-crl"}, "crl of 12"},
		{"delta", day, "GET", known + "/delta.crl", nil, 200, map[string]string{"Content-Type": "application/pkix-crl"}, "crl delta"},
		{"delta of a shard", day, "GET", known + "/12-delta.crl", nil, 200, nil, "crl of 12 delta"},
		{
			"chain", day, "GET", known + ".pem", nil, 200,
			map[string]string{"Content-Type": "application/pem-certificate-chain"},
			"-----BEGIN CERTIFICATE-----\nb3du\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\ncm9vdA==\n-----END CERTIFICATE-----\n",
		},
		{
			"issuers", day, "GET", known + "/issuers.p7c", nil, 200,
			map[string]string{"Content-Type": "application/pkcs7-mime; smime-type=certs-only"},
			"0+\x06\t*\x86H\x86\xf7\r\x01\a\x02\xa0\x1e0\x1c\x02\x01\x011\x000\v\x06\t*\x86H\x86\xf7\r\x01\a\x01\xa0\x060\x01\x010\x01\x021\x00",
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
		{"another suffix", day, "GET", known + ".txt", nil, 404, nil, "Not Found\n"},
		{"a shard's odd name", day, "GET", known + "/one.crl", nil, 404, nil, "Not Found\n"},
		{"a shard's long name", day, "GET", known + "/" + strings.Repeat("1", 10) + ".crl", nil, 404, nil, "Not Found\n"},
		{"a shard without a name", day, "GET", known + "/.crl", nil, 404, nil, "Not Found\n"},
		{"long", day, "GET", strings.Repeat("a", 10000) + ".crl", nil, 404, nil, "Not Found\n"},
		{"POST", day, "POST", known + ".crl", nil, 405, map[string]string{"Allow": "GET, HEAD"}, "Method Not Allowed\n"},
		{"DELETE", day, "DELETE", known + ".cer", nil, 405, nil, "Method Not Allowed\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, serve(t, c.from, c.method, Prefix+c.path, c.head, nil), c.status, c.want, c.body)
		})
	}
}

func check(t *testing.T, got *httptest.ResponseRecorder, status int, want map[string]string, body string) {
	t.Helper()
	text := got.Body.String()
	if got.Code != status || text != body {
		t.Errorf("%d %q, want %d %q", got.Code, text, status, body)
	}
	have := map[string]string{}
	for k := range want {
		have[k] = got.Header().Get(k)
	}
	if d := cmp.Diff(want, have); want != nil && d != "" {
		t.Errorf("headers (-want +got):\n%s", d)
	}
}

func TestOCSP(t *testing.T) {
	fresh, day, soon := publisher{}, publisher{next: 24 * time.Hour}, publisher{next: time.Minute}
	// Its base64 has both characters that a path may trip over, doubled.
	tricky := []byte{0x30, 0xff, 0xff, 0xff, 0xfb, 0xef, 0xbe, 0x01}
	encoded := base64.StdEncoding.EncodeToString(tricky)
	typed := map[string]string{"Content-Type": ocsp.TypeRequest}
	cached := map[string]string{
		"Content-Type": ocsp.TypeResponse, "ETag": `"tag"`, "Last-Modified": "Sun, 22 Nov 2026 11:59:00 GMT",
		"Expires": "Sun, 22 Nov 2026 12:05:00 GMT", "Cache-Control": "public, max-age=300, no-transform, must-revalidate", "Content-Length": "45",
	}
	private := map[string]string{"Content-Type": ocsp.TypeResponse, "Cache-Control": "no-store", "ETag": ""}
	one, all := known+" "+string(tricky), " "+string(tricky)
	for _, c := range []struct {
		name         string
		from         publisher
		method, path string
		head         map[string]string
		in           []byte
		status       int
		want         map[string]string
		body         string
	}{
		{"POST", day, "POST", known + "/ocsp", typed, tricky, 200, private, one},
		{"POST to all", fresh, "POST", "ocsp", typed, tricky, 200, private, all},
		{"POST with a parameter of its type", day, "POST", known + "/ocsp", map[string]string{"Content-Type": "application/ocsp-request; x=y"}, tricky, 200, private, one},
		{"GET", day, "GET", known + "/ocsp/" + url.PathEscape(encoded), nil, nil, 200, cached, one},
		{"GET to all", day, "GET", "ocsp/" + url.PathEscape(encoded), nil, nil, 200, nil, all},
		{"GET of one's own", fresh, "GET", known + "/ocsp/" + url.PathEscape(encoded), nil, nil, 200, private, one},
		{"GET with slashes as they are", day, "GET", known + "/ocsp/" + encoded, nil, nil, 200, cached, one},
		{"GET with one slash too many", day, "GET", known + "/ocsp//" + encoded, nil, nil, 200, cached, one},
		{"GET without padding", day, "GET", known + "/ocsp/" + strings.TrimRight(encoded, "="), nil, nil, 200, cached, one},
		{"GET with + for a query", day, "GET", known + "/ocsp/" + strings.ReplaceAll(encoded, "+", "%20"), nil, nil, 200, cached, one},
		{"GET in all of its escapes", day, "GET", known + "/ocsp/" + strings.NewReplacer("+", "%2B", "/", "%2f", "=", "%3D").Replace(encoded), nil, nil, 200, cached, one},
		{"HEAD", day, "HEAD", known + "/ocsp/" + url.PathEscape(encoded), nil, nil, 200, cached, ""},
		{"near its end", soon, "GET", "ocsp/" + url.PathEscape(encoded), nil, nil, 200, map[string]string{"Cache-Control": "public, max-age=60, no-transform, must-revalidate", "Expires": "Sun, 22 Nov 2026 12:01:00 GMT"}, all},
		{"not changed", day, "GET", "ocsp/" + url.PathEscape(encoded), map[string]string{"If-None-Match": `"x", W/"tag"`}, nil, 304, map[string]string{"ETag": `"tag"`, "Content-Length": ""}, ""},
		{"changed", day, "GET", "ocsp/" + url.PathEscape(encoded), map[string]string{"If-None-Match": `"x"`}, nil, 200, nil, all},
		{"no base64", day, "GET", "ocsp/!", nil, nil, 200, private, string(ocsp.MalformedRequest.Encode())},
		{"a long path", day, "GET", "ocsp/" + strings.Repeat("A", 2*ocsp.MaxRequest), nil, nil, 200, private, string(ocsp.MalformedRequest.Encode())},
		{"an empty body", day, "POST", "ocsp", typed, []byte{}, 200, private, string(ocsp.MalformedRequest.Encode())},
		{"a long body", day, "POST", "ocsp", typed, make([]byte, ocsp.MaxRequest+1), 413, nil, "Request Entity Too Large\n"},
		{"another type", day, "POST", "ocsp", map[string]string{"Content-Type": "text/plain"}, tricky, 415, nil, "Unsupported Media Type\n"},
		{"no type", day, "POST", "ocsp", nil, tricky, 415, nil, "Unsupported Media Type\n"},
		{"GET of nothing", day, "GET", known + "/ocsp", nil, nil, 404, nil, "Not Found\n"},
		{"GET of less", day, "GET", known + "/ocsp/", nil, nil, 404, nil, "Not Found\n"},
		{"POST to a path", day, "POST", known + "/ocsp/" + encoded, typed, tricky, 404, nil, "Not Found\n"},
		{"PUT", day, "PUT", "ocsp", typed, tricky, 405, map[string]string{"Allow": "GET, HEAD, POST"}, "Method Not Allowed\n"},
		{"another word", day, "GET", "ocspx/" + encoded, nil, nil, 404, nil, "Not Found\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			check(t, serve(t, c.from, c.method, Prefix+c.path, c.head, c.in), c.status, c.want, c.body)
		})
	}
}

// TestChunkedBody: a body of no announced length has the same bound.
func TestChunkedBody(t *testing.T) {
	for size, want := range map[int]int{100: 200, ocsp.MaxRequest + 1: 413} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, Prefix+"ocsp", io.MultiReader(bytes.NewReader(make([]byte, size))))
		r.Header.Set("Content-Type", ocsp.TypeRequest)
		w := httptest.NewRecorder()
		if New(Config{Status: publisher{}}).ServeHTTP(w, r); w.Code != want {
			t.Errorf("%d bytes: %d, want %d", size, w.Code, want)
		}
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
		for _, suffix := range []string{".crl", ".cer", ".pem", "/issuers.p7c", "/delta.crl", "/1.crl"} {
			got := serve(t, publisher{err: fault.New(kind, "secret")}, "GET", Prefix+broken+suffix, nil, nil)
			if text := got.Body.String(); got.Code != status || strings.Contains(text, "secret") {
				t.Errorf("%s: %d %s, want %d", kind, got.Code, text, status)
			}
		}
	}
}

func TestObserve(t *testing.T) {
	var got []string
	h := New(Config{Status: publisher{}, Observe: func(_ context.Context, api, op, code string, _ time.Duration) {
		got = append(got, api+" "+op+" "+code)
	}})
	for _, path := range []string{known + ".crl", known + "/delta.crl", known + ".cer", absent + ".crl", "x", "ocsp/MAA=", "ocsp/!", "ocsp"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, Prefix+path, http.NoBody))
	}
	want := []string{
		"pki GetCRL ok", "pki GetDeltaCRL ok", "pki GetCertificate ok", "pki GetCRL 404", "pki Unknown 404",
		"pki OCSP ok", "pki OCSP malformedRequest", "pki OCSP 404",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// FuzzInPath: what a path decodes to encodes to the path's characters.
func FuzzInPath(f *testing.F) {
	f.Add("/MAA=")
	f.Add("//MP////vvvgE")
	f.Add("/M P/")
	f.Fuzz(func(t *testing.T, query string) {
		request := inPath(query)
		if len(request) > ocsp.MaxRequest {
			t.Fatalf("%d bytes", len(request))
		}
		if request == nil {
			return
		}
		again := inPath("/" + base64.StdEncoding.EncodeToString(request))
		if len(request) > 0 && request[0] < 0xfc && !bytes.Equal(request, again) { // one that begins with "/" is no DER
			t.Fatalf("%x is %x", request, again)
		}
	})
}
