package aws

import (
	"regexp"
	"strconv"

	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// nested is the target of a member that has members of its own.
type nested interface {
	read(x *Exchange, d *wire.Decoder, m *Member)
	write(p *Params, e *wire.Encoder, m *Member) // what a Query request has of it, as JSON
	check(v *violations, m *Member, path string)
}

// Struct declares a structure. It stays nil when the request does not have it.
func Struct[T any, P interface {
	*T
	Input
}](m *Members, name string, to **T) *Member {
	return m.add(Member{name: name, target: &structure[T, P]{to: to}})
}

// structure is where a structure goes. Its declaration is kept from reading
// to checking: the one knows what was there, the other what should be.
type structure[T any, P interface {
	*T
	Input
}] struct {
	to      **T
	members Members
}

func (s *structure[T, P]) read(x *Exchange, d *wire.Decoder, _ *Member) {
	*s.to = new(T)
	P(*s.to).Members(&s.members)
	x.readAll(d, &s.members)
}

func (s *structure[T, P]) check(v *violations, _ *Member, path string) {
	s.members.checkAt(v, path+".")
}

// Structs declares a list of at most count structures. An element that is null
// is one without members.
func Structs[T any, P interface {
	*T
	Input
}](m *Members, name string, to *[]T, count int) *Member {
	return m.add(Member{name: name, target: &structures[T, P]{to: to}, max: count})
}

// structures is where a list of structures goes.
type structures[T any, P interface {
	*T
	Input
}] struct {
	to       *[]T
	elements []Members // of those that are within the limit
	count    int
}

func (s *structures[T, P]) read(x *Exchange, d *wire.Decoder, m *Member) {
	for range d.Elements() {
		if s.count++; s.count > m.max {
			d.Skip() // the request is refused for their number
			continue
		}
		element := P(new(T))
		var members Members
		element.Members(&members)
		if !d.Null() {
			x.readAll(d, &members)
		}
		*s.to, s.elements = append(*s.to, *element), append(s.elements, members)
	}
}

func (s *structures[T, P]) check(v *violations, m *Member, path string) {
	v.length("", path, s.count, m.least, m.max)
	for i := range s.elements {
		s.elements[i].checkAt(v, path+"."+strconv.Itoa(i+1)+".member.")
	}
}

// Lists declares an object of at most count lists of strings, such as the
// filters of a listing.
func (m *Members) Lists(name string, to *map[string][]string, count int) *Member {
	return m.add(Member{name: name, target: &lists{to: to}, max: count})
}

// lists is where an object of lists goes.
type lists struct{ to *map[string][]string }

func (l *lists) read(_ *Exchange, d *wire.Decoder, _ *Member) {
	*l.to = map[string][]string{}
	for name := range d.Members() {
		list := []string{}
		for range d.Elements() {
			list = append(list, string(d.Text()))
		}
		(*l.to)[string(name)] = list
	}
}

func (l *lists) check(v *violations, m *Member, path string) {
	v.length("", path, len(*l.to), m.least, m.max)
}

// Regexp returns the pattern of a regular expression in AWS's model, which is
// in Java's syntax and is about the whole text. Only what is the same in Go's
// may be in it, and \u escapes.
func Regexp(text string) *Pattern {
	compiled := regexp.MustCompile(`\A(?:` + unicodeEscapes.ReplaceAllString(text, `\x{$1}`) + `)\z`)
	return &Pattern{Text: text, Matches: compiled.MatchString}
}

var unicodeEscapes = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)
