package cryptoki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/cryptoki/cryptokitest"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

var curveParams = map[string]string{
	"p256": "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", "p384": "\x06\x05\x2b\x81\x04\x00\x22", "p521": "\x06\x05\x2b\x81\x04\x00\x23",
	"ed25519": "\x13\x0cedwards25519",
}

// ec is the template of a public half on a curve.
func ec(curve string, token bool) []pkcs11.Attribute {
	return []pkcs11.Attribute{pkcs11.Text(pkcs11.AttrECParams, curveParams[curve]), pkcs11.Bool(pkcs11.AttrToken, token), pkcs11.Bool(pkcs11.AttrVerify, true)}
}

// rsaPublic is the template of a public half of RSA.
func rsaPublic(token bool) []pkcs11.Attribute {
	return []pkcs11.Attribute{pkcs11.Number(pkcs11.AttrModulusBits, pkcs11.Class(2048)), pkcs11.Bool(pkcs11.AttrToken, token)}
}

// tokenKey is the template of a private half.
func tokenKey(token bool, more ...pkcs11.Attribute) []pkcs11.Attribute {
	return append([]pkcs11.Attribute{
		pkcs11.Bool(pkcs11.AttrToken, token), pkcs11.Text(pkcs11.AttrLabel, "a key"), pkcs11.Bytes(pkcs11.AttrID, []byte{1}),
	}, more...)
}

func value(t *testing.T, c *cryptokitest.Client, s, object uint64, a pkcs11.AttributeType) []byte {
	t.Helper()
	list, answer, err := c.Attributes(s, object, false, a)
	if err != nil || answer != pkcs11.RVOK {
		t.Fatalf("CKA 0x%x: %v, %v", uint64(a), answer, err)
	}
	return list[0].Value
}

func publicKey(t *testing.T, c *cryptokitest.Client, s, object uint64) crypto.PublicKey {
	t.Helper()
	k, err := x509.ParsePKIXPublicKey(value(t, c, s, object, pkcs11.AttrPublicKeyInfo))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestSign signs with each mechanism, verifies here and there, and in parts.
func TestSign(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	message := bytes.Repeat([]byte("message "), 100)
	sum, long := sha256.Sum256(message), sha512.Sum512(message)
	info := engine.DigestInfo(crypto.SHA256, sum[:])
	pss := func(m pkcs11.MechanismType) p11kit.Mechanism {
		return mech(m).WithNumbers(uint64(pkcs11.MechSHA256), uint64(pkcs11.MGF1SHA256), 32)
	}
	for _, token := range []bool{true, false} {
		keys := map[string][2]uint64{}
		for name := range curveParams {
			m := pkcs11.MechECKeyPairGen
			if name == "ed25519" {
				m = pkcs11.MechECEdwardsKeyPairGen
			}
			public, private, err := c.GeneratePair(s, mech(m), ec(name, token), tokenKey(token, pkcs11.Bool(pkcs11.AttrSign, true)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			keys[name] = [2]uint64{public, private}
		}
		public, private, err := c.GeneratePair(s, mech(pkcs11.MechRSAPKCSKeyPairGen), rsaPublic(token), tokenKey(token))
		if err != nil {
			t.Fatal(err)
		}
		keys["rsa"] = [2]uint64{public, private}
		for _, test := range []struct {
			key  string
			m    p11kit.Mechanism
			data []byte
			in   crypto.Hash // of the message, for verification here
		}{
			{"rsa", mech(pkcs11.MechRSAPKCS), info, crypto.SHA256},
			{"rsa", mech(pkcs11.MechRSAPKCS), []byte("whatever it is"), 0},
			{"rsa", mech(pkcs11.MechRSAPKCS), message[:36], 0},
			{"rsa", mech(pkcs11.MechSHA1RSAPKCS), message, 0},
			{"rsa", mech(pkcs11.MechSHA224RSAPKCS), message, 0},
			{"rsa", mech(pkcs11.MechSHA256RSAPKCS), message, crypto.SHA256},
			{"rsa", mech(pkcs11.MechSHA384RSAPKCS), message, 0},
			{"rsa", mech(pkcs11.MechSHA512RSAPKCS), message, 0},
			{"rsa", mech(pkcs11.MechRSAX509), padded(info, 256), crypto.SHA256},
			{"rsa", pss(pkcs11.MechRSAPKCSPSS), sum[:], 0},
			{"rsa", pss(pkcs11.MechSHA256RSAPKCSPSS), message, 0},
			{"p256", mech(pkcs11.MechECDSA), sum[:], crypto.SHA256},
			{"p256", mech(pkcs11.MechECDSA), long[:], 0},
			{"p256", mech(pkcs11.MechECDSA), sum[:7], 0},
			{"p256", mech(pkcs11.MechECDSA), long[:50], 0},
			{"p256", mech(pkcs11.MechECDSASHA1), message, 0},
			{"p256", mech(pkcs11.MechECDSASHA256), message, crypto.SHA256},
			{"p384", mech(pkcs11.MechECDSASHA384), message, 0},
			{"p384", mech(pkcs11.MechECDSASHA512), message, 0},
			{"p384", mech(pkcs11.MechECDSA), sum[:31], 0},
			{"p521", mech(pkcs11.MechECDSASHA512), message, 0},
			{"p521", mech(pkcs11.MechECDSASHA224), message, 0},
			{"p521", mech(pkcs11.MechECDSA), long[:63], 0},
			{"ed25519", mech(pkcs11.MechEdDSA), message, 0},
		} {
			key := keys[test.key]
			signature, err := c.Sign(s, test.m, key[1], test.data)
			if err != nil {
				t.Errorf("%s %s: %v", test.key, test.m.Type.Name(), err)
				continue
			}
			if err := c.Verify(s, test.m, key[0], test.data, signature); err != nil {
				t.Errorf("%s %s: verifying: %v", test.key, test.m.Type.Name(), err)
			}
			if test.in != 0 {
				verifyHere(t, publicKey(t, c, s, key[0]), sum[:], signature)
			}
			inParts(t, c, s, test.m, key, test.data)
			signature[len(signature)-1] ^= 1
			refused(t, "a wrong signature", c.Verify(s, test.m, key[0], test.data, signature), pkcs11.RVSignatureInvalid)
			refused(t, "a short signature", c.Verify(s, test.m, key[0], test.data, signature[1:]), pkcs11.RVSignatureLenRange)
		}
	}
}

func padded(info []byte, size int) []byte {
	return append(append(append([]byte{0, 1}, bytes.Repeat([]byte{0xff}, size-3-len(info))...), 0), info...)
}

func verifyHere(t *testing.T, public crypto.PublicKey, digest, signature []byte) {
	t.Helper()
	switch k := public.(type) {
	case *rsa.PublicKey:
		if err := rsa.VerifyPKCS1v15(k, crypto.SHA256, digest, signature); err != nil {
			t.Error(err)
		}
	case *ecdsa.PublicKey:
		n := len(signature) / 2
		if !ecdsa.Verify(k, digest, new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])) {
			t.Error("crypto/ecdsa does not verify the signature")
		}
	}
}

// inParts signs and verifies in parts, and asks for the length first.
func inParts(t *testing.T, c *cryptokitest.Client, s uint64, m p11kit.Mechanism, key [2]uint64, data []byte) {
	t.Helper()
	part := func(id p11kit.Call, b []byte) {
		err := c.Call(id, func(w *p11kit.Writer) {
			w.Uint(s)
			w.Bytes(b)
		}, nil)
		if err != nil {
			t.Fatalf("%v: %v", id, err)
		}
	}
	if err := c.Begin(p11kit.CallSignInit, s, m, key[1]); err != nil {
		t.Fatal(err)
	}
	part(p11kit.CallSignUpdate, data[:3])
	part(p11kit.CallSignUpdate, data[3:])
	length := must[[]byte](t)(c.Final(p11kit.CallSignFinal, s, p11kit.Room{Null: true}))
	signature := must[[]byte](t)(c.Final(p11kit.CallSignFinal, s, p11kit.Room{Size: len(length)}))
	if len(signature) != len(length) {
		t.Errorf("%s: a signature of %d bytes, %d were told", m.Type.Name(), len(signature), len(length))
	}
	if err := c.Begin(p11kit.CallVerifyInit, s, m, key[0]); err != nil {
		t.Fatal(err)
	}
	part(p11kit.CallVerifyUpdate, data)
	err := c.Call(p11kit.CallVerifyFinal, func(w *p11kit.Writer) {
		w.Uint(s)
		w.Bytes(signature)
	}, nil)
	if err != nil {
		t.Errorf("%s: verifying parts: %v", m.Type.Name(), err)
	}
}

func TestSignRefused(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	public, private, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", true), tokenKey(true))
	if err != nil {
		t.Fatal(err)
	}
	_, rsaKey, err := c.GeneratePair(s, mech(pkcs11.MechRSAPKCSKeyPairGen), rsaPublic(true), tokenKey(true))
	if err != nil {
		t.Fatal(err)
	}
	begin := func(m p11kit.Mechanism, key uint64) error { return c.Begin(p11kit.CallSignInit, s, m, key) }
	refused(t, "no such key", begin(mech(pkcs11.MechECDSA), 999), pkcs11.RVKeyHandleInvalid)
	refused(t, "a public key", begin(mech(pkcs11.MechECDSA), public), pkcs11.RVKeyFunctionNotPermitted)
	refused(t, "RSA with a curve's key", begin(mech(pkcs11.MechRSAPKCS), private), pkcs11.RVKeyTypeInconsistent)
	refused(t, "no mechanism", begin(mech(0x7777), private), pkcs11.RVMechanismInvalid)
	refused(t, "one that digests", begin(mech(pkcs11.MechSHA256), private), pkcs11.RVMechanismInvalid)
	refused(t, "PSS without parameters", begin(mech(pkcs11.MechRSAPKCSPSS), rsaKey), pkcs11.RVArgumentsBad) // the early dialect has no word for it
	mixed := mech(pkcs11.MechRSAPKCSPSS).WithNumbers(uint64(pkcs11.MechSHA256), uint64(pkcs11.MGF1SHA1), 32)
	refused(t, "PSS with two hashes", begin(mixed, rsaKey), pkcs11.RVMechanismParamInvalid)
	_, err = c.Do(p11kit.CallSign, s, []byte("x"), p11kit.Room{Size: 100})
	refused(t, "no operation", err, pkcs11.RVOperationNotInitialized)

	if err := begin(mech(pkcs11.MechECDSA), private); err != nil {
		t.Fatal(err)
	}
	refused(t, "a second operation", begin(mech(pkcs11.MechECDSA), private), pkcs11.RVOperationActive)
	if n := must[[]byte](t)(c.Do(p11kit.CallSign, s, make([]byte, 32), p11kit.Room{Size: 63})); !bytes.Equal(n, make([]byte, 64)) {
		t.Errorf("too little room was answered with %x", n)
	}
	if _, err := c.Do(p11kit.CallSign, s, make([]byte, 32), p11kit.Room{Size: 64}); err != nil {
		t.Errorf("the operation did not stay: %v", err)
	}
	for name, m := range map[string]p11kit.Mechanism{"more than fits": mech(pkcs11.MechRSAPKCS), "a block without padding": mech(pkcs11.MechRSAX509)} {
		_, err := c.Sign(s, m, rsaKey, make([]byte, 256))
		if err == nil {
			t.Errorf("%s is signed", name)
		}
	}
	short := mech(pkcs11.MechRSAPKCSPSS).WithNumbers(uint64(pkcs11.MechSHA256), uint64(pkcs11.MGF1SHA256), 20)
	_, err = c.Sign(s, short, rsaKey, make([]byte, 32))
	refused(t, "a salt of another length", err, pkcs11.RVMechanismParamInvalid)
}

// TestEncrypt encrypts and decrypts with each mechanism.
func TestEncrypt(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	oaep := func(h pkcs11.MechanismType, mgf pkcs11.MGF, label string) p11kit.Mechanism {
		return mech(pkcs11.MechRSAPKCSOAEP).WithNumbers(uint64(h), uint64(mgf), uint64(min(len(label), 1))).WithBytes([]byte(label))
	}
	iv, block := []byte("0123456789ab"), []byte("0123456789abcdef")
	plaintext := bytes.Repeat([]byte("16 bytes of text"), 4)
	for _, token := range []bool{true, false} {
		public, private, err := c.GeneratePair(s, mech(pkcs11.MechRSAPKCSKeyPairGen), rsaPublic(token), tokenKey(token, pkcs11.Bool(pkcs11.AttrDecrypt, true)))
		if err != nil {
			t.Fatal(err)
		}
		secret := must[uint64](t)(c.Make(p11kit.CallGenerateKey, s, mech(pkcs11.MechAESKeyGen),
			[]pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrToken, token), pkcs11.Number(pkcs11.AttrValueLen, pkcs11.Class(16))}, nil))
		for _, test := range []struct {
			m        p11kit.Mechanism
			with, by uint64
		}{
			{mech(pkcs11.MechRSAPKCS), public, private},
			{oaep(pkcs11.MechSHA1, pkcs11.MGF1SHA1, ""), public, private},
			{oaep(pkcs11.MechSHA256, pkcs11.MGF1SHA256, ""), public, private},
			{mech(pkcs11.MechAESCBC).WithBytes(block), secret, secret},
			{mech(pkcs11.MechAESCBCPad).WithBytes(block), secret, secret},
			{mech(pkcs11.MechAESCTR).WithNumbers(128).WithBytes(block), secret, secret},
			{mech(pkcs11.MechAESGCM).WithBytes(iv).WithNumbers(96).WithBytes([]byte("aad")).WithNumbers(128), secret, secret},
			{mech(pkcs11.MechAESKeyWrap), secret, secret},
			{mech(pkcs11.MechAESKeyWrapKWP), secret, secret},
		} {
			ciphertext, err := c.Crypt(p11kit.CallEncryptInit, s, test.m, test.with, plaintext)
			if err != nil {
				t.Errorf("%s: %v", test.m.Type.Name(), err)
				continue
			}
			got, err := c.Crypt(p11kit.CallDecryptInit, s, test.m, test.by, ciphertext)
			if err != nil || !bytes.Equal(got, plaintext) {
				t.Errorf("%s: %x, %v", test.m.Type.Name(), got, err)
			}
			decryptInParts(t, c, s, test.m, test.by, ciphertext, plaintext)
		}
		raw := append([]byte{0}, bytes.Repeat([]byte{7}, 255)...)
		x509 := must[[]byte](t)(c.Crypt(p11kit.CallEncryptInit, s, mech(pkcs11.MechRSAX509), public, raw))
		if got, err := c.Crypt(p11kit.CallDecryptInit, s, mech(pkcs11.MechRSAX509), private, x509); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("CKM_RSA_X_509: %x, %v", got, err)
		}
		if _, err := c.Crypt(p11kit.CallDecryptInit, s, mech(pkcs11.MechRSAPKCS), private, x509); err == nil {
			t.Error("a block without padding is decrypted")
		}
		refused(t, "OAEP with a label", c.Begin(p11kit.CallDecryptInit, s, oaep(pkcs11.MechSHA256, pkcs11.MGF1SHA256, "label"), private), pkcs11.RVMechanismParamInvalid)
		refused(t, "CTR of 32 bits", c.Begin(p11kit.CallEncryptInit, s, mech(pkcs11.MechAESCTR).WithNumbers(32).WithBytes(block), secret), pkcs11.RVMechanismParamInvalid)
	}
}

// decryptInParts decrypts in parts, with too little room at first.
func decryptInParts(t *testing.T, c *cryptokitest.Client, s uint64, m p11kit.Mechanism, key uint64, ciphertext, plaintext []byte) {
	t.Helper()
	if err := c.Begin(p11kit.CallDecryptInit, s, m, key); err != nil {
		t.Fatal(err)
	}
	var got []byte
	for _, part := range [][]byte{ciphertext[:5], ciphertext[5:]} {
		got = append(got, must[[]byte](t)(c.Do(p11kit.CallDecryptUpdate, s, part, p11kit.Room{Size: 1000}))...)
	}
	if n := must[[]byte](t)(c.Final(p11kit.CallDecryptFinal, s, p11kit.Room{Size: 1})); len(n) != len(plaintext) {
		t.Errorf("%s: %d bytes were told", m.Type.Name(), len(n))
	}
	got = append(got, must[[]byte](t)(c.Final(p11kit.CallDecryptFinal, s, p11kit.Room{Size: 1000}))...)
	if !bytes.Equal(got, plaintext) {
		t.Errorf("%s in parts: %x", m.Type.Name(), got)
	}
}

func TestHMAC(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	secret := []byte("0123456789abcdef0123456789abcdef")
	template := func(token bool, value []byte) []pkcs11.Attribute {
		return []pkcs11.Attribute{
			pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyGenericSecret),
			pkcs11.Bool(pkcs11.AttrToken, token), pkcs11.Bytes(pkcs11.AttrValue, value), pkcs11.Bool(pkcs11.AttrSign, true), pkcs11.Bool(pkcs11.AttrVerify, true),
		}
	}
	want := hmac.New(sha256.New, secret)
	want.Write([]byte("message"))
	for _, token := range []bool{true, false} {
		key := must[uint64](t)(c.Create(s, template(token, secret)...))
		code := must[[]byte](t)(c.Sign(s, mech(pkcs11.MechSHA256HMAC), key, []byte("message")))
		if !bytes.Equal(code, want.Sum(nil)) {
			t.Errorf("%x", code)
		}
		if err := c.Verify(s, mech(pkcs11.MechSHA256HMAC), key, []byte("message"), code); err != nil {
			t.Error(err)
		}
		refused(t, "another message", c.Verify(s, mech(pkcs11.MechSHA256HMAC), key, []byte("massage"), code), pkcs11.RVSignatureInvalid)
	}
	short := must[uint64](t)(c.Create(s, template(false, secret[:10])...))
	if code := must[[]byte](t)(c.Sign(s, mech(pkcs11.MechSHA1HMAC), short, nil)); len(code) != 20 {
		t.Errorf("%x", code)
	}
	_, err := c.Create(s, template(true, secret[:10])...)
	refused(t, "a secret of 10 bytes on the token", err, pkcs11.RVKeySizeRange)
}

func TestDigest(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	want := sha256.Sum256([]byte("message"))
	if err := c.Begin(p11kit.CallDigestInit, s, mech(pkcs11.MechSHA256), 0); err != nil {
		t.Fatal(err)
	}
	if n := must[[]byte](t)(c.Do(p11kit.CallDigest, s, []byte("message"), p11kit.Room{Null: true})); len(n) != 32 {
		t.Errorf("%d bytes were told", len(n))
	}
	if got := must[[]byte](t)(c.Do(p11kit.CallDigest, s, []byte("message"), p11kit.Room{Size: 32})); !bytes.Equal(got, want[:]) {
		t.Errorf("%x", got)
	}
	_, err := c.Do(p11kit.CallDigest, s, nil, p11kit.Room{Size: 32})
	refused(t, "a digest without a beginning", err, pkcs11.RVOperationNotInitialized)
}

func TestDerive(t *testing.T) {
	a := serve(t, nil)
	peer, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, offer := range []byte{0, 2} {
		c := must[*cryptokitest.Client](t)(cryptokitest.Dial(a.path, offer))
		s := must[uint64](t)(c.Session(pin))
		call := map[byte]p11kit.Call{0: p11kit.CallDeriveKey, 2: p11kit.CallDeriveKey2}[offer]
		for _, token := range []bool{true, false} {
			public, private, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", token), tokenKey(token, pkcs11.Bool(pkcs11.AttrDerive, true)))
			if err != nil {
				t.Fatal(err)
			}
			k, err := publicKey(t, c, s, public).(*ecdsa.PublicKey).ECDH()
			if err != nil {
				t.Fatal(err)
			}
			z, err := peer.ECDH(k)
			if err != nil {
				t.Fatal(err)
			}
			kdf := sha256.Sum256(append(append(bytes.Clone(z), 0, 0, 0, 1), "info"...))
			for _, test := range []struct {
				kdf    uint64
				shared string
				want   []byte
			}{{pkcs11.KDFNull, "", z}, {pkcs11.KDFNull, "", z[16:]}, {pkcs11.KDFSHA256, "info", kdf[:]}, {pkcs11.KDFSHA256, "info", kdf[:16]}} {
				m := mech(pkcs11.MechECDH1Derive).WithNumbers(test.kdf).WithBytes([]byte(test.shared)).WithBytes(peer.PublicKey().Bytes())
				template := []pkcs11.Attribute{
					pkcs11.Bool(pkcs11.AttrSensitive, false), pkcs11.Bool(pkcs11.AttrExtractable, true), pkcs11.Number(pkcs11.AttrValueLen, pkcs11.Class(len(test.want))),
				}
				secret, err := c.Make(call, s, m, template, func(w *p11kit.Writer) { w.Uint(private) })
				if err != nil {
					t.Errorf("KDF %d: %v", test.kdf, err)
					continue
				}
				if got := value(t, c, s, secret, pkcs11.AttrValue); !bytes.Equal(got, test.want) {
					t.Errorf("KDF %d: %x, want %x", test.kdf, got, test.want)
				}
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestWrap wraps keys of both kinds and unwraps them.
func TestWrap(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	free := []pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrExtractable, true)}
	aes := func(token bool, more ...pkcs11.Attribute) uint64 {
		return must[uint64](t)(c.Make(p11kit.CallGenerateKey, s, mech(pkcs11.MechAESKeyGen),
			append([]pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrToken, token), pkcs11.Number(pkcs11.AttrValueLen, pkcs11.Class(32))}, more...), nil))
	}
	wrap := func(m p11kit.Mechanism, under, subject uint64) ([]byte, error) {
		var wrapped []byte
		err := c.Call(p11kit.CallWrapKey, func(w *p11kit.Writer) {
			w.Uint(s)
			w.Mechanism(m, p11kit.Early)
			w.Uint(under)
			w.Uint(subject)
			w.Room(p11kit.Room{Size: 8000})
		}, func(r *p11kit.Reader) { wrapped = bytes.Clone(r.Bytes()) })
		return wrapped, err
	}
	unwrap := func(m p11kit.Mechanism, by uint64, wrapped []byte, template ...pkcs11.Attribute) (uint64, error) {
		return c.Make(p11kit.CallUnwrapKey, s, m, template, func(w *p11kit.Writer) {
			w.Uint(by)
			w.Bytes(wrapped)
		})
	}
	under, subject := aes(true), aes(true, free...)
	public, private, err := c.GeneratePair(s, mech(pkcs11.MechRSAPKCSKeyPairGen), rsaPublic(true), tokenKey(true, pkcs11.Bool(pkcs11.AttrUnwrap, true)))
	if err != nil {
		t.Fatal(err)
	}
	ecPublic, ecPrivate, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", true), tokenKey(true, free...))
	if err != nil {
		t.Fatal(err)
	}
	want := value(t, c, s, subject, pkcs11.AttrValue)
	open := []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyAES),
		pkcs11.Bool(pkcs11.AttrSensitive, false), pkcs11.Bool(pkcs11.AttrExtractable, true),
	}
	oaep := mech(pkcs11.MechRSAPKCSOAEP).WithNumbers(uint64(pkcs11.MechSHA256), uint64(pkcs11.MGF1SHA256), 0).WithBytes(nil)
	for _, test := range []struct {
		m         p11kit.Mechanism
		under, by uint64
	}{
		{mech(pkcs11.MechAESKeyWrap), under, under},
		{mech(pkcs11.MechAESKeyWrapKWP), under, under},
		{mech(pkcs11.MechAESCBCPad).WithBytes(make([]byte, 16)), under, under},
		{mech(pkcs11.MechRSAPKCS), public, private},
		{oaep, public, private},
	} {
		wrapped, err := wrap(test.m, test.under, subject)
		if err != nil {
			t.Errorf("%s: %v", test.m.Type.Name(), err)
			continue
		}
		got, err := unwrap(test.m, test.by, wrapped, open...)
		if err != nil {
			t.Errorf("%s: unwrapping: %v", test.m.Type.Name(), err)
			continue
		}
		if got := value(t, c, s, got, pkcs11.AttrValue); !bytes.Equal(got, want) {
			t.Errorf("%s: %x, want %x", test.m.Type.Name(), got, want)
		}
	}
	kwp := mech(pkcs11.MechAESKeyWrapKWP)
	wrapped := must[[]byte](t)(wrap(kwp, under, ecPrivate))
	for _, token := range []bool{true, false} {
		again := must[uint64](t)(unwrap(kwp, under, wrapped, pkcs11.Bool(pkcs11.AttrToken, token),
			pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyEC)))
		signature := must[[]byte](t)(c.Sign(s, mech(pkcs11.MechECDSASHA256), again, []byte("message")))
		if err := c.Verify(s, mech(pkcs11.MechECDSASHA256), ecPublic, []byte("message"), signature); err != nil {
			t.Errorf("a key that was wrapped signs otherwise: %v", err)
		}
	}
	_, err = wrap(kwp, under, under)
	refused(t, "a key that must not leave", err, pkcs11.RVKeyUnextractable)
	_, err = wrap(kwp, under, 999)
	refused(t, "no such key", err, pkcs11.RVKeyHandleInvalid)
	_, err = wrap(kwp, 999, subject)
	refused(t, "no such wrapping key", err, pkcs11.RVWrappingKeyHandleInvalid)
	wrapped[3] ^= 1
	_, err = unwrap(kwp, under, wrapped, open...)
	refused(t, "what was not wrapped so", err, pkcs11.RVWrappedKeyInvalid)
}

// certificate returns a certificate in DER of nobody's key.
func certificate(t *testing.T) []byte {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{SerialNumber: big.NewInt(1000), Subject: pkix.Name{CommonName: "test"}}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestObjects(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	public, private, err := c.GeneratePair(s, mech(pkcs11.MechECKeyPairGen), ec("p256", true), tokenKey(true))
	if err != nil {
		t.Fatal(err)
	}
	der := certificate(t)
	cert := must[uint64](t)(c.Create(s, pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassCertificate), pkcs11.Bool(pkcs11.AttrToken, true),
		pkcs11.Bytes(pkcs11.AttrValue, der), pkcs11.Text(pkcs11.AttrLabel, "a key"), pkcs11.Bytes(pkcs11.AttrID, []byte{1})))
	if found := must[[]uint64](t)(c.Find(s, pkcs11.Bytes(pkcs11.AttrID, []byte{1}))); len(found) != 3 {
		t.Errorf("%d objects have the ID", len(found))
	}
	k := publicKey(t, c, s, public).(*ecdsa.PublicKey)
	raw, err := k.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	point, err := asn1.Marshal(raw)
	if err != nil {
		t.Fatal(err)
	}
	if found := must[[]uint64](t)(c.Find(s, pkcs11.Bytes(pkcs11.AttrECPoint, point), pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPublicKey))); len(found) != 1 || found[0] != public {
		t.Errorf("by CKA_EC_POINT: %d", found)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	for attribute, want := range map[pkcs11.AttributeType][]byte{
		pkcs11.AttrValue: der, pkcs11.AttrSubject: parsed.RawSubject, pkcs11.AttrIssuer: parsed.RawIssuer, pkcs11.AttrSerialNumber: {2, 2, 3, 0xe8},
	} {
		if got := value(t, c, s, cert, attribute); !bytes.Equal(got, want) {
			t.Errorf("CKA 0x%x: %x", uint64(attribute), got)
		}
	}
	list, answer, err := c.Attributes(s, private, false, pkcs11.AttrValue, pkcs11.AttrModulus, pkcs11.AttrSensitive, pkcs11.AttrAlwaysAuthenticate)
	if err != nil || answer == pkcs11.RVOK || list[0].Value != nil || list[1].Value != nil || !list[2].True() || list[3].True() {
		t.Errorf("%v, %v, %v", list, answer, err)
	}
	list, answer, err = c.Attributes(s, private, true, pkcs11.AttrLabel, pkcs11.AttrClass)
	if err != nil || answer != pkcs11.RVOK || list[0].Value == nil {
		t.Errorf("lengths: %v, %v, %v", list, answer, err)
	}
	rename := func(object uint64, to ...pkcs11.Attribute) error {
		return c.Call(p11kit.CallSetAttributeValue, func(w *p11kit.Writer) {
			w.Uint(s)
			w.Uint(object)
			w.Attributes(to)
		}, nil)
	}
	if err := rename(private, pkcs11.Text(pkcs11.AttrLabel, "another")); err != nil {
		t.Fatal(err)
	}
	if got := value(t, c, s, public, pkcs11.AttrLabel); string(got) != "another" {
		t.Errorf("the public half's label is %q", got)
	}
	refused(t, "a key that becomes readable", rename(private, pkcs11.Bool(pkcs11.AttrSensitive, false)), pkcs11.RVAttributeReadOnly)
	destroy := func(object uint64) error {
		return c.Call(p11kit.CallDestroyObject, func(w *p11kit.Writer) {
			w.Uint(s)
			w.Uint(object)
		}, nil)
	}
	refused(t, "a public half alone", destroy(public), pkcs11.RVActionProhibited)
	for _, object := range []uint64{private, cert} {
		if err := destroy(object); err != nil {
			t.Error(err)
		}
	}
	refused(t, "what is gone", destroy(private), pkcs11.RVObjectHandleInvalid)
	if found := must[[]uint64](t)(c.Find(s)); len(found) != 0 {
		t.Errorf("%d objects are left", len(found))
	}
}

// TestSessionObjects looks at objects that go with their session, and at a copy
// that stays.
func TestSessionObjects(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	other := must[uint64](t)(c.Session(""))
	_, private, err := c.GeneratePair(other, mech(pkcs11.MechECKeyPairGen), ec("p256", false), tokenKey(false))
	if err != nil {
		t.Fatal(err)
	}
	if found := must[[]uint64](t)(c.Find(s)); len(found) != 2 {
		t.Errorf("%d objects of another session", len(found))
	}
	var kept uint64
	err = c.Call(p11kit.CallCopyObject, func(w *p11kit.Writer) {
		w.Uint(s)
		w.Uint(private)
		w.Attributes([]pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Text(pkcs11.AttrLabel, "kept")})
	}, func(r *p11kit.Reader) { kept = r.Uint() })
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Call(p11kit.CallCloseSession, func(w *p11kit.Writer) { w.Uint(other) }, nil); err != nil {
		t.Fatal(err)
	}
	found := must[[]uint64](t)(c.Find(s, pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey)))
	if len(found) != 1 || found[0] != kept || string(value(t, c, s, kept, pkcs11.AttrLabel)) != "kept" {
		t.Errorf("found %d, want %d", found, kept)
	}
	if must[[]byte](t)(c.Sign(s, mech(pkcs11.MechECDSASHA256), kept, []byte("message"))) == nil {
		t.Error("the copy does not sign")
	}
}

// TestCreateKeys imports keys of all kinds.
func TestCreateKeys(t *testing.T) {
	a := serve(t, nil)
	c, s := user(t, a)
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := e.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	rsaParts := []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyRSA), pkcs11.Bytes(pkcs11.AttrModulus, r.N.Bytes()), pkcs11.Bytes(pkcs11.AttrPublicExponent, []byte{1, 0, 1}),
	}
	ecParts := []pkcs11.Attribute{pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyEC), pkcs11.Text(pkcs11.AttrECParams, curveParams["p384"])}
	for _, token := range []bool{true, false} {
		common := []pkcs11.Attribute{pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey), pkcs11.Bool(pkcs11.AttrToken, token)}
		private := must[uint64](t)(c.Create(s, append(append(common, rsaParts...), pkcs11.Bytes(pkcs11.AttrPrivateExponent, r.D.Bytes()),
			pkcs11.Bytes(pkcs11.AttrPrime1, r.Primes[0].Bytes()), pkcs11.Bytes(pkcs11.AttrPrime2, r.Primes[1].Bytes()))...))
		signature := must[[]byte](t)(c.Sign(s, mech(pkcs11.MechSHA256RSAPKCS), private, []byte("message")))
		sum := sha256.Sum256([]byte("message"))
		verifyHere(t, &r.PublicKey, sum[:], signature)
		public := must[uint64](t)(c.Create(s, append([]pkcs11.Attribute{pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPublicKey), pkcs11.Bool(pkcs11.AttrToken, token)}, rsaParts...)...))
		if err := c.Verify(s, mech(pkcs11.MechSHA256RSAPKCS), public, []byte("message"), signature); err != nil {
			t.Error(err)
		}
		curve := must[uint64](t)(c.Create(s, append(append(common, ecParts...), pkcs11.Bytes(pkcs11.AttrValue, scalar))...))
		signature = must[[]byte](t)(c.Sign(s, mech(pkcs11.MechECDSASHA256), curve, []byte("message")))
		verifyHere(t, &e.PublicKey, sum[:], signature)
		if list, _, err := c.Attributes(s, curve, false, pkcs11.AttrLocal); err != nil || list[0].True() {
			t.Errorf("an imported key is local: %v", err)
		}
	}
	_, err = c.Create(s, append([]pkcs11.Attribute{pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey), pkcs11.Bool(pkcs11.AttrAlwaysAuthenticate, true)}, rsaParts...)...)
	refused(t, "a key that always authenticates", err, pkcs11.RVTemplateInconsistent)
	_, err = c.Create(s, pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassData), pkcs11.Bytes(pkcs11.AttrValue, scalar))
	if err == nil {
		t.Error("data are kept")
	}
}
