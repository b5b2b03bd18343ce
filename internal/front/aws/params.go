package aws

import (
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// take returns the parameter of a name as read; nil if there is none.
func (p *Params) take(name string) *param {
	n := p.at.under[name]
	if n == nil || !n.given {
		return nil
	}
	n.read = true
	return n
}

// Has reports whether a parameter is there, whatever it is: a text, or a list
// that may be empty.
func (p *Params) Has(name string) bool { return p.at.under[name] != nil }

// Text returns a parameter, "" if there is none.
func (p *Params) Text(name string) string {
	if n := p.take(name); n != nil {
		return n.value
	}
	return ""
}

// Required returns a parameter without which the request is refused.
func (p *Params) Required(name string) string {
	n := p.take(name)
	if n == nil {
		p.query.violations.add("null ", p.member(name), "not be null")
		return ""
	}
	return n.value
}

// OneOf returns a parameter that is one of some values, or not there.
func (p *Params) OneOf(name string, values []string) string {
	n := p.take(name)
	if n == nil {
		return ""
	}
	if !slices.Contains(values, n.value) {
		p.query.violations.add(quote(n.value), p.member(name), "satisfy enum value set: ["+strings.Join(values, ", ")+"]")
	}
	return n.value
}

// Length returns a parameter of minimum to maximum characters, "" if there is
// none.
func (p *Params) Length(name string, minimum, maximum int) string {
	n := p.take(name)
	if n == nil {
		return ""
	}
	p.query.violations.length(quote(n.value), p.member(name), utf8.RuneCountInString(n.value), minimum, maximum)
	return n.value
}

// Int returns a number from minimum to maximum, or 0 if there is none.
func (p *Params) Int(name string, minimum, maximum int) int {
	n := p.take(name)
	if n == nil {
		return 0
	}
	value, err := strconv.Atoi(n.value)
	switch {
	case err != nil:
		p.mustBe(name, "an integer")
	case value < minimum:
		p.query.violations.add(quote(n.value), p.member(name), "have value greater than or equal to "+strconv.Itoa(minimum))
	case value > maximum:
		p.query.violations.add(quote(n.value), p.member(name), "have value less than or equal to "+strconv.Itoa(maximum))
	}
	return value
}

// Float returns a finite number; ok is false if there is none.
func (p *Params) Float(name string) (value float64, ok bool) {
	n := p.take(name)
	if n == nil {
		return 0, false
	}
	value, err := strconv.ParseFloat(n.value, 64)
	if err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		p.mustBe(name, "a number")
	}
	return value, true
}

// Flag returns a boolean, nil if there is none.
func (p *Params) Flag(name string) *bool {
	n := p.take(name)
	if n == nil {
		return nil
	}
	value := n.value == "true"
	if !value && n.value != "false" {
		p.mustBe(name, "true or false")
	}
	return &value
}

// Time returns a time (ISO 8601, as smithy's date-time), zero if there is
// none.
func (p *Params) Time(name string) time.Time {
	n := p.take(name)
	if n == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, n.value)
	if err != nil {
		p.mustBe(name, "a time such as 2026-11-23T12:00:00Z")
	}
	return t
}

// Blob returns bytes, which are in base64; nil if there are none.
func (p *Params) Blob(name string) []byte {
	n := p.take(name)
	if n == nil {
		return nil
	}
	value, err := base64.StdEncoding.DecodeString(n.value)
	if err != nil {
		p.mustBe(name, "base64")
	}
	return value
}

func (p *Params) mustBe(name, what string) {
	p.query.complain("The parameter " + quoteName(p.path+name) + " must be " + what + ".")
}

// member is a parameter's path as the complaints of AWS have it.
func (p *Params) member(name string) string {
	path := p.path + name
	return strings.ToLower(path[:1]) + path[1:]
}

// List returns the texts name.member.1, name.member.2 and so on.
func (p *Params) List(name string) []string {
	list := []string{}
	for _, element := range p.numbered(name, "member") {
		element.at.read = true
		if !element.at.given {
			p.mustBe(name, "a list of texts")
		}
		list = append(list, element.at.value)
	}
	return list
}

// Structs returns the structures name.member.1, name.member.2 and so on.
func (p *Params) Structs(name string) []*Params { return p.numbered(name, "member") }

// Struct returns the structure of a name, and whether any of it is there.
func (p *Params) Struct(name string) (*Params, bool) {
	n := p.at.under[name]
	if n == nil {
		n = new(param)
	}
	return &Params{p.query, n, p.path + name + "."}, len(n.under) > 0
}

// Map returns the pairs name.entry.1.key and name.entry.1.value and so on, in
// their order. No key is there twice.
func (p *Params) Map(name string) []Pair {
	list := []Pair{}
	for _, e := range p.numbered(name, "entry") {
		list = append(list, Pair{e.Required("key"), e.Required("value")})
	}
	p.distinct(name, len(list), func(i int) string { return list[i].Key })
	return list
}

// Entries returns the entries of a map of structures, name.entry.1 and so on,
// whose keys and values are called as the API has it. No key is there twice.
func (p *Params) Entries(name, keyName, valueName string) []Entry {
	list := []Entry{}
	for _, e := range p.numbered(name, "entry") {
		value, _ := e.Struct(valueName)
		list = append(list, Entry{e.Required(keyName), value})
	}
	p.distinct(name, len(list), func(i int) string { return list[i].Key })
	return list
}

func (p *Params) distinct(name string, n int, keyAt func(int) string) {
	seen := make(map[string]bool, n)
	for i := range n {
		if seen[keyAt(i)] {
			p.mustBe(name, "a map whose keys are there once")
		}
		seen[keyAt(i)] = true
	}
}

// numbered returns what is under name.kind.1, name.kind.2 and so on. An empty
// list is a parameter with no text. A gap in the numbers leaves the rest
// unread.
func (p *Params) numbered(name, kind string) []*Params {
	n := p.at.under[name]
	if n == nil {
		return nil
	}
	if n.given && n.value == "" {
		n.read = true
	}
	elements := n.under[kind]
	if elements == nil {
		return nil
	}
	var list []*Params
	for i := 1; ; i++ {
		number := strconv.Itoa(i)
		at := elements.under[number]
		if at == nil {
			return list
		}
		list = append(list, &Params{p.query, at, p.path + name + "." + kind + "." + number + "."})
	}
}
