package engine

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
)

// TestCutPadding: the zeros that a token appends are cut off, and nothing else.
func TestCutPadding(t *testing.T) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := MarshalPlain(k)
	if err != nil {
		t.Fatal(err)
	}
	to := func(n int, b []byte) []byte { return append(bytes.Clone(b), make([]byte, n-len(b))...) }
	full := (len(pkcs8) + 7) / 8 * 8
	secret := bytes.Repeat([]byte{7}, 28)
	for _, tt := range []struct {
		name  string
		spec  alg.Spec
		plain []byte
		want  int
	}{
		{"as it is", alg.P256, pkcs8, len(pkcs8)},
		{"to a multiple of 8", alg.P256, to(full, pkcs8), len(pkcs8)},
		{"8 bytes more", alg.P256, to(full+8, pkcs8), full + 8},
		{"to no multiple of 8", alg.P256, to(full+1, pkcs8), full + 1},
		{"no zeros", alg.P256, append(to(full-1, pkcs8), 1), full},
		{"no DER", alg.P256, []byte{1, 2}, 2},
		{"nothing", alg.P256, nil, 0},
		{"HMAC-224", alg.HMAC224, to(32, secret), 28},
		{"HMAC-224, no zeros", alg.HMAC224, bytes.Repeat([]byte{7}, 32), 32},
		{"HMAC-256", alg.HMAC256, make([]byte, 40), 40},
		{"HMAC-256, short", alg.HMAC256, make([]byte, 24), 24},
	} {
		if got := CutPadding(tt.spec, tt.plain); len(got) != tt.want {
			t.Errorf("%s: %d of %d bytes are left, want %d", tt.name, len(got), len(tt.plain), tt.want)
		}
	}
}
