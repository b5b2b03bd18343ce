package ciphertext

import (
	"bytes"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// FuzzHeader: what parses marshals back to the same bytes, and what does not
// is a BadCiphertext.
func FuzzHeader(f *testing.F) {
	whole, err := Header{Key: "01234567-89ab-4def-8123-456789abcdef", Version: 7}.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole)
	f.Add(append(slices.Clone(whole), "what the engine made"...))
	f.Add(whole[:HeaderSize-1])
	f.Add([]byte("HFK\x02" + string(whole[4:])))
	f.Add(bytes.Repeat([]byte{0xff}, HeaderSize))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, ciphertext []byte) {
		h, payload, err := Parse(ciphertext)
		if err != nil {
			if fault.KindOf(err) != fault.BadCiphertext {
				t.Errorf("%x is refused with %v", ciphertext, err)
			}
			return
		}
		again, err := h.Append(nil)
		if err != nil {
			t.Fatalf("%+v was parsed and cannot be written: %v", h, err)
		}
		if again = append(again, payload...); !bytes.Equal(again, ciphertext) {
			t.Errorf("%x was parsed and is written as %x", ciphertext, again)
		}
	})
}

// FuzzContext: two encryption contexts have the same canonical form exactly
// when they are the same set of pairs.
func FuzzContext(f *testing.F) {
	f.Add([]byte("a\x00b"), []byte("a\x00b"))
	f.Add([]byte("a\x00b\x00c\x00d"), []byte("c\x00d\x00a\x00b"))
	f.Add([]byte("ab\x00c"), []byte("a\x00bc"))
	f.Add([]byte("a\x00\x00\x00b"), []byte("a\x00"))
	f.Add([]byte("a\x001\x00a\x002"), []byte("a\x002\x00a\x001"))
	f.Add([]byte{}, []byte("\x00"))
	f.Fuzz(func(t *testing.T, x, y []byte) {
		one, two := pairsOf(x), pairsOf(y)
		same := slices.Equal(sorted(one), sorted(two))
		a, errA := AppendContext([]byte("head"), one)
		b, errB := AppendContext([]byte("head"), two)
		if errA != nil || errB != nil {
			if same && (errA == nil) != (errB == nil) {
				t.Errorf("the order decides: %v, %v", errA, errB)
			}
			return
		}
		if bytes.Equal(a, b) != same {
			t.Errorf("%q and %q: the same is %t, the same form %t", one, two, same, !same)
		}
		if !bytes.HasPrefix(a, []byte("head")) || len(a) > len("head")+MaxContext {
			t.Errorf("the form of %q is %q", one, a)
		}
	})
}

// pairsOf makes names and values of the texts between zero bytes.
func pairsOf(data []byte) []key.Tag {
	var pairs []key.Tag
	parts := bytes.Split(data, []byte{0})
	for i := 0; i+1 < len(parts); i += 2 {
		pairs = append(pairs, key.Tag{Key: string(parts[i]), Value: string(parts[i+1])})
	}
	return pairs
}

func sorted(pairs []key.Tag) []key.Tag {
	return slices.SortedFunc(slices.Values(pairs), func(x, y key.Tag) int {
		return slices.Compare([]string{x.Key, x.Value}, []string{y.Key, y.Value})
	})
}

func TestContextsThatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		pairs []key.Tag
		kind  fault.Kind
	}{
		"a name twice": {[]key.Tag{{Key: "a", Value: "1"}, {Key: "b"}, {Key: "a", Value: "2"}}, fault.InvalidArgument},
		"too long":     {[]key.Tag{{Key: "a", Value: string(make([]byte, MaxContext))}}, fault.LimitExceeded},
	} {
		if _, err := AppendContext(nil, test.pairs); err == nil || fault.KindOf(err) != test.kind {
			t.Errorf("%s: %v, want %s", name, err, test.kind)
		}
	}
}
