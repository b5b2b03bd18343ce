package renewal

import (
	"strconv"
	"strings"
	"time"
)

// Text is a rule as documents, requests and people write it. An empty field
// asks for nothing.
type Text struct {
	// Before and Jitter are such as "30d", "36h" or "1d12h".
	Before string
	Share  float64
	Key    string
	Jitter string
}

// Rule reads the text. What is no rule is an InvalidArgument error.
func (t Text) Rule() (*Rule, error) {
	r := &Rule{Share: t.Share, Key: KeyChoice(t.Key)}
	var err error
	if t.Before != "" {
		if r.Before, err = ParseDuration(t.Before); err != nil {
			return nil, err
		}
		if r.Before == 0 {
			return nil, unfit("a certificate is not renewed at its very end")
		}
	}
	if t.Jitter != "" {
		jitter, err := ParseDuration(t.Jitter)
		if err != nil {
			return nil, err
		}
		r.Jitter = &jitter
	}
	return r, r.Check()
}

// Text returns what Rule reads.
func (r *Rule) Text() Text {
	t := Text{Share: r.Share, Key: string(r.Key)}
	if r.Before != 0 {
		t.Before = FormatDuration(r.Before)
	}
	if r.Jitter != nil {
		t.Jitter = FormatDuration(*r.Jitter)
	}
	return t
}

// String returns the rule in a few words: "30d before the end, with the same
// key".
func (r *Rule) String() string {
	var b strings.Builder
	switch {
	case r.Before != 0:
		b.WriteString(FormatDuration(r.Before) + " before the end")
	case r.Share != 0:
		b.WriteString("with " + strconv.FormatFloat(100*r.Share, 'f', -1, 64) + "% of the lifetime left")
	default:
		b.WriteString("with a third of the lifetime left, at most 60d")
	}
	if r.Keeps() {
		b.WriteString(", with the same key")
	}
	if r.Jitter != nil {
		b.WriteString(", spread over " + FormatDuration(*r.Jitter))
	}
	return b.String()
}

// ParseDuration reads a time such as "30d", "36h" or "1d12h30m10s", of whole
// seconds.
func ParseDuration(text string) (time.Duration, error) {
	bad := unfit("%q is no time: write 30d, 36h or 90m", text)
	var sum time.Duration
	rest, last := text, 0
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		n, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil || digits == len(rest) {
			return 0, bad
		}
		at := strings.IndexByte(letters, rest[digits]) + 1
		if at <= last {
			return 0, bad
		}
		size := sizes[at-1]
		if n > int64(100*365*day/size) {
			return 0, bad
		}
		sum += time.Duration(n) * size
		last, rest = at, rest[digits+1:]
	}
	if last == 0 {
		return 0, bad
	}
	return sum, nil
}

// letters are the units of times, sizes what they stand for.
const letters = "dhms"

var sizes = [...]time.Duration{day, time.Hour, time.Minute, time.Second}

// FormatDuration writes what ParseDuration reads; parts of seconds are left
// out.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for i, size := range sizes {
		if n := d / size; n > 0 {
			b.WriteString(strconv.FormatInt(int64(n), 10) + letters[i:i+1])
			d -= n * size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
