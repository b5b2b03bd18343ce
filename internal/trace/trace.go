// Package trace marks the steps of a request, for whoever wants to see what
// took how long. What draws them (package server/tracing sends them by
// OpenTelemetry's protocol) is a Step; here nobody knows it.
//
// Start with Start. A request that nobody watches has no trace in its context,
// and then Start returns nil, of which every method does nothing: a step costs
// one look into the context and no allocation.
//
// A step has names and attributes of closed sets. Nothing that a caller sent is
// one, but for the request's trace id: no key material, no text, no name.
//
// The package is internal and may change with any release.
package trace

import (
	"context"
	"sync"

	"github.com/holdfast-kms/holdfast/internal/fault"
)

// Attribute is the name of what a step may say.
type Attribute string

// The attributes.
const (
	API       Attribute = "holdfast.api"           // the front end
	Operation Attribute = "holdfast.operation"     // as the front end's table has it
	Code      Attribute = "holdfast.code"          // ok, or the API's error code
	Request   Attribute = "holdfast.request_id"    // that of the audit log
	Action    Attribute = "holdfast.action"        // canonical
	Resource  Attribute = "holdfast.resource.kind" // the kind and nothing more
	Decision  Attribute = "holdfast.decision"      // allow or deny
	Result    Attribute = "holdfast.result"        // ok, or the kind of the failure
	Engine    Attribute = "holdfast.engine"        // as the configuration calls it
	Service   Attribute = "holdfast.call"          // what a key service was asked to do
)

// Step is one step as it is drawn. Its methods are called from one goroutine
// at a time.
type Step interface {
	// Child returns a step within this one, which begins now.
	Child(name string) Step
	// Set says something of the step.
	Set(name Attribute, value string)
	// End ends the step; broken says that it failed for a reason of the server's.
	End(broken bool)
}

// MaxSpans bounds the steps of one request that are marked; those after them
// are not.
const MaxSpans = 128

// request is the trace of one request.
type request struct {
	id string

	mu      sync.Mutex // guards what follows, and every call of a Step
	root    *Span
	current *Span // the step in which the next one begins
	left    int
}

// Span is a step of a request that is watched. Its methods may be called on a
// nil Span: nobody watches then.
type Span struct {
	of     *request
	parent *Span
	step   Step
	ended  bool // guarded by of.mu
}

type contextKey struct{}

// With returns a context whose steps are within root, and the span of root. id
// is the trace's, in hexadecimal.
func With(ctx context.Context, id string, root Step) (context.Context, *Span) {
	r := &request{id: id, left: MaxSpans}
	r.root = &Span{of: r, step: root}
	r.current = r.root
	return context.WithValue(ctx, contextKey{}, r), r.root
}

func from(ctx context.Context) *request {
	r, _ := ctx.Value(contextKey{}).(*request)
	return r
}

// Start begins a step of the request that the context belongs to, within the
// one that began last and has not ended. Steps of goroutines that work at the
// same time may so come to stand within each other.
func Start(ctx context.Context, name string) *Span {
	r := from(ctx)
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.left == 0 || r.root.ended {
		return nil
	}
	r.left--
	s := &Span{of: r, parent: r.current, step: r.current.step.Child(name)}
	r.current = s
	return s
}

// Root returns the span of the whole request.
func Root(ctx context.Context) *Span {
	if r := from(ctx); r != nil {
		return r.root
	}
	return nil
}

// ID returns the id of the trace that the context belongs to, "" for none.
func ID(ctx context.Context) string {
	if r := from(ctx); r != nil {
		return r.id
	}
	return ""
}

// TraceID returns the id of the span's trace.
func (s *Span) TraceID() string {
	if s == nil {
		return ""
	}
	return s.of.id
}

// Set says something of the step. An empty value says nothing.
func (s *Span) Set(name Attribute, value string) {
	if s == nil || value == "" {
		return
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if !s.ended {
		s.step.Set(name, value)
	}
}

// End ends the step with its outcome. A second End does nothing.
func (s *Span) End(err error) {
	if s == nil {
		return
	}
	result, broken := "ok", false
	if err != nil {
		kind := fault.KindOf(err)
		result, broken = kind.String(), kind == fault.Internal || kind == fault.Unavailable
	}
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	s.step.Set(Result, result)
	s.step.End(broken)
	for s.of.current.ended && s.of.current.parent != nil {
		s.of.current = s.of.current.parent
	}
}
