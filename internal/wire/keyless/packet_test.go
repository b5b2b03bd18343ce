package keyless

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// whole has every field.
func whole() Operation {
	return Operation{
		Opcode: OpECDSASignSHA256, Digest: bytes.Repeat([]byte{1}, 32), SKI: bytes.Repeat([]byte{2}, 20),
		ClientIP: []byte{192, 0, 2, 1}, ServerIP: bytes.Repeat([]byte{3}, 16), CertID: []byte("id"), SNI: []byte("example.com"),
		Payload: bytes.Repeat([]byte{4}, 32), Function: []byte("f"), Extra: []byte("e"), Span: []byte("s"),
		Context: []byte(`{"request_id":"1"}`), Region: []byte("r"),
	}
}

// TestBytes asserts the form of packets, from bytes written by hand after the
// protocol's description.
func TestBytes(t *testing.T) {
	for name, test := range map[string]struct {
		id      uint32
		packet  string // without its padding
		padding string // the head of the padding's item
		want    Operation
	}{
		"ping": {
			1, "01 00 03f8 00000001  11 0001 f1  12 0005 68656c6c6f", "20 03e9",
			Operation{Opcode: OpPing, Payload: []byte("hello")},
		},
		"signature by SKI": {
			0x01020304, "01 00 03f8 01020304  11 0001 15  04 0014 000102030405060708090a0b0c0d0e0f10111213  12 0004 deadbeef", "20 03d3",
			Operation{Opcode: OpECDSASignSHA256, SKI: []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}, Payload: []byte{0xde, 0xad, 0xbe, 0xef}},
		},
		"error": {
			7, "01 00 03f8 00000007  11 0001 ff  12 0001 02", "20 03ed",
			Operation{Opcode: OpError, Payload: []byte{byte(ErrKeyNotFound)}},
		},
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(test.packet+test.padding, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, make([]byte, PadTo-len(b))...)
		h, err := ParseHeader(b)
		if err != nil || h.ID != test.id || h.Length != len(b)-HeaderSize {
			t.Errorf("%s: header %+v, %v", name, h, err)
		}
		var got Operation
		if err := got.Parse(b[HeaderSize:]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(test.want, got); d != "" {
			t.Errorf("%s: %s", name, d)
		}
		if wrote, err := test.want.Append(nil, test.id); err != nil || !bytes.Equal(wrote, b) {
			t.Errorf("%s: wrote %x, %v", name, wrote, err)
		}
	}
}

// TestPadding asserts that packets around PadTo are padded to it, or longer
// where an item's head does not fit.
func TestPadding(t *testing.T) {
	for n := range 2 * PadTo {
		o := Operation{Opcode: OpPing, Payload: make([]byte, n)}
		b, err := o.Append([]byte("before"), 1)
		b = bytes.TrimPrefix(b, []byte("before"))
		if err != nil || len(b) < PadTo || len(b) != o.Size() || o.content() <= PadTo-itemHead && len(b) != PadTo {
			t.Fatalf("a payload of %d bytes: %d bytes, Size %d, %v", n, len(b), o.Size(), err)
		}
		var back Operation
		if err := back.Parse(b[HeaderSize:]); err != nil || len(back.Payload) != n {
			t.Fatalf("a payload of %d bytes: %d come back, %v", n, len(back.Payload), err)
		}
	}
}

func TestAppendTooLong(t *testing.T) {
	o := Operation{Opcode: OpPing, Payload: make([]byte, MaxBody)}
	if b, err := o.Append([]byte{1}, 1); !errors.Is(err, ErrFormat) || len(b) != 1 {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

func TestMalformed(t *testing.T) {
	for name, body := range map[string]string{
		"empty":                  "",
		"no opcode":              "12 0001 00",
		"half a head":            "11 00",
		"data cut off":           "11 0001 f1 12 0005 00",
		"an opcode of nothing":   "11 0000",
		"an opcode of two bytes": "11 0002 f1f1",
		"opcode zero":            "11 0001 00",
		"the opcode twice":       "11 0001 f1 11 0001 f1",
		"the payload twice":      "11 0001 f1 12 0001 00 12 0001 00",
		"an empty SKI, twice":    "11 0001 f1 04 0000 04 0000",
	} {
		b, err := hex.DecodeString(strings.ReplaceAll(body, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		var o Operation
		if err := o.Parse(b); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSkipped asserts that unknown tags, and padding, may come anywhere and more
// than once.
func TestSkipped(t *testing.T) {
	b, err := hex.DecodeString(strings.ReplaceAll("20 0000 99 0001 01 11 0001 f1 99 0001 02 20 0001 00", " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	var o Operation
	if err := o.Parse(b); err != nil || o.Opcode != OpPing {
		t.Errorf("%v, %v", o.Opcode, err)
	}
}

func TestHeader(t *testing.T) {
	if _, err := ParseHeader(make([]byte, HeaderSize-1)); !errors.Is(err, ErrFormat) {
		t.Errorf("a short one: %v", err)
	}
	h, err := ParseHeader([]byte{2, 0, 0, 1, 0, 0, 0, 9})
	if !errors.Is(err, ErrVersion) || h.ID != 9 {
		t.Errorf("version 2: %+v, %v", h, err)
	}
	if _, err := ParseHeader([]byte{1, 9, 0, 1, 0, 0, 0, 9}); err != nil {
		t.Errorf("version 1.9: %v", err)
	}
}

func TestOpcodes(t *testing.T) {
	for _, test := range []struct {
		opcode Opcode
		scheme Scheme
		hash   crypto.Hash
	}{
		{0x02, PKCS1, crypto.MD5SHA1},
		{0x07, PKCS1, crypto.SHA512},
		{0x12, ECDSA, crypto.MD5SHA1},
		{0x17, ECDSA, crypto.SHA512},
		{0x18, Ed25519, 0},
		{0x35, PSS, crypto.SHA256},
		{0x37, PSS, crypto.SHA512},
	} {
		if test.opcode.Scheme() != test.scheme || test.opcode.Hash() != test.hash || !test.opcode.Request() {
			t.Errorf("%s: %v, %v", test.opcode, test.opcode.Scheme(), test.opcode.Hash())
		}
		if back, ok := Signing(test.scheme, test.hash); !ok || back != test.opcode {
			t.Errorf("%s: Signing says %s", test.opcode, back)
		}
	}
	if _, ok := Signing(PSS, crypto.SHA1); ok {
		t.Error("the protocol has no PSS with SHA-1")
	}
	for _, o := range []Opcode{0, 0x09, OpPong, OpResponse, OpError} {
		if o.Request() {
			t.Errorf("%s is no request", o)
		}
	}
	for _, e := range Errors() {
		if strings.Contains(e.Error(), "0x") {
			t.Errorf("%d has no words", byte(e))
		}
	}
}

// TestSKI compares with what crypto/x509 puts into a certificate of its own.
func TestSKI(t *testing.T) {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "x509sha256skid=0") // else crypto/x509 uses SHA-256 (RFC 7093)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{IsCA: true, BasicConstraintsValid: true},
		&x509.Certificate{IsCA: true, BasicConstraintsValid: true}, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	ski, err := SKI(&k.PublicKey)
	if err != nil || !bytes.Equal(ski[:], c.SubjectKeyId) {
		t.Errorf("%x, not %x; %v", ski, c.SubjectKeyId, err)
	}
	if _, err := SKIOf([]byte("nothing")); err == nil {
		t.Error("the SKI of nothing")
	}
}

// FuzzOperation asserts that what parses is written and parsed back the same.
func FuzzOperation(f *testing.F) {
	o := whole()
	b, err := o.Append(nil, 1)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[HeaderSize:])
	f.Add([]byte{0x11, 0, 1, 0xf1})
	f.Add([]byte{0x11, 0, 1, 0x05, 0x99, 0, 0, 0x20, 0, 1, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		var o, back Operation
		if len(body) > MaxBody/2 || o.Parse(body) != nil {
			return
		}
		b, err := o.Append(nil, 7)
		if err != nil {
			t.Fatal(err)
		}
		h, err := ParseHeader(b)
		if err != nil || h.ID != 7 || h.Length != len(b)-HeaderSize {
			t.Fatalf("header %+v, %v", h, err)
		}
		if err := back.Parse(b[HeaderSize:]); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(filled(o), filled(back)); d != "" {
			t.Fatal(d)
		}
	})
}

// filled returns an operation with nil for what is empty, which has no item.
func filled(o Operation) Operation {
	for _, i := range o.items() {
		if len(*i.data) == 0 {
			*o.field(i.tag) = nil
		}
	}
	return o
}
