package pkcs11

import (
	"encoding/binary"
	"math"
)

// coder writes values to buf, or takes them from it. One walk over a
// structure's fields serves both, so that they cannot differ.
type coder struct {
	buf     []byte // what is written; what is still to be read
	reading bool
	bad     bool   // nothing more is read
	field   int    // the next field
	present uint32 // which fields there are
}

// end says whether everything was read, and in the only right form.
func (c *coder) end() error {
	if c.bad || len(c.buf) != 0 || c.present>>c.field != 0 {
		return errMalformed
	}
	return nil
}

// has reports whether the next field is there: when writing, whether it is to be.
func (c *coder) has(set bool) bool {
	bit := uint32(1) << c.field
	c.field++
	if c.reading {
		return !c.bad && c.present&bit != 0
	}
	if set {
		c.present |= bit
	}
	return set
}

// refuse marks the message as wrong when it is being read and is.
func (c *coder) refuse(wrong bool) { c.bad = c.bad || c.reading && wrong }

// take returns the next n bytes, or nil when there are not so many.
func (c *coder) take(n int) []byte {
	if c.bad || len(c.buf) < n {
		c.bad = true
		return nil
	}
	b := c.buf[:n:n]
	c.buf = c.buf[n:]
	return b
}

// number codes a number.
func number[T ~uint64](c *coder, v *T) {
	if !c.reading {
		c.buf = binary.LittleEndian.AppendUint64(c.buf, uint64(*v))
	} else if b := c.take(8); b != nil {
		*v = T(binary.LittleEndian.Uint64(b))
	}
}

// length codes the length of something whose elements have at least size bytes.
func (c *coder) length(v *uint32, size int) {
	if !c.reading {
		c.buf = binary.LittleEndian.AppendUint32(c.buf, *v)
		return
	}
	if b := c.take(4); b != nil {
		*v = binary.LittleEndian.Uint32(b)
	}
	c.refuse(*v != noValue && uint64(*v)*uint64(size) > uint64(len(c.buf))) //nolint:gosec // sizes are constants
}

func (c *coder) bool(v *bool) {
	if !c.reading {
		b := byte(0)
		if *v {
			b = 1
		}
		c.buf = append(c.buf, b)
	} else if b := c.take(1); b != nil {
		*v = b[0] == 1
		c.refuse(b[0] > 1)
	}
}

func (c *coder) fixed(v []byte) {
	if !c.reading {
		c.buf = append(c.buf, v...)
	} else {
		copy(v, c.take(len(v)))
	}
}

// bytes codes bytes; none are nil.
func (c *coder) bytes(v *[]byte) {
	n := uint32(len(*v)) //nolint:gosec // the whole is at most MaxMessage; who sends looks
	c.length(&n, 1)
	c.refuse(n == noValue)
	if !c.reading {
		c.buf = append(c.buf, *v...)
	} else if !c.bad && n > 0 {
		*v = c.take(int(n))
	}
}

func (c *coder) text(v *string) {
	b := []byte(*v)
	c.bytes(&b)
	if c.reading {
		*v = string(b)
	}
}

// attribute codes an attribute: its value may be nil, which is not "empty".
func (c *coder) attribute(v *Attribute) {
	number(c, &v.Type)
	n := uint32(len(v.Value)) //nolint:gosec // the whole is at most MaxMessage; who sends looks
	if v.Value == nil {
		n = noValue
	}
	c.length(&n, 1)
	if !c.reading {
		c.buf = append(c.buf, v.Value...)
	} else if !c.bad && n != noValue {
		v.Value = c.take(int(n))
	}
}

// field codes a number that is left out when it is zero.
func field[T ~uint64](c *coder, v *T) {
	if c.has(*v != 0) {
		number(c, v)
		c.refuse(*v == 0)
	}
}

func (c *coder) bytesField(v *[]byte) {
	if c.has(len(*v) > 0) {
		c.bytes(v)
		c.refuse(len(*v) == 0)
	}
}

func (c *coder) flagField(v *bool) {
	if there := c.has(*v); c.reading {
		*v = there
	}
}

func (c *coder) intField(v *int) {
	n := uint64(max(*v, 0))
	field(c, &n)
	c.refuse(n > math.MaxInt32)
	if c.reading && !c.bad {
		*v = int(n) //nolint:gosec // at most MaxInt32
	}
}

// structure codes a structure that may be nil.
func structure[T any](c *coder, v **T, code func(*coder, *T)) {
	if c.has(*v != nil) {
		if c.reading {
			*v = new(T)
		}
		code(c, *v)
	}
}

// list codes a list whose elements have at least size bytes each.
func list[T any](c *coder, v *[]T, size int, code func(*coder, *T)) {
	if !c.has(len(*v) > 0) {
		return
	}
	n := uint32(len(*v)) //nolint:gosec // the whole is at most MaxMessage; who sends looks
	c.length(&n, size)
	c.refuse(n == 0 || n == noValue)
	if c.reading {
		if c.bad {
			return
		}
		*v = make([]T, n)
	}
	for i := range *v {
		code(c, &(*v)[i])
	}
}
