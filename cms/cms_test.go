package cms_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/smallstep/pkcs7"

	"github.com/holdfast-kms/holdfast/cms"
)

// party is a key with its certificate.
type party struct {
	key  crypto.Signer
	cert *x509.Certificate
}

// parties are a root, an authority under it, and one signer of each kind
// under that, made once.
var parties = sync.OnceValue(func() map[string]party {
	all := map[string]party{}
	root := newParty("root", ecKey(elliptic.P256()), nil, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	authority := newParty("authority", ecKey(elliptic.P256()), &root, func(c *x509.Certificate) { c.IsCA, c.BasicConstraintsValid = true, true })
	all["root"], all["authority"] = root, authority
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	for name, key := range map[string]crypto.Signer{"rsa": k, "p-256": ecKey(elliptic.P256()), "p-384": ecKey(elliptic.P384()), "p-521": ecKey(elliptic.P521()), "ed25519": ed} {
		all[name] = newParty(name, key, &authority, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature })
	}
	all["encipherment"] = newParty("encipherment", k, &authority, func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment })
	return all
})

func ecKey(c elliptic.Curve) crypto.Signer {
	k, err := ecdsa.GenerateKey(c, rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func newParty(name string, key crypto.Signer, issuer *party, change func(*x509.Certificate)) party {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), SubjectKeyId: []byte(name),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection},
	}
	change(template)
	if template.IsCA {
		template.ExtKeyUsage = nil
	}
	if issuer == nil {
		issuer = &party{key, template}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return party{key, c}
}

// kinds are the kinds of signers.
var kinds = []string{"rsa", "p-256", "p-384", "p-521", "ed25519"}

// remote is a key of which nothing but crypto.Signer is to be seen.
type remote struct{ crypto.Signer }

// signer is one of the parties, with the authority's certificate.
func signer(name string) *cms.Signer {
	p := parties()[name]
	return &cms.Signer{Key: remote{p.key}, Certificate: p.cert, Chain: []*x509.Certificate{parties()["authority"].cert}, Time: time.Now()}
}

// options trust the root.
func options() cms.Options {
	roots := x509.NewCertPool()
	roots.AddCert(parties()["root"].cert)
	return cms.Options{Roots: roots}
}

func sign(tb testing.TB, content []byte, s ...*cms.Signer) []byte {
	tb.Helper()
	der, err := cms.Sign(content, s...)
	if err != nil {
		tb.Fatal(err)
	}
	return der
}

func parse(tb testing.TB, data []byte) *cms.SignedData {
	tb.Helper()
	d, err := cms.Parse(data)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func TestSign(t *testing.T) {
	content := bytes.Repeat([]byte("content "), 10_000)
	hashes := map[string][]crypto.Hash{"ed25519": {0, crypto.SHA512}}
	for _, kind := range kinds {
		for _, hash := range append(hashes[kind], 0, crypto.SHA256, crypto.SHA384, crypto.SHA512) {
			if kind == "ed25519" && hash != 0 && hash != crypto.SHA512 {
				continue
			}
			for _, pss := range []bool{false, true} {
				s := signer(kind)
				s.Hash, s.PSS = hash, pss
				der := sign(t, content, s)
				d := parse(t, der)
				got, by, err := d.Verify(options())
				if err != nil || !bytes.Equal(got, content) || len(by) != 1 || !by[0].Certificate.Equal(s.Certificate) || time.Since(by[0].Time) > time.Minute {
					t.Fatalf("%s, %v, PSS %t: %d bytes, %d, %v", kind, hash, pss, len(got), len(by), err)
				}
				if again, err := d.Marshal(); err != nil || !bytes.Equal(again, der) {
					t.Errorf("%s: it does not marshal as it was (%v)", kind, err)
				}
				detached, err := cms.SignDetached(bytes.NewReader(content), s)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := parse(t, detached).VerifyDetached(bytes.NewReader(content), options()); err != nil {
					t.Errorf("%s detached: %v", kind, err)
				}
				if _, err := parse(t, detached).VerifyDetached(bytes.NewReader(content[1:]), options()); !errors.Is(err, cms.ErrVerification) {
					t.Errorf("%s, other content: %v", kind, err)
				}
			}
		}
	}
}

// Several sign one content, and all of them count.
func TestSeveral(t *testing.T) {
	var all []*cms.Signer
	for _, kind := range kinds {
		all = append(all, signer(kind))
	}
	der := sign(t, []byte("content"), all...)
	if _, by, err := parse(t, der).Verify(options()); err != nil || len(by) != len(kinds) {
		t.Errorf("%d verify: %v", len(by), err)
	}
	if n := len(parse(t, der).Certificates); n != len(kinds)+1 {
		t.Errorf("%d certificates", n)
	}
	last := parties()["p-256"]
	changed := bytes.Replace(der, last.cert.Raw, nil, 1) // lengths do not fit any more
	if _, err := cms.Parse(changed); err == nil {
		t.Error("a message that was cut is read")
	}
	stranger := newParty("stranger", ecKey(elliptic.P256()), nil, func(*x509.Certificate) {})
	der = sign(t, []byte("content"), signer("rsa"), &cms.Signer{Key: stranger.key, Certificate: stranger.cert})
	if _, _, err := parse(t, der).Verify(options()); !errors.Is(err, cms.ErrVerification) {
		t.Errorf("with a stranger's signature beside a good one: %v", err)
	}
}

// Another implementation reads it.
func TestSmallstep(t *testing.T) {
	for _, kind := range []string{"rsa", "p-256", "p-384", "p-521"} {
		p7, err := pkcs7.Parse(sign(t, []byte("content"), signer(kind)))
		if err != nil {
			t.Fatal(err)
		}
		if err := p7.VerifyWithChain(options().Roots); err != nil || string(p7.Content) != "content" {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	der := sign(t, []byte("content"), signer("p-256"))
	replace := func(from, to string) func([]byte) []byte {
		return func(b []byte) []byte {
			changed := bytes.Replace(b, []byte(from), []byte(to), 1)
			if bytes.Equal(changed, b) {
				t.Fatalf("%x is not there", from)
			}
			return changed
		}
	}
	same := func(b []byte) []byte { return b }
	tests := []struct {
		name   string
		change func([]byte) []byte
		o      func(*cms.Options)
		want   string
	}{
		{"other content", replace("content", "kontent"), nil, "not what was signed"},
		{"another type of content", replace("\x30\x16\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01", "\x30\x16\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x06"), nil, "another type of content"},
		{"a changed signature", func(b []byte) []byte { b = bytes.Clone(b); b[len(b)-1] ^= 1; return b }, nil, "another key's"},
		{"another hash in the signature algorithm", func(b []byte) []byte {
			b = bytes.Clone(b)
			oid := []byte("\x2a\x86\x48\xce\x3d\x04\x03\x02")
			b[bytes.LastIndex(b, oid)+len(oid)-1] = 3
			return b
		}, nil, "not one of the key"},
		{"SHA-1", func(b []byte) []byte {
			return bytes.ReplaceAll(b, []byte("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), []byte("\x60\x86\x48\x01\x65\x03\x04\x02\x09"))
		}, nil, "is not supported"},
		{"nobody trusted", same, func(o *cms.Options) { o.Roots = x509.NewCertPool() }, "unknown authority"},
		{"too late", same, func(o *cms.Options) { o.Time = time.Now().Add(24 * time.Hour) }, "expired"},
		{"for another purpose", same, func(o *cms.Options) { o.KeyUsages = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }, "incompatible key usage"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := options()
			if tt.o != nil {
				tt.o(&o)
			}
			if _, _, err := parse(t, tt.change(der)).Verify(o); !errors.Is(err, cms.ErrVerification) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v: want %q", err, tt.want)
			}
		})
	}
	s := signer("encipherment")
	if _, _, err := parse(t, sign(t, nil, s)).Verify(options()); err == nil || !strings.Contains(err.Error(), "not for signatures") {
		t.Errorf("a certificate for something else: %v", err)
	}
	if _, err := parse(t, der).VerifyDetached(strings.NewReader("content"), options()); err == nil {
		t.Error("a message with a content is taken as detached")
	}
	detached, err := cms.SignDetached(strings.NewReader("content"), signer("rsa"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := parse(t, detached).Verify(options()); err == nil {
		t.Error("a detached message gives a content")
	}
	broken := errors.New("the disk is on fire")
	if _, err := parse(t, detached).VerifyDetached(&failing{broken}, options()); !errors.Is(err, broken) || errors.Is(err, cms.ErrVerification) {
		t.Errorf("content that cannot be read: %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }

// A signature that names another certificate of the same key is refused.
func TestOtherCertificate(t *testing.T) {
	p := parties()["p-256"]
	authority := parties()["authority"]
	twin := newParty("p-256", p.key, &authority, func(c *x509.Certificate) { c.SerialNumber = p.cert.SerialNumber })
	der := sign(t, []byte("content"), &cms.Signer{Key: p.key, Certificate: p.cert, Chain: []*x509.Certificate{authority.cert}})
	d := parse(t, der)
	d.Certificates = []*x509.Certificate{twin.cert, authority.cert}
	if _, _, err := d.Verify(options()); err == nil || !strings.Contains(err.Error(), "name another certificate") {
		t.Error(err)
	}
}

func TestSignRefuses(t *testing.T) {
	p := parties()
	for _, tt := range []struct {
		name   string
		signer *cms.Signer
		want   string
	}{
		{"no certificate", &cms.Signer{Key: p["rsa"].key}, "not for the key"},
		{"another's certificate", &cms.Signer{Key: p["rsa"].key, Certificate: p["p-256"].cert}, "not for the key"},
		{"SHA-1", &cms.Signer{Key: p["rsa"].key, Certificate: p["rsa"].cert, Hash: crypto.SHA1}, "not supported"},
		{"Ed25519 with SHA-256", &cms.Signer{Key: p["ed25519"].key, Certificate: p["ed25519"].cert, Hash: crypto.SHA256}, "SHA-512 only"},
		{"a key that fails", &cms.Signer{Key: broken{p["rsa"].key}, Certificate: p["rsa"].cert}, "the token is gone"},
	} {
		if _, err := cms.Sign([]byte("x"), tt.signer); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v: want %q", tt.name, err, tt.want)
		}
	}
	if _, err := cms.Sign(nil); err == nil {
		t.Error("nobody signs")
	}
	unread := errors.New("unread")
	if _, err := cms.SignDetached(&failing{unread}, signer("rsa")); !errors.Is(err, unread) {
		t.Error(err)
	}
}

type broken struct{ crypto.Signer }

func (broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, errors.New("the token is gone")
}

func TestParseRefuses(t *testing.T) {
	der := sign(t, []byte("content"), signer("p-256"))
	tests := []struct {
		name string
		data []byte
	}{
		{"nothing", nil},
		{"text", []byte("text")},
		{"cut", der[:len(der)-1]},
		{"more at the end", append(bytes.Clone(der), 0)},
		{"another PEM block", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})},
		{"a certificate", parties()["rsa"].cert.Raw},
		{"enveloped data", bytes.Replace(der, []byte("\x01\x07\x02"), []byte("\x01\x07\x03"), 1)},
		{"deep", bytes.Repeat([]byte{0x30, 0x80}, 1000)},
		{"an impossible length", []byte{0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0}},
		{"a length of a length", []byte{0x30, 0x8f, 1, 1}},
		{"an octet string of integers", []byte{0x24, 0x80, 2, 1, 1, 0, 0}},
		{"a primitive without end", []byte{0x04, 0x80, 0, 0}},
	}
	for _, tt := range tests {
		if _, err := cms.Parse(tt.data); err == nil {
			t.Errorf("%s is read", tt.name)
		}
	}
	for _, typ := range []string{"CMS", "PKCS7"} {
		if _, _, err := parse(t, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der})).Verify(options()); err != nil {
			t.Errorf("in PEM, %s: %v", typ, err)
		}
	}
}

// What parses marshals back as DER that parses the same.
func FuzzParse(f *testing.F) {
	f.Add(sign(f, []byte("content"), signer("p-256")))
	f.Add(sign(f, nil, signer("ed25519"), signer("p-384")))
	detached, err := cms.SignDetached(strings.NewReader("content"), signer("rsa"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(detached)
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 4, 1, 'x', 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := cms.Parse(data)
		if err != nil {
			return
		}
		der, err := d.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		again, err := cms.Parse(der)
		if err != nil {
			t.Fatalf("%x does not parse: %v", der, err)
		}
		if third, err := again.Marshal(); err != nil || !bytes.Equal(der, third) || d.Detached() != again.Detached() {
			t.Errorf("%x marshals as %x (%v)", der, third, err)
		}
		_, _, _ = d.Verify(options()) // it ends
	})
}
