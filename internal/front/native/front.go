package native

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/netip"
	"reflect"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// API is the front end's name in the audit log and in metrics.
const API = "holdfast"

// DefaultRegion is the region of requests that name none.
const DefaultRegion = "us-east-1"

// DefaultTimeout bounds a request that the caller does not bound itself.
const DefaultTimeout = 30 * time.Second

// maxUserAgent is how much of a User-Agent goes to the audit log, in bytes.
const maxUserAgent = 256

// Refuser records calls that failed before they reached an operation. It
// leaves those alone that are recorded already.
type Refuser interface {
	Refuse(ctx context.Context, call *key.Call, action key.Action, err error) error
}

// Config is what the front end stands on. Every field is required unless it
// says otherwise.
type Config struct {
	// Operations are those of the packages under this one.
	Operations []Operation
	Directory  *identity.Directory
	// Issuers know the certificates of TLS clients; nil means that those prove
	// nothing.
	Issuers identity.Issuers
	Door    Refuser
	// Version is what the version operation tells.
	Version wire.ServerVersion
	// Region is of requests that name none; empty means DefaultRegion.
	Region string
	// Timeout bounds each request; 0 means DefaultTimeout.
	Timeout time.Duration
	// Observe, when it is set, is told of every answered request: code is "ok"
	// or the failure's kind.
	Observe func(ctx context.Context, api, operation, code string, elapsed time.Duration)
}

// Front is the native API as an http.Handler for requests under wire.Prefix.
type Front struct {
	config     Config
	mux        *http.ServeMux
	operations []Operation
}

// New returns the native API.
func New(c Config) *Front {
	if c.Region == "" {
		c.Region = DefaultRegion
	}
	if c.Timeout == 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, string, string, string, time.Duration) {}
	}
	f := &Front{config: c, mux: http.NewServeMux()}
	f.operations = append(f.own(), c.Operations...)
	for _, op := range f.operations {
		f.mux.HandleFunc(op.Method+" "+wire.Prefix+op.Path, func(w http.ResponseWriter, r *http.Request) {
			f.serve(w, r, &op)
		})
	}
	return f
}

// Operations returns the whole table.
func (f *Front) Operations() []Operation { return slices.Clone(f.operations) }

// ServeHTTP serves one request.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if _, pattern := f.mux.Handler(r); pattern != "" {
		f.mux.ServeHTTP(w, r)
		return
	}
	start, id := time.Now(), uuid.NewString()
	err := f.unrouted(w, r)
	f.config.Observe(r.Context(), API, "unknown", wire.KindName(fault.KindOf(err)), time.Since(start))
	WriteProblem(w, id, err)
}

// unrouted says what is wrong with a request that no operation takes.
func (f *Front) unrouted(w http.ResponseWriter, r *http.Request) error {
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete} {
		try := r.Clone(r.Context())
		try.Method = method
		if _, pattern := f.mux.Handler(try); pattern != "" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) == 0 {
		return fault.New(fault.NotFound, "no operation has this path")
	}
	w.Header()["Allow"] = allowed
	return fault.New(fault.Unsupported, "the path does not take the method %s", r.Method)
}

// Request is one request on its way to a handler.
type Request struct {
	// Call is the envelope for the door.
	Call *key.Call
	// HTTP is the request itself.
	HTTP *http.Request
}

// Path returns a part of the path that the table names.
func (r *Request) Path(name string) string { return r.HTTP.PathValue(name) }

// Endpoint serves an operation, and says of which shapes its bodies are.
type Endpoint struct {
	Request, Response reflect.Type
	// Media is the response's media type.
	Media string

	serve func(ctx context.Context, r *Request) (body []byte, err error)
	// stream, in the place of serve, writes a body of any length as it comes.
	stream func(ctx context.Context, r *Request, w *outgoing) error
}

// Handle makes an endpoint of a handler: it decodes the request's body and
// encodes the result.
func Handle[Req, Resp any](do func(context.Context, *Request, *Req) (*Resp, error)) Endpoint {
	e := Endpoint{Request: reflect.TypeFor[Req](), Response: reflect.TypeFor[Resp](), Media: wire.TypeJSON}
	e.serve = func(ctx context.Context, r *Request) ([]byte, error) {
		var req Req
		if err := decode(r, &req); err != nil {
			return nil, err
		}
		resp, err := do(ctx, r, &req)
		if err != nil || e.Response == reflect.TypeFor[wire.None]() {
			return nil, err
		}
		return json.Marshal(resp)
	}
	return e
}

// Download makes an endpoint of a handler whose result is no JSON.
func Download(media string, do func(context.Context, *Request) ([]byte, error)) Endpoint {
	return Endpoint{Request: reflect.TypeFor[wire.None](), Response: reflect.TypeFor[[]byte](), Media: media, serve: do}
}

// decode reads the body of a request. A request of the shape None has none.
func decode(r *Request, v any) error {
	data, err := io.ReadAll(io.LimitReader(r.HTTP.Body, wire.MaxBody+1))
	r.Call.Asked.Body = data
	switch {
	case err != nil:
		return &fault.Error{Kind: fault.InvalidArgument, Public: "the body could not be read", Err: err}
	case len(data) > wire.MaxBody:
		return fault.New(fault.LimitExceeded, "the body is longer than %d bytes", wire.MaxBody)
	}
	if _, none := v.(*wire.None); none {
		if len(bytes.TrimSpace(data)) > 0 {
			return fault.New(fault.InvalidArgument, "this operation takes no body")
		}
		return nil
	}
	if media, _, _ := mime.ParseMediaType(r.HTTP.Header.Get("Content-Type")); media != wire.TypeJSON {
		return fault.New(fault.InvalidArgument, "the body must come as Content-Type: %s", wire.TypeJSON)
	}
	return wire.Decode(data, v)
}

// serve runs one operation: authenticate, decode, act, answer. A failure that
// the door did not record is recorded here.
func (f *Front) serve(w http.ResponseWriter, r *http.Request, op *Operation) {
	call := f.callOf(r, op)
	if op.stream != nil {
		f.serveStream(w, &Request{Call: call, HTTP: r}, op)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), f.config.Timeout)
	defer cancel()
	setHeaders(w, call)
	body, err := f.run(ctx, &Request{Call: call, HTTP: r}, op)
	if err != nil {
		WriteProblem(w, call.RequestID, f.failed(ctx, call, op, err))
		return
	}
	f.config.Observe(ctx, API, op.Name, "ok", time.Since(call.Time))
	if body == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	w.Header().Set("Content-Type", op.Media)
	w.WriteHeader(op.success())
	_, _ = w.Write(body) // a caller that went away needs no answer
}

// setHeaders sets what every answer has.
func setHeaders(w http.ResponseWriter, call *key.Call) {
	w.Header().Set(wire.HeaderRequestID, call.RequestID)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

// failed records a failure that the door did not record, and returns what the
// caller is told.
func (f *Front) failed(ctx context.Context, call *key.Call, op *Operation, err error) error {
	err = f.config.Door.Refuse(ctx, call, op.Action, err)
	f.config.Observe(ctx, API, op.Name, wire.KindName(fault.KindOf(err)), time.Since(call.Time))
	logFault(ctx, call, err)
	return err
}

// admit authenticates the caller and checks the query.
func (f *Front) admit(r *Request, op *Operation) error {
	if err := f.authenticate(r.HTTP, r.Call); err != nil {
		return err
	}
	return checkQuery(r.HTTP, op.Query)
}

// run authenticates the caller and calls the operation.
func (f *Front) run(ctx context.Context, r *Request, op *Operation) ([]byte, error) {
	if err := f.admit(r, op); err != nil {
		return nil, err
	}
	return op.serve(ctx, r)
}

// requestTokens are the members that tell a request from its repetitions.
var requestTokens = []string{"token"}

// callOf returns the envelope of a request whose caller is not known yet.
func (f *Front) callOf(r *http.Request, op *Operation) *key.Call {
	call := &key.Call{
		RequestID: uuid.NewString(), API: API, Operation: op.Name, Region: f.config.Region,
		UserAgent: r.UserAgent(), Secure: r.TLS != nil, Time: time.Now(),
		Asked: key.Asked{Action: op.Action, Path: r.URL.Path, Query: r.URL.RawQuery, Tokens: requestTokens},
	}
	if region := r.Header.Get(wire.HeaderRegion); region != "" {
		call.Region = region
	}
	if len(call.UserAgent) > maxUserAgent {
		call.UserAgent = call.UserAgent[:maxUserAgent]
	}
	if source, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		call.Source = source.Addr().Unmap()
	}
	return call
}

// logFault writes to the log what the caller is not told.
func logFault(ctx context.Context, call *key.Call, err error) {
	if fault.KindOf(err) != fault.Internal {
		return
	}
	if errors.Is(err, context.Canceled) {
		return
	}
	slog.ErrorContext(ctx, "request failed", slog.String("api", API), slog.String("operation", call.Operation),
		slog.String("request", call.RequestID), slog.Any("cause", err))
}
