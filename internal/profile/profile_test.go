package profile

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"net/netip"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// TestCheckNames is the table of subjects and names that profiles take.
func TestCheckNames(t *testing.T) {
	profiles := map[string]*Profile{}
	for _, p := range Builtin() {
		profiles[p.Name] = &p
	}
	host := Names{DNS: []string{"a.example.com"}}
	ip := Names{IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}
	for name, c := range map[string]struct {
		profile string
		subject Subject
		names   Names
		good    bool
	}{
		"a host":                        {"tls-server", Subject{}, host, true},
		"an address":                    {"tls-server", Subject{}, ip, true},
		"a wildcard":                    {"tls-server", Subject{}, Names{DNS: []string{"*.example.com"}}, true},
		"a server's URI":                {"tls-server", Subject{}, Names{URIs: []string{"spiffe://a/b"}}, false},
		"a server without a name":       {"tls-server", Subject{CommonName: "a"}, Names{}, false},
		"the host in the CN as well":    {"tls-server", Subject{CommonName: "A.example.com."}, host, true},
		"another host in the CN":        {"tls-server", Subject{CommonName: "b.example.com"}, host, false},
		"the address in the CN as well": {"tls-server", Subject{CommonName: "::ffff:10.0.0.1"}, ip, true},
		"another address in the CN":     {"tls-server", Subject{CommonName: "10.0.0.2"}, ip, false},
		"words in the CN":               {"tls-server", Subject{CommonName: "the web server"}, host, true},
		"a person":                      {"tls-client", Subject{CommonName: "Alice"}, Names{}, true},
		"a client's mailbox":            {"tls-client", Subject{}, Names{Emails: []string{"a@example.com"}}, true},
		"a client's wildcard":           {"tls-client", Subject{}, Names{DNS: []string{"*.example.com"}}, false},
		"a client's address":            {"tls-client", Subject{}, ip, false},
		"nobody":                        {"tls-client", Subject{}, Names{}, false},
		"a workload":                    {"tls-mutual", Subject{}, Names{URIs: []string{"spiffe://a/b"}}, true},
		"a workload's mailbox":          {"tls-mutual", Subject{}, Names{Emails: []string{"a@example.com"}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			wantViolation(t, profiles[c.profile].CheckNames(c.subject, &c.names), c.good)
		})
	}
}

// wantViolation checks that an error is nil, or else a ProfileViolation.
func wantViolation(t *testing.T, err error, good bool) {
	t.Helper()
	if (err == nil) != good || err != nil && fault.ReasonOf(err) != fault.ProfileViolation {
		t.Errorf("%v, want good: %v", err, good)
	}
}

// TestKeys is the table of public keys that certificates are for.
func TestKeys(t *testing.T) {
	rules := Builtin()[0].Keys
	modulus := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits-1) }
	for name, c := range map[string]struct {
		key  any
		good bool
	}{
		"RSA 2048":      {&rsa.PublicKey{N: modulus(2048), E: 65537}, true},
		"RSA 8192":      {&rsa.PublicKey{N: modulus(8192), E: 65537}, true},
		"RSA 2047":      {&rsa.PublicKey{N: modulus(2047), E: 65537}, false},
		"RSA 8193":      {&rsa.PublicKey{N: modulus(8193), E: 65537}, false},
		"exponent 3":    {&rsa.PublicKey{N: modulus(2048), E: 3}, false},
		"even exponent": {&rsa.PublicKey{N: modulus(2048), E: 65538}, false},
		"P-224":         {&ecdsa.PublicKey{Curve: elliptic.P224()}, false},
		"P-256":         {&ecdsa.PublicKey{Curve: elliptic.P256()}, true},
		"P-384":         {&ecdsa.PublicKey{Curve: elliptic.P384()}, true},
		"P-521":         {&ecdsa.PublicKey{Curve: elliptic.P521()}, true},
		"Ed25519":       {ed25519.PublicKey{}, true},
		"none":          {nil, false},
	} {
		t.Run(name, func(t *testing.T) { wantViolation(t, rules.Check(c.key), c.good) })
	}
}

// TestLife says when a certificate made at noon is valid, below an issuer
// that is valid from 11:58 for ten days.
func TestLife(t *testing.T) {
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	issuer := &x509.Certificate{NotBefore: noon.Add(-2 * time.Minute), NotAfter: noon.Add(10 * day)}
	ended := &x509.Certificate{NotBefore: noon.Add(-2 * day), NotAfter: noon}
	for name, c := range map[string]struct {
		life     Life
		issuer   *x509.Certificate
		from, to time.Duration // from noon
		reason   fault.Reason
		refused  bool
	}{
		"standard":              {Life{Standard: 5 * day, Maximum: 9 * day}, issuer, 0, 5 * day, 0, false},
		"asked for":             {Life{Asked: day, Standard: 5 * day, Maximum: 9 * day}, issuer, 0, day, 0, false},
		"the shortest":          {Life{Asked: time.Minute, Maximum: day}, issuer, 0, time.Minute, 0, false},
		"too short":             {Life{Asked: time.Minute - 1, Maximum: day}, issuer, 0, 0, fault.ProfileViolation, true},
		"negative":              {Life{Asked: -day, Maximum: day}, issuer, 0, 0, fault.ProfileViolation, true},
		"the longest":           {Life{Asked: 9 * day, Maximum: 9 * day}, issuer, 0, 9 * day, 0, false},
		"too long":              {Life{Asked: 9*day + 1, Maximum: 9 * day}, issuer, 0, 0, fault.ProfileViolation, true},
		"backdated":             {Life{Standard: day, Maximum: day, Backdate: time.Minute}, issuer, -time.Minute, day, 0, false},
		"before the issuer":     {Life{Standard: day, Maximum: day, Backdate: time.Hour}, issuer, -2 * time.Minute, day, 0, false},
		"cut to the issuer":     {Life{Standard: 20 * day, Maximum: 20 * day}, issuer, 0, 10 * day, 0, false},
		"asked past the issuer": {Life{Asked: 11 * day, Maximum: 20 * day}, issuer, 0, 0, fault.ProfileViolation, true},
		"self-signed":           {Life{Standard: 20 * day, Maximum: 20 * day, Backdate: time.Hour}, nil, -time.Hour, 20 * day, 0, false},
		"the issuer has ended":  {Life{Standard: day, Maximum: day}, ended, 0, 0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			var got x509.Certificate
			err := c.life.Put(&got, c.issuer, noon)
			if c.refused {
				if err == nil || fault.ReasonOf(err) != c.reason {
					t.Errorf("%v to %v, error %v", got.NotBefore, got.NotAfter, err)
				}
				return
			}
			if err != nil || got.NotBefore.Sub(noon) != c.from || got.NotAfter.Sub(noon) != c.to {
				t.Errorf("%v to %v (%v), want %v and %v from noon", got.NotBefore, got.NotAfter, err, c.from, c.to)
			}
		})
	}
}

// FuzzReadCSR: a request is refused with a fault of its own, or it has the
// key that signed it and names that a template gets back as they were.
func FuzzReadCSR(f *testing.F) {
	_, signer, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	for _, template := range []*x509.CertificateRequest{
		{},
		{Subject: Subject{CommonName: "x", Country: "CH", Organization: "Größe"}.Name(), DNSNames: []string{"*.a.example.com"}},
		{EmailAddresses: []string{"a@b.c"}, DNSNames: []string{"xn--bcher-kva.example"}},
	} {
		der, err := x509.CreateCertificateRequest(rand.Reader, template, signer)
		if err != nil {
			f.Fatal(err)
		}
		if _, err := ReadCSR(der, Subject{}); err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Add([]byte{0x30, 0x80})
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := ReadCSR(der, Subject{})
		if err != nil {
			if k := fault.KindOf(err); k == fault.Internal || k == fault.Unavailable {
				t.Fatalf("a bad request is %s: %v", k, err)
			}
			return
		}
		if pub, err := x509.ParsePKIXPublicKey(r.SPKI); err != nil || pub == nil || r.Key == nil {
			t.Errorf("its key is %v (%v)", r.Key, err)
		}
		names, err := r.Names.Normal()
		if err != nil {
			return
		}
		var c x509.Certificate
		names.Put(&c)
		if got := len(c.DNSNames) + len(c.IPAddresses) + len(c.URIs) + len(c.EmailAddresses); got != names.Len() {
			t.Errorf("%d of %d names are in the template", got, names.Len())
		}
	})
}
