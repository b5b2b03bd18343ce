package ocsp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	xocsp "golang.org/x/crypto/ocsp"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

var (
	moment = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	// ecdsaSHA256 is the AlgorithmIdentifier of ecdsa-with-SHA256.
	ecdsaSHA256 = []byte{0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02}
)

// issuer is a CA certificate and its key, made by crypto/x509.
type issuer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newIssuer(t testing.TB) *issuer {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotBefore: moment.AddDate(-1, 0, 0), NotAfter: moment.AddDate(9, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{cert, k}
}

// leaf makes a certificate of the issuer with the serial number.
func (i *issuer) leaf(t testing.TB, serial int64) *x509.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "leaf"}, NotBefore: moment.AddDate(-1, 0, 0), NotAfter: moment.AddDate(9, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.cert, i.key.Public(), i.key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// id returns the CertID of a serial number.
func (i *issuer) id(t testing.TB, h crypto.Hash, serial int64) CertID {
	t.Helper()
	bits, err := KeyBits(i.cert.RawSubjectPublicKeyInfo)
	if err != nil {
		t.Fatal(err)
	}
	id, err := NewCertID(h, i.cert.RawSubject, bits, big.NewInt(serial))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// answer signs and encodes a response as the issuer.
func (i *issuer) answer(t testing.TB, r *Response, certs ...[]byte) []byte {
	t.Helper()
	var err error
	if r.Responder, err = ResponderKeyHash(i.cert.RawSubjectPublicKeyInfo); err != nil {
		t.Fatal(err)
	}
	tbs, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(tbs)
	signature, err := ecdsa.SignASN1(rand.Reader, i.key, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	der, err := Assemble(tbs, ecdsaSHA256, signature, certs...)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// TestRequestOfAnother: what golang.org/x/crypto/ocsp asks reads as it meant.
func TestRequestOfAnother(t *testing.T) {
	i := newIssuer(t)
	for _, h := range Hashes() {
		der, err := xocsp.CreateRequest(i.leaf(t, 0x80ff), i.cert, &xocsp.RequestOptions{Hash: h})
		if err != nil {
			t.Fatal(err)
		}
		got, err := ParseRequest(der)
		if err != nil {
			t.Fatalf("%s: %v", h, err)
		}
		want := &Request{IDs: []CertID{i.id(t, h, 0x80ff)}}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", h, d)
		}
		if again, err := got.Encode(); err != nil || !bytes.Equal(again, der) {
			t.Errorf("%s: encodes as %x, want %x (%v)", h, again, der, err)
		}
	}
}

// seq, ctx and the like make DER of a bad request readable.
func seq(parts ...[]byte) []byte { return tlv(0x30, parts...) }

func tlv(tag byte, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(tag), func(b *cryptobyte.Builder) { b.AddBytes(bytes.Join(parts, nil)) })
	return b.BytesOrPanic()
}

func extension(oid string, critical bool, value []byte) []byte {
	parts := [][]byte{tlv(6, []byte(oid))}
	if critical {
		parts = append(parts, []byte{1, 1, 0xff})
	}
	return seq(append(parts, tlv(4, value))...)
}

func TestParseRequest(t *testing.T) {
	i := newIssuer(t)
	one := i.id(t, crypto.SHA1, 7).Raw
	single := seq(one)
	nonce := func(n int) []byte { return extension(oidNonce, false, tlv(4, bytes.Repeat([]byte{9}, n))) }
	request := func(parts ...[]byte) []byte { return seq(seq(parts...)) }
	extended := func(list ...[]byte) []byte { return request(seq(single), tlv(0xa2, seq(list...))) }
	signature := seq(ecdsaSHA256, tlv(3, []byte{0, 1, 2}))
	unknownHash := seq(seq(tlv(6, []byte("\x2a\x03")), tlv(5)), tlv(4, []byte("n")), tlv(4, []byte("k")), tlv(2, []byte{1}))
	sha1 := tlv(6, []byte(oidOf(crypto.SHA1)))
	h20 := tlv(4, make([]byte, 20))
	for _, c := range []struct {
		name string
		der  []byte
		want string // of the error; "" for none
		ids  int
	}{
		{"one", request(seq(single)), "", 1},
		{"several", request(seq(single, single, single)), "", 3},
		{"as many as may be", request(seq(bytes.Repeat(single, MaxSingles))), "", MaxSingles},
		{"too many", request(seq(bytes.Repeat(single, MaxSingles+1))), "too many", 0},
		{"none", request(seq()), "body", 0},
		{"nonce of 1", extended(nonce(1)), "", 1},
		{"nonce of 32", extended(nonce(32)), "", 1},
		{"nonce of 128", extended(nonce(128)), "", 1},
		{"empty nonce", extended(nonce(0)), "1 to 128", 0},
		{"long nonce", extended(nonce(129)), "1 to 128", 0},
		{"nonce without its OCTET STRING", extended(extension(oidNonce, false, []byte{1, 2, 3})), "1 to 128", 0},
		{"critical nonce", extended(extension(oidNonce, true, tlv(4, []byte{1}))), "", 1},
		{"nonce twice", extended(nonce(8), nonce(8)), "twice", 0},
		{"unknown extension", extended(extension("\x2a\x03", false, nil)), "", 1},
		{"unknown critical extension", extended(extension("\x2a\x03", true, nil)), "critical extension 1.2.3", 0},
		{"critical FALSE, which DER leaves out", extended(seq(tlv(6, []byte("\x2a\x03")), []byte{1, 1, 0}, tlv(4))), "extensions", 0},
		{"no extension", extended(), "extensions", 0},
		{"extension of one question", request(seq(seq(one, tlv(0xa0, seq(extension("\x2a\x03", false, nil)))))), "", 1},
		{"critical extension of one question", request(seq(seq(one, tlv(0xa0, seq(extension(oidNonce, true, tlv(4, []byte{1}))))))), "critical", 0},
		{"requestor's name", request(tlv(0xa1, tlv(0xa4, seq())), seq(single)), "", 1},
		{"two requestors", request(tlv(0xa1, tlv(0xa4, seq()), tlv(0xa4, seq())), seq(single)), "body", 0},
		{"version 1 said", request(tlv(0xa0, tlv(2, []byte{0})), seq(single)), "body", 0},
		{"version 2", request(tlv(0xa0, tlv(2, []byte{1})), seq(single)), "body", 0},
		{"signed", seq(seq(seq(single)), tlv(0xa0, signature)), "", 1},
		{"signed, with certificates", seq(seq(seq(single)), tlv(0xa0, seq(ecdsaSHA256, tlv(3, []byte{0, 1}), tlv(0xa0, seq(i.cert.Raw))))), "", 1},
		{"signature of nothing", seq(seq(seq(single)), tlv(0xa0)), "signature", 0},
		{"certificates that are none", seq(seq(seq(single)), tlv(0xa0, seq(ecdsaSHA256, tlv(3, []byte{0, 1}), tlv(0xa0, seq([]byte{5, 0}))))), "signature", 0},
		{"unknown hash", request(seq(seq(unknownHash))), "", 1},
		{"hash without parameters", request(seq(seq(seq(seq(sha1), h20, h20, tlv(2, []byte{1}))))), "", 1},
		{"hash with parameters", request(seq(seq(seq(seq(sha1, tlv(2, []byte{1})), h20, h20, tlv(2, []byte{1}))))), "parameters", 0},
		{"hash of another length", request(seq(seq(seq(seq(sha1), tlv(4, make([]byte, 19)), h20, tlv(2, []byte{1}))))), "length", 0},
		{"negative serial number", request(seq(seq(seq(seq(sha1), h20, h20, tlv(2, []byte{0x80}))))), "CertID", 0},
		{"serial number with leading zeros", request(seq(seq(seq(seq(sha1), h20, h20, tlv(2, []byte{0, 1}))))), "CertID", 0},
		{"endless serial number", request(seq(seq(seq(seq(sha1), h20, h20, tlv(2, bytes.Repeat([]byte{1}, 33)))))), "CertID", 0},
		{"bad OID", request(seq(seq(seq(seq(tlv(6, []byte{0x80})), h20, h20, tlv(2, []byte{1}))))), "hash algorithm", 0},
		{"nothing", nil, "OCSPRequest", 0},
		{"text", []byte("hello"), "OCSPRequest", 0},
		{"something after it", append(request(seq(single)), 0), "OCSPRequest", 0},
		{"too long", seq(make([]byte, MaxRequest)), "too long", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := ParseRequest(c.der)
			if c.want != "" {
				if fault.KindOf(err) != fault.InvalidArgument || err == nil || !strings.Contains(err.Error(), c.want) {
					t.Fatalf("%v, want %q", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(r.IDs) != c.ids {
				t.Errorf("%d certificates", len(r.IDs))
			}
		})
	}
}

// TestAnswerReadByAnother: golang.org/x/crypto/ocsp and our own reader see
// what was written, and the signature holds.
func TestAnswerReadByAnother(t *testing.T) {
	i := newIssuer(t)
	for _, c := range []struct {
		name string
		Single
		status int
	}{
		{"good", Single{Status: Good, NextUpdate: moment.Add(time.Hour)}, xocsp.Good},
		{"good without next update", Single{Status: Good}, xocsp.Good},
		{"unknown", Single{Status: Unknown, NextUpdate: moment.Add(time.Hour)}, xocsp.Unknown},
		{"revoked", Single{Status: Revoked, RevokedAt: moment.Add(-time.Hour), NextUpdate: moment.Add(time.Hour)}, xocsp.Revoked},
		{"on hold", Single{Status: Revoked, RevokedAt: moment.Add(-time.Hour), Reason: 6}, xocsp.Revoked},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.ID, c.ThisUpdate = i.id(t, crypto.SHA256, 7), moment
			r := &Response{ProducedAt: moment, Singles: []Single{c.Single}, Nonce: []byte("nonce")}
			der := i.answer(t, r)
			got, err := xocsp.ParseResponse(der, i.cert)
			if err != nil {
				t.Fatal(err)
			}
			if got.Status != c.status || got.SerialNumber.Int64() != 7 || !got.ThisUpdate.Equal(moment) ||
				!got.NextUpdate.Equal(c.NextUpdate) || got.RevocationReason != c.Reason || !got.RevokedAt.Equal(c.RevokedAt) {
				t.Errorf("read as %+v", got)
			}
			own, err := ParseAnswer(der)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(*r, own.Response); d != "" {
				t.Errorf("our own reader (-want +got):\n%s", d)
			}
		})
	}
}

func TestFailures(t *testing.T) {
	for _, f := range Failures() {
		_, err := xocsp.ParseResponse(f.Encode(), nil)
		if e, ok := err.(xocsp.ResponseError); !ok || int(e.Status) != int(f) { //nolint:errorlint // it is returned bare
			t.Errorf("%s read as %v", f, err)
		}
		if a, err := ParseAnswer(f.Encode()); err != nil || a.Failure != f {
			t.Errorf("%s: %+v, %v", f, a, err)
		}
	}
	for _, text := range []string{Good.String(), Failure(9).String(), Status(9).String()} {
		if text == "" {
			t.Error("a value without a name")
		}
	}
	for _, bad := range [][]byte{nil, {0x30, 0x03, 0x0a, 0x01, 0x04}, {0x30, 0x03, 0x0a, 0x01, 0x00}, seq(tlv(10, []byte{0}), tlv(0xa0, seq(tlv(6, []byte{1}), tlv(4))))} {
		if _, err := ParseAnswer(bad); err == nil {
			t.Errorf("%x is an answer", bad)
		}
	}
}

func TestKeyBits(t *testing.T) {
	for _, bad := range [][]byte{nil, {0x30, 0}, seq(seq(), tlv(3, []byte{1, 2})), append(newIssuer(t).cert.RawSubjectPublicKeyInfo, 0)} {
		if _, err := KeyBits(bad); err == nil {
			t.Errorf("%x is a public key", bad)
		}
		if _, err := ResponderKeyHash(bad); err == nil {
			t.Errorf("%x is a responder's", bad)
		}
	}
	if !NoCheck().Equal(asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}) {
		t.Error("id-pkix-ocsp-nocheck")
	}
}

func TestEncodeRefusesStrangeStatus(t *testing.T) {
	i := newIssuer(t)
	r := &Response{ProducedAt: moment, Singles: []Single{{ID: i.id(t, crypto.SHA1, 1), Status: 3}}}
	if _, err := r.Encode(); err == nil {
		t.Error("a status that is none was encoded")
	}
}

// TestOpenSSL: openssl's requests are read, and it accepts our answers.
func TestOpenSSL(t *testing.T) {
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("SKIP: openssl is not installed: its judgement of our OCSP messages is missing")
	}
	i, dir := newIssuer(t), t.TempDir()
	leaf := i.leaf(t, 0x80ff)
	file := func(name string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, der, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	pem := func(name string, c *x509.Certificate) string {
		out, err := exec.CommandContext(t.Context(), program, "x509", "-inform", "DER", "-in", file(name+".der", c.Raw), "-out", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			t.Fatal(err, string(out))
		}
		return filepath.Join(dir, name)
	}
	ca, cert, request := pem("ca.pem", i.cert), pem("leaf.pem", leaf), filepath.Join(dir, "request.der")
	for _, hash := range []string{"-sha1", "-sha256"} {
		ask := []string{"ocsp", hash, "-issuer", ca, "-cert", cert, "-nonce"}
		if out, err := exec.CommandContext(t.Context(), program, append(ask, "-reqout", request)...).CombinedOutput(); err != nil {
			t.Fatal(err, string(out))
		}
		der, err := os.ReadFile(request)
		if err != nil {
			t.Fatal(err)
		}
		r, err := ParseRequest(der)
		if err != nil || len(r.Nonce) == 0 {
			t.Fatalf("%x: %+v, %v", der, r, err)
		}
		answer := i.answer(t, &Response{ProducedAt: moment, Nonce: r.Nonce, Singles: []Single{
			{ID: r.IDs[0], Status: Revoked, RevokedAt: moment, Reason: 1, ThisUpdate: moment, NextUpdate: moment.AddDate(8, 0, 0)},
		}})
		judge := []string{"ocsp", hash, "-issuer", ca, "-cert", cert, "-no_nonce", "-respin", file("answer.der", answer), "-CAfile", ca, "-validity_period", "1000000000"}
		out, err := exec.CommandContext(t.Context(), program, judge...).CombinedOutput()
		if text := string(out); err != nil || !strings.Contains(text, "Response verify OK") || !strings.Contains(text, "revoked") || !strings.Contains(text, "keyCompromise") {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

// FuzzParseRequest: what parses has limits, and without what a request of
// ours lacks it encodes to the same bytes.
func FuzzParseRequest(f *testing.F) {
	i := newIssuer(f)
	for _, h := range Hashes() {
		der, err := (&Request{IDs: []CertID{i.id(f, h, 5), i.id(f, h, 6)}, Nonce: []byte("12345678")}).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(der)
	}
	f.Add(seq(seq(seq(seq(i.id(f, crypto.SHA1, 1).Raw, tlv(0xa0, seq(extension("\x2a\x03", false, nil))))))))
	f.Fuzz(func(t *testing.T, der []byte) {
		r, err := ParseRequest(der)
		if err != nil {
			if fault.KindOf(err) != fault.InvalidArgument {
				t.Fatal(err)
			}
			return
		}
		if len(r.IDs) == 0 || len(r.IDs) > MaxSingles || len(r.Nonce) > MaxNonce {
			t.Fatalf("%+v", r)
		}
		again, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		second, err := ParseRequest(again)
		if err != nil {
			t.Fatal(err)
		}
		if r.Signed = false; !cmp.Equal(r, second) {
			t.Fatal(cmp.Diff(r, second))
		}
	})
}

// FuzzParseAnswer: what parses encodes to the same bytes.
func FuzzParseAnswer(f *testing.F) {
	i := newIssuer(f)
	id := i.id(f, crypto.SHA1, 5)
	f.Add(i.answer(f, &Response{ProducedAt: moment, Singles: []Single{{ID: id, ThisUpdate: moment, NextUpdate: moment}}}, i.cert.Raw))
	f.Add(i.answer(f, &Response{ProducedAt: moment, Nonce: []byte{1}, Singles: []Single{
		{ID: id, Status: Revoked, RevokedAt: moment, Reason: 4, ThisUpdate: moment}, {ID: id, Status: Unknown, ThisUpdate: moment},
	}}))
	f.Add(TryLater.Encode())
	f.Fuzz(func(t *testing.T, der []byte) {
		a, err := ParseAnswer(der)
		if err != nil {
			return
		}
		if a.Failure != 0 {
			if !bytes.Equal(a.Failure.Encode(), der) {
				t.Fatalf("%x", der)
			}
			return
		}
		tbs, err := a.Response.Encode()
		if err != nil || !bytes.Equal(tbs, a.TBS) {
			t.Fatalf("%v\n%x\n%x", err, a.TBS, tbs)
		}
		again, err := Assemble(tbs, a.Algorithm, a.Signature, a.Certificates...)
		if err != nil || !bytes.Equal(again, der) {
			t.Fatalf("%v\n%x\n%x", err, der, again)
		}
	})
}

func BenchmarkParseRequest(b *testing.B) {
	der, err := (&Request{IDs: []CertID{newIssuer(b).id(b, crypto.SHA1, 5)}}).Encode()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := ParseRequest(der); err != nil {
			b.Fatal(err)
		}
	}
}
