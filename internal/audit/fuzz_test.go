package audit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/key"
)

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
			got := string(appendEntry(nil, &tt.entry, tt.entry.Time, maxPayload))
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
	for _, limit := range []int{MinSegmentSize / 2, maxPayload} {
		b := appendEntry(nil, &e, time.Now(), limit)
		if len(b) > limit {
			t.Errorf("a record of %d bytes, the limit is %d", len(b), limit)
		}
		got, err := decodeEntry(b)
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
	if got, err := decodeEntry(appendEntry(nil, &e, time.Now(), maxPayload)); err != nil || len(got.Details) != maxDetails {
		t.Errorf("%d details of %d were kept, %v", len(got.Details), maxDetails, err)
	}
}

func TestEncodeAllocatesNothing(t *testing.T) {
	e, buf := sample(1), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = appendEntry(buf[:0], e, e.Time, maxPayload) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzRecord: what decodes encodes to a record that decodes to the same, and
// encodes the same again.
func FuzzRecord(f *testing.F) {
	for i := range 3 {
		e := sample(i)
		f.Add(appendEntry(nil, e, e.Time, maxPayload))
	}
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`{"v":1,"error":"\ud800\u2028\"","details":[{"name":"","value":"…"}]}`))
	f.Add([]byte(`{"v":1,"time":"9999-12-31T23:59:59.999999999-23:59"}`))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		e, err := decodeEntry(payload)
		if err != nil {
			return
		}
		first := appendEntry(nil, &e, e.Time, maxPayload)
		if len(first) > maxPayload || !json.Valid(first) {
			t.Fatalf("encoded as %q", first)
		}
		again, err := decodeEntry(first)
		if err != nil {
			t.Fatalf("%q does not decode: %v", first, err)
		}
		if second := appendEntry(nil, &again, again.Time, maxPayload); !bytes.Equal(first, second) {
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
		if err := json.Unmarshal(appendString(nil, s, limit), &got); err != nil {
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

// FuzzFrame: what parses as a frame is, byte for byte, what link makes of its
// parts.
func FuzzFrame(f *testing.F) {
	var chain Hash
	for i, kind := range []frameKind{kindHeader, kindRecord, kindCheckpoint, kindGap} {
		b := appendFrame(nil, kind, Position(i), []byte("{}\n"))
		link(b, &chain, 77)
		f.Add(b)
	}
	f.Add([]byte{frameMark, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		fr, ok := parseFrame(b)
		if !ok {
			return
		}
		made := appendFrame(nil, fr.kind, fr.position, fr.payload)
		var from Hash
		link(made, &from, fr.write)
		copy(made[hashAt:kindAt], fr.hash[:])
		made[crcAt], made[crcAt+1], made[crcAt+2], made[crcAt+3] = b[crcAt], b[crcAt+1], b[crcAt+2], b[crcAt+3]
		if !bytes.Equal(made, b[:len(fr.raw)]) || checksum(made) != checksum(fr.raw) {
			t.Fatalf("made again as\n%x\nnot\n%x", made, fr.raw)
		}
	})
}

// FuzzSegment: a segment with anything changed in it is never taken for the
// log that was written, and Verify, Read and Open never panic. What may
// differ is the time of the last write: the end can look torn.
func FuzzSegment(f *testing.F) {
	dir := f.TempDir()
	o := small()
	o.ID, o.CheckpointEvery = "fuzz", 5
	o.Now = func() time.Time { return time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC) }
	l := mustOpen(f, dir, o)
	mustAppend(f, l, 12)
	if err := l.Close(); err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, segmentName(1))
	whole, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	end := len(bytes.TrimRight(whole, "\x00"))
	f.Add(uint16(100), []byte{1})
	f.Add(uint16(0), []byte("HFAUDIT2"))
	f.Add(uint16(end-1), []byte{0})
	f.Add(uint16(512), make([]byte, 1024))
	f.Add(uint16(end), []byte{frameMark, 1})
	f.Fuzz(func(t *testing.T, at uint16, with []byte) {
		changed := bytes.Clone(whole)
		n := copy(changed[at:], with)
		if n == 0 || bytes.Equal(changed, whole) {
			return
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, segmentName(1)), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := verify(dir, public(signer(1)), 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		wiped := len(bytes.TrimRight(changed, "\x00")) < end
		if r.OK() && r.Torn == 0 && !wiped {
			t.Errorf("%d bytes changed at %d, and the log verifies", n, at)
		}
		for _, err := range (files{dir: dir}).Read(t.Context(), Filter{}) {
			if err != nil && r.OK() {
				t.Errorf("Verify finds nothing, and Read says %v", err)
			}
		}
		if l, err := Open(dir, o); err == nil {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		} else if r.OK() {
			t.Errorf("Verify finds nothing, and Open says %v", err)
		}
	})
}
