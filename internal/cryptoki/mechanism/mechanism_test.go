package mechanism

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"math/big"
	"slices"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

func TestTable(t *testing.T) {
	seen := map[pkcs11.MechanismType]bool{}
	for _, m := range List() {
		info, ok := Info(m)
		if !ok || info.Type != m || info.Flags == 0 || seen[m] || m.Name()[:2] == "0x" {
			t.Errorf("%s: %+v", m.Name(), info)
		}
		seen[m] = true
	}
	if _, ok := Info(0x7777); ok {
		t.Error("a mechanism that is none is known")
	}
	if got := Allowed(pkcs11.KeyEC, pkcs11.CanDerive); !slices.Equal(got, []pkcs11.MechanismType{pkcs11.MechECDH1Derive}) {
		t.Errorf("a key that derives is for %v", got)
	}
}

var (
	keyRSA  = Key{pkcs11.KeyRSA, alg.RSA2048, 2048}
	keyP256 = Key{pkcs11.KeyEC, alg.P256, 256}
	keyP521 = Key{pkcs11.KeyEC, alg.P521, 521}
)

// TestInput maps what applications sign to Holdfast's algorithms.
func TestInput(t *testing.T) {
	digest := bytes.Repeat([]byte{0xab}, 64)
	pss := func(h pkcs11.MechanismType, g pkcs11.MGF, n uint64) p11kit.Mechanism {
		return p11kit.Mechanism{Type: pkcs11.MechRSAPKCSPSS}.WithNumbers(uint64(h), uint64(g), n)
	}
	plain := func(m pkcs11.MechanismType) p11kit.Mechanism { return p11kit.Mechanism{Type: m} }
	zeros := func(n, m int) []byte { return append(make([]byte, n), digest[:m]...) }
	for name, c := range map[string]struct {
		m    p11kit.Mechanism
		k    Key
		in   []byte
		want alg.Algorithm
		out  []byte // nil: the input
	}{
		"a DigestInfo of SHA-1":    {plain(pkcs11.MechRSAPKCS), keyRSA, engine.DigestInfo(crypto.SHA1, digest[:20]), alg.PKCS1SHA1, digest[:20]},
		"a DigestInfo of SHA-224":  {plain(pkcs11.MechRSAPKCS), keyRSA, engine.DigestInfo(crypto.SHA224, digest[:28]), alg.PKCS1SHA224, digest[:28]},
		"a DigestInfo of SHA-512":  {plain(pkcs11.MechRSAPKCS), keyRSA, engine.DigestInfo(crypto.SHA512, digest), alg.PKCS1SHA512, digest},
		"MD5 and SHA-1":            {plain(pkcs11.MechRSAPKCS), keyRSA, digest[:36], alg.PKCS1MD5SHA1, nil},
		"any bytes":                {plain(pkcs11.MechRSAPKCS), keyRSA, digest[:5], alg.PKCS1Plain, nil},
		"no bytes":                 {plain(pkcs11.MechRSAPKCS), keyRSA, nil, alg.PKCS1Plain, nil},
		"PSS with SHA-384":         {pss(pkcs11.MechSHA384, pkcs11.MGF1SHA384, 48), keyRSA, digest[:48], alg.PSSSHA384, nil},
		"PSS with SHA-1":           {pss(pkcs11.MechSHA1, pkcs11.MGF1SHA1, 20), keyRSA, digest[:20], alg.PSSSHA1, nil},
		"ECDSA of SHA-1":           {plain(pkcs11.MechECDSA), keyP256, digest[:20], alg.ECDSASHA1, nil},
		"ECDSA of SHA-384":         {plain(pkcs11.MechECDSA), keyP256, digest[:48], alg.ECDSASHA384, nil},
		"ECDSA of MD5 and SHA-1":   {plain(pkcs11.MechECDSA), keyP256, digest[:36], alg.ECDSAMD5SHA1, nil},
		"ECDSA of 5 bytes":         {plain(pkcs11.MechECDSA), keyP256, digest[:5], alg.ECDSASHA1, zeros(15, 5)},
		"ECDSA of 30 bytes":        {plain(pkcs11.MechECDSA), keyP256, digest[:30], alg.ECDSASHA256, zeros(2, 30)},
		"ECDSA of 60 bytes, P-256": {plain(pkcs11.MechECDSA), keyP256, digest[:60], alg.ECDSASHA256, digest[:32]},
		"ECDSA of 60 bytes, P-521": {plain(pkcs11.MechECDSA), keyP521, digest[:60], alg.ECDSASHA512, zeros(4, 60)},
		"a hashed one":             {plain(pkcs11.MechECDSASHA224), keyP521, digest[:28], alg.ECDSASHA224, nil},
	} {
		s, err := NewSignature(c.m, c.k)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if c.out == nil {
			c.out = c.in
		}
		if a, out, err := s.Input(c.in); err != nil || a != c.want || !bytes.Equal(out, c.out) {
			t.Errorf("%s: %s over %x, %v", name, a, out, err)
		}
	}
	for name, c := range map[string]struct {
		m  p11kit.Mechanism
		k  Key
		in []byte
	}{
		"too much for RSA":           {plain(pkcs11.MechRSAPKCS), keyRSA, make([]byte, 246)},
		"another digest than PSS's":  {pss(pkcs11.MechSHA256, pkcs11.MGF1SHA256, 32), keyRSA, digest[:20]},
		"a salt of another length":   {pss(pkcs11.MechSHA256, pkcs11.MGF1SHA256, 31), keyRSA, digest[:32]},
		"no digest":                  {plain(pkcs11.MechECDSA), keyP256, nil},
		"too long a digest of P-521": {plain(pkcs11.MechECDSA), keyP521, make([]byte, 65)},
		"a block that is not padded": {plain(pkcs11.MechRSAX509), keyRSA, make([]byte, 256)},
		"a block with little of it":  {plain(pkcs11.MechRSAX509), keyRSA, append([]byte{0, 1, 255, 255, 255, 0}, make([]byte, 250)...)},
		"half a block":               {plain(pkcs11.MechRSAX509), keyRSA, []byte{0, 1}},
	} {
		s, err := NewSignature(c.m, c.k)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if a, _, err := s.Input(c.in); err == nil {
			t.Errorf("%s is signed by %s", name, a)
		}
	}
}

// TestLeftmostBits shows that a digest as ecdsa names it has the signature of
// the digest as it came: the same number is signed.
func TestLeftmostBits(t *testing.T) {
	for n := 1; n <= 64; n++ {
		digest := bytes.Repeat([]byte{0xc3}, n)
		for _, k := range []Key{keyP256, {pkcs11.KeyEC, alg.P384, 384}, keyP521} {
			s, err := NewSignature(p11kit.Mechanism{Type: pkcs11.MechECDSA}, k)
			if err != nil {
				t.Fatal(err)
			}
			_, out, err := s.Input(digest)
			if err != nil {
				t.Fatalf("%d bytes, %d bits: %v", n, k.Bits, err)
			}
			if leftmost(out, k.Bits).Cmp(leftmost(digest, k.Bits)) != 0 {
				t.Errorf("%d bytes, %d bits: %x became %x", n, k.Bits, digest, out)
			}
		}
	}
}

// leftmost is the number that ECDSA takes of a digest (FIPS 186-5 section 6.4.1).
func leftmost(digest []byte, bits int) *big.Int {
	v := new(big.Int).SetBytes(digest)
	if over := 8*len(digest) - bits; over > 0 {
		v.Rsh(v, uint(over))
	}
	return v
}

// TestUnpad compares with crypto/rsa, for paddings that are right and wrong.
func TestUnpad(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	e, err := NewEncryption(p11kit.Mechanism{Type: pkcs11.MechRSAPKCS}, pkcs11.CanDecrypt, keyRSA)
	if err != nil {
		t.Fatal(err)
	}
	block := func(change func([]byte)) []byte {
		b := append([]byte{0, 2}, bytes.Repeat([]byte{9}, 254)...)
		b[100] = 0
		change(b)
		return b
	}
	for name, b := range map[string][]byte{
		"right":                    block(func([]byte) {}),
		"no message":               block(func(b []byte) { b[100], b[255] = 9, 0 }),
		"the least padding":        block(func(b []byte) { b[10] = 0 }),
		"too little padding":       block(func(b []byte) { b[9] = 0 }),
		"no end":                   block(func(b []byte) { b[100] = 9 }),
		"a signature's":            block(func(b []byte) { b[1] = 1 }),
		"a beginning that is none": block(func(b []byte) { b[0] = 1 }),
	} {
		c := new(big.Int).Exp(new(big.Int).SetBytes(b), big.NewInt(int64(k.E)), k.N).FillBytes(make([]byte, 256))
		want, failed := rsa.DecryptPKCS1v15(nil, k, c) //nolint:staticcheck // what CKM_RSA_PKCS is
		got, err := e.Open(bytes.Clone(b))
		if (err == nil) != (failed == nil) || !bytes.Equal(got, want) {
			t.Errorf("%s: %x, %v; crypto/rsa: %x, %v", name, got, err, want, failed)
		}
	}
}

func TestParameters(t *testing.T) {
	aes := Key{Type: pkcs11.KeyAES, Bits: 128}
	m := func(t pkcs11.MechanismType) p11kit.Mechanism { return p11kit.Mechanism{Type: t} }
	iv := make([]byte, 16)
	for name, c := range map[string]struct {
		m  p11kit.Mechanism
		k  Key
		ok bool
	}{
		"CBC":                     {m(pkcs11.MechAESCBC).WithBytes(iv), aes, true},
		"CBC without an IV":       {m(pkcs11.MechAESCBC), aes, false},
		"CBC with a short IV":     {m(pkcs11.MechAESCBC).WithBytes(iv[:8]), aes, false},
		"GCM":                     {m(pkcs11.MechAESGCM).WithBytes(iv[:12]).WithNumbers(96).WithBytes(nil).WithNumbers(96), aes, true},
		"GCM with no IV":          {m(pkcs11.MechAESGCM).WithBytes(nil).WithNumbers(0).WithBytes(nil).WithNumbers(128), aes, false},
		"GCM with a long tag":     {m(pkcs11.MechAESGCM).WithBytes(iv).WithNumbers(96).WithBytes(nil).WithNumbers(136), aes, false},
		"CTR with a short block":  {m(pkcs11.MechAESCTR).WithNumbers(128).WithBytes(iv[:8]), aes, false},
		"KW with an IV":           {m(pkcs11.MechAESKeyWrap).WithBytes(iv[:8]), aes, true},
		"KWP with an IV":          {m(pkcs11.MechAESKeyWrapKWP).WithBytes(iv[:8]), aes, false},
		"RSA with a parameter":    {m(pkcs11.MechRSAX509), aes, false},
		"OAEP with two hashes":    {m(pkcs11.MechRSAPKCSOAEP).WithNumbers(uint64(pkcs11.MechSHA256), uint64(pkcs11.MGF1SHA1), 0).WithBytes(nil), keyRSA, false},
		"OAEP from nowhere":       {m(pkcs11.MechRSAPKCSOAEP).WithNumbers(uint64(pkcs11.MechSHA256), uint64(pkcs11.MGF1SHA256), 7).WithBytes(nil), keyRSA, false},
		"OAEP without parameters": {m(pkcs11.MechRSAPKCSOAEP), keyRSA, false},
		"a signature":             {m(pkcs11.MechSHA256RSAPKCS), keyRSA, false},
	} {
		if _, err := NewEncryption(c.m, pkcs11.CanEncrypt, c.k); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDerivation(t *testing.T) {
	point := append([]byte{4}, bytes.Repeat([]byte{1}, 64)...)
	m := func(kdf uint64, shared string, public []byte) p11kit.Mechanism {
		return p11kit.Mechanism{Type: pkcs11.MechECDH1Derive}.WithNumbers(kdf).WithBytes([]byte(shared)).WithBytes(public)
	}
	for name, public := range map[string][]byte{"as it is": point, "in an OCTET STRING": append([]byte{4, 65}, point...)} {
		d, err := NewDerivation(m(pkcs11.KDFNull, "", public), keyP256)
		if err != nil || !bytes.Equal(d.Point, point) {
			t.Errorf("%s: %x, %v", name, d.Point, err)
		}
	}
	for name, bad := range map[string]p11kit.Mechanism{
		"shared data without a KDF": m(pkcs11.KDFNull, "shared", point), "a KDF that is none": m(99, "", point), "half a point": m(pkcs11.KDFNull, "", point[:30]),
		"no point": m(pkcs11.KDFNull, "", nil), "no parameter": {Type: pkcs11.MechECDH1Derive},
	} {
		if _, err := NewDerivation(bad, keyP256); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	d, err := NewDerivation(m(pkcs11.KDFNull, "", point), keyP256)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Key(make([]byte, 32), 33); err == nil {
		t.Error("more than the secret is derived")
	}
	d, err = NewDerivation(m(pkcs11.KDFSHA256, "", point), keyP256)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := d.Key(make([]byte, 32), 100); err != nil || len(k) != 100 {
		t.Errorf("%d bytes, %v", len(k), err)
	}
	if _, err := d.Key(make([]byte, 32), 0); err == nil {
		t.Error("a key of no length is derived")
	}
}
