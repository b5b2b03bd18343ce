package p11kit

import (
	"bytes"
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
)

// frame is a recorded message.
type frame struct {
	name    string
	request bool
	dialect Dialect
	bytes   []byte
}

func recorded(t testing.TB) []frame {
	t.Helper()
	var frames []frame
	for file, d := range map[string]Dialect{"testdata/recorded.txt": Early, "testdata/late.txt": Late} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before := len(frames)
		name := ""
		for line := range strings.Lines(string(data)) {
			kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
			if kind == "#" {
				name = rest
				continue
			}
			b, err := hex.DecodeString(rest)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			frames = append(frames, frame{name, kind == ">", d, b})
		}
		if len(frames)-before < 10 {
			t.Fatalf("only %d frames in %s", len(frames)-before, file)
		}
	}
	return frames
}

// copyParts reads what a signature says and writes it again.
func copyParts(signature string, r *Reader, w *Writer) {
	for signature != "" {
		part := signature[:1]
		if part == "a" || part == "f" {
			part = signature[:2]
		}
		signature = signature[len(part):]
		copyPart(part, r, w)
	}
}

func copyPart(part string, r *Reader, w *Writer) {
	switch part {
	case "y":
		w.Byte(r.Byte())
	case "u":
		w.Uint(r.Uint())
	case "v":
		w.Version(r.Version())
	case "s", "z":
		text := r.Text()
		w.Text(string(text), len(text))
	case "ay":
		if b, n := r.BytesOrLength(); b == nil && n > 0 {
			w.Length(n)
		} else {
			w.Bytes(b)
		}
	case "au":
		if list, n := r.UintsOrLength(); list == nil {
			w.Length(n)
		} else {
			w.Uints(list)
		}
	case "fy", "fu":
		w.Room(r.Room())
	case "aA":
		w.Attributes(r.Attributes())
	case "fA":
		w.WantedList(r.Wanted())
	case "M":
		w.Mechanism(r.Mechanism(), r.dialect)
	case "P": // only in the response of CallDeriveKey2, whose mechanism is not in it
		w.b, r.b = append(w.b, r.b[:len(r.b)-8]...), r.b[len(r.b)-8:]
	default:
		panic("no such type: " + part)
	}
}

// TestRecorded reads every recorded message and writes it again: the bytes are
// the same but for the options, and for the length of a value that was only
// asked for.
func TestRecorded(t *testing.T) {
	var w Writer
	asked := false
	for _, f := range recorded(t) {
		h, err := ParseHeader(f.bytes[:HeaderSize])
		if err != nil || len(f.bytes) != HeaderSize+int(h.Options)+int(h.Body) {
			t.Fatalf("%s: header %+v of %d bytes: %v", f.name, h, len(f.bytes), err)
		}
		body := f.bytes[HeaderSize+h.Options:]
		var c Call
		var r Reader
		if f.request {
			c, r, err = ParseRequest(body, f.dialect)
			w.Request(h.Code, c)
		} else {
			c, r, err = ParseResponse(body)
			w.Response(h.Code, c)
		}
		if err != nil || c != CallError && !strings.HasPrefix(f.name, c.String()) {
			t.Fatalf("%s: %v, %v", f.name, c, err)
		}
		signature := calls[c].response
		if f.request {
			signature = calls[c].request
			asked = c == CallGetAttributeValue && bytes.HasSuffix(body, make([]byte, 4))
		}
		copyParts(signature, &r, &w)
		if err := r.End(); err != nil {
			t.Errorf("%s: %v, %d bytes left: %x", f.name, err, len(r.b), f.bytes)
			continue
		}
		if got := w.Frame()[HeaderSize:]; !asked && !bytes.Equal(got, body) {
			t.Errorf("%s:\n got %x\nwant %x", f.name, got, body)
		}
	}
}

// TestRecordedMeaning looks into some of the recorded messages.
func TestRecordedMeaning(t *testing.T) {
	mechanisms := map[Dialect]map[pkcs11.MechanismType]Mechanism{Early: {}, Late: {}}
	var login []byte
	for _, f := range recorded(t) {
		h, _ := ParseHeader(f.bytes[:HeaderSize])
		c, r, err := ParseRequest(f.bytes[HeaderSize+h.Options:], f.dialect)
		if err != nil || !f.request {
			continue
		}
		switch c { //nolint:exhaustive // those that are looked into
		case CallSignInit, CallDecryptInit, CallEncryptInit, CallDeriveKey2:
			r.Uint()
			m := r.Mechanism()
			mechanisms[f.dialect][m.Type] = m
		case CallLogin:
			r.Uint()
			r.Uint()
			login = r.Bytes()
		}
	}
	if string(login) != "1234" && string(login) != "9999" {
		t.Errorf("the PIN is %q", login)
	}
	pss, ok := mechanisms[Early][pkcs11.MechRSAPKCSPSS].PSS()
	if want := (pkcs11.PSS{Hash: pkcs11.MechSHA256, MGF: pkcs11.MGF1SHA256, SaltLen: 32}); !ok || pss != want {
		t.Errorf("PSS parameters %+v, %t", pss, ok)
	}
	oaep, ok := mechanisms[Early][pkcs11.MechRSAPKCSOAEP].OAEP()
	if want := (OAEP{pkcs11.OAEP{Hash: pkcs11.MechSHA256, MGF: pkcs11.MGF1SHA256}, pkcs11.SourceSpecified, []byte("ABC")}); !ok || !cmp.Equal(oaep, want) {
		t.Errorf("OAEP parameters %+v, %t", oaep, ok)
	}
	if p, ok := mechanisms[Late][pkcs11.MechSHA256RSAPKCSPSS].PSS(); !ok || p != pss {
		t.Errorf("late PSS parameters %+v, %t", p, ok)
	}
	if iv, ok := mechanisms[Late][pkcs11.MechAESCBCPad].Bytes(); !ok || len(iv) != 16 || iv[1] != 0x11 {
		t.Errorf("the late IV is %x, %t", iv, ok)
	}
	if p, ok := mechanisms[Late][pkcs11.MechECDH1Derive].ECDH(); !ok || p.KDF != pkcs11.KDFNull || len(p.Public) < 65 || len(p.Shared) != 0 {
		t.Errorf("late ECDH parameters %+v, %t", p, ok)
	}
	if m, ok := mechanisms[Early][pkcs11.MechECDSA]; !ok || m.Parameter != nil {
		t.Errorf("ECDSA: %+v, %t", m, ok)
	}
}

func TestMechanisms(t *testing.T) {
	iv, aad := []byte("0123456789ab"), []byte("data")
	gcm := Mechanism{Type: pkcs11.MechAESGCM}.WithBytes(iv).WithNumbers(96).WithBytes(aad).WithNumbers(128)
	ecdh := Mechanism{Type: pkcs11.MechECDH1Derive}.WithNumbers(pkcs11.KDFSHA256).WithBytes(aad).WithBytes(iv)
	ctr := Mechanism{Type: pkcs11.MechAESCTR}.WithNumbers(128).WithBytes(iv)
	cbc := Mechanism{Type: pkcs11.MechAESCBC}.WithBytes(iv)
	unknown := Mechanism{Type: pkcs11.MechEdDSA}.WithBytes(iv)
	for _, m := range []Mechanism{gcm, ecdh, ctr, cbc, unknown, {Type: pkcs11.MechAESKeyWrap}, {Type: pkcs11.MechECDSA}, {Null: true}} {
		for _, d := range []Dialect{Early, Late} {
			if m.Null && d == Early {
				continue // which has no word for it
			}
			var w Writer
			w.Mechanism(m, d)
			r := Reader{b: w.b, dialect: d}
			if got := r.Mechanism(); !cmp.Equal(got, m) || r.End() != nil {
				t.Errorf("%+v became %+v: %v", m, got, r.End())
			}
		}
	}
	if got, ok := gcm.GCM(); !ok || !cmp.Equal(got, pkcs11.GCM{IV: iv, AAD: aad, TagBits: 128}) {
		t.Errorf("GCM: %+v, %t", got, ok)
	}
	if got, ok := ecdh.ECDH(); !ok || !cmp.Equal(got, ECDH{pkcs11.KDFSHA256, aad, iv}) {
		t.Errorf("ECDH: %+v, %t", got, ok)
	}
	if bits, block, ok := ctr.CTR(); !ok || bits != 128 || !bytes.Equal(block, iv) {
		t.Errorf("CTR: %d, %x, %t", bits, block, ok)
	}
	if got, ok := cbc.Bytes(); !ok || !bytes.Equal(got, iv) {
		t.Errorf("CBC: %x, %t", got, ok)
	}
	if _, ok := cbc.GCM(); ok {
		t.Error("CBC has GCM's parameters")
	}
	if _, ok := (Mechanism{Type: pkcs11.MechAESGCM}).GCM(); ok {
		t.Error("GCM without parameters has some")
	}
}

func TestAttributes(t *testing.T) {
	inner := []byte{0, 0, 0, 1, 0, 0, 1, 0x62, 1, 0, 0, 0, 1, 1} // one attribute, CKA_EXTRACTABLE true
	list := []pkcs11.Attribute{
		pkcs11.Bool(pkcs11.AttrToken, true), pkcs11.Number(pkcs11.AttrClass, pkcs11.ClassPrivateKey), pkcs11.Text(pkcs11.AttrLabel, "a key"),
		{Type: pkcs11.AttrID, Value: []byte{}},
		{Type: pkcs11.AttrValue},
		{Type: pkcs11.AttrAllowedMechanisms, Value: append(native(make([]byte, 8)), native([]byte{0, 0, 0, 0, 0, 0, 16, 0x41})...)},
		{Type: pkcs11.AttrWrapTemplate, Value: inner},
	}
	var w Writer
	w.Attributes(list)
	r := Reader{b: w.b}
	got := r.Attributes()
	if diff := cmp.Diff(list, got, cmp.Comparer(func(a, b pkcs11.Attribute) bool {
		return a.Type == b.Type && (a.Value == nil) == (b.Value == nil) && bytes.Equal(a.Value, b.Value)
	})); diff != "" || r.End() != nil {
		t.Errorf("%s%v", diff, r.End())
	}
	w = Writer{}
	list = list[:len(list)-1]
	for _, a := range list {
		w.AttributeLength(a.Type, len(a.Value))
	}
	r = Reader{b: w.b}
	for range list {
		r.attribute(0)
	}
	if r.End() != nil {
		t.Error("lengths are not read as attributes")
	}
}

func TestMalformed(t *testing.T) {
	deep := []byte{0, 0, 0, 1}
	for range maxDepth + 1 {
		deep = append(deep, 0x40, 0, 2, 0x11, 1, 0, 0, 0, 24, 0, 0, 0, 1)
	}
	deep = append(deep, 0x40, 0, 2, 0x11, 0)
	for name, read := range map[string]struct {
		b    []byte
		with func(*Reader)
	}{
		"bytes that are not there":      {[]byte{1, 0, 0, 0, 9, 1}, func(r *Reader) { r.Bytes() }},
		"huge bytes":                    {[]byte{1, 0x7f, 0xff, 0xff, 0xff, 1}, func(r *Reader) { r.Bytes() }},
		"a length without bytes":        {[]byte{0, 0, 0, 0, 9}, func(r *Reader) { r.Bytes() }},
		"huge numbers":                  {[]byte{1, 0x7f, 0xff, 0xff, 0xff, 1}, func(r *Reader) { r.UintsOrLength() }},
		"half a number":                 {[]byte{1, 2, 3}, func(r *Reader) { r.Uint() }},
		"a flag of 2":                   {[]byte{2, 0, 0, 0, 0}, func(r *Reader) { r.Bytes() }},
		"huge attributes":               {[]byte{0xff, 0xff, 0xff, 0xfe}, func(r *Reader) { r.Attributes() }},
		"a bool of 8 bytes":             {[]byte{0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 8, 1}, func(r *Reader) { r.Attributes() }},
		"a label of another length":     {[]byte{0, 0, 0, 1, 0, 0, 0, 3, 1, 0, 0, 0, 8, 0, 0, 0, 1, 'a'}, func(r *Reader) { r.Attributes() }},
		"templates in templates":        {deep, func(r *Reader) { r.Attributes() }},
		"something left":                {[]byte{1, 2}, func(r *Reader) { r.Byte() }},
		"a mechanism without parameter": {[]byte{0, 0, 0x10, 0x87, 0, 0, 0}, func(r *Reader) { r.Mechanism() }},
		"huge room for attributes":      {[]byte{0xff, 0xff, 0xff, 0xfe}, func(r *Reader) { r.Wanted() }},
	} {
		r := Reader{b: read.b}
		if read.with(&r); r.End() == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, h := range map[string]Header{
		"code 0": {0, 0, 8}, "a huge body": {1, 0, MaxMessage + 1}, "huge options": {1, MaxOptions + 1, 8}, "a short body": {1, 0, 7},
	} {
		if _, err := ParseHeader(h.Append(nil)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	for name, body := range map[string][]byte{
		"an unknown call":     {0, 0, 1, 0, 0, 0, 0, 0},
		"an error":            {0, 0, 0, 0, 0, 0, 0, 0},
		"another signature":   {0, 0, 0, 2, 0, 0, 0, 1, 'u'},
		"no signature":        {0, 0, 0, 3},
		"a missing signature": {0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff},
	} {
		if _, _, err := ParseRequest(body, Early); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

func FuzzRequest(f *testing.F) {
	for _, r := range recorded(f) {
		if h, err := ParseHeader(r.bytes[:HeaderSize]); err == nil && r.request {
			f.Add(r.bytes[HeaderSize+h.Options:], r.dialect == Late)
		}
	}
	late := Writer{}
	late.Request(1, CallSignInit)
	late.Uint(1)
	late.Mechanism(Mechanism{Type: pkcs11.MechAESGCM}.WithBytes([]byte("nonce")).WithNumbers(40).WithBytes(nil).WithNumbers(128), Late)
	late.Uint(2)
	f.Add(late.Frame()[HeaderSize:], true)
	f.Fuzz(func(t *testing.T, body []byte, late bool) {
		d := Early
		if late {
			d = Late
		}
		parse := func(b []byte) (Call, Reader, error) { return ParseRequest(b, d) }
		again(t, body, parse, (*Writer).Request, true)
	})
}

func FuzzResponse(f *testing.F) {
	for _, r := range recorded(f) {
		if h, err := ParseHeader(r.bytes[:HeaderSize]); err == nil && !r.request {
			f.Add(r.bytes[HeaderSize+h.Options:])
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) { again(t, body, ParseResponse, (*Writer).Response, false) })
}

// again reads a message and writes it, and does both once more: what was
// written the first time comes back the same.
func again(t *testing.T, body []byte, parse func([]byte) (Call, Reader, error), begin func(*Writer, uint32, Call), request bool) {
	var before []byte
	for round := range 2 {
		c, r, err := parse(body)
		if err != nil {
			if round > 0 {
				t.Fatalf("%x is not read again: %v", body, err)
			}
			return
		}
		signature := calls[c].response
		if request {
			signature = calls[c].request
		}
		var w Writer
		begin(&w, 1, c)
		copyParts(signature, &r, &w)
		if err := r.End(); err != nil {
			if round > 0 {
				t.Fatalf("%x is not read again: %v", body, err)
			}
			return
		}
		body = w.Frame()[HeaderSize:]
		if round > 0 && !bytes.Equal(before, body) {
			t.Fatalf("%x became %x", before, body)
		}
		before = body
	}
}
