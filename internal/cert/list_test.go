package cert

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"iter"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/alg"
	"github.com/holdfast-kms/holdfast/internal/engine"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// ca is an authority of the tests.
type ca struct {
	signer crypto.Signer
	public *engine.PublicKey
	cert   *x509.Certificate
	a      alg.Algorithm
}

func newCA(t testing.TB, spec alg.Spec, a alg.Algorithm) *ca {
	t.Helper()
	signer, err := makeKey(spec)
	if err != nil {
		t.Fatal(err)
	}
	k, spki := public(t, signer)
	id, err := SubjectKeyID(spki)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1 << 40), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now(), NotAfter: now().AddDate(9, 0, 0),
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, SubjectKeyId: id,
	}
	tbs, err := Encode(template, template, k, k, a)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(complete(t, signer, k, a, tbs))
	if err != nil {
		t.Fatal(err)
	}
	return &ca{signer, k, c, a}
}

// now is the time with the resolution of certificates.
func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// write writes and signs a list.
func (c *ca) write(t testing.TB, spool Spool, l *List, entries iter.Seq2[Entry, error]) *Draft {
	t.Helper()
	d, err := WriteList(spool, l, c.cert, c.public, c.a, entries)
	if err != nil {
		t.Fatal(err)
	}
	m, err := d.Message()
	if err != nil {
		t.Fatal(err)
	}
	signature, err := SignDigest(c.signer, c.a, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Complete(signature); err != nil {
		t.Fatal(err)
	}
	return d
}

// content returns what the draft has.
func content(t testing.TB, d *Draft) []byte {
	t.Helper()
	b := &bytes.Buffer{}
	if _, err := b.ReadFrom(d.Reader()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func slice(entries ...Entry) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// many yields n entries without keeping any.
func many(n int, at time.Time) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		serial := bytes.Repeat([]byte{0x11}, 16)
		for i := range n {
			binary.BigEndian.PutUint32(serial[4:], uint32(i))
			if !yield(Entry{Serial: serial, RevokedAt: at, Reason: []int{0, 1, 4, 5}[i%4]}, nil) {
				return
			}
		}
	}
}

// TestListAsGo: with the same content, the list is byte for byte what
// crypto/x509 writes, for every algorithm that it knows.
func TestListAsGo(t *testing.T) {
	for _, spec := range []alg.Spec{alg.P256, alg.Ed25519, alg.RSA2048} {
		c := newCA(t, spec, spec.For(alg.SignVerify)[0])
		for _, entries := range [][]Entry{
			nil,
			{{Serial: []byte{5}, RevokedAt: now()}},
			{{Serial: []byte{0x80, 1}, RevokedAt: now(), Reason: 1}, {Serial: []byte{0, 0, 7}, RevokedAt: now().AddDate(40, 0, 0), Reason: 10}},
		} {
			l := &List{Number: big.NewInt(1 << 62), ThisUpdate: now(), NextUpdate: now().AddDate(30, 0, 0)}
			want := &x509.RevocationList{Number: l.Number, ThisUpdate: l.ThisUpdate, NextUpdate: l.NextUpdate}
			for _, e := range entries {
				want.RevokedCertificateEntries = append(want.RevokedCertificateEntries, x509.RevocationListEntry{
					SerialNumber: new(big.Int).SetBytes(e.Serial), RevocationTime: e.RevokedAt, ReasonCode: e.Reason,
				})
			}
			tbs, err := EncodeList(want, c.cert, c.public, c.a)
			if err != nil {
				t.Fatal(err)
			}
			d, err := WriteList(&Buffer{}, l, c.cert, c.public, c.a, slice(entries...))
			if err != nil {
				t.Fatal(err)
			}
			if got := content(t, d); !bytes.Equal(got, tbs) || !bytes.Equal(d.Sample(), tbs) || d.Entries() != len(entries) {
				t.Errorf("%d entries under %s:\n%x\nwant\n%x", len(entries), spec, got, tbs)
			}
		}
	}
}

// TestListExtensions reads what lists can say of themselves back, with Go and
// with OpenSSL.
func TestListExtensions(t *testing.T) {
	c := newCA(t, alg.P256, alg.ECDSASHA256)
	l := &List{
		Number: big.NewInt(8), Base: big.NewInt(7), ThisUpdate: now(), NextUpdate: now().Add(time.Hour),
		Scope:    &Scope{URLs: []string{"http://pki.example.com/a/1.crl"}, UsersOnly: true},
		Freshest: []string{"http://pki.example.com/a/1.delta.crl"},
	}
	invalid := now().Add(-time.Hour)
	d := c.write(t, &Buffer{}, l, slice(
		Entry{Serial: []byte{9}, RevokedAt: now(), Reason: removeFromCRL},
		Entry{Serial: []byte{10}, RevokedAt: now(), Reason: 1, InvalidAt: invalid},
	))
	list, err := x509.ParseRevocationList(content(t, d))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckListFrom(list, c.cert); err != nil {
		t.Error(err)
	}
	got := map[string]bool{}
	for _, e := range list.Extensions {
		got[e.Id.String()] = e.Critical
	}
	want := map[string]bool{"2.5.29.35": false, "2.5.29.20": false, "2.5.29.27": true, "2.5.29.28": true, "2.5.29.46": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	var lost time.Time
	if _, err := asn1.UnmarshalWithParams(list.RevokedCertificateEntries[1].Extensions[1].Value, &lost, "generalized"); err != nil || !lost.Equal(invalid) {
		t.Errorf("the key was lost at %v (%v), want %v", lost, err, invalid)
	}
	text := openssl(t, "crl", "-inform", "DER", "-noout", "-text", "-in", file(t, "list.crl", content(t, d)))
	for _, want := range []string{
		"X509v3 Delta CRL Indicator: critical", "X509v3 Issuing Distribution Point: critical", "URI:http://pki.example.com/a/1.crl",
		"Only User Certificates", "X509v3 Freshest CRL", "URI:http://pki.example.com/a/1.delta.crl", "Remove From CRL", "Key Compromise", "Invalidity Date",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("openssl does not see %q in\n%s", want, text)
		}
	}
}

// TestLongList writes a list into a file in little memory, for each kind of
// signature, and has it judged.
func TestLongList(t *testing.T) {
	const entries = 100_000
	for spec, a := range map[alg.Spec]alg.Algorithm{
		alg.P256: alg.ECDSASHA256, alg.RSA2048: alg.PSSSHA256, alg.MLDSA44: alg.MLDSAPure, alg.Ed25519: alg.Ed25519Pure,
	} {
		t.Run(spec.String(), func(t *testing.T) {
			c := newCA(t, spec, a)
			spool, err := os.Create(filepath.Join(t.TempDir(), "spool"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = spool.Close() }()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			d := c.write(t, spool, &List{Number: big.NewInt(1), ThisUpdate: now(), NextUpdate: now().Add(time.Hour)}, many(entries, now()))
			runtime.ReadMemStats(&after)
			if got := after.TotalAlloc - before.TotalAlloc; got > 2<<20 && spec != alg.Ed25519 {
				t.Errorf("%d bytes were allocated in all for %d entries", got, entries)
			}
			der := content(t, d)
			list, err := x509.ParseRevocationList(der)
			if err != nil {
				t.Fatal(err)
			}
			if err := CheckListFrom(list, c.cert); err != nil || len(list.RevokedCertificateEntries) != entries {
				t.Errorf("%d entries: %v", len(list.RevokedCertificateEntries), err)
			}
			if spec == alg.MLDSA44 {
				return // OpenSSL 3.5 is the first to know it; Go's reading above is independent of our writing
			}
			anchor := file(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw}))
			if out := openssl(t, "crl", "-verify", "-noout", "-inform", "DER", "-CAfile", anchor, "-in", file(t, "list.crl", der)); !strings.Contains(out, "verify OK") {
				t.Errorf("openssl: %s", out)
			}
		})
	}
}

// TestListRefused: what is no list is not written, and a wrong signature does
// not complete one.
func TestListRefused(t *testing.T) {
	c := newCA(t, alg.P256, alg.ECDSASHA256)
	good := func() *List { return &List{Number: big.NewInt(2), ThisUpdate: now(), NextUpdate: now().Add(time.Hour)} }
	broken := errors.New("the store is away")
	for name, test := range map[string]struct {
		change func(*List)
		entry  Entry
		err    error
	}{
		"no number":            {change: func(l *List) { l.Number = nil }},
		"a base not below":     {change: func(l *List) { l.Base = big.NewInt(2) }},
		"no time":              {change: func(l *List) { l.NextUpdate = l.ThisUpdate }},
		"no serial":            {entry: Entry{Serial: []byte{0, 0}, RevokedAt: now()}},
		"a long serial":        {entry: Entry{Serial: bytes.Repeat([]byte{1}, 21), RevokedAt: now()}},
		"an unknown reason":    {entry: Entry{Serial: []byte{1}, RevokedAt: now(), Reason: 7}},
		"removed from nothing": {entry: Entry{Serial: []byte{1}, RevokedAt: now(), Reason: removeFromCRL}},
		"no entries":           {err: broken},
	} {
		l := good()
		if test.change != nil {
			test.change(l)
		}
		_, err := WriteList(&Buffer{}, l, c.cert, c.public, c.a, func(yield func(Entry, error) bool) {
			if test.entry.Serial != nil || test.err != nil {
				yield(test.entry, test.err)
			}
		})
		if err == nil || test.err != nil && !errors.Is(err, test.err) || test.err == nil && fault.KindOf(err) != fault.InvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err := WriteList(&Buffer{}, good(), c.cert, c.public, c.a, slice())
	if err != nil {
		t.Fatal(err)
	}
	before := content(t, d)
	if err := d.Complete([]byte{0x30, 0}); fault.KindOf(err) != fault.BadSignature || !bytes.Equal(content(t, d), before) {
		t.Errorf("a wrong signature: %v", err)
	}
	noSign := *c.cert
	noSign.KeyUsage = x509.KeyUsageCertSign
	if _, err := WriteList(&Buffer{}, good(), &noSign, c.public, c.a, slice()); fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("an issuer that does not sign lists: %v", err)
	}
}

// FuzzEntry: what is written of an entry reads back as it was.
func FuzzEntry(f *testing.F) {
	f.Add([]byte{1}, int64(1_700_000_000), 1, int64(0))
	f.Add(bytes.Repeat([]byte{0xff}, 20), int64(4_000_000_000), 8, int64(1_600_000_000))
	f.Fuzz(func(t *testing.T, serial []byte, at int64, reason int, invalid int64) {
		e := Entry{Serial: serial, RevokedAt: time.Unix(at&0x1_ffff_ffff, 0), Reason: reason}
		if invalid != 0 {
			e.InvalidAt = time.Unix(invalid&0x1_ffff_ffff, 0)
		}
		der, err := e.append(nil, true)
		if err != nil {
			return
		}
		var got struct {
			Serial     *big.Int
			At         time.Time
			Extensions []pkix.Extension `asn1:"optional"`
		}
		rest, err := asn1.Unmarshal(der, &got)
		if err != nil || len(rest) != 0 {
			t.Fatalf("%x: %v", der, err)
		}
		if got.Serial.Cmp(new(big.Int).SetBytes(serial)) != 0 || !got.At.Equal(e.RevokedAt) {
			t.Errorf("%v reads as %v", e, got)
		}
		want := 0
		for _, set := range []bool{e.Reason != 0, !e.InvalidAt.IsZero()} {
			if set {
				want++
			}
		}
		if len(got.Extensions) != want {
			t.Errorf("%d extensions of %v", len(got.Extensions), e)
		}
	})
}

// BenchmarkList writes, digests and signs a list of a million entries.
func BenchmarkList(b *testing.B) {
	c := newCA(b, alg.P256, alg.ECDSASHA256)
	spool, err := os.Create(filepath.Join(b.TempDir(), "spool"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = spool.Close() }()
	for b.Loop() {
		c.write(b, spool, &List{Number: big.NewInt(1), ThisUpdate: now(), NextUpdate: now().Add(time.Hour)}, many(1_000_000, now()))
	}
}

// file writes a file and returns its path.
func file(t testing.TB, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// openssl runs openssl and returns its output.
func openssl(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "openssl", args...).CombinedOutput()
	if err != nil {
		t.Errorf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
