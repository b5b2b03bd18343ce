package soft

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"math/big"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/engine/enginetest"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestOpenSSLReadsExports: what leaves is what OpenSSL knows, and what OpenSSL
// makes comes in with the public half that it has for it.
func TestOpenSSLReadsExports(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Fatal("openssl is needed")
	}
	e := newEngine(t, Options{PureGo: true})
	ref := enginetest.NewRef("k")
	for spec, options := range map[alg.Spec][]string{
		alg.RSA2048:   {"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"},
		alg.P256:      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"},
		alg.P384:      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"},
		alg.P521:      {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"},
		alg.Secp256k1: {"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"},
		alg.Ed25519:   {"-algorithm", "ED25519"},
	} {
		t.Run(spec.String(), func(t *testing.T) {
			made := filepath.Join(t.TempDir(), "made.der")
			run(t, nil, openssl, append([]string{"genpkey", "-outform", "DER", "-out", made}, options...)...)
			// genpkey writes a family's own format for some; pkcs8 writes PKCS #8.
			plain := run(t, nil, openssl, "pkcs8", "-topk8", "-nocrypt", "-inform", "DER", "-outform", "DER", "-in", made)
			m, err := e.Import(t.Context(), ref, enginetest.KindOf(spec), plain)
			if err != nil {
				t.Fatalf("Import: %v", err)
			}
			if want := run(t, nil, openssl, "pkey", "-inform", "DER", "-in", made, "-pubout", "-outform", "DER"); !bytes.Equal(m.Public, want) {
				t.Errorf("the public half is %x, OpenSSL has %x", m.Public, want)
			}
			out, err := e.Export(t.Context(), ref, spec, m.Wrapped)
			if err != nil {
				t.Fatalf("Export: %v", err)
			}
			if got := run(t, out, openssl, "pkey", "-inform", "DER", "-pubout", "-outform", "DER"); !bytes.Equal(got, m.Public) {
				t.Errorf("OpenSSL reads the public half %x from the export, want %x", got, m.Public)
			}
			run(t, out, openssl, "pkey", "-inform", "DER", "-check", "-noout")
		})
	}
}

func run(t *testing.T, in []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Stdin = bytes.NewReader(in)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, complaints.Bytes())
	}
	return out
}

// TestWeakImports has a key of each kind that no sound generator makes.
func TestWeakImports(t *testing.T) {
	e := newEngine(t, Options{PureGo: true})
	good, ok := parseAny(t, fixedRSA(t, alg.RSA2048)).(*rsa.PrivateKey)
	if !ok {
		t.Fatal("not an RSA key")
	}
	p, q := good.Primes[0], good.Primes[1]
	for name, test := range map[string]struct {
		spec  alg.Spec
		plain []byte
		weak  bool
	}{
		"a small exponent":              {alg.RSA2048, rsaKey1(smallExponent(p, q), p, q), true},
		"primes of unequal lengths":     {alg.RSA2048, unequalPrimes(t), true},
		"an even exponent":              {alg.RSA2048, rsaKey1(65538, p, q), false},
		"close primes":                  {alg.RSA2048, closePrimes(t), false},
		"a prime twice":                 {alg.RSA2048, rsaKey1(65537, p, p), false},
		"another modulus":               {alg.RSA2048, withModulus(p, q), false},
		"an RSA key where EC is wanted": {alg.P256, fixedRSA(t, alg.RSA2048), false},
		"too small a modulus":           {alg.RSA3072, fixedRSA(t, alg.RSA2048), false},
		"half of another EC key":        {alg.P256, mismatchedEC(t), false},
		"zeros as an AES key":           {alg.AES256, make([]byte, 32), true},
		"a byte too many for AES":       {alg.AES256, bytes.Repeat([]byte{1, 2, 3}, 11), false},
		"one byte repeated":             {alg.HMAC256, bytes.Repeat([]byte{7}, 32), true},
		"a PKCS #8 tail":                {alg.RSA2048, append(fixedRSA(t, alg.RSA2048), 0), false},
	} {
		m, err := e.Import(t.Context(), enginetest.NewRef("k"), enginetest.KindOf(test.spec), test.plain)
		if err == nil || fault.KindOf(err) != fault.InvalidArgument || m.Wrapped != nil {
			t.Errorf("%s: error %v, want an invalid argument", name, err)
		} else if got := fault.ReasonOf(err) == fault.WeakKey; got != test.weak {
			t.Errorf("%s: refused as weak: %t, want %t (%v)", name, got, test.weak, err)
		}
	}
}

func parseAny(t *testing.T, der []byte) any {
	t.Helper()
	k, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// rsaKey1 encodes an RSA key of any numbers, which crypto/x509 would not.
func rsaKey1(e int64, p, q *big.Int) []byte { return rsaEncoding(new(big.Int).Mul(p, q), e, p, q) }

func withModulus(p, q *big.Int) []byte {
	n := new(big.Int).Mul(p, q)
	return rsaEncoding(n.Add(n, big.NewInt(2)), 65537, p, q)
}

func rsaEncoding(n *big.Int, e int64, p, q *big.Int) []byte {
	one := big.NewInt(1)
	p1, q1 := new(big.Int).Sub(p, one), new(big.Int).Sub(q, one)
	lambda := new(big.Int).Mul(p1, q1)
	lambda.Div(lambda, new(big.Int).GCD(nil, nil, p1, q1))
	d := new(big.Int).ModInverse(big.NewInt(e), lambda)
	if d == nil {
		d = big.NewInt(e)
	}
	inverse := new(big.Int).ModInverse(q, p)
	if inverse == nil {
		inverse = one
	}
	pkcs1, err := asn1.Marshal(struct {
		V                   int
		N                   *big.Int
		E                   int64
		D, P, Q, Dp, Dq, Qi *big.Int
	}{0, n, e, d, p, q, new(big.Int).Mod(d, p1), new(big.Int).Mod(d, q1), inverse})
	if err != nil {
		panic(err)
	}
	der, err := asn1.Marshal(struct {
		V         int
		Algorithm struct {
			ID   asn1.ObjectIdentifier
			Null asn1.RawValue
		}
		Key []byte
	}{Algorithm: struct {
		ID   asn1.ObjectIdentifier
		Null asn1.RawValue
	}{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, asn1.NullRawValue}, Key: pkcs1})
	if err != nil {
		panic(err)
	}
	return der
}

// smallExponent returns the least exponent above 1 that goes with the primes.
func smallExponent(p, q *big.Int) int64 {
	one := big.NewInt(1)
	phi := new(big.Int).Mul(new(big.Int).Sub(p, one), new(big.Int).Sub(q, one))
	for e := int64(3); ; e += 2 {
		if new(big.Int).GCD(nil, nil, big.NewInt(e), phi).Cmp(one) == 0 {
			return e
		}
	}
}

// unequalPrimes returns a key of 2,048 bits of which one factor is short.
func unequalPrimes(t *testing.T) []byte {
	t.Helper()
	for {
		p, errP := rand.Prime(rand.Reader, 896)
		q, errQ := rand.Prime(rand.Reader, 1152)
		if errP != nil || errQ != nil {
			t.Fatal(errP, errQ)
		}
		if new(big.Int).Mul(p, q).BitLen() == 2048 {
			return rsaKey1(65537, p, q)
		}
	}
}

// closePrimes returns a key whose factors Fermat's method finds at once.
func closePrimes(t *testing.T) []byte {
	t.Helper()
	p, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	q := new(big.Int).Add(p, big.NewInt(2))
	for !q.ProbablyPrime(20) || new(big.Int).GCD(nil, nil, new(big.Int).Sub(q, big.NewInt(1)), big.NewInt(65537)).Cmp(big.NewInt(1)) != 0 {
		q.Add(q, big.NewInt(2))
	}
	return rsaKey1(65537, p, q)
}

// mismatchedEC returns a P-256 key whose file has the point of another one.
func mismatchedEC(t *testing.T) []byte {
	t.Helper()
	a, errA := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	b, errB := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	der, err := x509.MarshalPKCS8PrivateKey(a)
	if err != nil {
		t.Fatal(err)
	}
	one, errOne := a.PublicKey.Bytes()
	other, errOther := b.PublicKey.Bytes()
	if errOne != nil || errOther != nil || !bytes.Contains(der, one) {
		t.Fatal("the encoding has no point", errOne, errOther)
	}
	return bytes.Replace(der, one, other, 1)
}

// FuzzImport: whatever comes in as a key is refused, or is a key that goes out
// and comes in again as the same.
func FuzzImport(f *testing.F) {
	e, err := New(box{}, Options{PureGo: true, Log: quiet()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = e.Close() })
	specs := []alg.Spec{alg.P256, alg.Secp256k1, alg.Ed25519, alg.MLDSA44}
	ref := enginetest.NewRef("k")
	for i, spec := range specs {
		m, err := e.Generate(f.Context(), ref, enginetest.KindOf(spec))
		if err != nil {
			f.Fatal(err)
		}
		plain, err := e.Export(f.Context(), ref, spec, m.Wrapped)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(byte(i), plain)
		f.Add(byte(i), plain[:len(plain)-1])
	}
	f.Fuzz(func(t *testing.T, which byte, plain []byte) {
		spec := specs[int(which)%len(specs)]
		m, err := e.Import(t.Context(), ref, enginetest.KindOf(spec), plain)
		if err != nil {
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Errorf("refused with %v", err)
			}
			return
		}
		out, err := e.Export(t.Context(), ref, spec, m.Wrapped)
		if err != nil {
			t.Fatal(err)
		}
		var again engine.Material
		if again, err = e.Import(t.Context(), ref, enginetest.KindOf(spec), out); err != nil || !bytes.Equal(again.Public, m.Public) {
			t.Errorf("the export comes in as another key: %v", err)
		}
	})
}
