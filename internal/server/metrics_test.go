package server

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/remote"
)

// TestObserve asserts that each request is counted once under its own labels,
// also where its series is found again.
func TestObserve(t *testing.T) {
	m := newMetrics(func() float64 { return 3 }, func() []hsm.Health {
		return []hsm.Health{{Name: "luna", State: hsm.StateOK, Sessions: 4, Calls: 9, Failures: 2}, {Name: "old", State: hsm.StateAway}}
	}, func() []remote.Health {
		return []remote.Health{{Name: "aws", State: remote.StateOK, Calls: 9, Failures: 2, Throttled: 1, Retries: 3}, {Name: "bao", State: remote.StateOpen}}
	})
	for range 2 {
		m.observe(t.Context(), "aws.kms", "Encrypt", "ok", time.Millisecond)
		m.observe(t.Context(), "aws.kms", "Encrypt", "NotFoundException", time.Millisecond)
	}
	m.observe(t.Context(), "native", "Encrypt", "ok", time.Millisecond)
	page := httptest.NewRecorder()
	m.handler().ServeHTTP(page, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`holdfast_requests_total{api="aws.kms",code="ok",operation="Encrypt"} 2`,
		`holdfast_requests_total{api="aws.kms",code="NotFoundException",operation="Encrypt"} 2`,
		`holdfast_requests_total{api="native",code="ok",operation="Encrypt"} 1`,
		`holdfast_request_duration_seconds_count{api="aws.kms",operation="Encrypt"} 4`,
		`holdfast_keys 3`,
		`holdfast_hsm_up{token="luna"} 1`, `holdfast_hsm_up{token="old"} 0`,
		`holdfast_hsm_sessions{token="luna"} 4`, `holdfast_hsm_calls_total{token="luna"} 9`, `holdfast_hsm_failures_total{token="luna"} 2`,
		`holdfast_provider_up{provider="aws"} 1`, `holdfast_provider_up{provider="bao"} 0`, `holdfast_provider_circuit_open{provider="bao"} 1`,
		`holdfast_provider_requests_total{provider="aws"} 9`, `holdfast_provider_failures_total{provider="aws"} 2`,
		`holdfast_provider_throttled_total{provider="aws"} 1`, `holdfast_provider_retries_total{provider="aws"} 3`,
	} {
		if !strings.Contains(page.Body.String(), want+"\n") {
			t.Errorf("the page lacks %s", want)
		}
	}
}

// BenchmarkObserve counts one request.
func BenchmarkObserve(b *testing.B) {
	m := newMetrics(func() float64 { return 0 }, func() []hsm.Health { return nil }, func() []remote.Health { return nil })
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		m.observe(ctx, "aws.kms", "GenerateDataKey", "ok", time.Millisecond)
	}
}
