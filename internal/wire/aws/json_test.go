package aws

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// value reads any value the way that encoding/json does into an any.
func value(d *Decoder) any {
	switch d.Kind() {
	case JSONNull:
		d.Null()
		return nil
	case JSONBool:
		return d.Bool()
	case JSONNumber:
		return json.Number(d.number())
	case JSONString:
		return string(d.Text())
	case JSONArray:
		list := []any{}
		for range d.Elements() {
			list = append(list, value(d))
		}
		return list
	case JSONObject:
		object := map[string]any{}
		for name := range d.Members() {
			at := string(name)
			object[at] = value(d)
		}
		return object
	case NoJSON:
	}
	d.Fail("")
	return nil
}

func decode(data []byte) (any, error) {
	var d Decoder
	d.Reset(data)
	v := value(&d)
	d.End()
	return v, d.Err()
}

// standard decodes with encoding/json and says why the text is one that this
// package refuses and encoding/json takes: "" when there is no such reason.
func standard(data []byte) (v any, refuse string, err error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		return nil, "", err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, "", errors.New("more after the value")
	}
	if !utf8.Valid(data) {
		return v, "not UTF-8", nil
	}
	text, err := json.Marshal(v)
	if err != nil {
		return nil, "", err
	}
	lower := bytes.ToLower(data)
	replaced := bytes.Contains(text, []byte("\ufffd")) || bytes.Contains(bytes.ToLower(text), []byte(`\ufffd`))
	if replaced && !bytes.Contains(lower, []byte(`\ufffd`)) && !bytes.Contains(data, []byte("\ufffd")) {
		return v, "an unpaired surrogate", nil
	}
	return v, structure(data), nil
}

// structure looks for names that are there twice, and for depth.
func structure(data []byte) string {
	type level struct {
		names map[string]bool // nil for an array
		value bool            // the next string is a value
	}
	var open []level
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	for {
		token, err := d.Token()
		if err != nil {
			return ""
		}
		top := len(open) - 1
		name, isText := token.(string)
		switch {
		case isText && top >= 0 && open[top].names != nil && !open[top].value:
			if open[top].names[name] {
				return "a name twice"
			}
			open[top].names[name] = true
			open[top].value = true
			continue
		case token == json.Delim('{'):
			open = append(open, level{names: map[string]bool{}})
		case token == json.Delim('['):
			open = append(open, level{})
		case token == json.Delim('}') || token == json.Delim(']'):
			open = open[:top]
		}
		if len(open) > maxDepth {
			return "too deep"
		}
		// Whatever ended here was a value, unless something opened.
		if d, ok := token.(json.Delim); !ok || d == '}' || d == ']' {
			if top = len(open) - 1; top >= 0 {
				open[top].value = false
			}
		}
	}
}

var texts = []string{
	``, ` `, `{}`, `[]`, `null`, `true`, `false`, `0`, `-0`, `1.5e+10`, `01`, `1.`, `.5`, `+1`, `-`, `1e`, `1e5`, `--1`,
	`""`, `"a"`, `"\u0041\n\"\\\/\b\f\r\t"`, `"\ud83d\ude00"`, `"\ud83d"`, `"\ud83dx"`, `"\ude00"`, `"\u12"`, `"\u+123"`,
	`"\x"`, `"`, `"\`, `"\"`, "\"\x01\"", "\"\x7f\"", "\"\xff\"", "\"\xed\xa0\x80\"", `"é漢"`, "\"a\nb\"", `"\ufffd"`,
	`{"a":1}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `{"a":{"a":1}}`, `{"":0,"":1}`, `{a:1}`, `{"a"}`, `{"a":}`, `{"a":1,}`,
	`{,}`, `[1,]`, `[,1]`, `[1 2]`, `[1,2`, `{"a":1`, `{"a":1}}`, `{} {}`, `nul`, `nulll`, `truefalse`, `tru`, `[null,true,false]`,
	"\ufeff{}", "{\"a\"\v:1}", "\t{ \"a\" :\r\n[ ] }\n", `{"a":[{"b":[{"c":"\\"}]}]}`, strings.Repeat("[", 32) + strings.Repeat("]", 32),
	strings.Repeat("[", 33) + strings.Repeat("]", 33), strings.Repeat("[", 100000), strings.Repeat(`{"a":`, 1000), `{"KeyId":"alias/x","Plaintext":"aGk="}`,
	"\x00", "{\"a\":1}\x00", `"\u0000"`, `1e400`, `123456789012345678901234567890`,
}

func checkAgainstStandard(t *testing.T, data []byte) {
	t.Helper()
	want, refuse, wrong := standard(data)
	got, err := decode(data)
	switch {
	case wrong != nil || refuse != "":
		if err == nil {
			t.Fatalf("%.200q is taken; it should be refused: %s %v", data, refuse, wrong)
		}
		var e *Exception
		if fault.KindOf(err) != fault.InvalidArgument || !errors.As(err, &e) || e.Code != "SerializationException" {
			t.Fatalf("%.200q gives %v", data, err)
		}
	case err != nil:
		t.Fatalf("%.200q is refused: %v", data, err)
	case !reflect.DeepEqual(got, want): // cmp is exponential in depth
		t.Fatalf("%.200q gives %v, want %v", data, got, want)
	}
}

func TestDecoderAgreesWithStandard(t *testing.T) {
	for _, text := range texts {
		checkAgainstStandard(t, []byte(text))
	}
}

func TestManyNames(t *testing.T) {
	var text strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&text, `"n%d":%d,`, i, i)
	}
	checkAgainstStandard(t, []byte("{"+text.String()+`"last":0}`))
	checkAgainstStandard(t, []byte("{"+text.String()+`"n4000":0}`))
	checkAgainstStandard(t, []byte("{"+text.String()+`"n3":0}`))
}

func FuzzDecoder(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(checkAgainstStandard)
}

func TestDecoderTypes(t *testing.T) {
	read := func(text string, with func(d *Decoder)) string {
		var d Decoder
		d.Reset([]byte(text))
		with(&d)
		var e *Exception
		if !errors.As(d.Err(), &e) {
			return fmt.Sprint(d.Err())
		}
		return e.Message
	}
	tests := []struct {
		text string
		with func(d *Decoder)
		want string
	}{
		{`1`, func(d *Decoder) { d.Text() }, "NUMBER_VALUE can not be converted to a String"},
		{`true`, func(d *Decoder) { d.Text() }, "BOOLEAN_VALUE can not be converted to a String"},
		{`[]`, func(d *Decoder) { d.Text() }, "Start of list found where not expected"},
		{`{}`, func(d *Decoder) { d.Blob(nil) }, "Start of structure or map found where not expected"},
		{`"1"`, func(d *Decoder) { d.Int() }, "STRING_VALUE can not be converted to an Integer"},
		{`1.5`, func(d *Decoder) { d.Int() }, "NUMBER_VALUE can not be converted to an Integer"},
		{`2147483648`, func(d *Decoder) { d.Int() }, "NUMBER_VALUE can not be converted to an Integer"},
		{`99999999999999999999999`, func(d *Decoder) { d.Int() }, "NUMBER_VALUE can not be converted to an Integer"},
		{`-2147483648`, func(d *Decoder) { d.Int() }, "<nil>"},
		{`"true"`, func(d *Decoder) { d.Bool() }, "STRING_VALUE can not be converted to a Boolean"},
		{`null`, func(d *Decoder) { d.Bool() }, "NULL_VALUE can not be converted to a Boolean"},
		{`}`, func(d *Decoder) { d.Text() }, ""},
	}
	for _, test := range tests {
		if got := read(test.text, test.with); got != test.want {
			t.Errorf("%s: %q, want %q", test.text, got, test.want)
		}
	}
}

func TestBlob(t *testing.T) {
	tests := []struct {
		text, want string
		ok         bool
	}{
		{`""`, "", true},
		{`"aGVsbG8="`, "hello", true},
		{`"\u0061GVsbG8="`, "hello", true},
		{`"Pz8\/"`, "???", true},
		{`"aGVsbG8"`, "", false},
		{`"aGVsbG8=="`, "", false},
		{`"aGVs bG8="`, "", false},
		{"\"aGVs\nbG8=\"", "", false},
		{`"aGVs\nbG8="`, "", false},
		{`"aGVs\rbG8="`, "", false},
		{`"aGVs-_8="`, "", false},
		{`"=`, "", false},
		{"\"\xff\"", "", false},
	}
	for _, test := range tests {
		var d Decoder
		d.Reset([]byte(test.text))
		got := d.Blob([]byte("before "))
		if ok := d.Err() == nil; ok != test.ok || ok && string(got) != "before "+test.want {
			t.Errorf("%s gives %q, %v", test.text, got, d.Err())
		}
	}
}

func TestEncoder(t *testing.T) {
	var e Encoder
	e.Reset(nil)
	if !e.Empty() {
		t.Error("a new encoder is not empty")
	}
	e.Text("Text", "a", "\"\\\n\x00\x1f<é\xff>")
	e.Blob("Blob", []byte("hello"))
	e.Int("Int", -5)
	e.Bool("Bool", true)
	e.Time("Time", time.UnixMilli(1763827745007))
	e.Time("Whole", time.Unix(1763827745, 999))
	e.Array("None", func() {})
	e.Array("List", func() {
		e.Text("", "x")
		e.Object("", func() { e.Int("N", 1) })
	})
	want := `{"Text":"a\"\\\n\u0000\u001f<é` + "\ufffd" + `>","Blob":"aGVsbG8=","Int":-5,"Bool":true,"Time":1763827745.007,` +
		`"Whole":1763827745,"None":[],"List":["x",{"N":1}]}`
	if got := string(e.Bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzEncoder(f *testing.F) {
	for _, text := range texts {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var e Encoder
		e.Reset(nil)
		e.Text("t", text)
		e.Blob("b", []byte(text))
		var back struct {
			T string `json:"t"`
			B []byte `json:"b"`
		}
		if err := json.Unmarshal(e.Bytes(), &back); err != nil {
			t.Fatal(err)
		}
		if want := string([]rune(text)); back.T != want || string(back.B) != text {
			t.Fatalf("%q comes back as %q and %q", text, back.T, back.B)
		}
	})
}

func BenchmarkBlob(b *testing.B) {
	text := []byte(`"` + base64.StdEncoding.EncodeToString(make([]byte, 4096)) + `"`)
	var d Decoder
	var out []byte
	for b.Loop() {
		d.Reset(text)
		out = d.Blob(out[:0])
	}
}

func BenchmarkEncodeBlob(b *testing.B) {
	data := make([]byte, 4096)
	var e Encoder
	for b.Loop() {
		e.Reset(e.b)
		e.Blob("b", data)
	}
}
