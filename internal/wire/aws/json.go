package aws

import (
	"bytes"
	"iter"
	"math"
	"strconv"
)

// JSONKind is the kind of a JSON value.
type JSONKind uint8

// The kinds of JSON values. The zero kind is none: what follows is no value.
const (
	NoJSON JSONKind = iota
	JSONNull
	JSONBool
	JSONNumber
	JSONString
	JSONArray
	JSONObject
)

// maxDepth bounds how deeply values nest. No request of any AWS JSON API
// comes near it.
const maxDepth = 32

// Decoder reads one JSON text (RFC 8259) from front to back, straight into
// Go values and without reflection. It is stricter than encoding/json: object
// names are unique, text is valid UTF-8 with paired surrogates, and values
// nest at most maxDepth deep. The first failure sticks: all that follows
// reads nothing, and Err reports it.
type Decoder struct {
	data  []byte
	pos   int
	depth int
	err   error
	// text has the last string that was unescaped.
	text []byte
	// names has the names of the open objects' members so far.
	names [][]byte
}

// Reset makes the decoder read data, which must not change while it does.
func (d *Decoder) Reset(data []byte) {
	clear(d.names)
	*d = Decoder{data: data, text: d.text[:0], names: d.names[:0]}
}

// Err returns the first failure, a SerializationException.
func (d *Decoder) Err() error { return d.err }

// End fails unless the text has ended.
func (d *Decoder) End() {
	d.space()
	if d.pos < len(d.data) {
		d.Fail("")
	}
}

// Fail makes the decoder fail with a message, unless it has failed already.
func (d *Decoder) Fail(message string) {
	if d.err == nil {
		d.err = Serialization(message)
	}
	d.pos = len(d.data)
}

func (d *Decoder) space() {
	for d.pos < len(d.data) {
		switch d.data[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// Kind returns the kind of the next value, without reading it.
func (d *Decoder) Kind() JSONKind {
	d.space()
	if d.pos == len(d.data) {
		return NoJSON
	}
	switch c := d.data[d.pos]; c {
	case 'n':
		return JSONNull
	case 't', 'f':
		return JSONBool
	case '"':
		return JSONString
	case '[':
		return JSONArray
	case '{':
		return JSONObject
	default:
		if c == '-' || isDigit(c) {
			return JSONNumber
		}
		return NoJSON
	}
}

// mistyped are the messages for a value of the wrong kind, in AWS's words.
var mistyped = [...]string{
	NoJSON: "", JSONNull: "NULL_VALUE can not be converted to ", JSONBool: "BOOLEAN_VALUE can not be converted to ",
	JSONNumber: "NUMBER_VALUE can not be converted to ", JSONString: "STRING_VALUE can not be converted to ",
	JSONArray:  "Start of list found where not expected",
	JSONObject: "Start of structure or map found where not expected",
}

// want fails unless the next value is of the kind; what is the name of the
// type that the value is for.
func (d *Decoder) want(kind JSONKind, what string) bool {
	got := d.Kind()
	if got == kind {
		return true
	}
	message := mistyped[got]
	if got != NoJSON && got < JSONArray {
		message += what
	}
	d.Fail(message)
	return false
}

// Null reads a null if that is next, and reports whether it was.
func (d *Decoder) Null() bool { return d.Kind() == JSONNull && d.literal("null") }

// literal reads exactly the given bytes.
func (d *Decoder) literal(s string) bool {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(s)) {
		d.Fail("")
		return false
	}
	d.pos += len(s)
	return true
}

// Bool reads a boolean.
func (d *Decoder) Bool() bool {
	if !d.want(JSONBool, "a Boolean") {
		return false
	}
	if d.data[d.pos] == 't' {
		return d.literal("true")
	}
	d.literal("false")
	return false
}

// Int reads a whole number of 32 bits.
func (d *Decoder) Int() int { return int(d.whole(32, "an Integer")) }

// Long reads a whole number of 64 bits.
func (d *Decoder) Long() int64 { return d.whole(64, "a Long") }

// Double reads a finite number.
func (d *Decoder) Double() float64 {
	const what = "a Double"
	if !d.want(JSONNumber, what) {
		return 0
	}
	n, err := strconv.ParseFloat(string(d.number()), 64)
	if err != nil {
		d.Fail("NUMBER_VALUE can not be converted to " + what)
		return 0
	}
	return n
}

func (d *Decoder) whole(bits int, what string) int64 {
	if !d.want(JSONNumber, what) {
		return 0
	}
	number := d.number()
	n, err := strconv.ParseInt(string(number), 10, bits)
	if err != nil {
		d.Fail("NUMBER_VALUE can not be converted to " + what)
		return 0
	}
	return n
}

// number reads a number by RFC 8259 section 6 and returns its text.
func (d *Decoder) number() []byte {
	start := d.pos
	if d.at('-') {
		d.pos++
	}
	if d.at('0') {
		d.pos++
	} else {
		d.digits()
	}
	if d.at('.') {
		d.pos++
		d.digits()
	}
	if d.at('e') || d.at('E') {
		d.pos++
		if d.at('+') || d.at('-') {
			d.pos++
		}
		d.digits()
	}
	return d.data[start:d.pos]
}

// at reports whether the next byte is c.
func (d *Decoder) at(c byte) bool { return d.pos < len(d.data) && d.data[d.pos] == c }

// digits reads one or more digits.
func (d *Decoder) digits() {
	start := d.pos
	for d.pos < len(d.data) && isDigit(d.data[d.pos]) {
		d.pos++
	}
	if d.pos == start {
		d.Fail("")
	}
}

// Skip reads a value of any kind and forgets it.
func (d *Decoder) Skip() {
	switch d.Kind() {
	case NoJSON:
		d.Fail("")
	case JSONNull:
		d.literal("null")
	case JSONBool:
		d.Bool()
	case JSONNumber:
		d.number()
	case JSONString:
		d.Text()
	case JSONArray:
		for range d.Elements() {
			d.Skip()
		}
	case JSONObject:
		for range d.Members() {
			d.Skip()
		}
	}
}

// open enters an object or array and reports whether it has anything in it.
func (d *Decoder) open(end byte) bool {
	d.pos++
	if d.depth++; d.depth > maxDepth {
		d.Fail("")
		return false
	}
	d.space()
	if d.at(end) {
		d.pos++
		d.depth--
		return false
	}
	return true
}

// more reads what separates two values and reports whether another comes.
func (d *Decoder) more(end byte) bool {
	d.space()
	switch {
	case d.at(','):
		d.pos++
		return true
	case d.at(end):
		d.pos++
		d.depth--
	default:
		d.Fail("")
	}
	return false
}

// Elements reads an array: the body of the loop must read each element.
func (d *Decoder) Elements() iter.Seq[int] {
	return func(yield func(int) bool) {
		if !d.want(JSONArray, "a List") || !d.open(']') {
			return
		}
		for i := range math.MaxInt32 {
			if !yield(i) || !d.more(']') {
				return
			}
		}
	}
}

// Members reads an object and yields the names in it: the body of the loop
// must read the value of each. A name is good until the value is read.
func (d *Decoder) Members() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		if !d.want(JSONObject, "a Structure") || !d.open('}') {
			return
		}
		first, known := len(d.names), map[string]bool(nil)
		defer func() { d.names = d.names[:first] }()
		for {
			name := d.name(first, &known)
			if d.err != nil || !yield(name) || !d.more('}') {
				return
			}
		}
	}
}

// name reads a member's name and its colon. The names of the same object
// begin at first in d.names; beyond a few they are kept in known as well.
func (d *Decoder) name(first int, known *map[string]bool) []byte {
	if d.Kind() != JSONString {
		d.Fail("")
		return nil
	}
	name := d.Text()
	if len(name) > 0 && len(d.text) > 0 && &name[0] == &d.text[0] {
		name = bytes.Clone(name) // d.text is used again
	}
	if d.space(); !d.at(':') || d.seen(d.names[first:], name, known) {
		d.Fail("")
		return nil
	}
	d.pos++
	d.names = append(d.names, name)
	return name
}

// few is the number of names up to which a search from front to back is
// cheaper than a map.
const few = 16

func (d *Decoder) seen(names [][]byte, name []byte, known *map[string]bool) bool {
	if len(names) < few {
		for _, n := range names {
			if bytes.Equal(n, name) {
				return true
			}
		}
		return false
	}
	if *known == nil {
		*known = make(map[string]bool, 2*few)
		for _, n := range names {
			(*known)[string(n)] = true
		}
	}
	if (*known)[string(name)] {
		return true
	}
	(*known)[string(name)] = true
	return false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
