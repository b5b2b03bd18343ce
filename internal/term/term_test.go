package term

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/ca"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
)

func TestNameValue(t *testing.T) {
	for name, want := range map[string]string{
		"web.example.com":         "d com.example.web",
		"WEB.Example.com.":        "d com.example.web",
		"*.example.com":           "d com.example.*",
		"localhost":               "d localhost",
		"_svc.example.com":        "d com.example._svc",
		"10.0.0.1":                "n 10.0.0.1",
		"2001:db8::1":             "n 2001:db8::1",
		"spiffe://example.org/ns": `n spiffe:\\example.org\ns`,
		"Me@Example.com":          "n me@example.com",
		"Alice Müller":            "n alice müller",
		"a\x00b\xff":              "n a\\b\ufffd",
		"":                        "n ",
	} {
		kind, value := NameValue(name)
		if got := string(kind) + " " + value; got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	if _, value := NameValue(strings.Repeat("é", 1000)); len(value) > MaxText || !utf8.ValidString(value) {
		t.Errorf("a long name has %d bytes", len(value))
	}
}

func TestCommonName(t *testing.T) {
	for subject, want := range map[string]string{
		"":                                "",
		"CN=web":                          "web",
		"CN=web,O=Holdfast":               "web",
		"SERIALNUMBER=1,CN=web,O=x":       "web",
		"OU=a+CN=web,O=x":                 "web",
		`CN=Person 1\, Jr.,O=x`:           "Person 1, Jr.",
		`O=a\,CN=evil`:                    "",
		`O=a\\,CN=real`:                   "real",
		`CN=\#odd\+name`:                  "#odd+name",
		"O=x":                             "",
		"2.5.4.97=#0c0161,CN=after":       "after",
		`CN=backslash at the end\`:        `backslash at the end\`,
		"CN=first,CN=second":              "first",
		`CN=with\=equals\;and\<others\> `: "with=equals;and<others> ",
	} {
		if got := CommonName(subject); got != want {
			t.Errorf("%q has %q, want %q", subject, got, want)
		}
	}
}

func TestTerms(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a"}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	c := &ca.Certificate{
		Authority: "0b7e1d6e-5e0a-4b63-9d1c-000000000001", Serial: "019a0000000000000000000000000001", DER: der, Subject: "CN=Web.example.com,O=x",
		Names: []string{"web.example.com", "spiffe://x/y"}, Profile: "tls-server", Requester: "000000000001/user/a",
	}
	id := c.Authority + "/" + c.Serial
	block := c.Authority + "/" + c.Serial[:9]
	want := []string{
		"r/d/com.example.web/" + id, `r/n/spiffe:\\x\y/` + id, "r/k/" + KeyHash(c.DER)[:32] + "/" + id,
		"r/p/tls-server/" + block, `r/r/000000000001\user\a/` + block,
	}
	var got []string
	for _, row := range Of("r", c) {
		got = append(got, row.ID)
		if err := store.Terms.Check(row); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	parsed, err := x509.ParseCertificate(c.DER)
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(parsed.RawSubjectPublicKeyInfo)
	if got := KeyHash(c.DER); got != hex.EncodeToString(hash[:]) {
		t.Errorf("the key's hash is %s", got)
	}
	for n := range len(c.DER) - 1 {
		if KeyHash(c.DER[:n]) != "" {
			t.Fatalf("%d bytes have a key", n)
		}
	}
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"web.example.com", "WEB.example.com", true},
		{"web.example.com", "a.web.example.com", false},
		{".example.com", "web.example.com", true},
		{".example.com", "a.web.example.com", true},
		{".example.com", "example.com", false},
		{".example.com", "notexample.com", false},
		{"**.example.com", "example.com", true},
		{"**.example.com", "web.example.com", true},
		{"**.example.com", "notexample.com", false},
		{"*.example.com", "*.example.com", true},
		{"*.example.com", "web.example.com", true},
		{"*.example.com", "example.com", false},
		{"web*.example.com", "web12.example.com", true},
		{"web*.example.com", "xweb.example.com", false},
		{"*", "anything", true},
		{"a*a", "a", false},
		{"a*b*c", "aXbYc", true},
		{"a*b*c", "acb", false},
		{"", "", true},
	} {
		if got := NewPattern(c.pattern).Matches(c.name); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, got)
		}
	}
}

// FuzzPattern: whatever a pattern matches is in its ranges, if it has any.
func FuzzPattern(f *testing.F) {
	for _, seed := range [][2]string{
		{".example.com", "a.example.com"},
		{"**.example.com", "example.com"},
		{"web*.example.com", "web1.example.com"},
		{"spiffe://a/*", "spiffe://a/b"},
		{"*@example.com", "a@example.com"},
		{"10.0.*", "10.0.0.1"},
		{"a*b", "a.b"},
		{"*.com", "x.com"},
		{"*a.b*", "xa.by"},
		{".1", "0.0.0.1"},
		{"**.::", "x.::"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, text, name string) {
		text = strings.ToLower(text)
		p := NewPattern(text)
		ranges := p.Ranges(key.DefaultRealm)
		if ranges == nil || text == "" || name == "" || len(name) > MaxText || len(text) > MaxText || !p.Matches(name) {
			return
		}
		if !utf8.ValidString(name) || !utf8.ValidString(text) {
			return // names in certificates' records are UTF-8, and so are queries
		}
		for _, term := range Names(key.DefaultRealm, &ca.Certificate{Names: []string{name}}) {
			if !slices.ContainsFunc(ranges, func(r Range) bool { return r.From <= term && term < r.To }) {
				t.Errorf("%q matches %q, whose term %q is not in %q", text, name, term, ranges)
			}
		}
	})
}
