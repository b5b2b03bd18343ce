package totp

import (
	"net/url"
	"testing"
	"time"
)

// rfc is the secret of RFC 6238's appendix B, "12345678901234567890".
const rfc = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

// TestVectors has appendix B's codes for SHA-1. They have eight digits; the
// last six are the code of six (RFC 4226 section 5.3).
func TestVectors(t *testing.T) {
	for seconds, code := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		at := time.Unix(seconds, 0)
		if step, ok := Match(rfc, code[2:], at, 0); !ok || step != seconds/30 {
			t.Errorf("%d: step %d, %v", seconds, step, ok)
		}
		if _, ok := Match(rfc, code, at, 0); ok {
			t.Errorf("%d: eight digits are taken for six", seconds)
		}
	}
}

func TestMatch(t *testing.T) {
	const at = 1111111109 // in the last second but one of its period
	code := "081804"
	for name, c := range map[string]struct {
		code    string
		seconds int64
		last    int64
		want    bool
	}{
		"in its period":        {code, at, 0, true},
		"a period later":       {code, at + 30, 0, true},
		"a period earlier":     {code, at - 30, 0, true},
		"two periods later":    {code, at + 60, 0, false},
		"two periods earlier":  {code, at - 60, 0, false},
		"used":                 {code, at, at / 30, false},
		"older than one used":  {code, at, at/30 + 1, false},
		"after an earlier one": {code, at, at/30 - 1, true},
		"another":              {"081805", at, 0, false},
		"empty":                {"", at, 0, false},
		"spaces":               {"08180 ", at, 0, false},
		"before time began":    {code, -at, -1 << 62, false},
	} {
		if _, ok := Match(rfc, c.code, time.Unix(c.seconds, 0), c.last); ok != c.want {
			t.Errorf("%s: %v", name, ok)
		}
	}
	if _, ok := Match("not base32!", code, time.Unix(at, 0), 0); ok {
		t.Error("a secret that is none has codes")
	}
}

func TestMatchPair(t *testing.T) {
	const first, second = "081804", "050471" // of 1111111109 and 1111111111
	for name, c := range map[string]struct {
		first, second string
		seconds       int64
		want          bool
	}{
		"in a row":        {first, second, 1111111111, true},
		"a minute ago":    {first, second, 1111111111 + 60, true},
		"long ago":        {first, second, 1111111111 + 240, false},
		"the wrong order": {second, first, 1111111111, false},
		"the same twice":  {first, first, 1111111111, false},
	} {
		step, ok := MatchPair(rfc, c.first, c.second, time.Unix(c.seconds, 0))
		if ok != c.want || ok && step != 1111111111/30 {
			t.Errorf("%s: step %d, %v", name, step, ok)
		}
	}
}

func TestURI(t *testing.T) {
	u, err := url.Parse(URI("Holdfast 123456789012", "ops@example.com", rfc))
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Holdfast 123456789012:ops@example.com" ||
		u.Query().Get("secret") != rfc || u.Query().Get("issuer") != "Holdfast 123456789012" {
		t.Errorf("%v, %v", u, err)
	}
	if a, b := NewSecret(), NewSecret(); a == b || len(a) != 32 {
		t.Errorf("the secrets %q and %q", a, b)
	}
}
