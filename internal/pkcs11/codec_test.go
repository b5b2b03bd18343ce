package pkcs11

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func calls() map[string]*Call {
	return map[string]*Call{
		"nothing": {Function: FnInfo},
		"all": {
			Function: FnGenerateKeyPair, Slot: 1, Session: 2, Key: 3, Subject: 4,
			Mechanism: Mechanism{Type: MechECKeyPairGen, Raw: []byte{1}},
			Template:  []Attribute{Number(AttrClass, ClassPublicKey), Bytes(AttrID, []byte{}), {Type: AttrLabel}},
			Private:   []Attribute{Bool(AttrSign, true), Text(AttrLabel, "k")},
			Types:     []AttributeType{AttrClass, AttrID}, Data: []byte("data"), Extra: []byte("extra"),
			User: UserContextSpecific, Flag: true, Limit: 1000,
		},
		"PSS":  {Function: FnSign, Mechanism: Mechanism{Type: MechRSAPKCSPSS, PSS: &PSS{MechSHA256, MGF1SHA256, 32}}},
		"OAEP": {Function: FnWrap, Mechanism: Mechanism{Type: MechRSAAESKeyWrap, OAEP: &OAEP{MechSHA1, MGF1SHA1}, AESBits: 256}},
		"GCM":  {Function: FnEncrypt, Mechanism: Mechanism{Type: MechAESGCM, GCM: &GCM{[]byte("twelve bytes"), []byte("aad"), 128}}},
		"GCM without associated data": {
			Function: FnEncrypt, Mechanism: Mechanism{Type: MechAESGCM, GCM: &GCM{IV: []byte("twelve bytes")}},
		},
		"ECDH":  {Function: FnDerive, Key: 1, Mechanism: Mechanism{Type: MechECDH1Derive, ECDH: &ECDH{[]byte("point")}}, Template: []Attribute{Bool(AttrToken, false)}},
		"EdDSA": {Function: FnSign, Mechanism: Mechanism{Type: MechEdDSA, EdDSA: &EdDSA{true, []byte("context")}}},
	}
}

func results() map[string]*Result {
	return map[string]*Result{
		"nothing": {},
		"all": {
			Handle: 1, Private: 2, Handles: []uint64{3, 4}, Data: []byte("data"),
			Attributes: []Attribute{Number(AttrClass, ClassData), Bytes(AttrID, []byte{}), {Type: AttrValue}},
			Info:       &Info{[2]byte{3, 1}, [2]byte{1, 2}, "maker", "library"},
			Token:      &TokenInfo{"label", "maker", "model", "1", TokenInitialized, 16, 4, 255, [2]byte{1}, [2]byte{2}},
			Mechanisms: []MechanismInfo{{MechECDSA, 256, 521, CanSign}, {Type: MechRSAPKCS}},
		},
	}
}

// open compares what Format hides.
var open = cmp.Transformer("open", func(a Attribute) any {
	return struct {
		Type  AttributeType
		Nil   bool
		Value []byte
	}{a.Type, a.Value == nil, a.Value}
})

func TestCallCodec(t *testing.T) {
	for name, want := range calls() {
		b := AppendCall([]byte("before"), want)
		got, err := ParseCall(bytes.TrimPrefix(b, []byte("before")))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(want, got, open); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestResultCodec(t *testing.T) {
	for name, want := range results() {
		got, err := ParseResult(AppendResult(nil, want))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if d := cmp.Diff(want, got, open); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestMalformed asserts that every message that is cut short, or is followed by
// anything, is refused, and so is what says that it has more than there is.
func TestMalformed(t *testing.T) {
	for name, c := range calls() {
		b := AppendCall(nil, c)
		for n := range b {
			if _, err := ParseCall(b[:n]); err == nil {
				t.Errorf("%s: %d of %d bytes are a call", name, n, len(b))
			}
		}
		if _, err := ParseCall(append(b, 0)); err == nil {
			t.Errorf("%s: a byte too many", name)
		}
	}
	for name, b := range map[string][]byte{
		"another version":        {2, 1, 0, 0, 0, 0},
		"no function":            {1, 0, 0, 0, 0, 0},
		"an unknown function":    {1, byte(lastFunction), 0, 0, 0, 0},
		"an unknown field":       {1, 1, 0, 0, 0, 0x80},
		"a field that is zero":   {1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a very long list":       {1, 1, 0, 16, 0, 0, 0xff, 0xff, 0xff, 0x7f},
		"a list of nothing":      {1, 1, 0, 16, 0, 0, 0, 0, 0, 0},
		"a list without length":  {1, 1, 0, 16, 0, 0, 0xff, 0xff, 0xff, 0xff},
		"data without length":    {1, 1, 0, 0x80, 0, 0, 0xff, 0xff, 0xff, 0xff},
		"larger than MaxMessage": AppendCall(nil, &Call{Function: FnSign, Data: make([]byte, MaxMessage)}),
	} {
		if _, err := ParseCall(b); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestParsedShares asserts what clearing relies on: a call's bytes are those of
// the message.
func TestParsedShares(t *testing.T) {
	b := AppendCall(nil, &Call{Function: FnLogin, Data: []byte("pin"), Template: []Attribute{Text(AttrValue, "key")}})
	c, err := ParseCall(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if string(c.Data) != "\x00\x00\x00" || string(c.Template[0].Value) != "\x00\x00\x00" {
		t.Errorf("%q and %q are left", c.Data, c.Template[0].Value)
	}
}

// TestRedacted asserts that no way of printing shows a PIN or a value.
func TestRedacted(t *testing.T) {
	const secret = "hunter2"
	attribute := Text(AttrValue, secret)
	c := &Call{Function: FnLogin, Data: []byte(secret), Template: []Attribute{attribute}}
	r := &Result{Data: []byte(secret), Attributes: []Attribute{attribute}}
	var b strings.Builder
	log := slog.New(slog.NewJSONHandler(&b, nil))
	for _, v := range []any{c, r, attribute, &attribute, []Attribute{attribute}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&b, verb+"\n", v)
		}
		j, err := json.Marshal(v)
		if err != nil {
			t.Error(err)
		}
		b.Write(j)
		log.InfoContext(t.Context(), "seen", slog.Any("value", v))
	}
	for _, form := range []string{secret, "68756e74", "104 117", "aHVudGVy"} {
		if strings.Contains(b.String(), form) {
			t.Errorf("%q is in %s", form, b.String())
		}
	}
}

func TestFunctionNames(t *testing.T) {
	seen := map[string]bool{}
	for f := Function(1); f < lastFunction; f++ {
		if name := f.String(); name == "C_" || seen[name] {
			t.Errorf("function %d is %q", f, name)
		} else {
			seen[name] = true
		}
	}
	if Function(0).Valid() || lastFunction.Valid() {
		t.Error("functions without end")
	}
}

func FuzzCall(f *testing.F) {
	for _, c := range calls() {
		f.Add(AppendCall(nil, c))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if c, err := ParseCall(b); err == nil && !bytes.Equal(AppendCall(nil, c), b) {
			t.Errorf("%x comes back as %x", b, AppendCall(nil, c))
		}
	})
}

func FuzzResult(f *testing.F) {
	for _, r := range results() {
		f.Add(AppendResult(nil, r))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := ParseResult(b); err == nil && !bytes.Equal(AppendResult(nil, r), b) {
			t.Errorf("%x comes back as %x", b, AppendResult(nil, r))
		}
	})
}
