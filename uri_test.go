package holdfast_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/holdfast-kms/holdfast"
	"github.com/holdfast-kms/holdfast/client"
)

const ring = "projects/p/locations/global/keyRings/r"

// uris are the forms of URIs and what they mean.
var uris = []struct {
	text string
	want holdfast.URI
	is   string // what String writes; "" for the text
}{
	{text: "awskms:///alias/release?region=eu-west-1", want: holdfast.URI{Scheme: "awskms", Key: "alias/release", Query: map[string]string{"region": "eu-west-1"}}},
	{text: "awskms://localhost:4566/1234abcd-12ab-34cd-56ef-1234567890ab", want: holdfast.URI{Scheme: "awskms", Host: "localhost:4566", Key: "1234abcd-12ab-34cd-56ef-1234567890ab"}},
	{text: "awskms:///arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", want: holdfast.URI{Scheme: "awskms", Key: "arn:aws:kms:us-east-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"}},
	{text: "awskms://alias/release?region=eu-west-1", want: holdfast.URI{Scheme: "awskms", Key: "alias/release", Query: map[string]string{"region": "eu-west-1"}}, is: "awskms:///alias/release?region=eu-west-1"},
	{text: "awskms://1234abcd-12ab-34cd-56ef-1234567890ab", want: holdfast.URI{Scheme: "awskms", Key: "1234abcd-12ab-34cd-56ef-1234567890ab"}, is: "awskms:///1234abcd-12ab-34cd-56ef-1234567890ab"},
	{text: "aws-kms://arn:aws:kms:us-east-2:111122223333:alias/release", want: holdfast.URI{Scheme: "awskms", Key: "arn:aws:kms:us-east-2:111122223333:alias/release"}, is: "awskms:///arn:aws:kms:us-east-2:111122223333:alias/release"},
	{text: "awskms:///", want: holdfast.URI{Scheme: "awskms"}},
	{text: "azurekms://v.vault.azure.net/release", want: holdfast.URI{Scheme: "azurekms", Host: "v.vault.azure.net", Key: "release"}},
	{text: "azurekms://v.vault.azure.net/release/0123456789abcdef0123456789abcdef", want: holdfast.URI{Scheme: "azurekms", Host: "v.vault.azure.net", Key: "release/0123456789abcdef0123456789abcdef"}},
	{text: "azurekeyvault://v.vault.azure.net/keys/release", want: holdfast.URI{Scheme: "azurekms", Host: "v.vault.azure.net", Key: "release"}, is: "azurekms://v.vault.azure.net/release"},
	{text: "gcpkms://" + ring, want: holdfast.URI{Scheme: "gcpkms", Key: ring}},
	{text: "gcpkms://" + ring + "/cryptoKeys/k", want: holdfast.URI{Scheme: "gcpkms", Key: ring + "/cryptoKeys/k"}},
	{text: "gcpkms://" + ring + "/cryptoKeys/k/cryptoKeyVersions/2", want: holdfast.URI{Scheme: "gcpkms", Key: ring + "/cryptoKeys/k/cryptoKeyVersions/2"}},
	{text: "gcpkms://" + ring + "/cryptoKeys/k/versions/2", want: holdfast.URI{Scheme: "gcpkms", Key: ring + "/cryptoKeys/k/cryptoKeyVersions/2"}, is: "gcpkms://" + ring + "/cryptoKeys/k/cryptoKeyVersions/2"},
	{text: "cloudkms:" + ring + "/cryptoKeys/k", want: holdfast.URI{Scheme: "gcpkms", Key: ring + "/cryptoKeys/k"}, is: "gcpkms://" + ring + "/cryptoKeys/k"},
	{text: "gcp-kms://" + ring + "/cryptoKeys/k", want: holdfast.URI{Scheme: "gcpkms", Key: ring + "/cryptoKeys/k"}, is: "gcpkms://" + ring + "/cryptoKeys/k"},
	{text: "hashivault://release?version=3", want: holdfast.URI{Scheme: "hashivault", Key: "release", Query: map[string]string{"version": "3"}}},
	{text: "hashivault://release?engine=keys", want: holdfast.URI{Scheme: "hashivault", Key: "release", Query: map[string]string{"mount": "keys"}}, is: "hashivault://release?mount=keys"},
	{text: "hcvault://vault.example.com:8200/transit/keys/release", want: holdfast.URI{Scheme: "hashivault", Key: "release", Query: map[string]string{"address": "https://vault.example.com:8200", "mount": "transit"}}, is: "hashivault://release?address=https%3A%2F%2Fvault.example.com%3A8200&mount=transit"},
	{text: "pkcs11:token=holdfast;object=release?module-path=/usr/lib/softhsm/libsofthsm2.so", want: holdfast.URI{Scheme: "pkcs11", Key: "token=holdfast;object=release", Query: map[string]string{"module-path": "/usr/lib/softhsm/libsofthsm2.so"}}},
	{text: "pkcs11:object=release?pin-value=1234", want: holdfast.URI{Scheme: "pkcs11", Key: "object=release"}, is: "pkcs11:object=release"},
	{text: "holdfast://kms.example.com:8443/alias/release", want: holdfast.URI{Scheme: "holdfast", Host: "kms.example.com:8443", Key: "alias/release"}},
	{text: "holdfast:///release", want: holdfast.URI{Scheme: "holdfast", Key: "alias/release"}, is: "holdfast:///alias/release"},
	{text: "holdfast:///1234abcd-12ab-34cd-56ef-1234567890ab?region=eu", want: holdfast.URI{Scheme: "holdfast", Key: "1234abcd-12ab-34cd-56ef-1234567890ab", Query: map[string]string{"region": "eu"}}},
	{text: "file:/etc/keys/a.pem", want: holdfast.URI{Scheme: "file", Key: "/etc/keys/a.pem"}},
	{text: "file:///etc/keys/a%20b.pem", want: holdfast.URI{Scheme: "file", Key: "/etc/keys/a b.pem"}, is: "file:/etc/keys/a%20b.pem"},
	{text: "FILE:a.key?spec=hmac-256", want: holdfast.URI{Scheme: "file", Key: "a.key", Query: map[string]string{"spec": "hmac-256"}}, is: "file:a.key?spec=hmac-256"},
}

func TestParseURI(t *testing.T) {
	for _, tt := range uris {
		u, err := holdfast.ParseURI(tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.text, err)
			continue
		}
		if diff := cmp.Diff(&tt.want, u, cmpopts.IgnoreUnexported(holdfast.URI{}), cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.text, diff)
		}
		if tt.is == "" {
			tt.is = tt.text
		}
		if u.String() != tt.is {
			t.Errorf("%s is written %s, want %s", tt.text, u, tt.is)
		}
	}
}

func TestParseURIRefused(t *testing.T) {
	for text, says := range map[string]string{
		"":                                    "no scheme",
		"release":                             "no scheme",
		"s3://bucket/key":                     `scheme "s3"`,
		"awskms:alias/release":                "followed by //",
		"awskms:///alias/":                    "followed by a name",
		"awskms:///alias/x?regoin=eu":         `no parameter "regoin"`,
		"awskms:///alias/x?region=":           "empty",
		"awskms:///alias/x?region=a&region=b": "twice",
		"awskms:///alias/x?profile=a&aws-profile=b": "twice",
		"awskms://host name/alias/x":                "characters",
		"awskms://-/alias/x":                        "no host",
		"azurekms:///release":                       "no host",
		"azurekms://v.vault.azure.net/a/b/c":        "name or name/version",
		"gcpkms://projects/p":                       "keyRings",
		"hashivault:release":                        "followed by //",
		"hashivault://a/b":                          "mount",
		"hcvault://host/keys/":                      "hcvault",
		"holdfast:release":                          "followed by //",
		"holdfast://h/release?x=1":                  `no parameter "x"`,
		"file:":                                     "path",
		"file://host/a":                             "on this machine",
		"file:a%zz":                                 "path",
		"pkcs11:object=a;unknown=b":                 "unknown",
		"file:" + strings.Repeat("a", 5000):         "longer",
		"file:a\nb":                                 "control",
	} {
		u, err := holdfast.ParseURI(text)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %v; want one that says %q", text, u, err, says)
		}
		if kind := holdfast.KindOf(err); kind != holdfast.InvalidArgument && kind != holdfast.Unsupported {
			t.Errorf("%q: kind %q", text, kind)
		}
	}
}

// TestForeignURI has what somebody else's URI may say, and what not.
func TestForeignURI(t *testing.T) {
	for uri, want := range map[string]holdfast.Kind{
		"file:/nothing/here.pem":                                     "",
		"awskms:///alias/a?region=eu-west-1":                         "",
		"azurekms://v.vault.azure.net/a":                             "",
		"holdfast://kms.example.com/a":                               holdfast.PermissionDenied, // the variable names another one
		"awskms://kms.example.com/alias/a?region=eu-west-1":          holdfast.PermissionDenied,
		"awskms:///alias/a?endpoint=https://kms.example.com":         holdfast.PermissionDenied,
		"awskms:///alias/a?role=arn&web-identity-token-file=/secret": holdfast.PermissionDenied,
		"azurekms://v.example.com/a":                                 holdfast.PermissionDenied,
		"azurekms://v.vault.azure.net/a?authority=https://e.com":     holdfast.PermissionDenied,
		"gcpkms://" + ring + "/cryptoKeys/a?credentials=/secret":     holdfast.PermissionDenied,
		"hcvault://vault.example.com/transit/keys/a":                 holdfast.PermissionDenied,
		"hashivault://a?token-file=/secret":                          holdfast.PermissionDenied,
		"pkcs11:token=t;object=a?module-path=/tmp/evil.so":           holdfast.PermissionDenied,
		"pkcs11:token=t;object=a?module-name=evil":                   holdfast.PermissionDenied,
		"pkcs11:token=t;object=a?pin-source=/secret":                 holdfast.PermissionDenied,
		"pkcs11:token=t;object=a?pin-value=1234":                     holdfast.PermissionDenied,
		"holdfast://kms.example.com/a?ca=/tmp/evil.pem":              holdfast.PermissionDenied,
	} {
		t.Setenv(client.EnvAddress, "https://kms.example.org")
		t.Setenv(client.EnvAccessKeyID, "AKIAEXAMPLE")
		t.Setenv(client.EnvSecretAccessKey, "secret")
		p, err := holdfast.Connect(t.Context(), uri, holdfast.WithForeignURI())
		if holdfast.KindOf(err) != want && (want != "" || holdfast.KindOf(err) == holdfast.PermissionDenied) {
			t.Errorf("%s: %v", uri, err)
		}
		if err == nil {
			closed(t, p)
		}
	}
}

// FuzzParseURI: what parses is written in a form that parses to the same, and
// has no PIN.
func FuzzParseURI(f *testing.F) {
	for _, tt := range uris {
		f.Add(tt.text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := holdfast.ParseURI(text)
		if err != nil {
			return
		}
		written := u.String()
		if strings.Contains(written, "pin-value") && !strings.Contains(u.Key+u.Query["pin-source"]+u.Query["module-path"]+u.Query["module-name"], "pin-value") {
			t.Errorf("%q shows a PIN", text)
		}
		again, err := holdfast.ParseURI(written)
		if err != nil {
			t.Fatalf("%q is written %q: %v", text, written, err)
		}
		if again.String() != written || again.Scheme != u.Scheme || again.Host != u.Host || again.Key != u.Key || !reflect.DeepEqual(again.Query, u.Query) {
			t.Errorf("%q is written %q, which reads as %+v, not %+v", text, written, again, u)
		}
	})
}
