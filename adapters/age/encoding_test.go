package age

import (
	"strings"
	"testing"

	"filippo.io/age/plugin"
)

const (
	goldenURI       = "awskms:///alias/backup?region=eu-central-1"
	goldenIdentity  = "AGE-PLUGIN-HOLDFAST-1Q9SHWUMTD4EN5TE09ASKC6TPWVHKYCTRDD6HQ0MJV4NKJMMW84JH2TTRV4H8GUNPDSKNZX0SMK8"
	goldenAny       = "AGE-PLUGIN-HOLDFAST-1P830EG"
	goldenRecipient = "age1holdfast1qyzyz32pgsqz5cthwd4k6ue69uhj7ctvd9shxtmzv93kkats8aex2emfdahr6et4943k2mn5wfskctf3mme3vm"
)

// TestStrings pins what identities and recipients look like: files of them are
// read by all later releases.
func TestStrings(t *testing.T) {
	t.Parallel()
	i, err := NewIdentity(goldenURI)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := i.String(), goldenIdentity; got != want {
		t.Errorf("the identity is %s, not %s", got, want)
	}
	if got, want := AnyIdentity().String(), goldenAny; got != want {
		t.Errorf("the identity of all keys is %s, not %s", got, want)
	}
	if got, want := Address("AEAD", goldenURI, nil), goldenRecipient; got != want {
		t.Errorf("the recipient is %s, not %s", got, want)
	}
	if r, err := ParseRecipient(goldenRecipient); err != nil || r.URI() != goldenURI || r.method != "AEAD" {
		t.Errorf("the recipient: %+v, %v", r, err)
	}
	if i, err := ParseIdentity(goldenIdentity); err != nil || i.URI() != goldenURI {
		t.Errorf("the identity: %+v, %v", i, err)
	}
	if i, err := ParseIdentity(goldenAny); err != nil || i.URI() != "" {
		t.Errorf("the identity of all keys: %+v, %v", i, err)
	}
}

// TestRefused has strings that are none.
func TestRefused(t *testing.T) {
	t.Parallel()
	recipient := func(b string) string { return plugin.EncodeRecipient(Name, []byte(b)) }
	identity := func(b string) string { return plugin.EncodeIdentity(Name, []byte(b)) }
	for _, test := range []struct{ text, want string }{
		{"age1x", "invalid recipient encoding"},
		{plugin.EncodeRecipient("other", []byte{1}), "age-plugin-other"},
		{recipient(""), "cut short"},
		{recipient("\x02\x04AEAD\x00\x06file:x"), "version is 2"},
		{recipient("\x01\x04AEA"), "cut short"},
		{recipient("\x01\x04AEAD\x00\x07file:x"), "cut short"},
		{recipient("\x01\x04AEAD\x00\x06file:xDER"), "does not go with"},
		{recipient("\x01\x0fRSA-OAEP-SHA256\x00\x06file:x"), "does not go with"},
		{recipient("\x01\x0fRSA-OAEP-SHA256\x00\x06file:xDER"), "public key"},
		{recipient("\x01\x00\x00\x06file:xDER"), "no method"},
		{recipient("\x01\x04AEAD\x00\x06FILE:x"), "not written as file:x"},
		{recipient("\x01\x04AEAD\x00\x06nope:x"), "is not known"},
		{identity("\x02file:x"), "version is 2"},
		{identity("\x01FILE:x"), "not written as file:x"},
		{identity("\x01"), "no scheme"},
		{plugin.EncodeIdentity("other", []byte{1}), "age-plugin-other"},
		{identity("\x01pkcs11:object=x?pin-value=1234"), "a PIN is not kept"},
	} {
		var err error
		if strings.HasPrefix(test.text, "age1") {
			_, err = ParseRecipient(test.text)
		} else {
			_, err = ParseIdentity(test.text)
		}
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "1234") {
			t.Errorf("%q: %v, and not %s", test.text, err, test.want)
		}
	}
	if _, err := NewIdentity("hashivault://schlüssel"); err == nil || !strings.Contains(err.Error(), "printable") {
		t.Error(err)
	}
}

// FuzzStrings checks that what is read is written the same.
func FuzzStrings(f *testing.F) {
	for _, seed := range []string{
		"", "\x01", "\x01file:x", "\x01\x04AEAD\x00\x06file:x", "\x01\x04AEAD\x00\x07file:%20",
		"\x01\x09HPKE-P384\x00\x06file:xDER", "\x01pkcs11:token=t;object=o?module-name=softhsm2",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if i, err := newIdentity(b, nil); err == nil {
			if _, again, err := plugin.ParseIdentity(i.String()); err != nil || string(again) != string(b) {
				t.Errorf("the identity %x is written as %x: %v", b, again, err)
			}
		}
		if a, err := parseAddress(b); err == nil {
			if _, again, err := plugin.ParseRecipient(a.String()); err != nil || string(again) != string(b) {
				t.Errorf("the recipient %x is written as %x: %v", b, again, err)
			}
		}
	})
}
