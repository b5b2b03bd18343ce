package recovery

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/seal"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func certificate(t testing.TB, name string, key crypto.Signer, until time.Time) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.AddDate(-1, 0, 0), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// officers returns people with RSA keys.
func officers(t testing.TB, n int) ([]*x509.Certificate, []*rsa.PrivateKey) {
	t.Helper()
	var certificates []*x509.Certificate
	var keys []*rsa.PrivateKey
	for i := range n {
		k, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, k)
		certificates = append(certificates, certificate(t, fmt.Sprintf("Officer %d", i+1), k, now.AddDate(5, 0, 0)))
	}
	return certificates, keys
}

func rootKey(t testing.TB) *seal.RootKey {
	t.Helper()
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	k, err := seal.NewRootKey("0123456789abcdef0123456789abcdef", secret)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestQuorum(t *testing.T) {
	certificates, keys := officers(t, 4)
	root := rootKey(t)
	p, err := Create(root, certificates[:3], 2, now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(text, root.Reveal()) || strings.Contains(string(text), hex.EncodeToString(root.Reveal())) {
		t.Error("the root key is readable")
	}
	p, err = Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		keys []*rsa.PrivateKey
		kind fault.Kind
		text string
	}{
		"first and second":   {keys: []*rsa.PrivateKey{keys[0], keys[1]}},
		"third and first":    {keys: []*rsa.PrivateKey{keys[2], keys[0]}},
		"all three":          {keys: keys[:3]},
		"one":                {keys[1:2], fault.InvalidArgument, "1 private keys are not enough: 2 of the 3"},
		"none":               {nil, fault.InvalidArgument, "not enough"},
		"one twice":          {[]*rsa.PrivateKey{keys[0], keys[0]}, fault.InvalidArgument, "same share"},
		"one and a stranger": {[]*rsa.PrivateKey{keys[0], keys[3]}, fault.Unauthenticated, "key 2 of 2"},
	} {
		got, err := Restore(p, test.keys)
		if test.text != "" {
			if fault.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(got.Reveal(), root.Reveal()) || got.ID() != root.ID() || got.Installation() != root.Installation() {
			t.Errorf("%s: another key, %v", name, err)
		}
	}
}

// Whatever is changed in a package, it no longer gives a root key.
func TestChangedPackages(t *testing.T) {
	certificates, keys := officers(t, 3)
	p, err := Create(rootKey(t), certificates, 2, now)
	if err != nil {
		t.Fatal(err)
	}
	other, err := Create(rootKey(t), certificates, 2, now)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Package){
		"installation":           func(p *Package) { p.Installation = "ffff" },
		"id":                     func(p *Package) { p.ID = other.ID },
		"root key's id":          func(p *Package) { p.RootKey = other.RootKey },
		"time":                   func(p *Package) { p.CreatedAt = p.CreatedAt.Add(time.Hour) },
		"subject":                func(p *Package) { p.SharedKeys.Shares[0].Subject = "CN=Eve" },
		"thumbprint":             func(p *Package) { p.SharedKeys.Shares[2].Thumbprint = p.SharedKeys.Shares[1].Thumbprint },
		"another package's data": func(p *Package) { p.Data = other.Data },
		"another package's set":  func(p *Package) { p.SharedKeys.Set = other.SharedKeys.Set },
		"a share that is unused": func(p *Package) { p.SharedKeys.Shares[2].Key = other.SharedKeys.Shares[2].Key },
		"quorum": func(p *Package) {
			p.SharedKeys.Required, p.SharedKeys.Set.Threshold, p.SharedKeys.Set.Commitments = 1, 1, p.SharedKeys.Set.Commitments[:1]
		},
		"fewer shares":            func(p *Package) { p.SharedKeys.Shares, p.SharedKeys.Set.Shares = p.SharedKeys.Shares[:2], 2 },
		"another package's share": func(p *Package) { p.SharedKeys.Shares[0] = other.SharedKeys.Shares[0] },
		"a letter of the data":    func(p *Package) { p.Data.Data[0].JWE = flip(p.Data.Data[0].JWE) },
		"a letter of a share":     func(p *Package) { p.SharedKeys.Shares[0].Key = flip(p.SharedKeys.Shares[0].Key) },
		"version":                 func(p *Package) { p.V = 2 },
		"kdf":                     func(p *Package) { p.Data.KDF = "none" },
	} {
		copied := parsed(t, p)
		change(copied)
		if k, err := Restore(copied, keys[:2]); err == nil {
			t.Errorf("%s: it gives the root key %s", name, k.ID())
		}
	}
	if _, err := Restore(parsed(t, p), keys[:2]); err != nil {
		t.Errorf("unchanged: %v", err)
	}
}

func parsed(t *testing.T, p *Package) *Package {
	t.Helper()
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// flip changes a letter in the last part but one of a JWE: its ciphertext.
func flip(jwe string) string {
	parts := strings.Split(jwe, ".")
	b := []byte(parts[3])
	b[5] ^= 1
	parts[3] = string(b)
	return strings.Join(parts, ".")
}

func TestCertificatesThatAreRefused(t *testing.T) {
	good, keys := officers(t, 3)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	year := now.AddDate(1, 0, 0)
	with := func(c *x509.Certificate) []*x509.Certificate { return []*x509.Certificate{good[0], good[1], c} }
	for name, test := range map[string]struct {
		certificates []*x509.Certificate
		quorum       int
		text         string
	}{
		"too few":             {good[:2], 2, "3 to 10 certificates, not 2"},
		"too many":            {append(append(append(append([]*x509.Certificate{}, good...), good...), good...), good...), 2, "not 12"},
		"quorum of one":       {good, 1, "at least 2"},
		"quorum above all":    {good, 4, "a quorum of 4 of 3"},
		"short key":           {with(certificate(t, "Short", small, year)), 2, "1024 bits"},
		"elliptic curve":      {with(certificate(t, "Curve", ec, year)), 2, "only RSA"},
		"expired":             {with(certificate(t, "Late", keys[2], now.AddDate(0, 0, -1))), 2, "not valid now"},
		"twice the same key":  {with(certificate(t, "Double", keys[0], year)), 2, "count twice"},
		"twice the same":      {with(good[1]), 2, "count twice"},
		"no certificate ever": {nil, 2, "not 0"},
	} {
		if _, err := Create(rootKey(t), test.certificates, test.quorum, now); fault.KindOf(err) != fault.InvalidArgument || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMatches(t *testing.T) {
	certificates, _ := officers(t, 3)
	k := rootKey(t)
	p, err := Create(k, certificates, 2, now)
	if err != nil {
		t.Fatal(err)
	}
	status := func(installation string, keys ...string) *seal.Status {
		return &seal.Status{Installation: installation, Ways: []seal.WayStatus{{RootKeys: keys}}}
	}
	for name, test := range map[string]struct {
		status *seal.Status
		good   bool
	}{
		"the same":             {status(k.Installation(), k.ID()), true},
		"being replaced":       {status(k.Installation(), k.ID(), "other"), true},
		"another installation": {status("other", k.ID()), false},
		"replaced":             {status(k.Installation(), "other"), false},
	} {
		if err := p.Matches(test.status); (err == nil) != test.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The key derivation's own vector: computed by hand with Python's hmac module.
func TestCounterKDF(t *testing.T) {
	// hmac.new(bytes(range(32)), b"\0\0\0\1root_key\0\0\0\2\0", "sha512").hexdigest()
	secret := make([]byte, 32)
	for i := range secret {
		secret[i] = byte(i)
	}
	const want = "0f0b57088e01b87d032f2e7cfd3cf1b2a6b58435cc2998856c0bf6c3c022c741d8fcc06b278733ac0ec12bc8b92f588b74197d4ce3dda5c2d78b1a69b1f2a7e4"
	if got := hex.EncodeToString(counterKDF(secret, rootTag)); got != want {
		t.Errorf("got %s", got)
	}
}

func FuzzParse(f *testing.F) {
	certificates, _ := officers(f, 3)
	p, err := Create(rootKey(f), certificates, 2, now)
	if err != nil {
		f.Fatal(err)
	}
	text, err := p.Marshal()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse(text)
		if err != nil {
			return
		}
		written, err := p.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse(written)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(p, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The package shows in JSON what people may see of it, and no more is in it.
func TestShape(t *testing.T) {
	certificates, _ := officers(t, 3)
	p, err := Create(rootKey(t), certificates, 2, now)
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	var shape struct {
		EncData struct {
			Data []struct {
				CompactJWE string `json:"compact_jwe"`
				Tag        string `json:"tag"`
			} `json:"data"`
			KDF string `json:"kdf"`
		}
		SharedKeys struct {
			Shares []struct {
				Key string `json:"enc_key"`
				X5T string `json:"x5t_256"`
			} `json:"enc_shares"`
			Required int `json:"required"`
		}
	}
	if err := json.Unmarshal(text, &shape); err != nil {
		t.Fatal(err)
	}
	if shape.EncData.KDF != "sp108_kdf" || len(shape.EncData.Data) != 1 || strings.Count(shape.EncData.Data[0].CompactJWE, ".") != 4 ||
		len(shape.SharedKeys.Shares) != 3 || strings.Count(shape.SharedKeys.Shares[0].Key, ".") != 4 || shape.SharedKeys.Required != 2 {
		t.Errorf("%+v", shape)
	}
}
