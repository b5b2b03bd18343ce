package pkcs11test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what the token has for OAEP
	"crypto/sha256"
	"errors"
	"math/big"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// The curves' parameters (CKA_EC_PARAMS), in DER.
var (
	p256         = []byte{6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7}
	ed25519Curve = []byte{0x13, 12, 'e', 'd', 'w', 'a', 'r', 'd', 's', '2', '5', '5', '1', '9'}
)

// Test is the contract of a module, on SoftHSM 2: every function, and every
// parameter structure that the token has a mechanism for. The module has no
// token yet.
func Test(t *testing.T, m pkcs11.Module) {
	slot, err := Initialise(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	s := Session(t, m, slot)
	for name, f := range map[string]func(*testing.T, *pkcs11.Session){
		"RSA": testRSA, "ECDSA": testECDSA, "EdDSA": testEdDSA, "GCM": testGCM, "HMAC": testHMAC,
		"wrap": testWrap, "ECDH": testECDH, "objects": testObjects, "find": testFind, "random": testRandom, "refusals": testRefusals,
	} {
		t.Run(name, func(t *testing.T) { f(t, s) })
	}
	t.Run("token", func(t *testing.T) { testToken(t, s, slot) })
	t.Run("PIN", func(t *testing.T) { testPIN(t, s) })
}

func testToken(t *testing.T, s *pkcs11.Session, slot pkcs11.SlotID) {
	info, err := s.Module.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnInfo})
	if err != nil || info.Info.CryptokiVersion != [2]byte{2, 40} || info.Info.Manufacturer != "SoftHSM" {
		t.Errorf("%+v, %v", info, err)
	}
	token, err := s.Module.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnTokenInfo, Slot: slot})
	if err != nil {
		t.Fatal(err)
	}
	want := pkcs11.TokenInitialized | pkcs11.TokenRNG | pkcs11.TokenLoginRequired | pkcs11.TokenUserPINInitialized
	if i := token.Token; i.Label != Label || i.Model != "SoftHSM v2" || len(i.Serial) != 16 || i.Flags&want != want || i.MinPIN != 4 || i.MaxPIN != 255 {
		t.Errorf("%+v", i)
	}
	list, err := s.Module.Call(t.Context(), &pkcs11.Call{Function: pkcs11.FnMechanisms, Slot: slot})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list.Mechanisms {
		if i.Type == pkcs11.MechECDSA {
			if i.Min != 112 || i.Max != 521 || i.Flags&(pkcs11.CanSign|pkcs11.CanVerify) != pkcs11.CanSign|pkcs11.CanVerify {
				t.Errorf("%+v", i)
			}
			return
		}
	}
	t.Error("no ECDSA")
}

// pair makes a key pair for a use and returns its handles.
func pair(t *testing.T, s *pkcs11.Session, m pkcs11.MechanismType, kind pkcs11.Attribute, uses ...pkcs11.AttributeType) (public, private pkcs11.Object) {
	t.Helper()
	publicHalf, privateHalf := []pkcs11.Attribute{kind}, []pkcs11.Attribute{pkcs11.Bool(pkcs11.AttrSensitive, true)}
	for _, use := range uses {
		switch use {
		case pkcs11.AttrVerify, pkcs11.AttrEncrypt, pkcs11.AttrWrap:
			publicHalf = append(publicHalf, pkcs11.Bool(use, true))
		default:
			privateHalf = append(privateHalf, pkcs11.Bool(use, true))
		}
	}
	public, private, err := s.GenerateKeyPair(t.Context(), pkcs11.Mechanism{Type: m}, publicHalf, privateHalf)
	if err != nil {
		t.Fatal(err)
	}
	return public, private
}

// signed signs, has the token verify it, and refuse it for other data.
func signed(t *testing.T, s *pkcs11.Session, m pkcs11.Mechanism, public, private pkcs11.Object, data []byte) []byte {
	t.Helper()
	signature, err := s.Sign(t.Context(), m, private, data)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), m, public, data, signature); err != nil {
		t.Error(err)
	}
	other := bytes.Clone(data)
	other[0] ^= 1
	if err := s.Verify(t.Context(), m, public, other, signature); !errors.Is(err, pkcs11.RVSignatureInvalid) {
		t.Errorf("a signature of something else: %v", err)
	}
	return signature
}

func testRSA(t *testing.T, s *pkcs11.Session) {
	public, private := pair(t, s, pkcs11.MechRSAPKCSKeyPairGen, pkcs11.Number(pkcs11.AttrModulusBits, uint64(2048)),
		pkcs11.AttrSign, pkcs11.AttrVerify, pkcs11.AttrEncrypt, pkcs11.AttrDecrypt)
	values, err := s.Attributes(t.Context(), public, pkcs11.AttrModulus, pkcs11.AttrPublicExponent)
	if err != nil {
		t.Fatal(err)
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(values[0].Value), E: int(new(big.Int).SetBytes(values[1].Value).Int64())}
	message := []byte("message")
	digest := sha256.Sum256(message)
	signature := signed(t, s, pkcs11.Mechanism{Type: pkcs11.MechSHA256RSAPKCS}, public, private, message)
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature); err != nil {
		t.Error(err)
	}
	pss := pkcs11.Mechanism{Type: pkcs11.MechRSAPKCSPSS, PSS: &pkcs11.PSS{Hash: pkcs11.MechSHA256, MGF: pkcs11.MGF1SHA256, SaltLen: 32}}
	signature = signed(t, s, pss, public, private, digest[:])
	if err := rsa.VerifyPSS(key, crypto.SHA256, digest[:], signature, nil); err != nil {
		t.Error(err)
	}
	ciphertext, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, message, nil) //nolint:gosec // what the token has
	if err != nil {
		t.Fatal(err)
	}
	oaep := pkcs11.Mechanism{Type: pkcs11.MechRSAPKCSOAEP, OAEP: &pkcs11.OAEP{Hash: pkcs11.MechSHA1, MGF: pkcs11.MGF1SHA1}}
	if got, err := s.Decrypt(t.Context(), oaep, private, ciphertext); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%q, %v", got, err)
	}
	ciphertext, err = s.Encrypt(t.Context(), oaep, public, message)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Decrypt(t.Context(), oaep, private, ciphertext); err != nil || !bytes.Equal(got, message) {
		t.Errorf("%q, %v", got, err)
	}
}

func testECDSA(t *testing.T, s *pkcs11.Session) {
	public, private := pair(t, s, pkcs11.MechECKeyPairGen, pkcs11.Bytes(pkcs11.AttrECParams, p256), pkcs11.AttrSign, pkcs11.AttrVerify)
	values, err := s.Attributes(t.Context(), public, pkcs11.AttrECPoint)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), values[0].Value[2:])
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("message"))
	b := signed(t, s, pkcs11.Mechanism{Type: pkcs11.MechECDSA}, public, private, digest[:])
	if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(b[:32]), new(big.Int).SetBytes(b[32:])) {
		t.Error("crypto/ecdsa refuses the signature")
	}
}

// testECDH agrees with a key of the test's.
func testECDH(t *testing.T, s *pkcs11.Session) {
	public, private := pair(t, s, pkcs11.MechECKeyPairGen, pkcs11.Bytes(pkcs11.AttrECParams, p256), pkcs11.AttrDerive)
	values, err := s.Attributes(t.Context(), public, pkcs11.AttrECPoint)
	if err != nil {
		t.Fatal(err)
	}
	own, err := ecdh.P256().NewPublicKey(values[0].Value[2:])
	if err != nil {
		t.Fatal(err)
	}
	other, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	want, err := other.ECDH(own)
	if err != nil {
		t.Fatal(err)
	}
	template := []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyGenericSecret),
		pkcs11.Bool(pkcs11.AttrSensitive, false), pkcs11.Bool(pkcs11.AttrExtractable, true), pkcs11.Number(pkcs11.AttrValueLen, uint64(32)),
	}
	point := other.PublicKey().Bytes()
	m := pkcs11.Mechanism{Type: pkcs11.MechECDH1Derive, ECDH: &pkcs11.ECDH{Public: point}}
	secret, err := s.Derive(t.Context(), m, private, template)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Attributes(t.Context(), secret, pkcs11.AttrValue); err != nil || !bytes.Equal(got[0].Value, want) {
		t.Errorf("the secret is another one (%v)", err)
	}
	point[len(point)-1] ^= 1
	if _, err := s.Derive(t.Context(), m, private, template); err == nil {
		t.Error("a point beside the curve is taken")
	}
}

func testEdDSA(t *testing.T, s *pkcs11.Session) {
	public, private := pair(t, s, pkcs11.MechECEdwardsKeyPairGen, pkcs11.Bytes(pkcs11.AttrECParams, ed25519Curve), pkcs11.AttrSign, pkcs11.AttrVerify)
	values, err := s.Attributes(t.Context(), public, pkcs11.AttrECPoint)
	if err != nil {
		t.Fatal(err)
	}
	message := []byte("message")
	b := signed(t, s, pkcs11.Mechanism{Type: pkcs11.MechEdDSA}, public, private, message)
	if !ed25519.Verify(values[0].Value[2:], message, b) {
		t.Error("crypto/ed25519 refuses the signature")
	}
}

func testGCM(t *testing.T, s *pkcs11.Session) {
	key, err := s.GenerateKey(t.Context(), pkcs11.Mechanism{Type: pkcs11.MechAESKeyGen}, []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrValueLen, uint64(32)), pkcs11.Bool(pkcs11.AttrEncrypt, true), pkcs11.Bool(pkcs11.AttrDecrypt, true),
	})
	if err != nil {
		t.Fatal(err)
	}
	gcm := func(aad string) pkcs11.Mechanism {
		return pkcs11.Mechanism{Type: pkcs11.MechAESGCM, GCM: &pkcs11.GCM{IV: []byte("twelve bytes"), AAD: []byte(aad), TagBits: 128}}
	}
	for _, size := range []int{1, 16, 4096, 300_000} {
		plaintext := bytes.Repeat([]byte{'p'}, size)
		ciphertext, err := s.Encrypt(t.Context(), gcm("context"), key, plaintext)
		if err != nil || len(ciphertext) != size+16 {
			t.Fatalf("%d bytes of %d, %v", len(ciphertext), size, err)
		}
		if got, err := s.Decrypt(t.Context(), gcm("context"), key, ciphertext); err != nil || !bytes.Equal(got, plaintext) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if _, err := s.Decrypt(t.Context(), gcm("another"), key, ciphertext); err == nil {
			t.Errorf("%d bytes: the associated data is not looked at", size)
		}
	}
}

func testHMAC(t *testing.T, s *pkcs11.Session) {
	secret := []byte("a secret of some thirty-two bytes")
	key, err := s.CreateObject(t.Context(), []pkcs11.Attribute{
		pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyGenericSecret),
		pkcs11.Bytes(pkcs11.AttrValue, secret), pkcs11.Bool(pkcs11.AttrSign, true),
	})
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte("message"))
	got, err := s.Sign(t.Context(), pkcs11.Mechanism{Type: pkcs11.MechSHA256HMAC}, key, []byte("message"))
	if err != nil || !bytes.Equal(got, mac.Sum(nil)) {
		t.Errorf("%x, %v", got, err)
	}
	if _, err := s.Sign(t.Context(), pkcs11.Mechanism{Type: pkcs11.MechSHA256HMAC}, key, nil); err != nil && !errors.Is(err, pkcs11.RVArgumentsBad) {
		t.Errorf("nothing at all: %v", err)
	}
}

// testWrap wraps an AES key under a key pair by OAEP and under another AES key.
func testWrap(t *testing.T, s *pkcs11.Session) {
	public, private := pair(t, s, pkcs11.MechRSAPKCSKeyPairGen, pkcs11.Number(pkcs11.AttrModulusBits, uint64(2048)), pkcs11.AttrWrap, pkcs11.AttrUnwrap)
	template := func(more ...pkcs11.Attribute) []pkcs11.Attribute {
		return append([]pkcs11.Attribute{
			pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassSecretKey), pkcs11.Number(pkcs11.AttrKeyType, pkcs11.KeyAES),
			pkcs11.Bool(pkcs11.AttrExtractable, true), pkcs11.Bool(pkcs11.AttrSensitive, false),
			pkcs11.Bool(pkcs11.AttrWrap, true), pkcs11.Bool(pkcs11.AttrUnwrap, true),
		}, more...)
	}
	key, err := s.GenerateKey(t.Context(), pkcs11.Mechanism{Type: pkcs11.MechAESKeyGen}, template(pkcs11.Number(pkcs11.AttrValueLen, uint64(32))))
	if err != nil {
		t.Fatal(err)
	}
	oaep := pkcs11.Mechanism{Type: pkcs11.MechRSAPKCSOAEP, OAEP: &pkcs11.OAEP{Hash: pkcs11.MechSHA1, MGF: pkcs11.MGF1SHA1}}
	kwp := pkcs11.Mechanism{Type: pkcs11.MechAESKeyWrapPad}
	for _, how := range []struct {
		m         pkcs11.Mechanism
		under, by pkcs11.Object
		size      int
	}{{oaep, public, private, 256}, {kwp, key, key, 40}} {
		wrapped, err := s.Wrap(t.Context(), how.m, how.under, key)
		if err != nil || len(wrapped) != how.size {
			t.Fatalf("%d bytes, %v", len(wrapped), err)
		}
		again, err := s.Unwrap(t.Context(), how.m, how.by, wrapped, template())
		if err != nil {
			t.Fatal(err)
		}
		one, err1 := s.Attributes(t.Context(), key, pkcs11.AttrValue)
		two, err2 := s.Attributes(t.Context(), again, pkcs11.AttrValue)
		if err1 != nil || err2 != nil || len(one[0].Value) != 32 || !bytes.Equal(one[0].Value, two[0].Value) {
			t.Errorf("another key comes back (%v, %v)", err1, err2)
		}
	}
	_, err = s.Wrap(t.Context(), pkcs11.Mechanism{
		Type: pkcs11.MechRSAAESKeyWrap, AESBits: 256, OAEP: &pkcs11.OAEP{Hash: pkcs11.MechSHA1, MGF: pkcs11.MGF1SHA1},
	}, public, key)
	if !errors.Is(err, pkcs11.RVMechanismInvalid) {
		t.Errorf("CKM_RSA_AES_KEY_WRAP, which SoftHSM lacks: %v", err)
	}
}
