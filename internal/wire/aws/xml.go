package aws

import (
	"bytes"
	"encoding/xml"
	"strconv"
	"time"
)

// XMLEncoder writes the answer of a Query API by appending.
type XMLEncoder struct{ b []byte }

// Reset makes the encoder write into b's space.
func (e *XMLEncoder) Reset(b []byte) { e.b = b[:0] }

// Text adds an element with a text.
func (e *XMLEncoder) Text(name, value string) { e.b = appendElement(e.b, name, value) }

// Bool adds an element with a boolean.
func (e *XMLEncoder) Bool(name string, value bool) { e.Text(name, strconv.FormatBool(value)) }

// Int adds an element with a number.
func (e *XMLEncoder) Int(name string, value int) { e.Text(name, strconv.Itoa(value)) }

// Float adds an element with a number.
func (e *XMLEncoder) Float(name string, value float64) {
	e.Text(name, strconv.FormatFloat(value, 'g', -1, 64))
}

// Time adds an element with a time in UTC, to the millisecond (ISO 8601).
func (e *XMLEncoder) Time(name string, t time.Time) {
	e.Text(name, t.UTC().Format("2006-01-02T15:04:05.000Z"))
}

// Object adds an element whose elements fill adds.
func (e *XMLEncoder) Object(name string, fill func()) {
	e.b = append(append(append(e.b, '<'), name...), ">\n"...)
	fill()
	e.b = append(append(append(e.b, "</"...), name...), ">\n"...)
}

// List adds a list of n structures: fill adds the elements of one.
func (e *XMLEncoder) List(name string, n int, fill func(i int)) {
	e.Object(name, func() {
		for i := range n {
			e.Object("member", func() { fill(i) })
		}
	})
}

// Texts adds a list of texts.
func (e *XMLEncoder) Texts(name string, values []string) {
	e.Object(name, func() {
		for _, v := range values {
			e.Text("member", v)
		}
	})
}

// Map adds a map of n pairs.
func (e *XMLEncoder) Map(name string, n int, pair func(i int) (key, value string)) {
	e.Object(name, func() {
		for i := range n {
			e.Object("entry", func() {
				k, v := pair(i)
				e.Text("key", k)
				e.Text("value", v)
			})
		}
	})
}

// appendElement appends <name>value</name>, with value escaped.
func appendElement(b []byte, name, value string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	var text bytes.Buffer
	_ = xml.EscapeText(&text, []byte(value)) // a Buffer takes everything
	b = append(b, text.Bytes()...)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, ">\n"...)
}

// Result returns the whole answer of an operation: what was added is its
// result.
func (e *XMLEncoder) Result(operation, namespace, requestID string) []byte {
	out := []byte("<" + operation + "Response xmlns=\"" + namespace + "\">\n<" + operation + "Result>\n")
	out = append(out, e.b...)
	out = append(out, "</"+operation+"Result>\n<ResponseMetadata>\n"...)
	out = appendElement(out, "RequestId", requestID)
	return append(out, "</ResponseMetadata>\n</"+operation+"Response>\n"...)
}

// XMLError returns the answer of a Query API to a request that failed. Fault
// is "Sender" or "Receiver".
func XMLError(namespace, fault, code, message, requestID string) []byte {
	out := []byte("<ErrorResponse xmlns=\"" + namespace + "\">\n<Error>\n")
	out = appendElement(out, "Type", fault)
	out = appendElement(out, "Code", code)
	out = appendElement(out, "Message", message)
	out = append(out, "</Error>\n"...)
	out = appendElement(out, "RequestId", requestID)
	return append(out, "</ErrorResponse>\n"...)
}
