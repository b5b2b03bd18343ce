package transfer

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

const kid = "https://VAULT/keys/KEK/VERSION"

// TestBlobSizes are the sizes that are published for a KEK of 4,096 bits.
func TestBlobSizes(t *testing.T) {
	kek := newRSA(t, 4096)
	for _, tt := range []struct{ plain, want int }{{32, 552}, {1216, 1736}} {
		wrapped, err := Wrap(nil, &kek.PublicKey, BlobWrapping, filled(tt.plain))
		if err != nil || len(wrapped) != tt.want {
			t.Errorf("%d bytes make %d, want %d (%v)", tt.plain, len(wrapped), tt.want, err)
		}
	}
}

// TestBlobAlphabets: both alphabets are read, with and without padding.
func TestBlobAlphabets(t *testing.T) {
	for n := range 4 {
		ciphertext := append([]byte{0xfb, 0xef, 0xff, 0x3e, 0xff}, filled(n)...)
		for name, e := range map[string]*base64.Encoding{
			"url": base64.URLEncoding, "raw url": base64.RawURLEncoding, "standard": base64.StdEncoding, "raw standard": base64.RawStdEncoding,
		} {
			text := fmt.Sprintf(`{"schema_version":"1.0.0","header":{"kid":"%s","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},
				"ciphertext":"%s","generator":"BYOK v1.0; a vendor"}`+"\n", kid, e.EncodeToString(ciphertext))
			got, err := ParseBlob([]byte(text))
			if err != nil {
				t.Errorf("%s, %d bytes: %v", name, len(ciphertext), err)
			} else if diff := cmp.Diff(&Blob{KID: kid, Ciphertext: ciphertext, Generator: "BYOK v1.0; a vendor"}, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

// TestBlobMarshal is the file as it is written.
func TestBlobMarshal(t *testing.T) {
	got, err := (&Blob{KID: kid, Ciphertext: []byte{0xfb, 0xff}, Generator: "Holdfast"}).Marshal()
	want := `{"schema_version":"1.0.0","header":{"kid":"https://VAULT/keys/KEK/VERSION","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext":"-_8","generator":"Holdfast"}`
	if err != nil || string(got) != want {
		t.Errorf("%s, %v\nwant %s", got, err, want)
	}
}

// TestBlobRefused has each thing that can be wrong, and the word for it.
func TestBlobRefused(t *testing.T) {
	good := `{"schema_version":"1.0.0","header":{"kid":"k","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext":"AAAA","generator":"g"}`
	if _, err := ParseBlob([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, word string }{
		{good, "", "JSON object"},
		{good, "[]", "JSON object"},
		{good, "null", "JSON object"},
		{good, good + "{}", "after its end"},
		{good, good[:len(good)-1], "not JSON"},
		{good, good[:20], "cut off in the member \"schema_version\""},
		{good, good[:100], "cut off in the member \"ciphertext\""},
		{`"1.0.0"`, `"2.0.0"`, `schema_version "2.0.0"`},
		{`"1.0.0"`, `1`, `"schema_version" that is not a text`},
		{`"schema_version":"1.0.0",`, ``, `schema_version ""`},
		{`"dir"`, `"RSA-OAEP"`, `header.alg "RSA-OAEP"`},
		{`CKM_RSA_AES_KEY_WRAP`, `CKM_AES_KEY_WRAP`, `header.enc "CKM_AES_KEY_WRAP"`},
		{`CKM_RSA_AES_KEY_WRAP`, strings.Repeat("x", 500), "…"},
		{`"kid":"k",`, ``, "header.kid"},
		{`"kid":"k",`, `"kid":"k","kid":"l",`, `"header.kid" twice`},
		{`"kid":"k",`, `"KID":"k",`, `"header.KID"`},
		{`"kid":"k",`, `"kid":"k","zip":"DEF",`, `"header.zip"`},
		{`{"kid":"k","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"}`, `"dir"`, "at header"},
		{`"generator":"g"`, `"generator":"g","signature":"s"`, `"signature"`},
		{`"generator":"g"`, `"generator":null`, `"generator" that is not a text`},
		{`"AAAA"`, `"AAA*"`, "base64url"},
		{`"AAAA"`, `""`, "base64url"},
		{`"AAAA"`, `"A"`, "base64url"},
		{`"AAAA"`, `"AAB"`, "base64url"}, // bits that say nothing
		{`"AAAA"`, `"` + strings.Repeat("A", MaxBlob) + `"`, "more than"},
	} {
		text := strings.Replace(good, tt.from, tt.to, 1)
		_, err := ParseBlob([]byte(text))
		if err == nil || fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.MalformedBlob || !strings.Contains(err.Error(), tt.word) {
			t.Errorf("%.80s: %v, want a malformed blob and the word %q", text, err, tt.word)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
}

// FuzzParseBlob: what parses marshals back as the same blob.
func FuzzParseBlob(f *testing.F) {
	for _, n := range []int{1, 552, 1736} {
		text, err := (&Blob{KID: kid, Ciphertext: filled(n), Generator: "Holdfast"}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
		f.Add(bytes.ReplaceAll(text, []byte(`"}`), []byte(`=="}`)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		one, err := ParseBlob(text)
		if err != nil {
			return
		}
		written, err := one.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		two, err := ParseBlob(written)
		if len(written) > MaxBlob {
			return // characters that JSON escapes take more room than they did
		}
		if err != nil || cmp.Diff(one, two) != "" {
			t.Errorf("%s\nis written as\n%s\n(%v)", text, written, err)
		}
	})
}
