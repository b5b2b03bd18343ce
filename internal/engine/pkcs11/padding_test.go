package pkcs11

import (
	"bytes"
	"compress/gzip"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"math/big"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/padding"
)

// raw is what a token does by CKM_RSA_X_509 with a private key.
func raw(k *rsa.PrivateKey, in []byte) []byte {
	return new(big.Int).Exp(new(big.Int).SetBytes(in), k.D, k.N).FillBytes(make([]byte, k.Size()))
}

func newRSA(tb testing.TB, bits int) *rsa.PrivateKey {
	tb.Helper()
	k, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		tb.Fatal(err)
	}
	return k
}

// TestUnpadWycheproof runs Wycheproof's vectors of RSAES-OAEP through the
// unpadding, which has no labels.
func TestUnpadWycheproof(t *testing.T) {
	for file, h := range map[string]crypto.Hash{
		"rsa_oaep_2048_sha1_mgf1sha1": crypto.SHA1, "rsa_oaep_2048_sha256_mgf1sha256": crypto.SHA256,
		"rsa_oaep_3072_sha256_mgf1sha256": crypto.SHA256, "rsa_oaep_4096_sha256_mgf1sha256": crypto.SHA256,
	} {
		t.Run(file, func(t *testing.T) {
			var vectors struct {
				TestGroups []struct {
					PrivateKeyPkcs8 string
					Tests           []struct {
						ID                     int `json:"tcId"`
						Msg, CT, Label, Result string
					}
				}
			}
			f, err := os.Open("../soft/testdata/wycheproof/" + file + "_test.json.gz")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			in, err := gzip.NewReader(f)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.NewDecoder(in).Decode(&vectors); err != nil {
				t.Fatal(err)
			}
			ran := 0
			for _, g := range vectors.TestGroups {
				parsed, err := x509.ParsePKCS8PrivateKey(unhex(t, g.PrivateKeyPkcs8))
				if err != nil {
					t.Fatal(err)
				}
				k, ok := parsed.(*rsa.PrivateKey)
				if !ok {
					t.Fatal("not an RSA key")
				}
				for _, v := range g.Tests {
					ct := unhex(t, v.CT)
					if v.Label != "" || len(ct) != k.Size() || new(big.Int).SetBytes(ct).Cmp(k.N) >= 0 {
						continue // refused before the unpadding
					}
					ran++
					got, err := unpadOAEP(h, raw(k, ct))
					if (err == nil) != (v.Result == "valid") && v.Result != "acceptable" || err == nil && !bytes.Equal(got, unhex(t, v.Msg)) {
						t.Errorf("tcId %d: %x, %v, but the vector is %s", v.ID, got, err, v.Result)
					}
					if err != nil && cmp.Diff(badCiphertext(), err) != "" {
						t.Errorf("tcId %d: %v", v.ID, err)
					}
				}
			}
			if ran < 20 {
				t.Errorf("%d vectors ran", ran)
			}
		})
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUnpadOneError: each part of a padding that is wrong, alone and with
// others, gives the same error, also where Manger's attack asks: with a first
// byte that is not zero.
func TestUnpadOneError(t *testing.T) {
	k := newRSA(t, 2048)
	for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
		ciphertext, err := rsa.EncryptOAEP(h.New(), rand.Reader, &k.PublicKey, []byte("secret"), nil)
		if err != nil {
			t.Fatal(err)
		}
		good := raw(k, ciphertext)
		labelled, err := rsa.EncryptOAEP(h.New(), rand.Reader, &k.PublicKey, []byte("secret"), []byte("label"))
		if err != nil {
			t.Fatal(err)
		}
		bad := map[string][]byte{
			"another label": raw(k, labelled), "zeros": make([]byte, 256), "ones": bytes.Repeat([]byte{0xff}, 256),
			"too short for a hash": good[:2*h.Size()+1], "nothing": nil,
			"no byte 1":        reencode(t, h, good, func(db []byte) { clear(db[h.Size():]) }),
			"a byte before it": reencode(t, h, good, func(db []byte) { db[h.Size()] = 2 }),
		}
		for _, at := range []int{0, 1, h.Size(), h.Size() + 1, 2 * h.Size(), 200, 255} {
			flipped := bytes.Clone(good)
			flipped[at] ^= 0x40
			bad[string(rune('a'+at%26))+" flipped"] = flipped
		}
		for name, em := range bad {
			if got, err := unpadOAEP(h, bytes.Clone(em)); err == nil || got != nil || cmp.Diff(badCiphertext(), err) != "" {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		if got, err := unpadOAEP(h, good); err != nil || string(got) != "secret" {
			t.Errorf("the right one: %q, %v", got, err)
		}
	}
}

// reencode changes the data block of a padded message.
func reencode(t *testing.T, h crypto.Hash, good []byte, change func(db []byte)) []byte {
	t.Helper()
	em := bytes.Clone(good)
	seed, db := em[1:h.Size()+1], em[h.Size()+1:]
	padding.Mask(h, seed, db)
	padding.Mask(h, db, seed)
	change(db)
	padding.Mask(h, db, seed)
	padding.Mask(h, seed, db)
	return em
}

// FuzzUnpadOAEP: what is accepted is what crypto/rsa would accept.
func FuzzUnpadOAEP(f *testing.F) {
	k := newRSA(f, 2048)
	for _, message := range []string{"", "a", "a longer message"} {
		ciphertext, err := rsa.EncryptOAEP(crypto.SHA256.New(), rand.Reader, &k.PublicKey, []byte(message), nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw(k, ciphertext), 0, byte(0))
		f.Add(raw(k, ciphertext), 100, byte(1))
	}
	f.Fuzz(func(t *testing.T, em []byte, at int, change byte) {
		if len(em) != 256 {
			return
		}
		em[uint(at)%256] ^= change
		number := new(big.Int).SetBytes(em)
		if number.Cmp(k.N) >= 0 {
			return
		}
		ciphertext := new(big.Int).Exp(number, big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, 256))
		want, wantErr := rsa.DecryptOAEP(crypto.SHA256.New(), nil, k, ciphertext, nil)
		got, err := unpadOAEP(crypto.SHA256, em)
		if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
			t.Errorf("%x, %v, but crypto/rsa says %x, %v", got, err, want, wantErr)
		}
	})
}

// TestPadPSS: crypto/rsa verifies what a key makes of the padding.
func TestPadPSS(t *testing.T) {
	for _, bits := range []int{2048, 3072, 4096} {
		k := newRSA(t, bits)
		for _, h := range []crypto.Hash{crypto.SHA256, crypto.SHA384, crypto.SHA512} {
			digest := make([]byte, h.Size())
			_, _ = rand.Read(digest)
			em, err := padding.PSS(h, digest, bits)
			if err != nil {
				t.Fatal(err)
			}
			exact := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
			if err := rsa.VerifyPSS(&k.PublicKey, h, digest, raw(k, em), exact); err != nil {
				t.Errorf("%d bits, %s: %v", bits, h, err)
			}
			again, err := padding.PSS(h, digest, bits)
			if err != nil || bytes.Equal(em, again) {
				t.Errorf("%d bits, %s: the salt is not random (%v)", bits, h, err)
			}
		}
		if _, err := padding.PSS(crypto.SHA256, make([]byte, 31), bits); err == nil {
			t.Error("a digest of another length is padded")
		}
	}
}
