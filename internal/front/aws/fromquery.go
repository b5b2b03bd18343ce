package aws

import (
	"math"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// fromQuery returns the parameters of the exchange's Query request as the JSON
// that says the same. The declarations say what is a number, a list or a
// structure: in a Query request everything is text. What is not declared is
// refused by name.
func (m *Members) fromQuery(x *Exchange) ([]byte, error) {
	p := NewParams(x.Form)
	var e wire.Encoder
	e.Reset(nil)
	m.write(p, &e)
	if err := p.Err(); err != nil {
		return nil, err
	}
	return e.Bytes(), nil
}

// write writes those of the declared members that are there.
func (m *Members) write(p *Params, e *wire.Encoder) {
	for i := range m.list {
		if p.Has(m.list[i].name) {
			m.list[i].write(p, e)
		}
	}
}

// write writes a member. A text that is not what the member wants stays a
// text: reading the JSON complains.
func (m *Member) write(p *Params, e *wire.Encoder) {
	switch to := m.target.(type) {
	case *int, *int64:
		writeWhole(p, e, m.name)
	case **float64:
		writeNumber(p, e, m.name)
	case *bool, **bool:
		if flag := p.Flag(m.name); flag != nil {
			e.Bool(m.name, *flag)
		}
	case *time.Time:
		e.Time(m.name, p.Time(m.name))
	case nested:
		to.write(p, e, m)
	case *stringList:
		e.Array(m.name, func() {
			for _, s := range p.List(m.name) {
				e.Text("", s)
			}
		})
	case *[]key.Tag: // a form that no service of both protocols has: left unread, and so refused
	case nil: // not supported
		e.Bool(m.name, p.Text(m.name) != "false")
	default:
		e.Text(m.name, p.Text(m.name))
	}
}

func writeWhole(p *Params, e *wire.Encoder, name string) {
	text := p.Text(name)
	if n, err := strconv.Atoi(text); err == nil {
		e.Int(name, n)
		return
	}
	e.Text(name, text)
}

func writeNumber(p *Params, e *wire.Encoder, name string) {
	text := p.Text(name)
	if n, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
		e.Float(name, n)
		return
	}
	e.Text(name, text)
}

// write implements nested.
func (s *structure[T, P]) write(p *Params, e *wire.Encoder, m *Member) {
	under, _ := p.Struct(m.name)
	e.Object(m.name, func() { writeMembers[T, P](under, e) })
}

// write implements nested.
func (s *structures[T, P]) write(p *Params, e *wire.Encoder, m *Member) {
	e.Array(m.name, func() {
		for _, under := range p.Structs(m.name) {
			e.Object("", func() { writeMembers[T, P](under, e) })
		}
	})
}

func writeMembers[T any, P interface {
	*T
	Input
}](p *Params, e *wire.Encoder) {
	var m Members
	P(new(T)).Members(&m)
	m.write(p, e)
}

// write implements nested. No service of both protocols has such a member: it
// is left unread, and so refused.
func (*lists) write(*Params, *wire.Encoder, *Member) {}
