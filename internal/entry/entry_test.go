package entry

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
)

func sample(n int) *Entry {
	return &Entry{
		Time:  time.Date(2026, 11, 22, 16, 0, n, 123456789, time.UTC),
		Realm: key.DefaultRealm, Region: "us-east-1", RequestID: fmt.Sprintf("6f1a2b3c-0000-4000-8000-%012d", n),
		API: "aws.kms", Operation: "Encrypt", Action: key.Encrypt,
		Principal: "123456789012:user:ops/alice", Credential: "AKIAIOSFODNN7EXAMPLE", Method: "sigv4", MFA: n%2 == 0,
		Source: "192.0.2.17", UserAgent: "aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.6",
		Resource: "123456789012/us-east-1/1234abcd-12ab-34cd-56ef-1234567890ab",
		Decision: Allowed, Why: "key policy, statement Enable IAM policies; identity policy ops, statement 2", Result: "ok",
		Details: []Detail{{"algorithm", "SYMMETRIC_DEFAULT"}, {"version", "3"}},
	}
}

func TestEncodeIsTheFormat(t *testing.T) {
	tests := []struct {
		name  string
		entry Entry
		want  string
	}{
		{"nothing", Entry{}, `{"v":1}`},
		{
			"everything", *sample(2),
			`{"v":1,"time":"2026-11-22T16:00:02.123456789Z","realm":"123456789012","region":"us-east-1",` +
				`"request":"6f1a2b3c-0000-4000-8000-000000000002","api":"aws.kms","operation":"Encrypt","action":"key:Encrypt",` +
				`"principal":"123456789012:user:ops/alice","credential":"AKIAIOSFODNN7EXAMPLE","method":"sigv4","mfa":true,` +
				`"source":"192.0.2.17","agent":"aws-cli/2.15.0 md/awscrt#0.19.19 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.6",` +
				`"resource":"123456789012/us-east-1/1234abcd-12ab-34cd-56ef-1234567890ab","decision":"allow",` +
				`"why":"key policy, statement Enable IAM policies; identity policy ops, statement 2","result":"ok",` +
				`"details":[{"name":"algorithm","value":"SYMMETRIC_DEFAULT"},{"name":"version","value":"3"}]}`,
		},
		{"escapes", Entry{Error: "\"\\\n\r\t\x00\x1f\x7f/<é\u2028\u2029€😀"}, `{"v":1,"error":"\"\\\n\r\t\u0000\u001f\u007f/<é\u2028\u2029€😀"}`},
		{"bytes that are no UTF-8", Entry{UserAgent: "a\xffb\xc3"}, `{"v":1,"agent":"a` + "\uFFFD" + `b` + "\uFFFD" + `"}`},
		{"a time elsewhere", Entry{Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}, `{"v":1,"time":"2026-01-02T02:04:05Z"}`},
		{"an action of nobody", Entry{Action: key.NoAction}, `{"v":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := string(Append(nil, &tt.entry, tt.entry.Time, MaxSize))
			if diff := cmp.Diff(tt.want+"\n", got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	e := Entry{UserAgent: long, Error: long, Principal: long, Source: strings.Repeat("\xff", 1<<20)}
	for range 200 {
		e.Details = append(e.Details, Detail{long, strings.Repeat("\x01", 1<<10)})
	}
	for _, limit := range []int{32 << 10, MaxSize} {
		b := Append(nil, &e, time.Now(), limit)
		if len(b) > limit {
			t.Errorf("a record of %d bytes, the limit is %d", len(b), limit)
		}
		got, err := Decode(b)
		if err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]struct {
			text  string
			limit int
		}{"agent": {got.UserAgent, maxID}, "error": {got.Error, maxText}, "principal": {got.Principal, maxName}, "source": {got.Source, maxShort}} {
			if len(s.text) > s.limit || len(s.text) < s.limit-6 && name != "source" || !strings.HasSuffix(s.text, ellipsis) || !utf8.ValidString(s.text) {
				t.Errorf("%s was cut to %d bytes: %.20q…, want %d with an ellipsis", name, len(s.text), s.text, s.limit)
			}
		}
		last := got.Details[len(got.Details)-1]
		if len(got.Details) > maxDetails || last.Name != ellipsis {
			t.Errorf("%d details, the last %v", len(got.Details), last)
		}
	}
	e.Details = nil
	for range maxDetails {
		e.Details = append(e.Details, Detail{"n", "v"})
	}
	if got, err := Decode(Append(nil, &e, time.Now(), MaxSize)); err != nil || len(got.Details) != maxDetails {
		t.Errorf("%d details of %d were kept, %v", len(got.Details), maxDetails, err)
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	e, buf := sample(1), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = Append(buf[:0], e, e.Time, MaxSize) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestQuickLines asserts which lines are read without encoding/json: those of
// every operation of users that policies let in, whose reason has the policy's
// name in quotation marks.
func TestQuickLines(t *testing.T) {
	for why, quick := range map[string]bool{
		"a statement": true, `identity policy "a" statement "b"`: true, `"`: true, `C:\`: true, `\"\\"`: true,
		"two\nlines": false, "accentué": false,
	} {
		e := Entry{Realm: "1", Why: why, Result: "ok", Details: []Detail{{"quoted", why}}}
		e.Time = time.Unix(1, 0).UTC()
		line := Append(nil, &e, e.Time, MaxSize)
		got, ok := decodeLine(line)
		if ok != quick || ok && !cmp.Equal(got, e) {
			t.Errorf("%q: %v, %+v", line, ok, got)
		}
	}
	for _, line := range []string{`{"v":1,"why":"\\"}`, `{"v":1,"why":"\"`, `{"v":1,"why":"\n"}`, `{"v":1,"why":"a\`, `{"v":1,"why":"\"}`} {
		if e, ok := decodeLine([]byte(line)); ok != (line == `{"v":1,"why":"\\"}`) {
			t.Errorf("%q: %v, %+v", line, ok, e)
		}
	}
}

// FuzzRecord: what decodes encodes to a record that decodes to the same, and
// encodes the same again.
func FuzzRecord(f *testing.F) {
	for i := range 3 {
		e := sample(i)
		f.Add(Append(nil, e, e.Time, MaxSize))
	}
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`{"v":1,"realm":"1","details":[{"name":"a","value":"b"},]}`))
	f.Add([]byte(`{"v":1,"details":[]}` + "\n"))
	f.Add([]byte(`{"v":1,"error":"\ud800\u2028\"","details":[{"name":"","value":"…"}]}`))
	f.Add([]byte(`{"v":1,"time":"9999-12-31T23:59:59.999999999-23:59"}`))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(`{"v":1,"why":"identity policy \"a\" \\","result":"\u0022"}`))
	f.Add([]byte(`{"v":1,"time":""}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := Decode(payload)
		if err != nil {
			return
		}
		if other, err := decodeAny(payload); err != nil || !cmp.Equal(e, other) {
			t.Fatalf("%q decodes as %+v, by encoding/json as %+v, %v", payload, e, other, err)
		}
		first := Append(nil, &e, e.Time, MaxSize)
		if len(first) > MaxSize || !json.Valid(first) {
			t.Fatalf("encoded as %q", first)
		}
		again, err := Decode(first)
		if err != nil {
			t.Fatalf("%q does not decode: %v", first, err)
		}
		if second := Append(nil, &again, again.Time, MaxSize); !bytes.Equal(first, second) {
			t.Fatalf("encoded again as\n%q\nnot\n%q", second, first)
		}
	})
}

// FuzzString: any string becomes JSON that encoding/json reads as the same
// text, cut and made valid.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "plain", "\"\\\x00\x1f\x7f", "é\u2028\u2029\xe2\x80", "\xff\xfe\xc3", strings.Repeat("é", 200)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		const limit = 100
		var got string
		if err := json.Unmarshal(AppendString(nil, s, limit), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if len(got) > limit || utf8.ValidString(s) && len(s) <= limit && got != s {
			t.Fatalf("%q became %q", s, got)
		}
		if tidy(got, limit) != got {
			t.Fatalf("%q is cut again to %q", got, tidy(got, limit))
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	e, buf := sample(1), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], e, e.Time, MaxSize)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkDecode(b *testing.B) {
	e := sample(1)
	line := Append(nil, e, e.Time, MaxSize)
	for name, decode := range map[string]func([]byte) (Entry, error){"as written": Decode, "any JSON": decodeAny} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(line); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
