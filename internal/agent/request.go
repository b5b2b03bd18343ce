package agent

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"net/url"
	"strings"
	"time"
)

// Request is a certificate that the agent asks for by itself, for a key that
// it makes and that never leaves the host.
type Request struct {
	// Authority is the issuer's name or id, Profile the kind of certificate.
	Authority string `yaml:"authority"`
	Profile   string `yaml:"profile"`
	// CommonName and Organization are the subject's. Default: none.
	CommonName   string `yaml:"common_name"`
	Organization string `yaml:"organization"`
	// Names are the alternative names: DNS names, IP addresses, URIs (with
	// "://") and e-mail addresses.
	Names []string `yaml:"names"`
	// Key is the key's type and size. Default: ECC_NIST_P256.
	Key string `yaml:"key"`
	// ReuseKey keeps the key when the certificate is renewed. Default: a new one.
	ReuseKey bool `yaml:"reuse_key"`
	// Validity is such as "90d". Default: the profile's own.
	Validity string `yaml:"validity"`
	Renew    Renew  `yaml:"renew"`
}

// Renew says when a certificate is renewed: at the earlier of the two times.
type Renew struct {
	// Before is the time before its end. Default: none.
	Before Duration `yaml:"before"`
	// Share is the part of its life after which it is renewed. Default: 0.67.
	Share float64 `yaml:"share"`
	// Jitter is up to how much earlier it is renewed, always the same for one
	// certificate of one host. Default: a twentieth of its life.
	Jitter Duration `yaml:"jitter"`
}

// defaultShare is two thirds of a certificate's life.
const defaultShare = 0.67

func (r *Request) complete() {
	or(&r.Key, "ECC_NIST_P256")
	or(&r.Renew.Share, defaultShare)
}

func (r *Request) validate(at string, wrong *problems) {
	if r.Authority == "" || r.Profile == "" {
		wrong.add(at, "authority and profile are needed")
	}
	if r.CommonName == "" && len(r.Names) == 0 {
		wrong.add(at, "it has neither a common_name nor names")
	}
	if _, known := generators[r.Key]; !known {
		wrong.add(at+".key", "%q is none of ECC_NIST_P256, ECC_NIST_P384, ECC_NIST_P521, ECC_NIST_EDWARDS25519, RSA_2048, RSA_3072 and RSA_4096", r.Key)
	}
	if r.Renew.Share <= 0 || r.Renew.Share >= 1 {
		wrong.add(at+".renew.share", "it is between 0 and 1")
	}
	if r.Renew.Before < 0 || r.Renew.Jitter < 0 {
		wrong.add(at+".renew", "no time is below zero")
	}
}

// generators make keys.
var generators = map[string]func() (crypto.Signer, error){
	"ECC_NIST_P256": curve(elliptic.P256()), "ECC_NIST_P384": curve(elliptic.P384()), "ECC_NIST_P521": curve(elliptic.P521()),
	"RSA_2048": bits(2048), "RSA_3072": bits(3072), "RSA_4096": bits(4096),
	"ECC_NIST_EDWARDS25519": func() (crypto.Signer, error) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	},
}

func curve(c elliptic.Curve) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return ecdsa.GenerateKey(c, rand.Reader) }
}

func bits(n int) func() (crypto.Signer, error) {
	return func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, n) }
}

// csr returns a request for a key in PEM.
func (r *Request) csr(k crypto.Signer) (string, error) {
	t := &x509.CertificateRequest{Subject: pkix.Name{CommonName: r.CommonName}}
	if r.Organization != "" {
		t.Subject.Organization = []string{r.Organization}
	}
	for _, name := range r.Names {
		switch ip := net.ParseIP(name); {
		case ip != nil:
			t.IPAddresses = append(t.IPAddresses, ip)
		case strings.Contains(name, "://"):
			u, err := url.Parse(name)
			if err != nil {
				return "", fmt.Errorf("the name %q: %w", name, err)
			}
			t.URIs = append(t.URIs, u)
		case strings.Contains(name, "@"):
			t.EmailAddresses = append(t.EmailAddresses, name)
		default:
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, t, k)
	if err != nil {
		return "", fmt.Errorf("making a certificate request: %w", err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), nil
}

// order is what tells one request from another: a certificate that was asked
// for otherwise is replaced. When it is renewed does not matter to it.
func (r *Request) order() string {
	asked := *r
	asked.Renew, asked.ReuseKey = Renew{}, false
	return digest(asked)
}

// digest returns the hash of a value's JSON.
func digest(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic("encoding a configuration: " + err.Error()) // our own bug
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// due returns when a certificate is to be renewed. seed spreads certificates
// of one age.
func (r *Renew) due(from, until time.Time, seed string) time.Time {
	life := until.Sub(from)
	at := from.Add(time.Duration(float64(life) * r.Share))
	if before := until.Add(-time.Duration(r.Before)); r.Before > 0 && before.Before(at) {
		at = before
	}
	jitter := time.Duration(r.Jitter)
	if jitter == 0 {
		jitter = life / 20
	}
	at = at.Add(-spread(seed, jitter))
	if at.Before(from) { // a rule that is longer than the life: not at once again
		return from.Add(life / 2)
	}
	return at
}

// spread returns a time from 0 to most that is always the same for a seed.
func spread(seed string, most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	sum := sha256.Sum256([]byte(seed))
	return time.Duration(binary.BigEndian.Uint64(sum[:8]) % uint64(most)) //nolint:gosec // it is above zero
}
