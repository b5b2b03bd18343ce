package tracing_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/server/tracing"
	"github.com/holdfast-kms/holdfast/internal/server/tracing/tracingtest"
	"github.com/holdfast-kms/holdfast/internal/trace"
)

// settings are those of the default with an endpoint.
func settings(endpoint string, ratio float64) *config.Tracing {
	c := config.Default().Tracing
	c.Endpoint, c.SampleRatio = endpoint, ratio
	return &c
}

func open(t *testing.T, c *config.Tracing, log *bytes.Buffer) *tracing.Tracer {
	t.Helper()
	tracer, err := tracing.Open(t.Context(), c, "v1", slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = tracer.Close() })
	return tracer
}

// request serves one through a handler that marks a step.
func request(t *testing.T, tracer *tracing.Tracer, traceparent string) (id string) {
	t.Helper()
	h := tracer.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id = trace.ID(r.Context())
		root := trace.Root(r.Context())
		root.Set(trace.API, "aws.kms")
		root.Set(trace.Operation, "Sign")
		step := trace.Start(r.Context(), "key:Sign")
		trace.Start(r.Context(), "store.view").End(nil)
		step.End(fault.New(fault.Unavailable, "the key %s is away", "secret name"))
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/keys/secret?token=secret", strings.NewReader("secret"))
	if traceparent != "" {
		r.Header.Set("Traceparent", traceparent)
	}
	r.Header.Set("Tracestate", "vendor=secret")
	r.Header.Set("Baggage", "user=secret")
	r.Header.Set("User-Agent", "secret")
	r.Header.Set("Authorization", "secret")
	h.ServeHTTP(httptest.NewRecorder(), r)
	return id
}

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
)

// TestSpans sends a trace to a collector and reads it there.
func TestSpans(t *testing.T) {
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
	c := tracingtest.New(t)
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("# who sends\nX-Api-Key: the key\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := settings(c.URL, 0)
	s.HeadersFile = headers
	var log bytes.Buffer
	tracer := open(t, s, &log)
	if id := request(t, tracer, "00-"+traceID+"-"+spanID+"-01"); id != traceID {
		t.Errorf("the trace %q is not the caller's", id)
	}
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	ids := map[string]string{spanID: "caller"}
	for _, span := range c.Spans(traceID) {
		ids[span.ID] = span.Name
	}
	for _, span := range c.Spans(traceID) {
		got[span.Name+" in "+ids[span.Parent]] = span.Attributes
		if wantFailed := span.Name != "store.view"; span.Failed != wantFailed {
			t.Errorf("%s failed: %v", span.Name, span.Failed)
		}
	}
	want := map[string]any{
		"aws.kms Sign in caller": map[string]any{
			"http.request.method": "POST", "http.response.status_code": int64(503), "holdfast.api": "aws.kms", "holdfast.operation": "Sign", "holdfast.result": "ok",
		},
		"key:Sign in aws.kms Sign": map[string]any{"holdfast.result": "unavailable"},
		"store.view in key:Sign":   map[string]any{"holdfast.result": "ok"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	resource, sent, raw := c.Seen()
	if resource["service.name"] != "holdfast" || resource["service.version"] != "v1" || resource["deployment.environment.name"] != "test" {
		t.Errorf("the resource is %v", resource)
	}
	if sent.Get("X-Api-Key") != "the key" {
		t.Error("the header of the file did not come")
	}
	if bytes.Contains(raw, []byte("secret")) {
		t.Error("the collector was sent what the request has")
	}
	if strings.Contains(log.String(), "the key") {
		t.Errorf("the log has the header: %s", &log)
	}
}

// TestPanic asserts that a request that panics leaves a span that says so, and
// goes on panicking.
func TestPanic(t *testing.T) {
	c := tracingtest.New(t)
	var log bytes.Buffer
	tracer := open(t, settings(c.URL, 1), &log)
	h := tracer.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("a bug") }))
	func() {
		defer func() {
			if p := recover(); p != "a bug" {
				t.Errorf("the panic became %v", p)
			}
		}()
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	}()
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	if spans := c.Spans(""); len(spans) != 1 || !spans[0].Failed || spans[0].Attributes["http.response.status_code"] != int64(500) {
		t.Errorf("%+v", spans)
	}
}

// TestSampled is which requests are traced.
func TestSampled(t *testing.T) {
	c := tracingtest.New(t)
	for _, tt := range []struct {
		ratio       float64
		traceparent string
		want        bool
	}{
		{0, "", false},
		{1, "", true},
		{0, "00-" + traceID + "-" + spanID + "-01", true},  // the caller traces
		{1, "00-" + traceID + "-" + spanID + "-00", false}, // and has chosen not to
		{0, "00-" + traceID + "-" + spanID, false},         // malformed: as if it were not there
		{1, "00-00000000000000000000000000000000-" + spanID + "-01", true},
		{0, "ff-" + traceID + "-" + spanID + "-01", false},
		{0, strings.Repeat("0", 10_000), false},
	} {
		var log bytes.Buffer
		if got := request(t, open(t, settings(c.URL, tt.ratio), &log), tt.traceparent) != ""; got != tt.want {
			t.Errorf("ratio %v, traceparent %.60q: traced %v", tt.ratio, tt.traceparent, got)
		}
	}
	var log bytes.Buffer
	tracer, traced := open(t, settings(c.URL, 0), &log), 0
	for range 1000 {
		if request(t, tracer, "00-"+traceID+"-"+spanID+"-01") != "" {
			traced++
		}
	}
	if traced > 500 {
		t.Errorf("%d of 1000 requests at once are traced because callers ask for it", traced)
	}
}

// TestCollectorAway asserts that nobody waits for a collector that hangs or
// refuses, and that the loss is told once.
func TestCollectorAway(t *testing.T) {
	release := make(chan struct{})
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	defer hung.Close()
	defer close(release)
	var log bytes.Buffer
	tracer := open(t, settings(hung.URL, 1), &log)
	began := time.Now()
	for range 5000 { // three times as many spans as the queue has places for
		request(t, tracer, "")
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("5000 requests took %s", took)
	}

	c := tracingtest.New(t)
	c.Refuse(http.StatusForbidden)
	var told bytes.Buffer
	tracer = open(t, settings(c.URL, 1), &told)
	for range 2000 {
		request(t, tracer, "")
	}
	if err := tracer.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(told.String(), "traces are lost"); n != 1 {
		t.Errorf("the loss is told %d times: %s", n, &told)
	}
	if figures := tracer.Figures(); testutil.ToFloat64(figures[0]) != 6000 || testutil.ToFloat64(figures[1]) != 0 || testutil.ToFloat64(figures[2]) == 0 {
		t.Errorf("of %v spans %v were sent and %v lost", testutil.ToFloat64(figures[0]), testutil.ToFloat64(figures[1]), testutil.ToFloat64(figures[2]))
	}
}

// TestOff asserts that a server without an endpoint traces nothing, and that
// this costs nothing.
func TestOff(t *testing.T) {
	var log bytes.Buffer
	tracer := open(t, settings("", 1), &log)
	if tracer != nil {
		t.Fatal("a tracer without an endpoint")
	}
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	h := tracer.Handler(next)
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := tracer.Close(); err != nil {
		t.Error(err)
	}
}

// TestNotSampled states the cost of a request that is not traced while others
// are: no allocation.
func TestNotSampled(t *testing.T) {
	c := tracingtest.New(t)
	var log bytes.Buffer
	h := open(t, settings(c.URL, 0), &log).Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(nil, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestEnvironment is what OpenTelemetry's variables do.
func TestEnvironment(t *testing.T) {
	c := tracingtest.New(t)
	for name, tt := range map[string]struct {
		variables map[string]string
		endpoint  string
		traces    bool
		header    string
	}{
		"none":            {},
		"endpoint":        {variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL}, traces: true},
		"its own":         {variables: map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": c.URL + "/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}, traces: true},
		"headers":         {variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=variable"}, traces: true, header: "variable"},
		"other's headers": {variables: map[string]string{"OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=variable"}, endpoint: c.URL, traces: true},
		"off":             {variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_SDK_DISABLED": "true"}},
		"no exporter":     {variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": c.URL, "OTEL_TRACES_EXPORTER": "none"}},
	} {
		t.Run(name, func(t *testing.T) {
			for _, v := range []string{"OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"} {
				t.Setenv(v, tt.variables[v])
			}
			var log bytes.Buffer
			tracer := open(t, settings(tt.endpoint, 1), &log)
			if got := tracer != nil; got != tt.traces {
				t.Fatalf("traces: %v", got)
			}
			if tracer == nil {
				return
			}
			id := request(t, tracer, "")
			if err := tracer.Close(); err != nil {
				t.Fatal(err)
			}
			if len(c.Spans(id)) != 3 {
				t.Errorf("%d spans came", len(c.Spans(id)))
			}
			if _, headers, _ := c.Seen(); headers.Get("X-Api-Key") != tt.header {
				t.Errorf("the header is %q", headers.Get("X-Api-Key"))
			}
		})
	}
}

// TestRefused is what is wrong with files; none of what they hold is repeated.
func TestRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for want, change := range map[string]func(*config.Tracing){
		"line 2 is not":              func(c *config.Tracing) { c.HeadersFile = write("headers", "A: b\nsecret\n") },
		"more than 16":               func(c *config.Tracing) { c.HeadersFile = write("many", manyHeaders()) },
		"reading tracing.headers":    func(c *config.Tracing) { c.HeadersFile = filepath.Join(dir, "absent") },
		"has no certificate in PEM":  func(c *config.Tracing) { c.CACertificate = write("ca", "secret") },
		"reading tracing.ca_certifi": func(c *config.Tracing) { c.CACertificate = filepath.Join(dir, "absent") },
	} {
		c := settings("https://collector.example.com", 1)
		change(c)
		_, err := tracing.Open(context.Background(), c, "v1", slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func manyHeaders() string {
	var b strings.Builder
	for n := range 17 {
		b.WriteString(strings.Repeat("x", n+1) + ": y\n")
	}
	return b.String()
}
