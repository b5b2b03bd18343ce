package weakkey

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os/exec"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// roca is a key of the flawed library, from the tests of
// github.com/titanous/rocacheck.
const roca = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAlze9c7qGdjDLVR/ntk+4
ZkfMcYsAnmfTFHfe3Xv7jRQqPCXCULtr0y0jG3aRJmEenoXO9uDveqr43gFB9yvA
dLEhu0aJqpB7lNZ+yXsvfVp/96dkSN8oWYL/dd9Z7GQOvVniHUY3Xsd7zdw2eYOy
HSXhhA2Ttwnj3c1jEYfC0y9q1cU99aL0ogGDqolcOvlkJu+mGb+6+WyboFa1gwRu
kYxBHZWKiHCt/eihvXsPTzTlXmTXWdGJtA1xZDnCBWuZ90b5R0agXVIESTl0cCyH
aQM/tLZmktJIU+Eu7ALBXemPg9kh3SCnYd3/YvDGCtYSXOWthHwlP5CImRBcQaNn
cQIDAQAB
-----END PUBLIC KEY-----`

// debian is the public half of the key that Debian's OpenSSL 0.9.8g-8 made on
// amd64 in the process 0 that could not read ~/.rnd, as HARICA published it
// (github.com/HARICA-official/debian-weak-keys), and debianEntry its line in
// a list.
const (
	debian = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAtliBOIN09OS1wzKV96yW
zIPAdYSadkUStyoTWWF2Gqa7ZiCSEXdgMcACop+1QY07OFa4gJ5TiCCmbHb5bJkg
x6twQnuiS7OUwzSyZYNGeM2sYq+zkMLS54sOTyzacGOHtK/9dAA2PguS5rwuwNZ7
ZDvK9p7fFLacqjw77srSNsjekpwp0L4a3I4y3PsT4BJOpqVaMGVHbGjmpSOlrNFl
LRbKB/KI3unktkSJyJhUg12+Ii4p5J4z2EqNWfu+G1+9dDlo7duMkHvWFOSbl+sR
CRAECg3tAUWfuPTGujshhzMiqhzslLndxQ1BhRCQfExUslGvCE9QYUQVYESGSBVv
HQIDAQAB
-----END PUBLIC KEY-----`
	debianEntry = "3ff0bdec95d9fe569885"
)

func fromPEM(t testing.TB, text string) *engine.PublicKey {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	k, err := engine.ParseForeign(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func fromRSA(t testing.TB, n *big.Int, e int) *engine.PublicKey {
	t.Helper()
	spki, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: e})
	if err != nil {
		t.Fatal(err)
	}
	k, err := engine.ParseForeign(spki)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// prime returns a prime of 1,024 bits, the first two of which are set.
func prime(t testing.TB) *big.Int {
	t.Helper()
	p, err := rand.Prime(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// next returns the next prime.
func next(p *big.Int) *big.Int {
	q := new(big.Int).Set(p)
	for q.Add(q, big.NewInt(2)); !q.ProbablyPrime(20); {
		q.Add(q, big.NewInt(2))
	}
	return q
}

// divisible returns an odd modulus of 2,048 bits with a small factor.
func divisible(t testing.TB, factor int64) *big.Int {
	t.Helper()
	n, f := new(big.Int).Mul(prime(t), prime(t)), big.NewInt(factor)
	n.Sub(n, new(big.Int).Mod(n, f)) // two primes of 1,024 bits leave their product far above 2^2047
	if n.Bit(0) == 0 {
		n.Sub(n, f)
	}
	return n
}

// TestCheck shows what is refused and why.
func TestCheck(t *testing.T) {
	p, q := prime(t), prime(t)
	n := new(big.Int).Mul(p, q)
	list, err := ReadBlocklist(fstest.MapFS{"blacklist.RSA-2048": {Data: []byte("# a comment\n" + debianEntry + "\n")}})
	if err != nil {
		t.Fatal(err)
	}
	small := divisible(t, 751)
	for name, test := range map[string]struct {
		key  *engine.PublicKey
		want string
	}{
		"good":              {fromRSA(t, n, 65537), ""},
		"a larger exponent": {fromRSA(t, n, 65539), ""},
		"small":             {fromRSA(t, new(big.Int).Rsh(n, 1), 65537), "2047 bits"},
		"exponent 3":        {fromRSA(t, n, 3), "exponent 3"},
		"even exponent":     {fromRSA(t, n, 65538), "exponent 65538"},
		"small factor":      {fromRSA(t, small, 65537), "small factor"},
		"even modulus":      {fromRSA(t, new(big.Int).Add(n, big.NewInt(1)), 65537), "small factor"},
		"next prime":        {fromRSA(t, new(big.Int).Mul(p, next(p)), 65537), "close"},
		"same prime":        {fromRSA(t, new(big.Int).Mul(p, p), 65537), "close"},
		"ROCA":              {fromPEM(t, roca), "CVE-2017-15361"},
		"Debian":            {fromPEM(t, debian), "CVE-2008-0166"},
	} {
		err := Check(test.key, list)
		if test.want == "" && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if test.want != "" && (fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.WeakKey || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: error %v, want one about %q", name, err, test.want)
		}
	}
	if err := Check(fromPEM(t, debian), nil); err != nil {
		t.Errorf("without a list: %v", err)
	}
}

// TestSquare compares the shortcut with the root.
func TestSquare(t *testing.T) {
	for i := range int64(5000) {
		n := big.NewInt(i*i + i%3)
		root := new(big.Int).Sqrt(n)
		if got, want := square(n, new(big.Int)), root.Mul(root, root).Cmp(n) == 0; got != want {
			t.Errorf("square(%d) = %v", n, got)
		}
	}
}

// TestFormat: a list's line is what its documentation has OpenSSL print.
func TestFormat(t *testing.T) {
	rsaKey := fromPEM(t, debian).Key().(*rsa.PublicKey) //nolint:forcetypeassert // it is one
	script := `openssl rsa -pubin -noout -modulus | sha1sum | cut -c 21-40`
	command := exec.CommandContext(t.Context(), "sh", "-c", script)
	command.Stdin = strings.NewReader(debian)
	out, err := command.Output()
	if err != nil || strings.TrimSpace(string(out)) != debianEntry {
		t.Errorf("openssl says %s (%v)", out, err)
	}
	l := &Blocklist{}
	if err := l.read(strings.NewReader(debianEntry)); err != nil || !l.Has(rsaKey.N) || l.Has(big.NewInt(5)) {
		t.Errorf("the key is not found: %v", err)
	}
}

// TestLists: files are joined, and what is no list is refused, an empty
// directory as well.
func TestLists(t *testing.T) {
	l, err := ReadBlocklist(fstest.MapFS{
		"blacklist.RSA-2048": {Data: []byte("ffffffffffffffffffff\n00000000000000000001\n")},
		"blacklist.RSA-4096": {Data: []byte("# none\n\n00000000000000000001\n")}, "README": {Data: []byte("x")},
	})
	if err != nil || l.Len() != 2 {
		t.Errorf("%d entries (%v), want 2", l.Len(), err)
	}
	for name, files := range map[string]fstest.MapFS{
		"empty": {}, "another list": {"blacklist.DSA-1024": {Data: []byte("ffffffffffffffffffff")}},
		"whole hashes": {"blacklist.RSA-2048": {Data: []byte(strings.Repeat("f", 40))}},
		"no digits":    {"blacklist.RSA-2048": {Data: []byte(strings.Repeat("x", 20))}},
	} {
		if _, err := ReadBlocklist(files); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// FuzzBlocklist: what reads is as many entries as lines that hold one.
func FuzzBlocklist(f *testing.F) {
	f.Add(debianEntry + "\n# x\n\n" + strings.Repeat("A", 20))
	f.Fuzz(func(t *testing.T, text string) {
		l := &Blocklist{}
		if l.read(strings.NewReader(text)) == nil && l.Len() > len(text)/20 {
			t.Errorf("%d entries of %d bytes", l.Len(), len(text))
		}
	})
}

// BenchmarkCheck is the cost for a good RSA key.
func BenchmarkCheck(b *testing.B) {
	k := fromRSA(b, new(big.Int).Mul(prime(b), prime(b)), 65537)
	for b.Loop() {
		if err := Check(k, nil); err != nil {
			b.Fatal(err)
		}
	}
}
