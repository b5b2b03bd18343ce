package aws

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/aws"
	"github.com/holdfast-kms/holdfast/internal/wire/cbor"
)

// MaxBody bounds the body of a request in bytes, unless its operation has a
// bound of its own. The largest that AWS's own model of KMS allows is a policy
// document of 131,072 characters.
const MaxBody = 256 << 10

// maxUserAgent bounds what of a User-Agent goes into the audit log.
const maxUserAgent = 256

const (
	jsonType   = "application/x-amz-json-1.1"
	jsonType10 = "application/x-amz-json-1.0"
	formType   = "application/x-www-form-urlencoded"
	xmlType    = "text/xml"
)

// Exchange is one request and its answer. It belongs to one goroutine and
// ends with the request: nothing in it may be kept.
type Exchange struct {
	// Call is the envelope for the door.
	Call key.Call
	// Body is the request's body, Form the parameters of a Query request.
	Body []byte
	Form url.Values
	// REST is the rest of a request to a REST API; nil for others.
	REST *REST
	// Out is the answer of a JSON operation, XML that of a Query one. Those that
	// are served over several protocols use Writer.
	Out wire.Encoder
	XML wire.XMLEncoder
	// Words are the request's own, for the texts of errors.
	Words Words

	cbor      cbor.Encoder
	protocol  protocol
	service   *service
	operation *Operation
	named     string // the operation as the request names it
	buffers   *buffers
}

// Words are names that a request uses and that AWS repeats in its errors. A
// service sets those that its errors need.
type Words struct {
	Algorithm, MessageType, KeyUsage, KeySpec, AliasName string
	// Resource is the ARN of what the request is about.
	Resource string
	// Token is the request's ClientRequestToken, Version how AWS calls the version
	// of a secret that it asks for.
	Token, Version string
}

// Operation returns the name of the exchange's operation.
func (x *Exchange) Operation() string { return x.label() }

// buffers are the parts of an exchange that are used again. They may hold
// plaintext: release clears them.
type buffers struct {
	body, blobs, out, scratch []byte
	decoder                   wire.Decoder
	members                   Members
}

var bufferPool = sync.Pool{New: func() any {
	return &buffers{
		body: make([]byte, 0, 8<<10), blobs: make([]byte, 0, 8<<10), out: make([]byte, 0, 8<<10),
		scratch: make([]byte, 0, 1<<10), members: Members{list: make([]Member, 0, usualMembers)},
	}
}}

// keepBuffer is the largest buffer that is used again.
const keepBuffer = 16 << 10

// release gives the buffers back. A handler that panics does not: its
// buffers go to the garbage collector.
func (b *buffers) release() {
	if cap(b.body) > keepBuffer || cap(b.out) > keepBuffer {
		return
	}
	clear(b.body)
	clear(b.blobs)
	clear(b.out)
	b.body, b.blobs, b.out = b.body[:0], b.blobs[:0], b.out[:0]
	b.decoder.Reset(nil)
	b.members.reset()
	bufferPool.Put(b)
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b := bufferPool.Get().(*buffers)
	x := &Exchange{service: &unrouted, buffers: b, Call: callOf(r, h.now())}
	err := h.serve(r, x)
	if err != nil {
		err = h.door.Refuse(r.Context(), &x.Call, x.action(), err)
	}
	code := x.answer(w, r, err)
	h.observe(r.Context(), x.service.API, x.label(), code, h.now().Sub(x.Call.Time))
	b.release()
}

// serve brings a request to its operation.
func (h *Handler) serve(r *http.Request, x *Exchange) error {
	b := x.buffers
	var err error
	x.REST = h.restOf(r)
	if b.body, err = readBody(b.body, r, h.maxBody(r, x)); err != nil {
		switch {
		case x.REST != nil: // whose service explains it
			h.route(r, x)
		case strings.HasPrefix(r.Header.Get("Content-Type"), formType): // whose client reads XML
			x.protocol = overQuery
		}
		return err
	}
	x.Body = b.body
	x.Call.Asked = key.Asked{Path: r.URL.Path, Query: r.URL.RawQuery, Body: b.body, Tokens: requestTokens}
	h.route(r, x)
	x.Call.Asked.Action = x.action()
	if limit := x.maxBody(); len(b.body) > limit {
		return tooLarge(limit)
	}
	x.Call.API, x.Call.Operation = x.service.API, x.label()
	if x.service == &unrouted {
		return x.unknown()
	}
	if x.operation != nil && x.operation.Open && unsigned(r) {
		x.Call.Caller = key.Caller{Principal: key.Principal{Kind: key.Anonymous}, Method: "none"}
	} else if b.scratch, err = h.auth.authenticate(r, x, b.scratch); err != nil {
		return err
	}
	if x.operation == nil {
		return x.unknown()
	}
	if err := x.checkType(r); err != nil {
		return err
	}
	x.Out.Reset(b.out)
	x.XML.Reset(b.out)
	if x.protocol == overCBOR {
		x.cbor.Reset(b.out)
	}
	return x.operation.Serve(r.Context(), x)
}

// requestTokens are the members that AWS's clients fill with something random,
// so that a request which is sent twice is done once.
var requestTokens = []string{"ClientRequestToken", "IdempotencyToken", "ClientToken"}

// SetDryRun has the call do nothing but its checks. No approval can be of it.
func (x *Exchange) SetDryRun(dry bool) {
	if x.Call.DryRun = dry; dry {
		x.Call.Asked = key.Asked{}
	}
}

// callOf returns the envelope of a request that nobody was proved to have
// sent yet.
func callOf(r *http.Request, now time.Time) key.Call {
	c := key.Call{RequestID: uuid.NewString(), UserAgent: r.UserAgent(), Secure: r.TLS != nil, Time: now}
	if from, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		c.Source = from.Addr().Unmap()
	}
	if len(c.UserAgent) > maxUserAgent {
		c.UserAgent = strings.ToValidUTF8(c.UserAgent[:maxUserAgent], "")
	}
	return c
}

// readBody appends the body, which is at most limit bytes, to b.
func readBody(b []byte, r *http.Request, limit int) ([]byte, error) {
	if r.ContentLength > int64(limit) {
		return b, tooLarge(limit)
	}
	if need := int(r.ContentLength) + 1; need > cap(b) { // one more, for the read that finds the end
		b = make([]byte, 0, need)
	}
	for {
		n, err := r.Body.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		switch {
		case len(b) > limit:
			return b, tooLarge(limit)
		case err == io.EOF:
			return b, nil
		case err != nil:
			return b, wire.Serialization("The body ended early.")
		case len(b) == cap(b):
			b = append(b, 0)[:len(b)]
		}
	}
}

// maxBody returns how long the body may be of what was routed.
func (x *Exchange) maxBody() int {
	if x.operation == nil || x.operation.MaxBody == 0 {
		return MaxBody
	}
	return x.operation.MaxBody
}

func tooLarge(limit int) error {
	return wire.Invalid(codeTooLarge, "The request must be at most "+strconv.Itoa(limit)+" bytes.")
}

// answer writes the operation's result, or err, and returns the code for
// metrics.
func (x *Exchange) answer(w http.ResponseWriter, r *http.Request, err error) string {
	status, code := http.StatusOK, "ok"
	head := w.Header()
	var body []byte
	var failure *Failure
	if err != nil {
		f := x.service.Explain(x, err)
		failure, status, code = &f, f.Status, f.Code
		if f.Status == http.StatusInternalServerError {
			slog.ErrorContext(r.Context(), "request failed", slog.String("request", x.Call.RequestID),
				slog.String("operation", x.Call.Operation), slog.Any("cause", err))
		}
		clear(x.buffers.out[:cap(x.buffers.out)]) // an answer that was begun may be longer than the error
		if x.service.Version != "" && x.protocol != overQuery {
			head[headerQueryError] = []string{f.queryCode(x.service) + ";" + f.side()}
		}
	}
	switch {
	case x.REST != nil:
		x.REST.answer(w, x, failure)
		return code
	case failure != nil:
		body = failure.encode(x)
	default:
		body = x.result()
	}
	x.buffers.out = body
	x.answerHeaders(head)
	head["X-Amzn-Requestid"] = []string{x.Call.RequestID}
	head["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that went away misses its answer
	return code
}

// The values of Content-Type and of other headers, which net/http only reads.
var (
	jsonTypes     = []string{jsonType}
	jsonTypes10   = []string{jsonType10}
	xmlTypes      = []string{xmlType}
	cborTypes     = []string{cborType}
	cborProtocols = []string{rpcV2CBOR}
)

// result closes the answer of a success. Operations without an answer have an
// empty body in JSON.
func (x *Exchange) result() []byte {
	switch x.protocol {
	case overQuery:
		return x.XML.Result(x.operation.Name, x.service.Namespace, x.Call.RequestID)
	case overCBOR:
		return x.cbor.Bytes()
	case overJSON:
	}
	if x.Out.Empty() {
		return x.buffers.out[:0]
	}
	return x.Out.Bytes()
}

// JSON returns an operation whose request is of type T.
func JSON[T any, P interface {
	*T
	Input
}](name string, action key.Action, serve func(context.Context, *Exchange, P) error) Operation {
	return Operation{Name: name, Action: action, Serve: func(ctx context.Context, x *Exchange) error {
		in := P(new(T))
		if err := x.decode(in); err != nil {
			return err
		}
		return serve(ctx, x, in)
	}}
}
