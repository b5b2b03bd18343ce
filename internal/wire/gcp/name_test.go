package gcp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ringName = "projects/p/locations/europe-west3/keyRings/r"

// TestNames is each name with its parts.
func TestNames(t *testing.T) {
	place := LocationName{"p", "europe-west3"}
	ring := KeyRingName{place, "r"}
	key := ring.Key("K_1-a")
	for _, tt := range []struct {
		text  string
		parse func(string) (any, error)
		want  any
	}{
		{"projects/p/locations/europe-west3", anyOf(ParseLocation), place},
		{"projects/example.com:p/locations/global", anyOf(ParseLocation), LocationName{"example.com:p", "global"}},
		{ringName, anyOf(ParseKeyRing), ring},
		{ringName + "/cryptoKeys/K_1-a", anyOf(ParseCryptoKey), key},
		{ringName + "/cryptoKeys/K_1-a/cryptoKeyVersions/1", anyOf(ParseCryptoKeyVersion), key.At(1)},
		{ringName + "/cryptoKeys/K_1-a/cryptoKeyVersions/18446744073709551615", anyOf(ParseCryptoKeyVersion), key.At(1<<64 - 1)},
		{ringName + "/importJobs/j", anyOf(ParseImportJob), ring.Job("j")},
	} {
		got, err := tt.parse(tt.text)
		if err != nil || cmp.Diff(tt.want, got) != "" {
			t.Errorf("%s: %v, %v", tt.text, got, err)
		}
		if text := fmt.Sprint(got); text != tt.text {
			t.Errorf("%s prints as %s", tt.text, text)
		}
	}
}

func anyOf[N any](parse func(string) (N, error)) func(string) (any, error) {
	return func(s string) (any, error) { return parse(s) }
}

// TestAnyName: keys, and versions in both spellings.
func TestAnyName(t *testing.T) {
	key := KeyRingName{LocationName{"p", "europe-west3"}, "r"}.Key("k")
	for tail, want := range map[string]uint64{"": 0, "/cryptoKeyVersions/7": 7, "/versions/7": 7} {
		got, version, err := ParseAny(ringName + "/cryptoKeys/k" + tail)
		if err != nil || got != key || version != want {
			t.Errorf("%s: %v, %d, %v", tail, got, version, err)
		}
	}
	for _, bad := range []string{
		"", "k", ringName, ringName + "/importJobs/j", ringName + "/cryptoKeys/k/versions/7/versions/7", ringName + "/versions/7",
		ringName + "/cryptoKeys/k/versions/0", ringName + "/cryptoKeys/k/versions/",
	} {
		if n, _, err := ParseAny(bad); err == nil {
			t.Errorf("%q is read as %s", bad, n)
		}
	}
}

// TestBadNames is what is no name of a version.
func TestBadNames(t *testing.T) {
	good := ringName + "/cryptoKeys/k/cryptoKeyVersions/1"
	if _, err := ParseCryptoKeyVersion(good); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to string }{
		{good, ""},
		{good, strings.ToUpper(good)},
		{good, "/" + good},
		{good, good + "/"},
		{good, "//cloudkms.googleapis.com/" + good},
		{"projects/p", "projects/"},
		{"projects/p", "projects/p%2f"},
		{"projects/p", "projects/" + strings.Repeat("p", 129)},
		{"locations/europe-west3", "locations/e.w"},
		{"cryptoKeys/k", "cryptoKeys/"},
		{"cryptoKeys/k", "cryptoKeys/k k"},
		{"cryptoKeys/k", "cryptoKeys/é"},
		{"cryptoKeys/k", "cryptoKeys/" + strings.Repeat("k", 64)},
		{"cryptoKeys/k", "cryptoKeys/k/cryptoKeys/k"},
		{"Versions/1", "Versions/0"},
		{"Versions/1", "Versions/01"},
		{"Versions/1", "Versions/+1"},
		{"Versions/1", "Versions/-1"},
		{"Versions/1", "Versions/1.0"},
		{"Versions/1", "Versions/18446744073709551616"},
	} {
		text := strings.Replace(good, tt.from, tt.to, 1)
		n, err := ParseCryptoKeyVersion(text)
		if err == nil {
			t.Errorf("%q is read as %s", text, n)
		}
		if err != nil && len(err.Error()) > 250 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

// FuzzNames: what parses prints the same, and is the name of one thing only.
func FuzzNames(f *testing.F) {
	for _, seed := range []string{
		"projects/p/locations/l", ringName, ringName + "/cryptoKeys/k", ringName + "/cryptoKeys/k/cryptoKeyVersions/12", ringName + "/importJobs/j",
		"projects/a:b/locations/l", "projects//locations/", "////", ringName + "/cryptoKeys/k/versions/1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		read := 0
		for _, parse := range []func(string) (any, error){
			anyOf(ParseLocation), anyOf(ParseKeyRing), anyOf(ParseCryptoKey), anyOf(ParseCryptoKeyVersion), anyOf(ParseImportJob),
		} {
			n, err := parse(s)
			if err != nil {
				continue
			}
			if read++; fmt.Sprint(n) != s {
				t.Errorf("%q prints as %q", s, n)
			}
		}
		if read > 1 {
			t.Errorf("%q is the name of several things", s)
		}
		if key, version, err := ParseAny(s); err == nil {
			again, v, err := ParseAny(key.String())
			if version != 0 {
				again, v, err = ParseAny(key.At(version).String())
			}
			if err != nil || again != key || v != version {
				t.Errorf("%q is read as %s at %d, and that as %s at %d (%v)", s, key, version, again, v, err)
			}
		}
	})
}
