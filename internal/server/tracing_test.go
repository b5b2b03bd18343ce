package server

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/server/tracing/tracingtest"
)

// TestTraces has a server send the traces of what a key is used for, and reads
// at the collector how the steps stand within each other.
func TestTraces(t *testing.T) {
	collector, dir := tracingtest.New(t), t.TempDir()
	r := start(t, dir, &Dev{}, func(c *config.Config) { c.Tracing.Endpoint, c.Tracing.SampleRatio = collector.URL, 1 })
	_, made := r.kms("CreateKey", `{"Description":"a description"}`)
	var key struct {
		KeyMetadata struct {
			ID string `json:"KeyId"`
		}
	}
	if err := json.Unmarshal([]byte(made), &key); err != nil {
		t.Fatal(err)
	}
	id := key.KeyMetadata.ID
	_, encrypted := r.kms("Encrypt", `{"KeyId":"`+id+`","Plaintext":"c2VjcmV0IHdvcmRz","EncryptionContext":{"tenant":"somebody"}}`)
	var ciphertext struct{ CiphertextBlob string }
	if err := json.Unmarshal([]byte(encrypted), &ciphertext); err != nil {
		t.Fatal(err)
	}
	r.kms("Decrypt", `{"CiphertextBlob":"`+ciphertext.CiphertextBlob+`","EncryptionContext":{"tenant":"somebody else"}}`)
	r.do(http.MethodPost, "/", "AKIANOBODYHASTHIS", "no secret", "ListKeys", "{}")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	want := []string{
		"aws.kms CreateKey",
		"aws.kms CreateKey > key:Create",
		"aws.kms CreateKey > key:Create > audit",
		"aws.kms CreateKey > key:Create > store.update",
		"aws.kms Decrypt",
		"aws.kms Decrypt > key:Decrypt",
		"aws.kms Decrypt > key:Decrypt > audit",
		"aws.kms Decrypt > key:Decrypt > engine.Decrypt",
		"aws.kms Encrypt",
		"aws.kms Encrypt > key:Encrypt",
		"aws.kms Encrypt > key:Encrypt > audit",
		"aws.kms Encrypt > key:Encrypt > engine.Encrypt",
		"aws.kms Encrypt > key:Encrypt > store.view", // the material, which is not opened yet
		"aws.kms ListKeys",
		"aws.kms ListKeys > key:List",
		"aws.kms ListKeys > key:List > audit",
	}
	spans := paths(collector.Spans(""))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(spans))); diff != "" {
		t.Errorf("the spans: -want +got:\n%s", diff)
	}
	for path, attributes := range map[string]map[string]any{
		"aws.kms Encrypt > key:Encrypt": {
			"holdfast.action": "key:Encrypt", "holdfast.resource.kind": "key", "holdfast.decision": "allow", "holdfast.result": "ok",
		},
		"aws.kms Encrypt > key:Encrypt > engine.Encrypt": {"holdfast.engine": "soft", "holdfast.result": "ok"},
		"aws.kms Decrypt": {
			"holdfast.api": "aws.kms", "holdfast.operation": "Decrypt", "holdfast.code": "InvalidCiphertextException", "http.response.status_code": int64(400),
		},
		"aws.kms Decrypt > key:Decrypt": {"holdfast.decision": "allow", "holdfast.result": "bad ciphertext"},
		"aws.kms ListKeys > key:List":   {"holdfast.decision": nil, "holdfast.result": "unauthenticated"},
	} {
		for name, value := range attributes {
			if span := spans[path]; span == nil || span.Attributes[name] != value {
				t.Errorf("%s: %s is not %v: %+v", path, name, value, span)
			}
		}
	}
	_, _, raw := collector.Seen()
	for _, secret := range []string{
		id, "c2VjcmV0IHdvcmRz", "secret words", ciphertext.CiphertextBlob, "somebody", "a description", "AKIA", "Signature", "Go-http-client", "127.0.0.1",
		readAdmin(filepath.Join(dir, EnvFile)).Secret,
	} {
		if bytes.Contains(raw, []byte(secret)) {
			t.Errorf("the collector was sent %q", secret)
		}
	}
	correlated(t, dir, spans["aws.kms Encrypt"])
}

// paths returns the spans by the names on the way to each.
func paths(list []*tracingtest.Span) map[string]*tracingtest.Span {
	byPath, byID := map[string]*tracingtest.Span{}, map[string]*tracingtest.Span{}
	for _, s := range list {
		byID[s.ID] = s
	}
	for _, s := range list {
		path := s.Name
		for up := byID[s.Parent]; up != nil; up = byID[up.Parent] {
			path = up.Name + " > " + path
		}
		byPath[path] = s
	}
	return byPath
}

// correlated asserts that the audit log has the span's trace and request id in
// one entry.
func correlated(t *testing.T, dir string, span *tracingtest.Span) {
	t.Helper()
	request, _ := span.Attributes["holdfast.request_id"].(string)
	files, err := filepath.Glob(filepath.Join(dir, auditDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // a folder
		}
		for line := range strings.Lines(string(text)) {
			if strings.Contains(line, request) && strings.Contains(line, span.Trace) && strings.Contains(line, "key:Encrypt") {
				return
			}
		}
	}
	t.Errorf("no entry of the audit log has the request %q and the trace %s", request, span.Trace)
}
