package lint

import (
	"crypto"
	"crypto/sha1" // a responder's KeyHash is SHA-1 by definition
	"crypto/x509"
	"encoding/asn1"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// ocspAnswer is a ResponseData (RFC 6960 section 4.2.1) of the tests.
type ocspAnswer struct {
	keyHash    []byte
	this, next time.Time
	empty      bool
	rest       string
}

func (a *ocspAnswer) encode(t testing.TB) []byte {
	t.Helper()
	tag := func(n uint8) cbasn1.Tag { return cbasn1.Tag(n).ContextSpecific().Constructed() }
	b := cryptobyte.NewBuilder(nil)
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(tag(2), func(b *cryptobyte.Builder) { b.AddASN1OctetString(a.keyHash) })
		b.AddASN1GeneralizedTime(a.this)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			if a.empty {
				return
			}
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
					b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
						b.AddASN1ObjectIdentifier(asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26})
						b.AddASN1NULL()
					})
					b.AddASN1OctetString(make([]byte, 20))
					b.AddASN1OctetString(make([]byte, 20))
					b.AddASN1Int64(5)
				})
				b.AddASN1(cbasn1.Tag(0).ContextSpecific(), func(*cryptobyte.Builder) {}) // good
				b.AddASN1GeneralizedTime(a.this)
				b.AddASN1(tag(0), func(b *cryptobyte.Builder) { b.AddASN1GeneralizedTime(a.next) })
			})
		})
	})
	der, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return append(der, a.rest...)
}

// TestResponse: a good answer is signed, with certificates beside it, and
// reads back elsewhere; others get no token.
func TestResponse(t *testing.T) {
	l := New()
	ca := authority(t, l, alg.P256, alg.ECDSASHA256)
	var spki struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(ca.spki, &spki); err != nil {
		t.Fatal(err)
	}
	hash := sha1.Sum(spki.Key.Bytes)
	now := time.Now().UTC().Truncate(time.Second)
	good := func() *ocspAnswer { return &ocspAnswer{keyHash: hash[:], this: now, next: now.Add(time.Hour)} }
	token, err := l.Response(good().encode(t), ca.public, alg.ECDSASHA256, ca.cert.Raw)
	if err != nil {
		t.Fatal(err)
	}
	basic, err := token.Sign(ca.signer)
	if err != nil {
		t.Fatal(err)
	}
	checkBasic(t, basic, ca.cert)
	for name, change := range map[string]func(*ocspAnswer){
		"e_holdfast_ocsp_responder_is_not_the_signer":    func(a *ocspAnswer) { a.keyHash = make([]byte, 20) },
		"e_holdfast_ocsp_answers_nothing":                func(a *ocspAnswer) { a.empty = true },
		"e_holdfast_ocsp_next_update_before_this_update": func(a *ocspAnswer) { a.next = a.this },
		"e_holdfast_ocsp_malformed":                      func(a *ocspAnswer) { a.rest = "x" },
	} {
		a := good()
		change(a)
		_, err := l.Response(a.encode(t), ca.public, alg.ECDSASHA256)
		wantRefused(t, err, name)
	}
	if _, err := l.Response(good().encode(t), ca.public, alg.PSSSHA256); fault.ReasonOf(err) != fault.WrongAlgorithm {
		t.Errorf("an algorithm of another kind of key: %v", err)
	}
}

// checkBasic has x/crypto/ocsp read a BasicOCSPResponse.
func checkBasic(t *testing.T, basic []byte, issuer *x509.Certificate) {
	t.Helper()
	type bytes struct {
		Type     asn1.ObjectIdentifier
		Response []byte
	}
	whole, err := asn1.Marshal(struct {
		Status asn1.Enumerated
		Bytes  bytes `asn1:"explicit,tag:0"`
	}{Bytes: bytes{asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}, basic}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := ocsp.ParseResponse(whole, issuer)
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != ocsp.Good || r.Certificate == nil || !r.Certificate.Equal(issuer) || r.IssuerHash != crypto.SHA1 {
		t.Errorf("the answer reads as %+v", r)
	}
}

// FuzzResponse: reading an answer ends, with names of lints or without.
func FuzzResponse(f *testing.F) {
	p := newParty(f, alg.P256)
	now := time.Now().UTC()
	f.Add((&ocspAnswer{keyHash: make([]byte, 20), this: now, next: now.Add(time.Hour)}).encode(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, name := range lintResponse(data, p.public) {
			if !strings.HasPrefix(name, "e_holdfast_ocsp_") {
				t.Errorf("a lint with the name %s", name)
			}
		}
	})
}

// FuzzText: looking for control characters ends, and finds one in a string
// of a name.
func FuzzText(f *testing.F) {
	f.Add([]byte("\x30\x0d\x31\x0b\x30\x09\x06\x03\x55\x04\x03\x0c\x02ab"))
	f.Add([]byte("\x1e\x04\x00a\x00\x07"))
	f.Fuzz(func(t *testing.T, der []byte) {
		if !control(der, 0) && control(append([]byte(nil), der...), maxDepth+1) && len(der) == 0 {
			t.Error("nothing is not read at the end")
		}
		if text := append([]byte{0x0c, byte(len(der)%100 + 1)}, append([]byte(strings.Repeat("a", len(der)%100)), 0x1b)...); !control(text, 0) {
			t.Errorf("%x has no control character", text)
		}
	})
}
