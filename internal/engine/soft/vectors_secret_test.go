package soft

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

func hexString(b []byte) string { return hex.EncodeToString(b) }

// runGCM decrypts with the AES-256-GCM that encrypts each message, under keys
// given instead of derived. It chooses its own IVs, so the vectors can only be
// decrypted.
func runGCM(t *testing.T, c corpus) int {
	n := 0
	for _, g := range c.groups(t) {
		if g.KeySize != 256 || g.IVSize != 96 || g.TagSize != 128 {
			continue // never used
		}
		for _, v := range g.Tests {
			gcm, err := newGCM(v.Key)
			if err != nil {
				t.Fatal(err)
			}
			plaintext, err := gcm.Open(nil, nil, slices.Concat(v.IV, v.CT, v.Tag), v.AAD)
			v.judge(t, err == nil && bytes.Equal(plaintext, v.Msg), "decrypting")
			n++
		}
	}
	return n
}

// runAEAD decrypts whole ciphertexts that another implementation made.
func runAEAD(t *testing.T, c corpus) int {
	var tests []struct{ Secret, Associated, Plaintext, Ciphertext hexBytes }
	readFile(t, c.file, &tests)
	e := newEngine(t, Options{PureGo: true})
	for i, v := range tests {
		k, err := importKey(t, e, c.spec, v.Secret)
		if err != nil {
			t.Fatal(err)
		}
		plaintext, err := k.AEAD.Open(nil, v.Ciphertext, v.Associated)
		if err != nil || !bytes.Equal(plaintext, v.Plaintext) {
			t.Errorf("case %d: %x, %v", i, plaintext, err)
		}
	}
	return len(tests)
}

// TestCounterKDF runs NIST's vectors of the key derivation.
func TestCounterKDF(t *testing.T) {
	var file struct {
		KDF []struct {
			Source          string
			Key, Fixed, Out hexBytes
		}
	}
	readFile(t, "rfc.json", &file)
	if len(file.KDF) == 0 {
		t.Fatal("no vectors")
	}
	for _, v := range file.KDF {
		prf := newKeyedHash(sha256.New, v.Key)
		for range 2 { // the second time with a state that was given back
			s := prf.get()
			out := make([]byte, len(v.Out))
			s.counterKDF(out, v.Fixed)
			prf.put(s)
			if !bytes.Equal(out, v.Out) {
				t.Errorf("%s: %x, want %x", v.Source, out, v.Out)
			}
		}
	}
}

// runHMAC computes codes: under keys of the table's length through the
// engine, under others by what the engine uses. Shortened codes are compared
// as far as they go.
func runHMAC(t *testing.T, c corpus) int {
	e := newEngine(t, Options{PureGo: true})
	n := 0
	for _, g := range c.groups(t) {
		for _, v := range g.Tests {
			m := &mac{prf: newKeyedHash(c.algorithm.Info().Hash.New, v.Key)}
			code, err := m.Sum(nil, v.Msg)
			if len(v.Key) == c.spec.Info().Bits/8 {
				k, failed := importKey(t, e, c.spec, v.Key)
				if failed != nil {
					t.Fatal(failed)
				}
				code, err = k.MAC.Sum(nil, v.Msg)
				n++
			}
			v.judge(t, err == nil && bytes.Equal(code[:len(v.Tag)], v.Tag), "computing the code")
		}
	}
	return n
}

// runOAEP decrypts with imported keys. Our label is always empty: what was
// encrypted with another must not decrypt.
func runOAEP(t *testing.T, c corpus) int {
	n := 0
	for name, e := range engines(t) {
		for _, g := range c.groups(t) {
			k, err := importKey(t, e, c.spec, g.PrivateKeyPkcs8)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range g.Tests {
				plaintext, err := engine.Decrypt(k.Decrypter, c.algorithm, v.CT)
				switch {
				case err != nil && fault.KindOf(err) != fault.BadCiphertext:
					t.Errorf("%s, tcId %d: %v", name, v.ID, err)
				case len(v.Label) != 0 && err == nil:
					t.Errorf("%s, tcId %d: decrypts without its label", name, v.ID)
				case len(v.Label) == 0:
					v.judge(t, err == nil && bytes.Equal(plaintext, v.Msg), name+" decrypting")
				}
				n++
			}
			if s := e.RSA(); s.Fallbacks != 0 {
				t.Errorf("%s fell back %d times", name, s.Fallbacks)
			}
		}
	}
	return n
}
