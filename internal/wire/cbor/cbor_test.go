package cbor

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
)

// TestJSON holds what CBOR becomes, by the examples of RFC 8949, Appendix A,
// put into a map of one member.
func TestJSON(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 `{}`,
		"a0":                               `{}`,
		"bfff":                             `{}`,
		"a1616100":                         `{"a":0}`,
		"a161611bffffffffffffffff":         `{"a":18446744073709551615}`,
		"a1616120":                         `{"a":-1}`,
		"a16161f93e00":                     `{"a":1.5}`,
		"a16161fb3ff199999999999a":         `{"a":1.1}`,
		"a16161f4":                         `{"a":false}`,
		"a16161f6":                         `{"a":null}`,
		"a16161f7":                         `{"a":null}`,
		"a161614401020304":                 `{"a":"AQIDBA=="}`,
		"a161617f657374726561646d696e67ff": `{"a":"streaming"}`,
		"a161619f018202039f0405ffff":       `{"a":[1,[2,3],[4,5]]}`,
		"a16161c11a514b67b0":               `{"a":1363896240.000}`,
		"a16161c1fb41d452d9ec200000":       `{"a":1363896240.500}`,
		"a16161c074323031332d30332d32315432303a30343a30305a": `{"a":1363896240.000}`,
		"a16161c249010000000000000000":                       "",
		"a16161f97e00":                                       "",
		"a16161f97c00":                                       "",
		"a16161f0":                                           "",
		"a16161d74401020304":                                 "",
		"a10102":                                             "",
		"a2616101616102":                                     "",
		"a16161":                                             "",
		"a0a0":                                               "",
		"80":                                                 "",
		"f6":                                                 "",
		"a1616161ff":                                         "",
		"a16161" + strings.Repeat("81", 40) + "00": "",
	} {
		data, err := hex.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := JSON(data)
		if string(got) != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %s, %v; want %q", in, got, err, want)
		}
	}
}

// TestEncoder holds that what is written is what CBOR's own library reads.
func TestEncoder(t *testing.T) {
	var e Encoder
	e.Reset(make([]byte, 0, 8))
	e.Text("Text", "wide", "r")
	e.Text("Broken", "a\xff")
	for _, n := range []int{0, 23, 24, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, -1, -25, math.MinInt64} {
		e.Array("Int", func() { e.Int("", n) })
		var whole map[string]any
		if err := cbor.Unmarshal(append(bytes.Clone(e.b), closing), &whole); err != nil {
			t.Fatal(n, err)
		}
		var got int64
		switch v := whole["Int"].([]any)[0].(type) {
		case uint64:
			got = int64(v)
		case int64:
			got = v
		}
		if got != int64(n) {
			t.Errorf("%d is written as %d", n, got)
		}
		e.b = e.b[:bytes.LastIndex(e.b, []byte("\x63Int"))]
	}
	e.Float("Float", -2.5)
	e.Bool("True", true)
	e.Bool("False", false)
	e.Time("Time", time.UnixMilli(1363896240500))
	e.Object("Object", func() { e.Array("Empty", func() {}) })
	got, err := JSON(e.Bytes())
	const want = `{"Broken":"a\ufffd","False":false,"Float":-2.5,"Object":{"Empty":[]},"Text":"wider","Time":1363896240.500,"True":true}`
	if err != nil || !sameJSON(t, got, []byte(want)) {
		t.Errorf("got %s, %v", got, err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
		t.Fatalf("no JSON: %s, %s", a, b)
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return bytes.Equal(p, q)
}

// FuzzJSON holds that whatever is taken is JSON, and says the same when it is
// written as CBOR again.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		"", "a0", "bfff", "a161619f018202039f0405ffff", "a16161c1fb41d452d9ec200000", "a161614401020304",
		"bf69416c61726d4e616d65646e616d6566506572696f6419012cff", "a16161fb3ff199999999999a", "a16161a1616280",
	} {
		data, _ := hex.DecodeString(seed)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		said, err := JSON(data)
		if err != nil {
			return
		}
		if !json.Valid(said) || said[0] != '{' {
			t.Fatalf("%x became %s", data, said)
		}
		var value map[string]any
		d := json.NewDecoder(bytes.NewReader(said))
		if err := d.Decode(&value); err != nil {
			return // a number that only JSON's text can hold
		}
		again, err := cbor.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		second, err := JSON(again)
		if err != nil || !sameJSON(t, said, second) {
			t.Fatalf("%s became %s: %v", said, second, err)
		}
	})
}
