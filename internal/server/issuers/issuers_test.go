package issuers

import (
	"crypto/sha1"
	"encoding/hex"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/webidentity"
)

// TestFetch asks an issuer on this machine, as every way in which one may be
// registered or answer has it.
func TestFetch(t *testing.T) {
	serve := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/keys":
			_, _ = w.Write([]byte("keys"))
		case "/moved":
			http.Redirect(w, r, "/keys", http.StatusFound)
		case "/long":
			_, _ = w.Write(make([]byte, webidentity.MaxDocument+1))
		default:
			http.NotFound(w, r)
		}
	})
	secure, plain, other := httptest.NewTLSServer(serve), httptest.NewServer(serve), httptest.NewTLSServer(serve)
	t.Cleanup(func() { secure.Close(); plain.Close(); other.Close() })
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}))
	sum := sha1.Sum(secure.Certificate().Raw)
	thumbprint := hex.EncodeToString(sum[:])
	trusted := webidentity.Trust{CA: ca}
	for name, c := range map[string]struct {
		from  string
		trust webidentity.Trust
		url   string
		plain bool
		want  string // "" for a failure
	}{
		"by its CA":                     {secure.URL, trusted, secure.URL + "/keys", false, "keys"},
		"by its thumbprint":             {secure.URL, webidentity.Trust{Thumbprints: []string{thumbprint}}, secure.URL + "/keys", false, "keys"},
		"by another thumbprint":         {secure.URL, webidentity.Trust{Thumbprints: []string{strings.Repeat("0", 40)}}, secure.URL + "/keys", false, ""},
		"by the system's":               {secure.URL, webidentity.Trust{}, secure.URL + "/keys", false, ""},
		"a redirect":                    {secure.URL, trusted, secure.URL + "/moved", false, ""},
		"nothing there":                 {secure.URL, trusted, secure.URL + "/other", false, ""},
		"too long":                      {secure.URL, trusted, secure.URL + "/long", false, ""},
		"without TLS":                   {plain.URL, webidentity.Trust{}, plain.URL + "/keys", false, ""},
		"without TLS, for developers":   {plain.URL, webidentity.Trust{}, plain.URL + "/keys", true, "keys"},
		"keys on another port here":     {secure.URL, trusted, other.URL + "/keys", false, ""},
		"keys here, of one elsewhere":   {"https://oidc.example.com", trusted, secure.URL + "/keys", false, ""},
		"where clouds keep credentials": {"https://169.254.169.254", trusted, "https://169.254.169.254/keys", false, ""},
		"a file":                        {secure.URL, trusted, "file:///etc/passwd", false, ""},
	} {
		got, err := Fetcher{c.plain}.Fetch(t.Context(), &webidentity.Registration{URL: c.from, Trust: c.trust}, c.url)
		if string(got) != c.want && c.want != "" || (err == nil) != (c.want != "") {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

func TestGuardedAddresses(t *testing.T) {
	for _, c := range []struct {
		address string
		own     bool
		want    bool
	}{
		{"127.0.0.1:443", true, true},
		{"127.0.0.1:443", false, false},
		{"10.0.0.1:443", true, true},
		{"10.0.0.1:443", false, false},
		{"[fd00::1]:443", false, false},
		{"203.0.113.1:443", false, true},
		{"[2001:db8::1]:443", false, true},
		{"169.254.169.254:80", true, false},
		{"[fe80::1]:80", true, false},
		{"[::ffff:169.254.169.254]:80", true, false},
		{"0.0.0.0:80", true, false},
		{"224.0.0.1:80", true, false},
		{"nonsense", true, false},
	} {
		if err := guardAddress(c.own)(t.Context(), "tcp", c.address, nil); (err == nil) != c.want {
			t.Errorf("%s (own: %v): %v", c.address, c.own, err)
		}
	}
}
