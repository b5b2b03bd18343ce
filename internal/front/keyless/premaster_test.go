package keyless

import (
	"bytes"
	"testing"
)

// TestPremaster: what is not 00 02, eight bytes or more that are not zero, 00 and
// 48 bytes, gives random bytes.
func TestPremaster(t *testing.T) {
	secret := bytes.Repeat([]byte{9}, premasterSize)
	encode := func(change func(b []byte)) []byte {
		b := append(append([]byte{0, 2}, bytes.Repeat([]byte{5}, 256-3-premasterSize)...), 0)
		b = append(b, secret...)
		if change != nil {
			change(b)
		}
		return b
	}
	for name, test := range map[string]struct {
		encoded []byte
		right   bool
	}{
		"right":                {encode(nil), true},
		"the first byte":       {encode(func(b []byte) { b[0] = 1 }), false},
		"the second byte":      {encode(func(b []byte) { b[1] = 1 }), false},
		"no zero":              {encode(func(b []byte) { b[256-1-premasterSize] = 1 }), false},
		"a zero too early":     {encode(func(b []byte) { b[2] = 0 }), false},
		"a zero in the middle": {encode(func(b []byte) { b[100] = 0 }), false},
		"eight bytes":          {encode(nil)[256-59:], false}, // the beginning is not there
		"too short":            {make([]byte, 58), false},
		"nothing":              {nil, false},
	} {
		got := premaster(bytes.Clone(test.encoded))
		again := premaster(bytes.Clone(test.encoded))
		if len(got) != premasterSize || bytes.Equal(got, secret) != test.right || bytes.Equal(got, again) != test.right {
			t.Errorf("%s: %x, then %x", name, got, again)
		}
	}
	shortest := append([]byte{0, 2, 1, 1, 1, 1, 1, 1, 1, 1, 0}, secret...)
	if got := premaster(shortest); !bytes.Equal(got, secret) {
		t.Errorf("eight bytes of padding: %x", got)
	}
}
