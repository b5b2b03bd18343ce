package padding

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	_ "crypto/sha1" // of the vectors
	_ "crypto/sha256"
	"errors"
	"math/big"
	"testing"
)

// raw is RSADP (RFC 8017 section 5.1.2).
func raw(k *rsa.PrivateKey, in []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(in), k.D, k.N).FillBytes(make([]byte, k.Size()))
}

// encrypted is RSAEP.
func encrypted(k *rsa.PrivateKey, em []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(em), big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, k.Size()))
}

func newRSA(tb testing.TB) *rsa.PrivateKey {
	tb.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// TestOAEP: what crypto/rsa encrypts comes back, also with a label and a mask
// of another hash, and with nothing changed by what is not of the message.
func TestOAEP(t *testing.T) {
	k := newRSA(t)
	for _, s := range []Scheme{
		{crypto.SHA1, crypto.SHA1, nil},
		{crypto.SHA256, crypto.SHA256, []byte("label")},
		{crypto.SHA256, crypto.SHA1, nil},
	} {
		opts := &rsa.OAEPOptions{Hash: s.Hash, MGFHash: s.MGF, Label: s.Label}
		ct, err := rsa.EncryptOAEPWithOptions(rand.Reader, &k.PublicKey, []byte("message"), opts)
		if err != nil {
			t.Fatal(err)
		}
		em := raw(k, ct)
		other := s
		other.Label = []byte("another")
		if got, err := OAEP(other, bytes.Clone(em)); !errors.Is(err, ErrPadding) {
			t.Errorf("%v with another label: %q, %v", s, got, err)
		}
		if got, err := OAEP(s, em); err != nil || string(got) != "message" {
			t.Errorf("%v: %q, %v", s, got, err)
		}
	}
	if _, err := OAEP(Scheme{Hash: crypto.SHA256, MGF: crypto.SHA256}, make([]byte, 65)); !errors.Is(err, ErrPadding) {
		t.Errorf("too short: %v", err)
	}
}

// wrongPaddings are messages that are none of PKCS #1 v1.5, by what is wrong
// with a right one of 128 bytes with a message of 48.
func wrongPaddings(em []byte) map[string][]byte {
	change := func(f func(b []byte)) []byte {
		b := bytes.Clone(em)
		f(b)
		return b
	}
	return map[string][]byte{
		"first byte":         change(func(b []byte) { b[0] = 1 }),
		"second byte":        change(func(b []byte) { b[1] = 1 }),
		"a zero too early":   change(func(b []byte) { b[5] = 0 }),
		"no zero before it":  change(func(b []byte) { b[79] = 1 }),
		"nothing but zeros":  make([]byte, 128),
		"nothing but ones":   bytes.Repeat([]byte{0xff}, 128),
		"no zero at all":     append([]byte{0, 2}, bytes.Repeat([]byte{7}, 126)...),
		"seven random bytes": append([]byte{0, 2, 1, 1, 1, 1, 1, 1, 1, 0}, bytes.Repeat([]byte{7}, 118)...),
	}
}

func TestPKCS1v15(t *testing.T) {
	k := newRSA(t)
	message := bytes.Repeat([]byte{9}, 48)
	ct, err := rsa.EncryptPKCS1v15(rand.Reader, &k.PublicKey, message) //nolint:staticcheck // the padding that is undone here
	if err != nil {
		t.Fatal(err)
	}
	em := raw(k, ct)
	if got, err := PKCS1v15(em); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%x, %v", got, err)
	}
	key := make([]byte, 48)
	if SessionKey(em, key); !bytes.Equal(key, message) {
		t.Errorf("the session key is %x", key)
	}
	for name, em := range wrongPaddings(em) {
		key := bytes.Repeat([]byte{1}, 48)
		if SessionKey(em, key); !bytes.Equal(key, bytes.Repeat([]byte{1}, 48)) {
			t.Errorf("%s: the key has become %x", name, key)
		}
	}
	for _, length := range []int{47, 49, 128, 200} {
		key := bytes.Repeat([]byte{1}, length)
		if SessionKey(em, key); !bytes.Equal(key, bytes.Repeat([]byte{1}, length)) {
			t.Errorf("a key of %d bytes has become %x", length, key)
		}
	}
	if _, err := PKCS1v15(make([]byte, 10)); !errors.Is(err, ErrPadding) {
		t.Errorf("too short: %v", err)
	}
}

// FuzzAgainstRSA: what is accepted is what crypto/rsa accepts.
func FuzzAgainstRSA(f *testing.F) {
	k := newRSA(f)
	for _, message := range []string{"", "a", "a longer message"} {
		ct, err := rsa.EncryptOAEP(crypto.SHA256.New(), rand.Reader, &k.PublicKey, []byte(message), nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw(k, ct), 0, byte(0))
		f.Add(raw(k, ct), 100, byte(1))
		if ct, err = rsa.EncryptPKCS1v15(rand.Reader, &k.PublicKey, []byte(message)); err != nil { //nolint:staticcheck // the padding that is undone here
			f.Fatal(err)
		}
		em := raw(k, ct)
		f.Add(em, 0, byte(0))
		for _, wrong := range wrongPaddings(em) {
			f.Add(wrong, 0, byte(0))
		}
	}
	f.Fuzz(func(t *testing.T, em []byte, at int, change byte) {
		if len(em) != 128 {
			return
		}
		em[uint(at)%128] ^= change
		if new(big.Int).SetBytes(em).Cmp(k.N) >= 0 {
			return
		}
		ct := encrypted(k, em)
		agree(t, "PKCS #1 v1.5", func() ([]byte, error) { return rsa.DecryptPKCS1v15(nil, k, ct) }, func() ([]byte, error) { return PKCS1v15(em) }) //nolint:staticcheck // what it is compared with
		agree(t, "OAEP", func() ([]byte, error) { return rsa.DecryptOAEP(crypto.SHA256.New(), nil, k, ct, nil) },
			func() ([]byte, error) {
				return OAEP(Scheme{Hash: crypto.SHA256, MGF: crypto.SHA256}, bytes.Clone(em))
			})
	})
}

func agree(t *testing.T, what string, theirs, ours func() ([]byte, error)) {
	t.Helper()
	want, wantErr := theirs()
	got, err := ours()
	if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
		t.Errorf("%s: %x, %v, but crypto/rsa says %x, %v", what, got, err, want, wantErr)
	}
}
