package config

import (
	"strings"
	"testing"
)

// TestTracing is what is taken, and what is refused with which words.
func TestTracing(t *testing.T) {
	for text, refused := range map[string]string{
		"endpoint: https://collector.example.com:4318":                                            "",
		"endpoint: https://api.example.com/otlp/v1/traces\n  headers_file: /etc/holdfast/headers": "",
		"endpoint: http://127.0.0.1:4318\n  headers_file: /etc/holdfast/headers":                  "",
		"endpoint: http://localhost:4318\n  sample_ratio: 0":                                      "",
		"endpoint: http://[::1]:4318\n  sample_ratio: 1":                                          "",
		"endpoint: http://collector:4318\n  plain: true":                                          "",
		"endpoint: collector:4318":                                                                "not an http or https address",
		"endpoint: https://user:password@collector:4318":                                          "goes into headers_file",
		"endpoint: https://collector:4318/?token=1":                                               "goes into headers_file",
		"endpoint: http://collector:4318":                                                         "plain lets it be",
		"endpoint: http://collector:4318\n  plain: true\n  headers_file: /etc/holdfast/headers":   "would go to whoever listens",
		"headers_file: headers":                                                                   "not an absolute path",
		"ca_certificate: ca.pem":                                                                  "not an absolute path",
		"sample_ratio: 1.5":                                                                       "not between 0 and 1",
		"sample_ratio: .nan":                                                                      "not between 0 and 1",
		"service_name: two words":                                                                 "tracing.service_name",
		"headers: {authorization: secret}":                                                        "field headers not found",
	} {
		_, err := Parse([]byte("tracing:\n  " + text + "\n"))
		if refused == "" && err != nil || refused != "" && (err == nil || !strings.Contains(err.Error(), refused)) {
			t.Errorf("%q: %v, want %q", text, err, refused)
		}
	}
}
