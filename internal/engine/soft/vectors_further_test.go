package soft

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

const kwp = "../../../transfer/testdata/wycheproof/aes_kwp" // where the wrapping of keys has them

// further are the corpora of what TLS and PKCS #11 ask for beside. An algorithm
// over an MD5 and a SHA-1 digest has no vectors that anybody has published:
// TestOpenSSL has it checked.
var further = []corpus{
	{wycheproof + "aes_gcm", alg.AES128, alg.AESGCMRaw, runCipher},
	{wycheproof + "aes_gcm", alg.AES192, alg.AESGCMRaw, runCipher},
	{wycheproof + "aes_gcm", alg.AES256, alg.AESGCMRaw, runCipher},
	{wycheproof + "aes_cbc_pkcs5", alg.AES128, alg.AESCBCPad, runCipher},
	{wycheproof + "aes_cbc_pkcs5", alg.AES192, alg.AESCBCPad, runCipher},
	{wycheproof + "aes_cbc_pkcs5", alg.AES256, alg.AESCBCPad, runCipher},
	{wycheproof + "aes_wrap", alg.AES128, alg.AESKW, runCipher},
	{wycheproof + "aes_wrap", alg.AES192, alg.AESKW, runCipher},
	{wycheproof + "aes_wrap", alg.AES256, alg.AESKW, runCipher},
	{kwp, alg.AES128, alg.AESKWP, runCipher},
	{kwp, alg.AES192, alg.AESKWP, runCipher},
	{kwp, alg.AES256, alg.AESKWP, runCipher},
	{"rfc.json", alg.AES128, alg.AESCTR, runBlocks},
	{"rfc.json", alg.AES256, alg.AESCTR, runBlocks},
	{"rfc.json", alg.AES128, alg.AESCBC, runBlocks},
	{"rfc.json", alg.AES192, alg.AESCBC, runBlocks},
	{"rfc.json", alg.AES256, alg.AESCBC, runBlocks},
	{wycheproof + "rsa_signature_2048_sha224", alg.RSA2048, alg.PKCS1SHA224, runVerify},
	{wycheproof + "rsa_signature_2048_sha256", alg.RSA2048, alg.PKCS1Plain, runPlain},
	{wycheproof + "rsa_pkcs1_2048_sig_gen", alg.RSA2048, alg.PKCS1SHA1, runSigGen},
	{wycheproof + "rsa_pkcs1_2048_sig_gen", alg.RSA2048, alg.PKCS1SHA224, runSigGen},
	{wycheproof + "rsa_pkcs1_2048_sig_gen", alg.RSA2048, alg.PKCS1Plain, runSigGen},
	{wycheproof + "rsa_pkcs1_2048", alg.RSA2048, alg.RSARaw, runRaw},
	{wycheproof + "rsa_pss_2048_sha1_mgf1_20", alg.RSA2048, alg.PSSSHA1, runVerify},
	{wycheproof + "ecdsa_secp256r1_sha512", alg.P256, alg.ECDSASHA512, runVerify},
	{wycheproof + "ecdsa_secp384r1_sha256", alg.P384, alg.ECDSASHA256, runVerify},
	{wycheproof + "ecdsa_secp384r1_sha512", alg.P384, alg.ECDSASHA512, runVerify},
	{"rfc.json", alg.P256, alg.ECDSASHA1, runRFC6979},
	{"rfc.json", alg.P256, alg.ECDSASHA224, runRFC6979},
	{"rfc.json", alg.P256, alg.ECDSASHA384, runRFC6979},
}

// unpublished are the algorithms without vectors.
var unpublished = []alg.Algorithm{alg.PKCS1MD5SHA1, alg.ECDSAMD5SHA1, alg.PSSSHA224}

// runCipher decrypts with imported keys, and encrypts what decrypts back to the
// same.
func runCipher(t *testing.T, c corpus) int {
	e := newEngine(t, Options{PureGo: true})
	n := 0
	for _, g := range c.groups(t) {
		if g.KeySize != c.spec.Info().Bits {
			continue
		}
		for _, v := range g.Tests {
			k, err := importKey(t, e, c.spec, v.Key)
			if err != nil {
				t.Fatal(err)
			}
			p := engine.CipherParameters{IV: v.IV, AssociatedData: v.AAD, TagBits: g.TagSize}
			if p.Check(c.algorithm) != nil {
				if c.algorithm != alg.AESGCMRaw || len(v.IV) != 0 && len(v.IV) <= engine.MaxIV {
					t.Errorf("tcId %d: %v", v.ID, p.Check(c.algorithm))
				}
				continue
			}
			want := slices.Concat(v.CT, v.Tag)
			plain, err := k.Cipher.Decrypt(c.algorithm, p, want)
			v.judge(t, err == nil && bytes.Equal(plain, v.Msg), "decrypting")
			if err != nil && fault.KindOf(err) != fault.BadCiphertext {
				t.Errorf("tcId %d: %v", v.ID, err)
			}
			if err == nil {
				again, err := k.Cipher.Encrypt(c.algorithm, p, plain)
				if err != nil || !bytes.Equal(again, want) {
					t.Errorf("tcId %d: encrypts to %x, %v", v.ID, again, err)
				}
			}
			n++
		}
	}
	return n
}

// runBlocks runs NIST's examples of CBC and CTR.
func runBlocks(t *testing.T, c corpus) int {
	var file struct {
		Modes []struct {
			Source, Mode                   string
			Key, IV, Plaintext, Ciphertext hexBytes
		}
	}
	readFile(t, c.file, &file)
	e := newEngine(t, Options{PureGo: true})
	n := 0
	for _, v := range file.Modes {
		if v.Mode != c.algorithm.String() || 8*len(v.Key) != c.spec.Info().Bits {
			continue
		}
		k, err := importKey(t, e, c.spec, v.Key)
		if err != nil {
			t.Fatal(err)
		}
		p := engine.CipherParameters{IV: v.IV}
		if got, err := k.Cipher.Encrypt(c.algorithm, p, v.Plaintext); err != nil || !bytes.Equal(got, v.Ciphertext) {
			t.Errorf("%s: encrypts to %x, %v", v.Source, got, err)
		}
		if got, err := k.Cipher.Decrypt(c.algorithm, p, v.Ciphertext); err != nil || !bytes.Equal(got, v.Plaintext) {
			t.Errorf("%s: decrypts to %x, %v", v.Source, got, err)
		}
		n++
	}
	return n
}

// runPlain verifies signatures of another algorithm by their DigestInfo, which is
// what PKCS1Plain signs.
func runPlain(t *testing.T, c corpus) int {
	n := 0
	for _, g := range c.groups(t) {
		pub, err := engine.ParsePublic(c.spec, g.PublicKeyDer)
		if err != nil {
			t.Fatal(err)
		}
		h := alg.PKCS1SHA256.Info().Hash
		for _, v := range g.Tests {
			sum := h.New()
			sum.Write(v.Msg)
			m := engine.Message{Form: alg.Digest, Bytes: engine.DigestInfo(h, sum.Sum(nil))}
			v.judge(t, verified(t, pub, c.algorithm, m, v.Sig), "verifying")
			n++
		}
	}
	return n
}

// runSigGen makes signatures that have one right value; PKCS1Plain those of
// every hash.
func runSigGen(t *testing.T, c corpus) int {
	n := 0
	for name, e := range engines(t) {
		for _, g := range c.groups(t) {
			a := map[string]alg.Algorithm{
				"SHA-1": alg.PKCS1SHA1, "SHA-224": alg.PKCS1SHA224, "SHA-256": alg.PKCS1SHA256, "SHA-384": alg.PKCS1SHA384, "SHA-512": alg.PKCS1SHA512,
			}[g.SHA]
			if a != c.algorithm && c.algorithm != alg.PKCS1Plain {
				continue
			}
			k, err := importKey(t, e, c.spec, g.PrivateKeyPkcs8)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range g.Tests {
				m := engine.Message{Form: alg.Raw, Bytes: v.Msg}
				if c.algorithm == alg.PKCS1Plain {
					sum := a.Info().Hash.New()
					sum.Write(v.Msg)
					m = engine.Message{Form: alg.Digest, Bytes: engine.DigestInfo(a.Info().Hash, sum.Sum(nil))}
				}
				signature, err := engine.Sign(k.Signer, c.algorithm, m)
				if err != nil || !bytes.Equal(signature, v.Sig) {
					t.Errorf("%s, tcId %d: another signature (%v)", name, v.ID, err)
				}
				n++
			}
		}
	}
	return n
}

// runRaw does the bare operation and undoes the padding of RSAES-PKCS1-v1_5 (RFC
// 8017 section 7.2.2), as whoever asks for it does.
func runRaw(t *testing.T, c corpus) int {
	n := 0
	for name, e := range engines(t) {
		for _, g := range c.groups(t) {
			k, err := importKey(t, e, c.spec, g.PrivateKeyPkcs8)
			if err != nil {
				t.Fatal(err)
			}
			pub, ok := k.Signer.Public().(*rsa.PublicKey)
			if !ok {
				t.Fatal("no RSA key")
			}
			for _, v := range g.Tests {
				em, err := engine.Decrypt(k.Decrypter, c.algorithm, v.CT)
				at := -1
				if err == nil && em[0] == 0 && em[1] == 2 {
					at = 2 + bytes.IndexByte(em[2:], 0)
				}
				v.judge(t, at >= 10 && bytes.Equal(em[at+1:], v.Msg), name+" decrypting")
				below := len(v.CT) == pub.Size() && new(big.Int).SetBytes(v.CT).Cmp(pub.N) < 0
				if below != (err == nil) || err != nil && fault.KindOf(err) != fault.BadCiphertext {
					t.Errorf("%s, tcId %d: %v", name, v.ID, err)
				}
				n++
			}
		}
		if s := e.RSA(); s.Fallbacks != 0 {
			t.Errorf("%s fell back %d times", name, s.Fallbacks)
		}
	}
	return n
}

// runRFC6979 verifies the RFC's signatures, and has the key make others.
func runRFC6979(t *testing.T, c corpus) int {
	var file struct {
		RFC6979 []struct {
			Source, Algorithm, Message string
			X, Y, R, S                 hexBytes
		}
	}
	readFile(t, c.file, &file)
	n := 0
	for _, v := range file.RFC6979 {
		if v.Algorithm != c.algorithm.String() {
			continue
		}
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, v.X, v.Y))
		if err != nil {
			t.Fatal(err)
		}
		spki, err := engine.MarshalPublic(c.spec, public)
		if err != nil {
			t.Fatal(err)
		}
		pub, err := engine.ParsePublic(c.spec, spki)
		if err != nil {
			t.Fatal(err)
		}
		var b cryptobyte.Builder
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1BigInt(new(big.Int).SetBytes(v.R))
			b.AddASN1BigInt(new(big.Int).SetBytes(v.S))
		})
		m := engine.Message{Form: alg.Raw, Bytes: []byte(v.Message)}
		if !verified(t, pub, c.algorithm, m, b.BytesOrPanic()) {
			t.Errorf("%s: does not verify", v.Source)
		}
		n++
	}
	return n
}
