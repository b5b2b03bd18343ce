package tracing

import (
	"bufio"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
)

// destination is where traces go.
type destination struct {
	url, host string
	// headers are nil where they are the environment's.
	headers map[string]string
	roots   *x509.CertPool // nil for the system's
}

// destinationOf returns where a configuration has traces go, or the
// environment, where the configuration is silent; nil for nowhere.
func destinationOf(c *config.Tracing) (*destination, error) {
	d := &destination{url: c.Endpoint}
	ca := c.CACertificate
	if d.url == "" {
		if d.url = fromEnvironment(); d.url == "" {
			return nil, nil //nolint:nilnil // nothing is traced
		}
		ca = cmp.Or(ca, os.Getenv("OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"), os.Getenv("OTEL_EXPORTER_OTLP_CERTIFICATE"))
	} else {
		d.headers = map[string]string{}
	}
	u, err := url.Parse(d.url)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fault.New(fault.InvalidArgument, "tracing: the endpoint is not an http or https address")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = "/v1/traces"
	}
	d.url, d.host = u.String(), u.Host
	if c.HeadersFile != "" {
		if d.headers, err = readHeaders(c.HeadersFile); err != nil {
			return nil, err
		}
	}
	if ca != "" {
		if d.roots, err = readRoots(ca); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// fromEnvironment returns the endpoint that OpenTelemetry's variables name, ""
// for none.
func fromEnvironment() string {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return ""
	}
	if own := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"); own != "" {
		return own
	}
	if all := os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); all != "" {
		return strings.TrimSuffix(all, "/") + "/v1/traces"
	}
	return ""
}

// maxHeaders bounds the lines of a file of headers.
const maxHeaders = 16

// readHeaders reads "Name: value" from each line of a file. What is wrong with
// it is told by the line's number: the lines are secrets.
func readHeaders(file string) (map[string]string, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the path is the configuration's own
	if err != nil {
		return nil, fmt.Errorf("reading tracing.headers_file: %w", err)
	}
	headers, n := map[string]string{}, 0
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if name, value = strings.TrimSpace(name), strings.TrimSpace(value); !ok || name == "" || value == "" || len(headers) == maxHeaders {
			return nil, fault.New(fault.InvalidArgument, "tracing.headers_file: line %d is not \"Name: value\", or one of more than %d", n, maxHeaders)
		}
		headers[name] = value
	}
	return headers, nil
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file) //nolint:gosec // the path is the configuration's own
	if err != nil {
		return nil, fmt.Errorf("reading tracing.ca_certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fault.New(fault.InvalidArgument, "tracing.ca_certificate: %s has no certificate in PEM", file)
	}
	return pool, nil
}

// exporter counts what the collector takes, and logs when that begins to fail
// and when it works again.
type exporter struct {
	to  sdk.SpanExporter
	log *slog.Logger

	begun, sent, lost atomic.Int64 // spans
	failing           bool         // belongs to ExportSpans, of which one runs at a time
}

func newExporter(ctx context.Context, d *destination, log *slog.Logger) (*exporter, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: d.roots}
	transport.MaxIdleConnsPerHost = 1
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(d.url), otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithMaxResponseSize(64 << 10),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: time.Second, MaxInterval: exporting / 2, MaxElapsedTime: exporting,
		}),
		// A redirect would take the headers to somebody else.
		otlptracehttp.WithHTTPClient(&http.Client{
			Transport: transport, Timeout: exporting,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
	}
	if d.headers != nil {
		options = append(options, otlptracehttp.WithHeaders(d.headers))
	}
	to, err := otlptracehttp.New(ctx, options...)
	if err != nil {
		return nil, err
	}
	return &exporter{to: to, log: log}, nil
}

// ExportSpans implements sdk.SpanExporter.
func (e *exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := e.to.ExportSpans(ctx, spans)
	if err == nil {
		e.sent.Add(int64(len(spans)))
		if e.failing {
			e.log.InfoContext(ctx, "the collector takes traces again")
		}
		e.failing = false
		return nil
	}
	e.lost.Add(int64(len(spans)))
	if !e.failing && !errors.Is(ctx.Err(), context.Canceled) {
		e.log.WarnContext(ctx, "traces are lost: the collector does not take them", slog.Any("cause", err))
	}
	e.failing = true
	return nil // it is told here, and not once more by the SDK's global handler
}

// Shutdown implements sdk.SpanExporter.
func (e *exporter) Shutdown(ctx context.Context) error { return e.to.Shutdown(ctx) }

// Figures returns the tracer's figures, those of a server without one are 0.
func (t *Tracer) Figures() []prometheus.Collector {
	counter := func(name, help string, of func(*exporter) int64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help}, func() float64 {
			if t == nil {
				return 0
			}
			return float64(of(t.export))
		})
	}
	return []prometheus.Collector{
		counter("holdfast_trace_spans_total", "Spans of requests that are traced. Those that are neither sent nor lost wait, or did not fit into the queue.", func(e *exporter) int64 { return e.begun.Load() }),
		counter("holdfast_trace_spans_sent_total", "Spans that the collector of traces took.", func(e *exporter) int64 { return e.sent.Load() }),
		counter("holdfast_trace_spans_lost_total", "Spans that the collector of traces did not take.", func(e *exporter) int64 { return e.lost.Load() }),
	}
}
