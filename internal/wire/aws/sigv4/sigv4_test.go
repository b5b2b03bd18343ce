package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// suiteSecret and the rest are those of AWS's signing test suite, whose
// signatures the tables below have (github.com/awslabs/aws-c-auth,
// tests/aws-signing-test-suite/v4; Apache-2.0).
const (
	suiteSecret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	suiteDate   = "20150830T123600Z"
	suiteToken  = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
)

func TestSuite(t *testing.T) {
	unreserved := "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	form := "application/x-www-form-urlencoded"
	formHash := "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"
	tests := []struct {
		name, method, target string
		headers              [][2]string
		body, signature      string
	}{
		{"get-vanilla", "GET", "/", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-header-key-duplicate", "GET", "/", [][2]string{{"My-Header1", "value2"}, {"My-Header1", "value2"}, {"My-Header1", "value1"}}, "", "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea"},
		{"get-header-value-order", "GET", "/", [][2]string{{"My-Header1", "value4"}, {"My-Header1", "value1"}, {"My-Header1", "value3"}, {"My-Header1", "value2"}}, "", "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01"},
		{"get-header-value-trim", "GET", "/", [][2]string{{"My-Header1", " value1"}, {"My-Header2", ` "a   b   c"`}}, "", "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
		{"get-relative-normalized", "GET", "/example/..", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-relative-relative-normalized", "GET", "/example1/example2/../..", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-dot-slash-normalized", "GET", "/./", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-normalized", "GET", "//", nil, "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
		{"get-slash-pointless-dot-normalized", "GET", "/./example", nil, "", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"},
		{"get-slashes-normalized", "GET", "//example//", nil, "", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
		{"get-unreserved", "GET", "/" + unreserved, nil, "", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
		{"get-vanilla-empty-query-key", "GET", "/?Param1=value1", nil, "", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
		{"get-vanilla-query-order-encoded", "GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1", nil, "", "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac"},
		{"get-vanilla-query-order-key-case", "GET", "/?Param2=value2&Param1=value1", nil, "", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
		{"get-vanilla-query-unreserved", "GET", "/?" + unreserved + "=" + unreserved, nil, "", "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
		{"get-vanilla-utf8-query", "GET", "/?ሴ=bar", nil, "", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"},
		{"get-vanilla-with-session-token", "GET", "/", [][2]string{{HeaderToken, suiteToken}}, "", "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"},
		{"post-vanilla", "POST", "/", nil, "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
		{"post-header-key-sort", "POST", "/", [][2]string{{"My-Header1", "value1"}}, "", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
		{"post-header-value-case", "POST", "/", [][2]string{{"My-Header1", "VALUE1"}}, "", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"},
		{"post-vanilla-query", "POST", "/?Param1=value1", nil, "", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"},
		{"post-x-www-form-urlencoded", "POST", "/", [][2]string{{"Content-Type", form}, {"Content-Length", "13"}, {HeaderSHA256, formHash}}, "Param1=value1", "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b"},
		{"post-x-www-form-urlencoded-parameters", "POST", "/", [][2]string{{"Content-Type", form + "; charset=utf-8"}, {"Content-Length", "13"}, {HeaderSHA256, formHash}}, "Param1=value1", "328d1b9eaadca9f5818ef05e8392801e091653bafec24fcab71e7344e7f51422"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			u, err := url.ParseRequestURI(test.target)
			if err != nil {
				t.Fatal(err)
			}
			r := &http.Request{Method: test.method, URL: u, Host: "example.amazonaws.com", Header: http.Header{HeaderDate: {suiteDate}}}
			for _, h := range test.headers {
				r.Header.Add(h[0], h[1])
			}
			a := Authorization{
				AccessKeyID: "AKIDEXAMPLE", Scope: Scope{"20150830", "us-east-1", "service"}, SignedHeaders: signedNames(r.Header),
			}
			key, payload := NewSigningKey(suiteSecret, a.Scope), sha256.Sum256([]byte(test.body))
			a.Signature, _ = a.Signed(nil, key, r, &payload)
			if got := hex.EncodeToString(a.Signature[:]); got != test.signature {
				t.Errorf("signature is %s, want %s; canonical request:\n%s", got, test.signature,
					AppendCanonicalRequest(nil, r, a.SignedHeaders, &payload))
			}
			if !PayloadMatches(r, &payload) {
				t.Error("the payload's hash does not match")
			}
			back, err := ParseAuthorization(a.String())
			if err != nil || back != a {
				t.Errorf("parsing %q gives %+v, %v", a.String(), back, err)
			}
		})
	}
}

// TestPath has the paths of the suite that are no valid request targets, and
// those in which a client has escaped something already.
func TestPath(t *testing.T) {
	for path, want := range map[string]string{
		"":                        "/",
		"/example space/":         "/example%20space/",
		"/ሴ":                      "/%E1%88%B4",
		"/example%20space/":       "/example%2520space/",
		"/a/./b/../c":             "/a/c",
		"/..":                     "/",
		"/a/..":                   "/",
		"/a/b/..":                 "/a/",
		"/a/.":                    "/a/",
		"no-slash":                "/no-slash",
		"/%2e%2e/x":               "/%252e%252e/x",
		"//a///b//":               "/a/b/",
		"/../../../../etc/passwd": "/etc/passwd",
	} {
		if got := string(appendPath(nil, path)); got != want {
			t.Errorf("the canonical path of %q is %q, want %q", path, got, want)
		}
	}
}

func TestQuery(t *testing.T) {
	for query, want := range map[string]string{
		"":                      "",
		"b=2&a=1":               "a=1&b=2",
		"a=2&a=1":               "a=1&a=2",
		"a":                     "a=",
		"a=b=c":                 "a=b%3Dc",
		"a=x+y":                 "a=x%20y",
		"a=%7E%2f":              "a=~%2F",
		"a=%zz":                 "a=%25zz",
		"a=%":                   "a=%25",
		"&&a=1&":                "a=1",
		"Action=A&Version=2011": "Action=A&Version=2011",
	} {
		if got := string(appendQuery(nil, query)); got != want {
			t.Errorf("the canonical query of %q is %q, want %q", query, got, want)
		}
	}
}

func TestParseAuthorizationRefusals(t *testing.T) {
	good := "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0a", 32)
	if _, err := ParseAuthorization(good); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name, old, replacement string
		reason                 fault.Reason
	}{
		{"SigV4A", "AWS4-HMAC-SHA256", AsymmetricAlgorithm, fault.UnsupportedProof},
		{"another scheme", "AWS4-HMAC-SHA256", "Basic", fault.MalformedProof},
		{"lower-case scheme", "AWS4-HMAC-SHA256", "aws4-hmac-sha256", fault.MalformedProof},
		{"no credential", "Credential=AKID/20150830/us-east-1/kms/aws4_request, ", "", fault.MalformedProof},
		{"empty credential", "Credential=AKID/20150830/us-east-1/kms/aws4_request", "Credential=", fault.MalformedProof},
		{"no signature", ", Signature=", ", Other=", fault.MalformedProof},
		{"two credentials", "Credential=", "Credential=A/20150830/r/s/aws4_request, Credential=", fault.MalformedProof},
		{"four elements", "/kms/", "/", fault.MalformedProof},
		{"six elements", "/kms/", "/kms/x/", fault.MalformedProof},
		{"wrong terminator", "aws4_request", "aws5_request", fault.MalformedProof},
		{"short day", "20150830", "2015083", fault.MalformedProof},
		{"day of letters", "20150830", "2015083x", fault.MalformedProof},
		{"no region", "us-east-1", "", fault.MalformedProof},
		{"region in upper case", "us-east-1", "US-EAST-1", fault.MalformedProof},
		{"no id", "AKID", "", fault.MalformedProof},
		{"id with a space", "AKID", "AK ID", fault.MalformedProof},
		{"long id", "AKID", strings.Repeat("A", 129), fault.MalformedProof},
		{"host not signed", "host;x-amz-date", "x-amz-date", fault.MalformedProof},
		{"unsorted headers", "host;x-amz-date", "x-amz-date;host", fault.MalformedProof},
		{"repeated header", "host;x-amz-date", "host;host", fault.MalformedProof},
		{"header in upper case", "host;", "Host;", fault.MalformedProof},
		{"empty header", "host;", "host;;", fault.MalformedProof},
		{"short signature", "0a0a", "0a", fault.MalformedProof},
		{"signature in upper case", "0a0a", "0A0A", fault.MalformedProof},
		{"signature of letters", "0a0a", "0axx", fault.MalformedProof},
	}
	for _, test := range tests {
		_, err := ParseAuthorization(strings.Replace(good, test.old, test.replacement, 1))
		if fault.KindOf(err) != fault.Unauthenticated || fault.ReasonOf(err) != test.reason {
			t.Errorf("%s: got %v, want reason %d", test.name, err, test.reason)
		}
	}
}

func TestUnsigned(t *testing.T) {
	tests := []struct {
		name, signed string
		headers      http.Header
		want         string
	}{
		{"all signed", "content-type;host;x-amz-date;x-amz-target", http.Header{"Content-Type": {"a"}, HeaderDate: {"a"}, HeaderTarget: {"a"}}, ""},
		{"content type not signed", "host", http.Header{"Content-Type": {"a"}}, "content-type"},
		{"target not signed", "host;x-amz-date", http.Header{HeaderDate: {"a"}, HeaderTarget: {"a"}}, "x-amz-target"},
		{"any x-amz header not signed", "host", http.Header{"X-Amz-Future": {"a"}}, "x-amz-future"},
		{"others need no signature", "host", http.Header{"User-Agent": {"a"}, "X-Amzn-Trace-Id": {"a"}, "Accept": {"b"}}, ""},
		{"signed and missing", "host;x-amz-date", http.Header{}, "x-amz-date"},
		{"a longer name is another one", "host;x-amz-target-2", http.Header{HeaderTarget: {"a"}, "X-Amz-Target-2": {"a"}}, "x-amz-target"},
	}
	for _, test := range tests {
		a := Authorization{SignedHeaders: test.signed}
		if got := a.Unsigned(&http.Request{Header: test.headers, ContentLength: -1}); got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}
}

func TestPayload(t *testing.T) {
	sum := sha256.Sum256([]byte("body"))
	for value, want := range map[string]bool{
		hex.EncodeToString(sum[:]):                  true,
		strings.ToUpper(hex.EncodeToString(sum[:])): false,
		unsignedPayload:                             false,
		"STREAMING-AWS4-HMAC-SHA256-PAYLOAD":        false,
		"":                                          false,
	} {
		if got := PayloadMatches(&http.Request{Header: http.Header{HeaderSHA256: {value}}}, &sum); got != want {
			t.Errorf("%q matches: %t, want %t", value, got, want)
		}
	}
}

func FuzzParseAuthorization(f *testing.F) {
	for _, seed := range []string{
		"", " ", "AWS4-HMAC-SHA256 ", "AWS4-ECDSA-P256-SHA256 Credential=A/20150830/kms/aws4_request",
		"AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/kms/aws4_request, SignedHeaders=host;x-amz-date, Signature=" + strings.Repeat("0a", 32),
		"AWS4-HMAC-SHA256 Signature=" + strings.Repeat("ff", 32) + ",SignedHeaders=host,Credential=A/20150830/r/s/aws4_request",
		"AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=", "AWS4-HMAC-SHA256 ,,,===", "AWS4-HMAC-SHA256 Credential=/////",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		a, err := ParseAuthorization(header)
		if err != nil {
			if fault.KindOf(err) != fault.Unauthenticated {
				t.Fatalf("%q gives %v", header, err)
			}
			return
		}
		back, err := ParseAuthorization(a.String())
		if err != nil || back != a {
			t.Fatalf("%q parses to %+v, which writes %q, which parses to %+v, %v", header, a, a.String(), back, err)
		}
	})
}

func TestSign(t *testing.T) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://127.0.0.1:8443/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set(HeaderTarget, "TrentService.Encrypt")
	now := time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)
	Sign(r, []byte("{}"), Credentials{"ASIAEXAMPLE", "secret", "token"}, "eu-west-1", "kms", now)
	a, err := ParseAuthorization(r.Header.Get("Authorization"))
	if err != nil {
		t.Fatal(err)
	}
	if a.SignedHeaders != "content-type;host;x-amz-date;x-amz-security-token;x-amz-target" || a.Unsigned(r) != "" {
		t.Errorf("signed headers are %s", a.SignedHeaders)
	}
	if a.Scope != (Scope{"20261122", "eu-west-1", "kms"}) || r.Header.Get(HeaderDate) != "20261122T160000Z" {
		t.Errorf("scope is %s, date %s", a.Scope, r.Header.Get(HeaderDate))
	}
}

func BenchmarkSigned(b *testing.B) {
	r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "https://127.0.0.1:8443/", nil)
	if err != nil {
		b.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set(HeaderTarget, "TrentService.Encrypt")
	Sign(r, nil, Credentials{"AKID", "secret", ""}, "us-east-1", "kms", time.Now())
	payload := sha256.Sum256(nil)
	key := NewSigningKey("secret", Scope{"20261122", "us-east-1", "kms"})
	var scratch []byte
	for b.Loop() {
		a, err := ParseAuthorization(r.Header.Get("Authorization"))
		if err != nil || a.Unsigned(r) != "" {
			b.Fatal(err)
		}
		_, scratch = a.Signed(scratch, key, r, &payload)
	}
}
