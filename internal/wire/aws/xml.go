package aws

import (
	"bytes"
	"encoding/xml"
)

// XMLEncoder writes the answer of a Query API by appending.
type XMLEncoder struct{ b []byte }

// Reset makes the encoder write into b's space.
func (e *XMLEncoder) Reset(b []byte) { e.b = b[:0] }

// Text adds an element with a text.
func (e *XMLEncoder) Text(name, value string) { e.b = appendElement(e.b, name, value) }

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
