package aws

import (
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// Input is the request of a JSON operation. Its Members method declares what
// the request may have, member by member; that declaration is all there is to
// decoding and validating it.
type Input interface {
	Members(m *Members)
}

// usualMembers is how many members most requests have at most.
const usualMembers = 16

// Members is the declaration of a request: where each member goes, and what
// AWS's model of the API asks of it. Members that are not declared are
// ignored, as AWS does.
type Members struct{ list []Member }

// Member is the declaration of one member. It is good until the next one is
// declared.
type Member struct {
	name   string
	target any // a pointer, whose type says what the member is
	form   form

	required, present bool
	min, max          int      // length or value; max 0 is no limit
	pattern           *Pattern // nil for any
	enum              []string // nil for any
	unlisted          bool     // the value is not in enum
	least             int      // how many elements a list has at least
}

// form tells members apart whose targets have the same Go type.
type form uint8

const (
	plain form = iota
	mapping
	tagList
	ignored
	secret
)

// Pattern is what a member's text must match.
type Pattern struct {
	// Text is the regular expression that AWS's model has.
	Text    string
	Matches func(string) bool
}

func (m *Members) reset() {
	clear(m.list)
	m.list = m.list[:0]
}

func (m *Members) add(member Member) *Member {
	m.list = append(m.list, member)
	return &m.list[len(m.list)-1]
}

// Text declares a string of min to max characters.
func (m *Members) Text(name string, to *string, minimum, maximum int) *Member {
	return m.add(Member{name: name, target: to, min: minimum, max: maximum})
}

// Blob declares bytes in base64, min to max of them.
func (m *Members) Blob(name string, to *[]byte, minimum, maximum int) *Member {
	return m.add(Member{name: name, target: to, min: minimum, max: maximum})
}

// Secret declares a string of min to max bytes that no complaint repeats. The
// bytes are overwritten when the request ends.
func (m *Members) Secret(name string, to *[]byte, minimum, maximum int) *Member {
	return m.add(Member{name: name, target: to, form: secret, min: minimum, max: maximum})
}

// Int declares a number from min, which is above 0, to max.
func (m *Members) Int(name string, to *int, minimum, maximum int) *Member {
	return m.add(Member{name: name, target: to, min: minimum, max: maximum})
}

// Bool declares a boolean.
func (m *Members) Bool(name string, to *bool) *Member { return m.add(Member{name: name, target: to}) }

// Enum declares a string that is one of some.
func (m *Members) Enum(name string, to *string, values []string) *Member {
	return m.add(Member{name: name, target: to, enum: values})
}

// Map declares an object of strings.
func (m *Members) Map(name string, to *[]key.Tag) *Member {
	return m.add(Member{name: name, target: to, form: mapping})
}

// Tags declares a list of structures of TagKey and TagValue.
func (m *Members) Tags(name string, to *[]key.Tag) *Member {
	return m.add(Member{name: name, target: to, form: tagList})
}

// List declares a list of at most count strings of min to max characters;
// count 0 is no limit.
func (m *Members) List(name string, to *[]string, count, minimum, maximum int) *Member {
	return m.add(Member{name: name, target: &stringList{to: to, count: count}, min: minimum, max: maximum})
}

// stringList is where a list of strings goes.
type stringList struct {
	to    *[]string
	count int
}

// Long declares a number of 64 bits that is min or more.
func (m *Members) Long(name string, to *int64, minimum int) *Member {
	return m.add(Member{name: name, target: to, min: minimum})
}

// Time declares a time; to stays zero when it is not there.
func (m *Members) Time(name string, to *time.Time) *Member {
	return m.add(Member{name: name, target: to})
}

// Float declares a finite number; to stays nil when it is not there.
func (m *Members) Float(name string, to **float64) *Member {
	return m.add(Member{name: name, target: to})
}

// Flag declares a boolean of which it matters whether it is there: to stays
// nil when it is not.
func (m *Members) Flag(name string, to **bool) *Member { return m.add(Member{name: name, target: to}) }

// Unsupported declares a member that AWS has and Holdfast does not: a request
// that sets it is refused by name. Null, false and empty lists set nothing.
func (m *Members) Unsupported(name string) *Member { return m.add(Member{name: name, form: ignored}) }

// Required says that a request without the member is refused.
func (m *Member) Required() *Member {
	m.required = true
	return m
}

// OneOf says what every string of a list must be one of.
func (m *Member) OneOf(values []string) *Member {
	m.enum = values
	return m
}

// AtLeast says how many elements a list has at least.
func (m *Member) AtLeast(count int) *Member {
	m.least = count
	return m
}

// Matching says what the member's text must look like.
func (m *Member) Matching(p *Pattern) *Member {
	m.pattern = p
	return m
}

// decode reads the exchange's request, of whatever protocol.
func (x *Exchange) decode(in Input) error {
	m, d := &x.buffers.members, &x.buffers.decoder
	m.reset()
	in.Members(m)
	text, err := x.text(m)
	if err != nil {
		return err
	}
	if len(text) > 0 { // clients may leave out the body of a request without members
		d.Reset(text)
		x.readAll(d, m)
		d.End()
		if err := d.Err(); err != nil {
			return err
		}
	}
	return m.check()
}

// readAll reads a structure whose members are declared.
func (x *Exchange) readAll(d *wire.Decoder, m *Members) {
	for name := range d.Members() {
		if member := m.find(name); member != nil {
			x.read(d, member)
		} else {
			d.Skip()
		}
	}
}

func (m *Members) find(name []byte) *Member {
	for i := range m.list {
		if m.list[i].name == string(name) {
			return &m.list[i]
		}
	}
	return nil
}

// read reads one member's value. A null is as good as no member.
func (x *Exchange) read(d *wire.Decoder, m *Member) {
	if d.Null() {
		return
	}
	m.present = true
	switch to := m.target.(type) {
	case *string:
		m.readText(d, to)
	case *[]byte:
		*to = x.readBytes(d, m.form == secret)
	case *int:
		*to = d.Int()
	case *bool:
		*to = d.Bool()
	case **bool:
		value := d.Bool()
		*to = &value
	case *int64:
		*to = d.Long()
	case *time.Time:
		*to = d.Time()
	case **float64:
		value := d.Double()
		*to = &value
	case nested:
		to.read(x, d, m)
	case *stringList:
		for range d.Elements() {
			*to.to = append(*to.to, string(d.Text()))
		}
	case *[]key.Tag:
		if m.form == tagList {
			for range d.Elements() {
				*to = append(*to, readTag(d))
			}
			return
		}
		for name := range d.Members() {
			tag := key.Tag{Key: string(name)}
			tag.Value = string(d.Text())
			*to = append(*to, tag)
		}
	default:
		m.present = sets(d)
	}
}

// readBytes reads bytes, which are in base64 unless they are a secret's text.
// They are overwritten when the request ends.
func (x *Exchange) readBytes(d *wire.Decoder, text bool) []byte {
	from := len(x.buffers.blobs)
	if text {
		x.buffers.blobs = append(x.buffers.blobs, d.Text()...)
	} else {
		x.buffers.blobs = d.Blob(x.buffers.blobs)
	}
	return x.buffers.blobs[from:len(x.buffers.blobs):len(x.buffers.blobs)]
}

// readText reads a string; one of an enumeration is taken from there.
func (m *Member) readText(d *wire.Decoder, to *string) {
	text := d.Text()
	if m.enum == nil {
		*to = string(text)
		return
	}
	for _, value := range m.enum {
		if value == string(text) {
			*to = value
			return
		}
	}
	*to, m.unlisted = string(text), true
}

// sets reads a value and reports whether it is more than false or an empty
// list.
func sets(d *wire.Decoder) bool {
	switch d.Kind() {
	case wire.JSONBool:
		return d.Bool()
	case wire.JSONArray:
		n := 0
		for range d.Elements() {
			d.Skip()
			n++
		}
		return n > 0
	default:
		d.Skip()
		return true
	}
}

// absent marks a member of a tag that was not sent; no text that can be sent
// is the same, because it is no UTF-8.
const absent = "\xff"

func readTag(d *wire.Decoder) key.Tag {
	t := key.Tag{Key: absent, Value: absent}
	if d.Null() {
		return t
	}
	for name := range d.Members() {
		switch {
		case d.Null():
		case string(name) == "TagKey":
			t.Key = string(d.Text())
		case string(name) == "TagValue":
			t.Value = string(d.Text())
		default:
			d.Skip()
		}
	}
	return t
}
