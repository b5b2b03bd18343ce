package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/key"
)

// plain is a vocabulary of a few words, for tests of the grammar alone.
type plain struct{}

func (plain) Actions(pattern string) (key.ActionSet, error) {
	var set key.ActionSet
	names := NewWildcards(pattern)
	for _, a := range key.Actions() {
		if names.Match(a.String()) {
			set.Add(a)
		}
	}
	if pattern == "" {
		return set, errors.New("is no action")
	}
	return set, nil
}

func (plain) Principal(class, name string) (Principal, error) {
	if class == "Service" {
		return Principal{Principal: key.Principal{Kind: key.Service, Name: name}}, nil
	}
	if name == "*" {
		return Principal{Everyone: true}, nil
	}
	return Principal{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: name}}, nil
}

func (plain) CheckResource(pattern string) error {
	if pattern == "" {
		return errors.New("is no resource")
	}
	return nil
}

func (plain) ResourceName(r key.Resource) string { return r.String() }

// ConditionKey has the user agent under every name but "none", and several
// values, its characters, under "letters".
func (plain) ConditionKey(name string) (ConditionKey, error) {
	switch name {
	case "":
		return ConditionKey{}, errors.New("is no key")
	case "none":
		return ConditionKey{}, nil
	case "time":
		return ConditionKey{Get: func(r *Request, i int) (Value, bool) { return Time(r.Call.Time), i == 0 }}, nil
	case "letters":
		return ConditionKey{Multivalued: true, Get: func(r *Request, i int) (Value, bool) {
			if i >= len(r.Call.UserAgent) {
				return Value{}, false
			}
			return Text(r.Call.UserAgent[i : i+1]), true
		}}, nil
	}
	return ConditionKey{Get: func(r *Request, i int) (Value, bool) { return Text(r.Call.UserAgent), i == 0 }}, nil
}

// format writes a document's nodes as JSON again.
func (n *node) format(b *bytes.Buffer) {
	switch n.kind {
	case objectNode:
		b.WriteByte('{')
		for i, m := range n.members {
			if i > 0 {
				b.WriteByte(',')
			}
			(&node{kind: textNode, text: m.name}).format(b)
			b.WriteByte(':')
			m.value.format(b)
		}
		b.WriteByte('}')
	case listNode:
		b.WriteByte('[')
		for i, item := range n.items {
			if i > 0 {
				b.WriteByte(',')
			}
			item.format(b)
		}
		b.WriteByte(']')
	case textNode:
		quoted, _ := json.Marshal(n.text)
		b.Write(quoted)
	case numberNode, boolNode:
		b.WriteString(n.text)
	case nullNode:
		b.WriteString("null")
	}
}

// requests are what a fuzzed policy is asked: some callers, some actions, some
// texts.
func requests() []Input {
	var list []Input
	for _, who := range []key.Principal{
		{Realm: key.DefaultRealm, Kind: key.Root},
		{Realm: key.DefaultRealm, Kind: key.User, Name: "a"},
		{Realm: "999999999999", Kind: key.Session, Name: "r/s"},
		{Kind: key.Anonymous},
	} {
		for _, action := range []key.Action{key.Encrypt, key.PutKeyPolicy, key.ReadAudit} {
			for _, text := range []string{"", "a", "aXb:*?", "2026-01-01", "7"} {
				list = append(list, Input{Request: Request{
					Action: action, Resource: key.Resource{Kind: key.KindKey, Realm: key.DefaultRealm, Region: "r", ID: text},
					Call: &key.Call{Caller: key.Caller{Principal: who}, UserAgent: text, Time: time.Unix(1700000000, 0)},
				}})
			}
		}
	}
	return list
}

// decisions asks everything of a policy.
func decisions(p *Policy, kind Kind) []Decision {
	var list []Decision
	for _, in := range requests() {
		if kind == ForResource {
			in.Resource = p
		} else {
			in.Identity = []*Policy{p}
		}
		list = append(list, Decide(in), Decision{Allowed: LocksOut(in)})
	}
	return list
}

// FuzzCompile: the compiler never panics; what it refuses it refuses with the
// reason; what it takes, written anew, it takes again, as the same document
// with the same decisions.
func FuzzCompile(f *testing.F) {
	paths, err := filepath.Glob(filepath.Join("testdata", "documents", "*.json"))
	if err != nil || len(paths) == 0 {
		f.Fatalf("no seed documents: %v", err)
	}
	for _, path := range paths {
		doc, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		for _, kind := range []Kind{ForResource, ForIdentity} {
			p, err := Compile(doc, kind, plain{})
			if err != nil {
				if fault.KindOf(err) != fault.InvalidArgument || fault.ReasonOf(err) != fault.MalformedPolicy {
					t.Fatalf("refused with %v", err)
				}
				continue
			}
			first, err := parse(doc)
			if err != nil {
				t.Fatal(err)
			}
			var again bytes.Buffer
			first.format(&again)
			second, err := parse(again.Bytes())
			if err != nil || !reflect.DeepEqual(first, second) {
				t.Fatalf("written anew it is another document (%v): %s", err, again.Bytes())
			}
			q, err := Compile(again.Bytes(), kind, plain{})
			if err != nil {
				t.Fatalf("written anew it is refused: %v", err)
			}
			if want, got := decisions(p, kind), decisions(q, kind); !reflect.DeepEqual(want, got) {
				t.Fatalf("written anew it decides otherwise: %s", again.Bytes())
			}
		}
	})
}

// FuzzWildcards: the matcher agrees with the plain definition of wildcards.
func FuzzWildcards(f *testing.F) {
	for _, seed := range [][2]string{
		{"*", ""},
		{"a*b?c", "axxbyc"},
		{"**?", "é"},
		{"*ab*ab", "abab"},
		{"?", "\xff"},
		{"a*", "b"},
	} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if len(pattern) > 12 || len(s) > 24 || !utf8.ValidString(pattern) {
			return
		}
		if got, want := NewWildcards(pattern).Match(s), defined([]rune(pattern), characters(s)); got != want {
			t.Errorf("%q matches %q: %v, want %v", pattern, s, got, want)
		}
	})
}

// characters returns the runes of s, and bytes that are no UTF-8 as runes of
// their own that no pattern has.
func characters(s string) []rune {
	var list []rune
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			r = utf8.MaxRune + 1 + rune(s[i])
		}
		list = append(list, r)
		i += size
	}
	return list
}

// defined is the definition: slow and obvious.
func defined(pattern, s []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(s) == 0
	case pattern[0] == '*':
		return defined(pattern[1:], s) || len(s) > 0 && defined(pattern, s[1:])
	}
	return len(s) > 0 && (pattern[0] == '?' || pattern[0] == s[0]) && defined(pattern[1:], s[1:])
}
