package audit

import (
	"bytes"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/entry"
)

// Filter chooses records: those that satisfy every member that is set. In the
// members of type string an asterisk stands for any text.
type Filter struct {
	// From and Until bound the entries' time: From ≤ time < Until.
	From, Until time.Time
	// After leaves out the positions up to it.
	After     Position
	Realm     string
	Principal string
	Action    string // the canonical name, such as "key:Sign"
	Operation string
	Resource  string
	RequestID string
	Result    string
	Decision  Decision
	// Text is anywhere in the record's JSON, in upper or lower case.
	Text string
}

// members returns the wanted values and what an entry has for them.
func (f *Filter) members(r *Record) [8][2]string {
	e := &r.Entry
	return [...][2]string{
		{f.Realm, string(e.Realm)},
		{f.Principal, e.Principal},
		{f.Action, e.Action.String()},
		{f.Operation, e.Operation},
		{f.Resource, e.Resource},
		{f.RequestID, e.RequestID},
		{f.Result, e.Result},
		{string(f.Decision), string(e.Decision)},
	}
}

// matches reports whether the filter chooses the record.
func (f *Filter) matches(r *Record) bool {
	if !f.From.IsZero() && r.Entry.Time.Before(f.From) || !f.Until.IsZero() && !r.Entry.Time.Before(f.Until) {
		return false
	}
	for _, m := range f.members(r) {
		if m[0] != "" && !Glob(m[0], m[1]) {
			return false
		}
	}
	return r.Position > f.After &&
		(f.Text == "" || bytes.Contains(bytes.ToLower(r.JSON), []byte(strings.ToLower(f.Text))))
}

// needles returns texts that the JSON of every record that the filter chooses
// has, so that most others need not be decoded.
func (f *Filter) needles() [][]byte {
	var list [][]byte
	for _, m := range f.members(&Record{}) {
		if m[0] != "" && !strings.Contains(m[0], "*") {
			list = append(list, entry.AppendString(nil, m[0], entry.MaxSize))
		}
	}
	return list
}

// Glob reports whether s is what pattern says, in which an asterisk stands
// for any text.
func Glob(pattern, s string) bool {
	head, rest, more := strings.Cut(pattern, "*")
	if !more {
		return s == pattern
	}
	s, ok := strings.CutPrefix(s, head)
	if !ok {
		return false
	}
	for {
		part, after, more := strings.Cut(rest, "*")
		if !more {
			return strings.HasSuffix(s, part)
		}
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s, rest = s[i+len(part):], after
	}
}
