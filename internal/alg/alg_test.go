package alg

import (
	"crypto"
	_ "crypto/sha1"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"regexp"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSpecs is the table of specs as the product promises it.
func TestSpecs(t *testing.T) {
	rsa := []string{
		"rsa-oaep-sha1", "rsa-oaep-sha256", "rsa-pkcs1-sha256", "rsa-pkcs1-sha384", "rsa-pkcs1-sha512",
		"rsa-pss-sha256", "rsa-pss-sha384", "rsa-pss-sha512",
	}
	want := map[string][]string{
		"aes-256":  {"aes-256-gcm"},
		"hmac-224": {"hmac-sha224"}, "hmac-256": {"hmac-sha256"}, "hmac-384": {"hmac-sha384"}, "hmac-512": {"hmac-sha512"},
		"rsa-2048": rsa, "rsa-3072": rsa, "rsa-4096": rsa,
		"p-256": {"ecdsa-sha256", "ecdh"}, "p-384": {"ecdsa-sha384", "ecdh"}, "p-521": {"ecdsa-sha512", "ecdh"}, "secp256k1": {"ecdsa-sha256"},
		"ed25519":   {"ed25519", "ed25519ph"},
		"ml-dsa-44": {"ml-dsa"}, "ml-dsa-65": {"ml-dsa"}, "ml-dsa-87": {"ml-dsa"},
	}
	got := map[string][]string{}
	for _, s := range Specs() {
		for _, a := range s.Info().Algorithms {
			got[s.String()] = append(got[s.String()], a.String())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("specs and their algorithms (-want +got):\n%s", diff)
	}
}

// TestFurther is the table of what TLS and PKCS #11 ask of a key beside.
func TestFurther(t *testing.T) {
	rsa := []string{"rsa-pkcs1-md5sha1", "rsa-pkcs1-sha1", "rsa-pkcs1-sha224", "rsa-pkcs1", "rsa-pss-sha1", "rsa-pss-sha224", "rsa-raw"}
	aes := []string{"aes-gcm", "aes-cbc", "aes-cbc-pad", "aes-ctr", "aes-kw", "aes-kwp"}
	ec := []string{"ecdsa-md5sha1", "ecdsa-sha1", "ecdsa-sha224"}
	want := map[string][]string{
		"rsa-2048": rsa, "rsa-3072": rsa, "rsa-4096": rsa,
		"aes-128": aes, "aes-192": aes, "aes-256": aes,
		"p-256": append(slices.Clone(ec), "ecdsa-sha384", "ecdsa-sha512"),
		"p-384": append(slices.Clone(ec), "ecdsa-sha256", "ecdsa-sha512"),
		"p-521": append(slices.Clone(ec), "ecdsa-sha256", "ecdsa-sha384"),
	}
	got := map[string][]string{}
	for _, s := range Specs() {
		for _, a := range s.Info().Further {
			got[s.String()] = append(got[s.String()], a.String())
			if slices.Contains(s.For(a.Info().Usage), a) || s.Lists(a) {
				t.Errorf("%s lists %s, which is a further one", s, a)
			}
			if !s.Has(a) || !s.Allows(a.Info().Usage) || !slices.Contains(s.FurtherFor(a.Info().Usage), a) || !slices.Contains(s.AllFor(a.Info().Usage), a) {
				t.Errorf("%s does not have its further %s", s, a)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("specs and their further algorithms (-want +got):\n%s", diff)
	}
	for _, a := range FurtherAlgorithms() {
		if slices.Contains(Algorithms(), a) {
			t.Errorf("%s is in both lists of algorithms", a)
		}
	}
	if got, want := len(Algorithms())+len(FurtherAlgorithms()), len(everyAlgorithm()); got != want {
		t.Errorf("both lists have %d algorithms together, and there are %d", got, want)
	}
}

// TestTablesAgree asserts what must hold between the two tables: a spec has
// an algorithm for each of its usages and no other, each algorithm belongs to
// a spec, and each form to a signature.
func TestTablesAgree(t *testing.T) {
	used := map[Algorithm]bool{}
	for _, s := range Specs() {
		info := s.Info()
		for _, u := range info.Usages {
			if (len(s.AllFor(u)) == 0) != (u == KeyTransfer) || !s.Allows(u) { // which has wrappings instead
				t.Errorf("%s has the usage %s and nothing to do in it", s, u)
			}
		}
		for _, a := range info.Further {
			used[a] = true
		}
		for _, a := range info.Algorithms {
			used[a] = true
			if !s.Allows(a.Info().Usage) || !s.Has(a) || !slices.Contains(s.For(a.Info().Usage), a) {
				t.Errorf("%s has the algorithm %s and not its usage", s, a)
			}
		}
		if (info.Bits == 0) != (info.Family == MLDSA) || info.Family == 0 {
			t.Errorf("%s: family %d, %d bits", s, info.Family, info.Bits)
		}
	}
	for _, a := range everyAlgorithm() {
		info := a.Info()
		if !used[a] {
			t.Errorf("no spec has the algorithm %s", a)
		}
		if (len(info.Forms) > 0) != (info.Usage == SignVerify) {
			t.Errorf("%s: usage %s with forms %v", a, info.Usage, info.Forms)
		}
		if info.Hash != 0 && info.Hash != crypto.MD5SHA1 && !info.Hash.Available() {
			t.Errorf("%s: the hash %s is not linked in", a, info.Hash)
		}
		own := []Scheme{GCM, PureEdDSA, PureMLDSA, Agreement, RSAPrimitive, CipherMode}
		if needs := !slices.Contains(own, info.Scheme) && a != PKCS1Plain; needs != (info.Hash != 0) {
			t.Errorf("%s: hash %d", a, info.Hash)
		}
		if slices.Contains(info.Forms, Digest) != ((info.Hash != 0 || a == PKCS1Plain) && info.Usage == SignVerify) {
			t.Errorf("%s takes a digest, or does not, without regard to its hash", a)
		}
	}
}

// TestNames asserts that names are unique, well-formed, and parse back.
func TestNames(t *testing.T) {
	form := regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	check := func(kind string, names []string, parses func(string) bool) {
		t.Helper()
		if len(names) == 0 {
			t.Errorf("there is no %s", kind)
		}
		for i, n := range names {
			if !form.MatchString(n) || slices.Contains(names[:i], n) {
				t.Errorf("%s %q is malformed or not unique", kind, n)
			}
			if !parses(n) {
				t.Errorf("%s %q does not parse back", kind, n)
			}
		}
		if parses("") || parses("nothing") {
			t.Errorf("something that is no %s parses", kind)
		}
	}
	check("spec", texts(Specs()), func(n string) bool { return ParseSpec(n) != NoSpec && ParseSpec(n).String() == n })
	check("algorithm", texts(everyAlgorithm()), func(n string) bool { return ParseAlgorithm(n) != NoAlgorithm && ParseAlgorithm(n).String() == n })
	check("usage", texts(Usages()), func(n string) bool { return ParseUsage(n) != NoUsage && ParseUsage(n).String() == n })
}

func texts[T interface{ String() string }](values []T) []string {
	var all []string
	for _, v := range values {
		all = append(all, v.String())
	}
	return all
}

// TestMaxPlaintext is the table of OAEP's limits in bytes, as AWS KMS
// publishes it.
func TestMaxPlaintext(t *testing.T) {
	for _, tt := range []struct {
		spec Spec
		a    Algorithm
		want int
	}{
		{RSA2048, OAEPSHA1, 214},
		{RSA3072, OAEPSHA1, 342},
		{RSA4096, OAEPSHA1, 470},
		{RSA2048, OAEPSHA256, 190},
		{RSA3072, OAEPSHA256, 318},
		{RSA4096, OAEPSHA256, 446},
		{AES256, AESGCM, 0},
		{RSA2048, PSSSHA256, 0},
	} {
		if got := tt.spec.MaxPlaintext(tt.a); got != tt.want {
			t.Errorf("%s under %s: %d, want %d", tt.a, tt.spec, got, tt.want)
		}
	}
}

// TestDigestSize is the table of how long a digest may be.
func TestDigestSize(t *testing.T) {
	for _, tt := range []struct {
		spec        Spec
		a           Algorithm
		least, most int
	}{
		{RSA2048, PKCS1Plain, 1, 245},
		{RSA4096, PKCS1Plain, 1, 501},
		{RSA2048, PKCS1MD5SHA1, 36, 36},
		{P256, ECDSASHA1, 20, 20},
		{P256, ECDSASHA512, 64, 64},
		{Ed25519, Ed25519Pure, 0, 0},
	} {
		if least, most := tt.spec.DigestSize(tt.a); least != tt.least || most != tt.most {
			t.Errorf("%s under %s: %d to %d, want %d to %d", tt.a, tt.spec, least, most, tt.least, tt.most)
		}
	}
}

// TestForms asserts the forms of a message that differ between algorithms.
func TestForms(t *testing.T) {
	for _, tt := range []struct {
		a                       Algorithm
		raw, digest, externalMu bool
	}{
		{PKCS1SHA256, true, true, false},
		{ECDSASHA512, true, true, false},
		{Ed25519Pure, true, false, false},
		{Ed25519ph, false, true, false},
		{MLDSAPure, true, false, true},
		{AESGCM, false, false, false},
		{HMACSHA256, false, false, false},
		{ECDH, false, false, false},
		{PKCS1SHA1, true, true, false},
		{PKCS1MD5SHA1, false, true, false},
		{PKCS1Plain, false, true, false},
		{RSARaw, false, false, false},
		{AESCBC, false, false, false},
	} {
		if tt.a.Takes(Raw) != tt.raw || tt.a.Takes(Digest) != tt.digest || tt.a.Takes(ExternalMu) != tt.externalMu || tt.a.Takes(0) {
			t.Errorf("%s takes other forms than it should", tt.a)
		}
	}
}

// TestSymmetric asserts which specs have no public half.
func TestSymmetric(t *testing.T) {
	var got []string
	for _, s := range Specs() {
		if s.Symmetric() {
			got = append(got, s.String())
		}
	}
	if diff := cmp.Diff([]string{"aes-256", "hmac-224", "hmac-256", "hmac-384", "hmac-512", "aes-128", "aes-192"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestUsual asserts of which specs a key's usage need not be said.
func TestUsual(t *testing.T) {
	for _, tt := range []struct {
		specs []Spec
		want  Usage
	}{
		{[]Spec{AES256}, EncryptDecrypt},
		{[]Spec{AES128, AES192}, RawEncryptDecrypt},
		{[]Spec{HMAC224, HMAC256, HMAC384, HMAC512}, GenerateVerifyMAC},
		{[]Spec{P256, P384, P521, Secp256k1, Ed25519, MLDSA44, MLDSA65, MLDSA87}, SignVerify},
		{[]Spec{RSA2048, RSA3072, RSA4096, NoSpec, 200}, NoUsage},
	} {
		for _, s := range tt.specs {
			if got := s.Usual(); got != tt.want {
				t.Errorf("%s: %q, want %q", s, got, tt.want)
			}
		}
	}
}

// TestUnknown asserts that values outside the tables have empty rows.
func TestUnknown(t *testing.T) {
	if NoSpec.String() != "" || Spec(200).String() != "" || Spec(200).Allows(SignVerify) || Spec(200).For(SignVerify) != nil {
		t.Error("a spec outside the table has a row")
	}
	if NoAlgorithm.String() != "" || Algorithm(200).String() != "" || Algorithm(200).Info().Hash != crypto.Hash(0) {
		t.Error("an algorithm outside the table has a row")
	}
	if NoUsage.String() != "" || Usage(200).String() != "" {
		t.Error("a usage outside the table has a name")
	}
	if NoSpec.Has(NoAlgorithm) || P256.Has(NoAlgorithm) {
		t.Error("a spec has no algorithm")
	}
}

// TestWrappings holds that every wrapping has a name that reads back.
func TestWrappings(t *testing.T) {
	want := []string{"rsa-oaep-sha1", "rsa-oaep-sha256", "rsa-pkcs1", "rsa-aes-key-wrap-sha1", "rsa-aes-key-wrap-sha256"}
	var got []string
	for _, w := range Wrappings() {
		got = append(got, w.String())
		if ParseWrapping(w.String()) != w {
			t.Errorf("%s reads back as %s", w, ParseWrapping(w.String()))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || Wrapping(99).String() != "" || ParseWrapping("none") != NoWrapping {
		t.Errorf("wrappings (-want +got):\n%s", diff)
	}
}
