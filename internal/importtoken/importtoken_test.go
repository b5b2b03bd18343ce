package importtoken

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

func sample() *Token {
	return &Token{
		ID: ID{1, 2, 3, 15: 16}, Expires: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
		Wrapping: alg.WrapAESKeyWrapSHA256, Spec: alg.RSA4096, Wrapped: []byte("wrapped"),
	}
}

var target = key.Name{Realm: key.DefaultRealm, Region: "eu-central-1", ID: "1234abcd-12ab-34cd-56ef-1234567890ab"}

func TestTokensReadBack(t *testing.T) {
	for _, how := range alg.Wrappings() {
		for _, spec := range []alg.Spec{alg.RSA2048, alg.RSA3072, alg.RSA4096} {
			want := sample()
			want.Wrapping, want.Spec = how, spec
			got, err := Parse(want.Marshal())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s under %s (-want +got):\n%s", how, spec, diff)
			}
		}
	}
}

// TestRefBindsEverything: whatever a token says, and the key that it is for,
// make another Ref when they are changed.
func TestRefBindsEverything(t *testing.T) {
	base := sample().Ref(target)
	for name, change := range map[string]func(*Token, *key.Name){
		"the id":               func(t *Token, _ *key.Name) { t.ID[7] ^= 1 },
		"the expiry":           func(t *Token, _ *key.Name) { t.Expires = t.Expires.Add(time.Second) },
		"the wrapping":         func(t *Token, _ *key.Name) { t.Wrapping = alg.WrapPKCS1 },
		"the wrapping key":     func(t *Token, _ *key.Name) { t.Spec = alg.RSA2048 },
		"the realm":            func(_ *Token, n *key.Name) { n.Realm = "999999999999" },
		"the region":           func(_ *Token, n *key.Name) { n.Region = "eu-west-1" },
		"the key":              func(_ *Token, n *key.Name) { n.ID = "1234abcd-12ab-34cd-56ef-1234567890ac" },
		"a border between two": func(_ *Token, n *key.Name) { n.Region, n.ID = "eu-central-1/1", "234abcd-12ab-34cd-56ef-1234567890ab" },
	} {
		changed, name2 := sample(), target
		change(changed, &name2)
		if changed.Ref(name2).ID == base.ID {
			t.Errorf("%s is not bound", name)
		}
	}
	if same := sample(); same.Ref(target) != base {
		t.Error("the same token has another Ref")
	}
}

func TestNonsenseIsInvalid(t *testing.T) {
	good := sample().Marshal()
	unknown := bytes.Replace(good, []byte("rsa-4096"), []byte("rsa-5096"), 1)
	noRSA := bytes.Replace(good, []byte("\x08rsa-4096"), []byte("\x05p-256"), 1)
	for name, b := range map[string][]byte{
		"nothing":                nil,
		"another version":        append([]byte{2}, good[1:]...),
		"a key of no known spec": unknown,
		"no RSA key":             noRSA,
		"no key":                 good[:len(good)-len("wrapped")],
		"a name cut short":       good[:30],
		"too long":               append(good, make([]byte, MaxSize)...),
		"a time without end":     append(append(bytes.Clone(good[:17]), bytes.Repeat([]byte{0xff}, 8)...), good[25:]...),
	} {
		if got, err := Parse(b); fault.ReasonOf(err) != fault.InvalidImportToken || fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// FuzzParse: what parses marshals back the same.
func FuzzParse(f *testing.F) {
	f.Add([]byte{})
	f.Add(sample().Marshal())
	other := sample()
	other.Wrapping, other.Spec = alg.WrapPKCS1, alg.RSA2048
	f.Add(other.Marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		token, err := Parse(b)
		if err != nil {
			return
		}
		if got := token.Marshal(); !bytes.Equal(got, b) {
			t.Errorf("%x came back as %x", b, got)
		}
	})
}
