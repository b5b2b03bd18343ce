package aws

import (
	"net/http"
	"strings"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/cbor"

	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
)

// protocol is one of the ways in which a request says what it wants and gets
// its answer. The zero protocol is JSON, 1.1 or 1.0 as the service has it.
type protocol uint8

const (
	overJSON protocol = iota
	overQuery
	overCBOR
)

// What requests and answers of Smithy's RPC v2 have ("Smithy RPC v2 CBOR
// protocol", 4.1).
const (
	headerSmithy = "Smithy-Protocol"
	rpcV2CBOR    = "rpc-v2-cbor"
	cborType     = "application/cbor"
)

// headerQueryError has an error's code as the Query API has it, in the answers
// of services that had one before they had JSON or CBOR ("AWS query
// compatible services").
const headerQueryError = "X-Amzn-Query-Error"

// Writer takes the answer of an operation that is served over several
// protocols, and writes it in that of the request. Inside an array the name is
// "".
type Writer interface {
	Text(name string, parts ...string)
	Int(name string, value int)
	Float(name string, value float64)
	Bool(name string, value bool)
	Time(name string, t time.Time)
	Object(name string, members func())
	Array(name string, elements func())
}

// Writer returns what takes the answer.
func (x *Exchange) Writer() Writer {
	switch x.protocol {
	case overCBOR:
		return &x.cbor
	case overQuery:
		return xmlWriter{&x.XML}
	case overJSON:
	}
	return &x.Out
}

// xmlWriter is a Writer of a Query API's answer, in which the elements of
// arrays are called member.
type xmlWriter struct{ *wire.XMLEncoder }

func (w xmlWriter) name(name string) string {
	if name == "" {
		return "member"
	}
	return name
}

func (w xmlWriter) Text(name string, parts ...string) {
	w.XMLEncoder.Text(w.name(name), strings.Join(parts, ""))
}
func (w xmlWriter) Int(name string, value int)         { w.XMLEncoder.Int(w.name(name), value) }
func (w xmlWriter) Float(name string, value float64)   { w.XMLEncoder.Float(w.name(name), value) }
func (w xmlWriter) Bool(name string, value bool)       { w.XMLEncoder.Bool(w.name(name), value) }
func (w xmlWriter) Time(name string, t time.Time)      { w.XMLEncoder.Time(w.name(name), t) }
func (w xmlWriter) Object(name string, members func()) { w.XMLEncoder.Object(w.name(name), members) }

func (w xmlWriter) Array(name string, elements func()) { w.XMLEncoder.Object(w.name(name), elements) }

// routeCBOR finds the service of an RPC v2 request, and the name of the
// operation: both are in the path.
func (h *Handler) routeCBOR(r *http.Request, x *Exchange) {
	x.protocol = overCBOR
	path, ok := strings.CutPrefix(r.URL.Path, "/service/")
	target, operation, found := strings.Cut(path, "/operation/")
	if !ok || !found || r.Method != http.MethodPost {
		return
	}
	h.find(x, operation, func(s *service) bool { return s.CBOR && s.Target == target })
}

// checkType checks the Content-Type. Without a body there need not be one in
// CBOR; a Query request is what it is because of its, and clients of REST APIs
// send none or any.
func (x *Exchange) checkType(r *http.Request) error {
	if x.REST != nil {
		return nil
	}
	want := x.service.jsonType()
	switch x.protocol {
	case overQuery:
		return nil
	case overCBOR:
		if len(x.Body) == 0 {
			return nil
		}
		want = cborType
	case overJSON:
	}
	if !strings.HasPrefix(r.Header.Get("Content-Type"), want) {
		return wire.Serialization("The Content-Type must be " + want + ".")
	}
	return nil
}

// jsonType is the Content-Type of the service's JSON.
func (s *Service) jsonType() string {
	if s.JSON10 {
		return jsonType10
	}
	return jsonType
}

// answerHeaders are the headers that say which protocol an answer is in.
func (x *Exchange) answerHeaders(head http.Header) {
	switch x.protocol {
	case overCBOR:
		head["Content-Type"], head[headerSmithy] = cborTypes, cborProtocols
	case overQuery:
		head["Content-Type"] = xmlTypes
	case overJSON:
		head["Content-Type"] = jsonTypes
		if x.service.JSON10 {
			head["Content-Type"] = jsonTypes10
		}
	}
}

// text returns the request's body as JSON.
func (x *Exchange) text(m *Members) ([]byte, error) {
	switch x.protocol {
	case overCBOR:
		text, err := cbor.JSON(x.Body)
		if err != nil {
			return nil, wire.Serialization("The body is not the CBOR of a request.")
		}
		return text, nil
	case overQuery:
		return m.fromQuery(x)
	case overJSON:
	}
	return x.Body, nil
}
