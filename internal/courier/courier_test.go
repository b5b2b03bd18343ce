package courier

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
)

// TestEgress is the table of what may be reached.
func TestEgress(t *testing.T) {
	open := &Egress{}
	allowing := &Egress{Allow: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("fd00:1::/32")}}
	for _, tt := range []struct {
		address string
		e       *Egress
		want    bool
	}{
		{"8.8.8.8", open, true},
		{"2606:4700::1111", open, true},
		{"172.32.0.1", open, true},
		{"::ffff:8.8.8.8", open, true},

		{"0.0.0.0", open, false},
		{"10.1.2.3", open, false},
		{"100.64.0.1", open, false},
		{"127.0.0.1", open, false},
		{"127.255.255.254", open, false},
		{"169.254.169.254", open, false}, // metadata of clouds
		{"172.16.0.1", open, false},
		{"172.31.255.255", open, false},
		{"192.0.2.1", open, false},
		{"192.168.1.1", open, false},
		{"198.18.0.1", open, false},
		{"224.0.0.251", open, false},
		{"255.255.255.255", open, false},
		{"::", open, false},
		{"::1", open, false},
		{"::7f00:1", open, false},               // IPv4-compatible 127.0.0.1
		{"::ffff:127.0.0.1", open, false},       // mapped
		{"::ffff:169.254.169.254", open, false}, // mapped
		{"64:ff9b::a9fe:a9fe", open, false},     // NAT64 of 169.254.169.254
		{"2002:7f00:1::", open, false},          // 6to4 of 127.0.0.1
		{"2001:0:4136:e378::1", open, false},    // Teredo
		{"2001:db8::1", open, false},
		{"fd00:ec2::254", open, false}, // metadata over IPv6
		{"fe80::1%eth0", open, false},
		{"ff02::1", open, false},

		{"10.1.2.3", allowing, true},
		{"::ffff:10.1.2.3", allowing, true},
		{"10.2.0.1", allowing, false},
		{"fd00:1::5", allowing, true},
		{"fd00:2::5", allowing, false},
	} {
		if got := tt.e.Allowed(netip.MustParseAddr(tt.address)); got != tt.want {
			t.Errorf("%s allowed is %v, want %v", tt.address, got, tt.want)
		}
	}
	if open.Allowed(netip.Addr{}) {
		t.Error("no address is allowed")
	}
}

// TestRefusedAddresses: names that lead to this machine are refused when they
// are connected to, however they are written; no request arrives.
func TestRefusedAddresses(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request arrived") }))
	defer s.Close()
	u, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	h := NewHTTP(HTTPOptions{})
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "[::1]"} {
		err := h.Post(t.Context(), "http://"+host+":"+u.Port()+"/", nil, nil)
		if err == nil || !strings.Contains(err.Error(), "egress.allow") || Permanent(err) {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, address := range []string{"", "ftp://example.com", "https://", "file:///etc/passwd", "https://user:secret@example.com", "https://a\nb"} {
		if err := h.Post(t.Context(), address, nil, nil); !Permanent(err) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", address, err)
		}
	}
}

// receiver serves on this machine, and returns a poster that may reach it.
func receiver(t *testing.T, o HTTPOptions, h http.HandlerFunc) (*HTTP, string) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	o.Egress.Allow = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	poster := NewHTTP(o)
	t.Cleanup(func() { _ = poster.Close() })
	return poster, s.URL
}

// TestAnswers: what each answer says about sending the message again.
func TestAnswers(t *testing.T) {
	for status, want := range map[int]struct{ failed, permanent bool }{
		200: {}, 202: {}, 204: {},
		301: {true, false}, 307: {true, false}, 308: {true, false},
		401: {true, false}, 403: {true, false}, 404: {true, false}, 408: {true, false}, 429: {true, false},
		500: {true, false}, 502: {true, false}, 503: {true, false}, 504: {true, false},
		400: {true, true}, 410: {true, true}, 413: {true, true}, 415: {true, true}, 422: {true, true}, 501: {true, true},
	} {
		calls := 0
		h, address := receiver(t, HTTPOptions{}, func(w http.ResponseWriter, _ *http.Request) {
			calls++
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
		})
		err := h.Post(t.Context(), address+"/hook/T0/secret", http.Header{"Content-Type": {"application/json"}}, []byte(`{}`))
		if (err != nil) != want.failed || Permanent(err) != want.permanent || want.failed && Status(err) != status || calls != 1 {
			t.Errorf("%d: %v (permanent %v, status %d, %d calls)", status, err, Permanent(err), Status(err), calls)
		}
		if err != nil && strings.Contains(err.Error(), "/hook") {
			t.Errorf("%d: the error has the address: %v", status, err)
		}
	}
}

// TestBounds: an answer without an end, and one that does not come.
func TestBounds(t *testing.T) {
	h, address := receiver(t, HTTPOptions{Timeout: 200 * time.Millisecond}, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only then does the server see that the client has gone
		switch r.URL.Path {
		case "/endless":
			w.WriteHeader(http.StatusInternalServerError)
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		case "/silent":
			<-r.Context().Done()
		}
	})
	if err := h.Post(t.Context(), address+"/endless", nil, nil); Status(err) != 500 || len(err.Error()) > 1000 {
		t.Errorf("an endless answer: %v", err)
	}
	if err := h.Post(t.Context(), address+"/silent", nil, []byte("{}")); err == nil || Permanent(err) || Status(err) != 0 {
		t.Errorf("a silent receiver: %v", err)
	}
	if err := h.Post(t.Context(), address, nil, make([]byte, MaxBody+1)); !Permanent(err) {
		t.Errorf("a long body: %v", err)
	}
}

// TestSign checks a signature with the vector of Svix's documentation
// ("Verifying webhooks manually"), which is the scheme's author.
func TestSign(t *testing.T) {
	s, err := ParseSigner("whsec_" + "cGxKM25teUNER0JLSW5hdmRPSzE1anNsMDEyMw==\n")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1731705121, 0)
	body := []byte(`{"event_type":"ping","data":{"success":true}}`)
	vector := &Signer{secrets: [][]byte{{0xa6, 0x52, 0x77, 0x9e, 0x6c, 0x82, 0x0c, 0x60, 0x4a, 0x22, 0x76, 0xaf, 0x74, 0xe2, 0xb5, 0xe6, 0x3b, 0x25}}}
	header := vector.Sign("msg_loFOjxBNrRLzqYUf", now, body)
	if got, want := header.Get("webhook-signature"), "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="; got != want {
		t.Errorf("the signature is %s, want %s", got, want)
	}
	two := &Signer{secrets: append(s.secrets, vector.secrets...)}
	for name, tt := range map[string]struct {
		header http.Header
		at     time.Time
		body   string
		ok     bool
	}{
		"good":            {header, now.Add(4 * time.Minute), string(body), true},
		"by one of two":   {two.Sign("msg_1", now, body), now, string(body), true},
		"another body":    {header, now, string(body) + " ", false},
		"old":             {header, now.Add(6 * time.Minute), string(body), false},
		"early":           {header, now.Add(-6 * time.Minute), string(body), false},
		"another secret":  {s.Sign("msg_loFOjxBNrRLzqYUf", now, body), now, string(body), false},
		"nothing":         {http.Header{}, now, string(body), false},
		"another version": {http.Header{HeaderID: {"a"}, HeaderTimestamp: header[HeaderTimestamp], HeaderSignature: {"v1a,AAAA v2,BBBB junk"}}, now, string(body), false},
	} {
		if err := vector.Verify(tt.header, tt.at, []byte(tt.body)); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{"", "whsec_", "whsec_c2hvcnQ=", "cGxKM25teUNER0JLSW5hdmRPSzE1anNsMDEyMw==", "whsec_!!", strings.Repeat("whsec_cGxKM25teUNER0JLSW5hdmRPSzE1anNsMDEyMw==\n", 4)} {
		if _, err := ParseSigner(text); err == nil {
			t.Errorf("%q is a signer", text)
		} else if len(text) > 6 && strings.Contains(err.Error(), text) {
			t.Errorf("the error has the secret: %v", err)
		}
	}
}

// TestSlack: limits of Slack's, and nothing that is markup.
func TestSlack(t *testing.T) {
	paragraphs := []string{"<!channel> & <https://example.com|here>", strings.Repeat("ü", 4000)}
	for len(paragraphs) < 60 {
		paragraphs = append(paragraphs, "more")
	}
	body, err := Slack(strings.Repeat("x", 200)+"<!here>", paragraphs)
	if err != nil {
		t.Fatal(err)
	}
	var m slackMessage
	if err := json.Unmarshal(body, &m); err != nil {
		t.Fatal(err)
	}
	if len(m.Blocks) != maxSlackBlocks || m.Blocks[1].Text.Text != "&lt;!channel&gt; &amp; &lt;https://example.com|here&gt;" || strings.Contains(m.Text, "<") {
		t.Errorf("%d blocks, the second is %+v", len(m.Blocks), m.Blocks[1].Text)
	}
	for _, b := range m.Blocks {
		if len([]rune(b.Text.Text)) > maxSlackSection || b.Type == "header" && len([]rune(b.Text.Text)) > maxSlackHeader {
			t.Errorf("a %s of %d characters", b.Type, len([]rune(b.Text.Text)))
		}
	}
}

func TestErrors(t *testing.T) {
	if Permanent(nil) || Permanent(errors.New("x")) || Status(nil) != 0 || !Permanent(refused("x")) {
		t.Error("an error is taken for another")
	}
}

// FuzzParseSigner: what is a secret signs what it verifies; what is none does
// not show in the error.
func FuzzParseSigner(f *testing.F) {
	f.Add("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "msg_1", []byte("{}"))
	f.Add("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\nwhsec_YWJjZGVmMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODk=", "msg_2", []byte{})
	f.Add("whsec_c2hvcnQ=", "", []byte{0})
	f.Fuzz(func(t *testing.T, text, id string, body []byte) {
		s, err := ParseSigner(text)
		if err != nil {
			return
		}
		now := time.Unix(1_800_000_000, 0)
		if err := s.Verify(s.Sign(id, now, body), now, body); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		if shown := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(shown, text) || !strings.Contains(shown, "redacted") {
			t.Errorf("a signer shows itself as %s", shown)
		}
	})
}
