// Package tracing sends the steps of requests (package trace) to a collector of
// OpenTelemetry's, by OTLP over HTTP: it is the only importer of its SDK.
//
// Start with Open and Tracer.Handler. Nobody waits for the collector: what does
// not fit into a queue of fixed length is dropped. The design is in
// docs/design/2026-11-23-observability.md.
//
// The package is internal and may change with any release.
package tracing

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	otel "go.opentelemetry.io/otel/trace"
	"golang.org/x/time/rate"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// Limits of what is kept for the collector.
const (
	queued       = 4096 // spans that wait; more are dropped
	batch        = 512
	every        = 5 * time.Second  // between batches
	exporting    = 10 * time.Second // for one batch, with its repetitions
	flushing     = 5 * time.Second  // for what is left when the server stops
	longestValue = 128              // of an attribute, in bytes
	// asked is how many requests are traced in a second because their callers
	// ask for it: anybody can send a header.
	asked = 100
)

// Tracer traces requests. A nil Tracer traces none.
type Tracer struct {
	provider *sdk.TracerProvider
	tracer   otel.Tracer
	export   *exporter
	ratio    float64
	asked    *rate.Limiter
}

// Open returns a tracer of a configuration and its variables in the environment, nil when
// neither says where traces go. It reaches for nobody.
func Open(ctx context.Context, c *config.Tracing, version string, log *slog.Logger) (*Tracer, error) {
	to, err := destinationOf(c)
	if err != nil || to == nil {
		return nil, err
	}
	export, err := newExporter(ctx, to, log)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithAttributes(
		attribute.String("service.name", c.ServiceName), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("tracing: the variable OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Tracer{export: export, ratio: c.SampleRatio, asked: rate.NewLimiter(asked, asked)}
	t.provider = sdk.NewTracerProvider(
		sdk.WithSampler(sdk.AlwaysSample()), // sampled says of which requests there are spans at all
		sdk.WithResource(about),
		sdk.WithRawSpanLimits(sdk.SpanLimits{AttributeValueLengthLimit: longestValue, AttributeCountLimit: 16}),
		sdk.WithBatcher(export, sdk.WithMaxQueueSize(queued), sdk.WithMaxExportBatchSize(batch),
			sdk.WithBatchTimeout(every), sdk.WithExportTimeout(exporting)))
	t.tracer = t.provider.Tracer("github.com/holdfast-kms/holdfast")
	log.InfoContext(ctx, "requests are traced", slog.String("to", to.host), slog.Float64("ratio", t.ratio))
	return t, nil
}

// Close sends what waits, for a few seconds at most.
func (t *Tracer) Close() error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), flushing)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.export.log.WarnContext(ctx, "traces are lost: the collector did not take them in time", slog.Any("cause", err))
	}
	return nil // no reason for a server to end with a failure
}

// Handler returns a handler that traces what next serves; next itself where
// nothing is traced.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if ctx, ok := t.sampled(r); ok {
			t.serve(next, w, r.WithContext(ctx))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// parent reads the header traceparent, and nothing else: baggage is not ours,
// and tracestate is free text of a stranger's.
type parent struct{ http.Header }

// Get implements propagation.TextMapCarrier.
func (p parent) Get(name string) string {
	if name == "traceparent" && len(p.Values("Traceparent")) == 1 {
		return p.Header.Get("Traceparent")
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (parent) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (parent) Keys() []string { return nil }

// sampled reports whether a request is traced, and returns the context with the
// caller's span that it continues, if the caller traces. A caller that traces
// decides, within a limit; of the others a share is traced.
func (t *Tracer) sampled(r *http.Request) (context.Context, bool) {
	ctx := r.Context()
	if r.Header.Get("Traceparent") != "" {
		ctx = propagation.TraceContext{}.Extract(ctx, parent{r.Header})
		if caller := otel.SpanContextFromContext(ctx); caller.IsValid() {
			return ctx, caller.IsSampled() && t.asked.Allow()
		}
	}
	return ctx, t.ratio > 0 && rand.Float64() < t.ratio //nolint:gosec // chooses a share, keeps no secret
}

// serve serves a request within a span.
func (t *Tracer) serve(next http.Handler, w http.ResponseWriter, r *http.Request) {
	ctx, span := t.tracer.Start(r.Context(), "HTTP", otel.WithSpanKind(otel.SpanKindServer),
		otel.WithAttributes(attribute.String("http.request.method", method(r.Method))))
	t.export.begun.Add(1)
	root := &step{tracer: t.tracer, begun: &t.export.begun, ctx: ctx, span: span, named: map[trace.Attribute]string{}}
	ctx, whole := trace.With(ctx, span.SpanContext().TraceID().String(), root)
	out, panics := &answer{ResponseWriter: w, status: http.StatusOK}, true
	defer func() {
		if panics { // which is our own bug, or an answer that broke off
			out.status = http.StatusInternalServerError
		}
		span.SetAttributes(attribute.Int("http.response.status_code", out.status))
		if out.status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
		whole.End(nil)
	}()
	next.ServeHTTP(out, r.WithContext(ctx))
	panics = false
}

// method returns the method, or _OTHER for one that the caller made up.
func method(name string) string {
	switch name {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions:
		return name
	}
	return "_OTHER"
}

// answer notes the status.
type answer struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(status int) {
	if status >= http.StatusOK {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// step is a trace.Step as a span.
type step struct {
	tracer otel.Tracer
	begun  *atomic.Int64
	ctx    context.Context //nolint:containedctx // it has the span that children are within
	span   otel.Span
	// named is what the root is named after when it ends; nil for others.
	named map[trace.Attribute]string
}

// Child implements trace.Step.
func (s *step) Child(name string) trace.Step {
	ctx, span := s.tracer.Start(s.ctx, name)
	s.begun.Add(1)
	return &step{tracer: s.tracer, begun: s.begun, ctx: ctx, span: span}
}

// Set implements trace.Step.
func (s *step) Set(name trace.Attribute, value string) {
	s.span.SetAttributes(attribute.String(string(name), value))
	if s.named != nil {
		s.named[name] = value
	}
}

// End implements trace.Step.
func (s *step) End(broken bool) {
	if operation := s.named[trace.Operation]; operation != "" {
		s.span.SetName(s.named[trace.API] + " " + operation)
	}
	if broken {
		s.span.SetStatus(codes.Error, "")
	}
	s.span.End()
}
