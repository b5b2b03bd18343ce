package name

import (
	"net/netip"
	"strings"
	"testing"
)

// TestNames is the table of names that a certificate may and may not have.
func TestNames(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		names Names
		good  bool
	}{
		{Names{DNS: []string{"example.com"}}, true},
		{Names{DNS: []string{"EXAMPLE.com"}}, true},
		{Names{DNS: []string{"localhost"}}, true},
		{Names{DNS: []string{"a-b.c1.internal"}}, true},
		{Names{DNS: []string{"*.example.com"}}, true},
		{Names{DNS: []string{"xn--bcher-kva.example"}}, true},
		{Names{DNS: []string{long + ".com"}}, true},
		{Names{DNS: []string{""}}, false},
		{Names{DNS: []string{"."}}, false},
		{Names{DNS: []string{"example.com."}}, false},
		{Names{DNS: []string{".example.com"}}, false},
		{Names{DNS: []string{"a..b"}}, false},
		{Names{DNS: []string{long + "a.com"}}, false},
		{Names{DNS: []string{strings.Repeat(long+".", 4) + "com"}}, false},
		{Names{DNS: []string{"-a.com"}}, false},
		{Names{DNS: []string{"a-.com"}}, false},
		{Names{DNS: []string{"a_b.com"}}, false},
		{Names{DNS: []string{"a b.com"}}, false},
		{Names{DNS: []string{"a\x00.com"}}, false},
		{Names{DNS: []string{"bücher.example"}}, false},
		{Names{DNS: []string{"еxample.com"}}, false}, // the first letter is Cyrillic
		{Names{DNS: []string{"xn--a.example"}}, false},
		{Names{DNS: []string{"ab--cd.example"}}, false},
		{Names{DNS: []string{"*"}}, false},
		{Names{DNS: []string{"*.com"}}, false},
		{Names{DNS: []string{"a.*.com"}}, false},
		{Names{DNS: []string{"a*.example.com"}}, false},
		{Names{DNS: []string{"*.*.example.com"}}, false},
		{Names{DNS: []string{"10.0.0.1"}}, false},
		{Names{DNS: []string{"example.42"}}, false},

		{Names{IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}, true},
		{Names{IPs: []netip.Addr{netip.MustParseAddr("2001:db8::1")}}, true},
		{Names{IPs: []netip.Addr{{}}}, false},
		{Names{IPs: []netip.Addr{netip.MustParseAddr("0.0.0.0")}}, false},
		{Names{IPs: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")}}, false},

		{Names{URIs: []string{"spiffe://example.com/ns/a/sa/b"}}, true},
		{Names{URIs: []string{"https://10.0.0.1/x"}}, true},
		{Names{URIs: []string{"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"}}, true},
		{Names{URIs: []string{"/relative"}}, false},
		{Names{URIs: []string{"spiffe:///path"}}, false},
		{Names{URIs: []string{"https://user:secret@example.com/"}}, false},
		{Names{URIs: []string{"https://exa mple.com/"}}, false},
		{Names{URIs: []string{"https://example.com/\x00"}}, false},
		{Names{URIs: []string{"https://bücher.example/"}}, false},
		{Names{URIs: []string{"https://a_b.com/"}}, false},
		{Names{URIs: []string{"https://a.com/" + strings.Repeat("x", maxURI)}}, false},

		{Names{Emails: []string{"a.b+c@example.com"}}, true},
		{Names{Emails: []string{"a@b@example.com"}}, false},
		{Names{Emails: []string{"@example.com"}}, false},
		{Names{Emails: []string{"a@"}}, false},
		{Names{Emails: []string{"a..b@example.com"}}, false},
		{Names{Emails: []string{"Alice <a@example.com>"}}, false},
		{Names{Emails: []string{`"a b"@example.com`}}, false},
		{Names{Emails: []string{"a@*.example.com"}}, false},
		{Names{Emails: []string{strings.Repeat("a", 65) + "@example.com"}}, false},
		{Names{Emails: []string{"a\x00@example.com"}}, false},
	} {
		normal, err := c.names.Normal()
		if (err == nil) != c.good {
			t.Errorf("%q: %v, want good: %v", c.names.Texts(), err, c.good)
		}
		if err == nil {
			if again, err := normal.Normal(); err != nil || strings.Join(again.Texts(), " ") != strings.Join(normal.Texts(), " ") {
				t.Errorf("%q: the normal form is not normal: %q, %v", c.names.Texts(), again.Texts(), err)
			}
		}
	}
	twice := Names{DNS: []string{"a.com", "A.com", "a.com"}}
	if n, err := twice.Normal(); err != nil || len(n.DNS) != 1 {
		t.Errorf("repetitions stay: %v, %v", n, err)
	}
}
