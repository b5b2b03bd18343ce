package aws

import (
	"testing"
	"time"
)

func decodeTime(text string) (time.Time, error) {
	var d Decoder
	d.Reset([]byte(text))
	at := d.Time()
	d.End()
	return at, d.Err()
}

// TestTimes has the forms in which the clients write a time.
func TestTimes(t *testing.T) {
	for text, want := range map[string]string{
		"1795363200":         "2026-11-22T16:00:00Z",     // botocore
		"1795363200.123":     "2026-11-22T16:00:00.123Z", // the SDKs for Go and JavaScript
		"1.795363200123e9":   "2026-11-22T16:00:00.123Z", // the SDK for Java
		"1.795363200123E9":   "2026-11-22T16:00:00.123Z",
		"1795363200.9999":    "2026-11-22T16:00:01Z",
		"0":                  "1970-01-01T00:00:00Z",
		"-1.5":               "1969-12-31T23:59:58.5Z",
		"253402300799":       "9999-12-31T23:59:59Z",
		"253402300800":       "",
		"1e400":              "",
		`"2026-11-22"`:       "",
		"true":               "",
		"01":                 "",
		"NaN":                "",
		"1795363200 garbage": "",
	} {
		at, err := decodeTime(text)
		if got := at.Format(time.RFC3339Nano); (err == nil) != (want != "") || err == nil && got != want {
			t.Errorf("%s: got %s, %v; want %s", text, got, err, want)
		}
	}
}

// FuzzTime holds that a time that can be read is written so that it reads as
// the same.
func FuzzTime(f *testing.F) {
	for _, text := range []string{"1795363200", "1795363200.123", "1.795363200123e9", "253402300799", "-1.5", "1e400"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, err := decodeTime(text)
		if err != nil || at.Unix() < 0 { // the encoder writes no times before 1970
			return
		}
		var e Encoder
		e.Reset(nil)
		e.Time("t", at)
		var d Decoder
		d.Reset(e.Bytes())
		for range d.Members() {
			if back := d.Time(); !back.Equal(at) {
				t.Errorf("%s is %s, which is written %s and read as %s", text, at, e.Bytes(), back)
			}
		}
		if d.Err() != nil {
			t.Errorf("%s is written %s: %v", text, e.Bytes(), d.Err())
		}
	})
}
