// Package tracingtest has a collector of traces, for tests: a receiver of
// OTLP over HTTP that keeps what it is sent.
package tracingtest

import (
	"compress/gzip"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// Span is a span as it came. IDs are hexadecimal.
type Span struct {
	Trace, ID, Parent, Name string
	Attributes              map[string]any
	Failed                  bool
}

// Collector keeps spans. Its methods may be called at the same time.
type Collector struct {
	*httptest.Server

	mu       sync.Mutex // guards what follows
	spans    []*Span
	resource map[string]any
	headers  http.Header // of the latest request
	raw      []byte      // all bodies
	refuse   int         // the status with which requests are refused
}

// New starts a collector that lives as long as the test.
func New(t *testing.T) *Collector {
	c := &Collector{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status := c.take(t, r); status != http.StatusOK {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
		answer, err := proto.Marshal(&collector.ExportTraceServiceResponse{})
		if err == nil {
			_, err = w.Write(answer)
		}
		if err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// Refuse has requests refused with a status from now on; 200 takes them again.
func (c *Collector) Refuse(status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.refuse = status
}

func (c *Collector) take(t *testing.T, r *http.Request) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse != 0 && c.refuse != http.StatusOK {
		return c.refuse
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v1/traces" {
		t.Errorf("the collector was asked for %s %s", r.Method, r.URL.Path)
		return http.StatusNotFound
	}
	var body io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			t.Error(err)
			return http.StatusBadRequest
		}
		body = unzipped
	}
	text, err := io.ReadAll(body)
	if err != nil {
		t.Error(err)
		return http.StatusBadRequest
	}
	var request collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(text, &request); err != nil {
		t.Error(err)
		return http.StatusBadRequest
	}
	c.headers, c.raw = r.Header.Clone(), append(c.raw, text...)
	for _, of := range request.GetResourceSpans() {
		c.resource = attributes(of.GetResource().GetAttributes())
		for _, scope := range of.GetScopeSpans() {
			for _, s := range scope.GetSpans() {
				c.spans = append(c.spans, &Span{
					Trace: hex.EncodeToString(s.GetTraceId()), ID: hex.EncodeToString(s.GetSpanId()), Parent: hex.EncodeToString(s.GetParentSpanId()),
					Name: s.GetName(), Attributes: attributes(s.GetAttributes()), Failed: s.GetStatus().GetCode() == trace.Status_STATUS_CODE_ERROR,
				})
			}
		}
	}
	return http.StatusOK
}

func attributes(list []*common.KeyValue) map[string]any {
	all := map[string]any{}
	for _, a := range list {
		switch v := a.GetValue().GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[a.GetKey()] = v.StringValue
		case *common.AnyValue_IntValue:
			all[a.GetKey()] = v.IntValue
		default:
			all[a.GetKey()] = a.GetValue().String()
		}
	}
	return all
}

// Spans returns what came of a trace; of all for "".
func (c *Collector) Spans(of string) (list []*Span) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.spans {
		if of == "" || s.Trace == of {
			list = append(list, s)
		}
	}
	return list
}

// Seen returns the resource that the spans are of, the headers of the latest
// request, and all that came, as bytes.
func (c *Collector) Seen() (resource map[string]any, headers http.Header, raw []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.resource, c.headers, c.raw
}
