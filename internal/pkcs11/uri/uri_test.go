package uri

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pkcs11uri "github.com/stefanberger/go-pkcs11uri"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// uris are examples of RFC 7512 2.5 and what they mean here.
var uris = []struct {
	text string
	want URI
}{
	{"pkcs11:", URI{}},
	{"pkcs11:object=my-pubkey;type=public", URI{Object: "my-pubkey", Class: new(pkcs11.ClassPublicKey)}},
	{"pkcs11:object=my-key;type=private?pin-source=file:/etc/token", URI{Object: "my-key", Class: new(pkcs11.ClassPrivateKey), PINSource: "/etc/token"}},
	{
		"pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=",
		URI{},
	},
	{
		"pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91",
		URI{
			Token: "The Software PKCS#11 Softtoken", Manufacturer: "Snake Oil, Inc.", Model: "1.0", Object: "my-certificate",
			Class: new(pkcs11.ClassCertificate), ID: []byte("\x69\x95\x3e\x5c\xf4\xbd\xec\x91"),
		},
	},
	{"pkcs11:slot-id=327;type=secret-key?module-path=/usr/lib/softhsm/libsofthsm2.so", URI{Slot: new(uint64(327)), Class: new(pkcs11.ClassSecretKey), ModulePath: "/usr/lib/softhsm/libsofthsm2.so"}},
	{"pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.?module-name=mypkcs11", URI{Token: "Software PKCS#11 softtoken", Manufacturer: "Snake Oil, Inc.", ModuleName: "mypkcs11"}},
	{"PKCS11:object=a&b", URI{Object: "a&b"}},
}

func TestParse(t *testing.T) {
	for _, test := range uris {
		got, err := Parse(test.text)
		if strings.HasSuffix(test.text, "serial=") { // the RFC lets an empty value match an empty one: it is refused
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Errorf("%s: %v", test.text, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if diff := cmp.Diff(&test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.text, diff)
		}
	}
}

func TestURIsAreRefusedByName(t *testing.T) {
	for text, want := range map[string]struct {
		kind fault.Kind
		says string
	}{
		"":                                    {fault.InvalidArgument, "pkcs11:"},
		"http:token=x":                        {fault.InvalidArgument, "pkcs11:"},
		"pkcs11:token":                        {fault.InvalidArgument, "name=value"},
		"pkcs11:token=a;token=b":              {fault.InvalidArgument, `"token" is there twice`},
		"pkcs11:token=%zz":                    {fault.InvalidArgument, `"token"`},
		"pkcs11:token=a b":                    {fault.InvalidArgument, `"token"`},
		"pkcs11:token=%FF":                    {fault.InvalidArgument, `"token"`},
		"pkcs11:type=certificate":             {fault.InvalidArgument, "certificate"},
		"pkcs11:slot-id=x":                    {fault.InvalidArgument, "slot-id"},
		"pkcs11:slot-id=":                     {fault.InvalidArgument, "slot-id"},
		"pkcs11:slot-description=x":           {fault.Unsupported, "slot-description"},
		"pkcs11:slot-manufacturer=x":          {fault.Unsupported, "slot-manufacturer"},
		"pkcs11:library-version=3":            {fault.Unsupported, "library-version"},
		"pkcs11:library-description=x":        {fault.Unsupported, "library-description"},
		"pkcs11:library-manufacturer=x":       {fault.Unsupported, "library-manufacturer"},
		"pkcs11:x-vendor=y":                   {fault.Unsupported, "x-vendor"},
		"pkcs11:?module-path=lib.so":          {fault.InvalidArgument, "module-path"},
		"pkcs11:?module-name=a/b":             {fault.InvalidArgument, "module-name"},
		"pkcs11:?pin-source=|cat%20/etc/pin":  {fault.Unsupported, "pin-source"},
		"pkcs11:?pin-source=https://x/y":      {fault.Unsupported, "pin-source"},
		"pkcs11:?pin-value=1234":              {fault.Unsupported, "pin-value"},
		"pkcs11:?max-sessions=3":              {fault.Unsupported, "max-sessions"},
		"pkcs11:" + strings.Repeat("a", 5000): {fault.InvalidArgument, "longer"},
	} {
		_, err := Parse(text)
		if fault.KindOf(err) != want.kind || err == nil || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%.60s: %v", text, err)
		}
	}
}

func TestAPINShowsItselfToNobody(t *testing.T) {
	u, err := ParseWithPIN("pkcs11:token=t?pin-value=sesame%2f7")
	if err != nil {
		t.Fatal(err)
	}
	if string(u.PIN) != "sesame/7" {
		t.Error("the PIN was misread")
	}
	text, err := json.Marshal(u)
	if err != nil {
		t.Fatal(err)
	}
	for _, shown := range []string{u.String(), fmt.Sprint(u, *u, u.PIN), fmt.Sprintf("%+v %x %q %s", u, u.PIN, u.PIN, []any{u.PIN}), string(text)} {
		if strings.Contains(shown, "sesame") || strings.Contains(shown, "736573616d65") {
			t.Errorf("the PIN is in %s", shown)
		}
	}
	for _, text := range []string{"pkcs11:?pin-value=sesame%zz", "pkcs11:?pin-value=sesame sesame", "pkcs11:?pin-value=sesame&pin-source=/x"} {
		if _, err := ParseWithPIN(text); err == nil || strings.Contains(err.Error(), "sesame") {
			t.Errorf("%v", err)
		}
	}
}

// FuzzParse: what parses prints as what parses to the same, and means what
// another implementation takes it to mean.
func FuzzParse(f *testing.F) {
	for _, u := range uris {
		f.Add(u.text)
	}
	f.Add("pkcs11:id=%00%01;object=%C3%A4?module-name=p11&pin-source=file:///etc/pin")
	f.Fuzz(func(t *testing.T, text string) {
		u, err := Parse(text)
		if err != nil {
			if k := fault.KindOf(err); k != fault.InvalidArgument && k != fault.Unsupported {
				t.Errorf("%v is %s", err, k)
			}
			return
		}
		again, err := Parse(u.String())
		if err != nil {
			t.Fatalf("%q printed as %q: %v", text, u, err)
		}
		if diff := cmp.Diff(u, again); diff != "" {
			t.Errorf("%q printed as %q:\n%s", text, u, diff)
		}
		other := pkcs11uri.New()
		err = other.Parse("pkcs11:" + strings.TrimSuffix(text[len("pkcs11:"):], "?")) // an empty query is one (RFC 7512 2.3)
		// It knows neither secret-key nor data, and no slots above 2^63.
		if err != nil && u.Class == nil && u.Slot == nil {
			t.Fatalf("%q is refused elsewhere: %v", text, err)
		}
		for name, value := range map[string]string{"token": u.Token, "object": u.Object, "id": string(u.ID), "serial": u.Serial} {
			if theirs, _ := other.GetPathAttribute(name, false); theirs != value {
				t.Errorf("%q: %s is %q, elsewhere %q", text, name, value, theirs)
			}
		}
	})
}
