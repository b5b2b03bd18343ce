package aws

import (
	"bytes"
	"context"
	"crypto"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// answer is a response as it came.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	code    string  // of __type
	message *string // nil when the body has no such member
}

// signed returns a signed request for an operation of KMS.
func (t *target) signed(ctx context.Context, c aws.Credentials, operation string, body []byte, at time.Time) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.url+"/", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "TrentService."+operation)
	return req, v4.NewSigner().SignHTTP(ctx, c, req, payloadHash(body), "kms", t.region, at)
}

func payloadHash(body []byte) string {
	return hex.EncodeToString(sum(crypto.SHA256, body))
}

// send sends a request and reads the answer, which must come in time.
func (t *target) send(tb *testing.T, req *http.Request) answer {
	tb.Helper()
	resp, err := t.http.Do(req)
	if err != nil {
		tb.Fatalf("no answer: %v", err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		tb.Fatalf("half an answer: %v", err)
	}
	if err := resp.Body.Close(); err != nil {
		tb.Error(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: body}
	var failed struct {
		Type    string  `json:"__type"`
		Message *string `json:"message"`
	}
	if json.Unmarshal(body, &failed) == nil {
		a.message = failed.Message
		// Some services prefix the code with a namespace and a "#".
		a.code = failed.Type[strings.LastIndex(failed.Type, "#")+1:]
	}
	return a
}

// call signs now and sends.
func (t *target) call(tb *testing.T, operation, body string) answer {
	tb.Helper()
	req, err := t.signed(tb.Context(), t.creds, operation, []byte(body), time.Now())
	if err != nil {
		tb.Fatal(err)
	}
	return t.send(tb, req)
}

// TestEmptyMessages: an error without a text has no message member at all.
func TestEmptyMessages(t *testing.T) {
	tg, _ := setup(t)
	for operation, body := range map[string]string{
		"Decrypt": `{"CiphertextBlob":"bm90IGEgY2lwaGVydGV4dA=="}`,
	} {
		a := tg.call(t, operation, body)
		if a.code != "InvalidCiphertextException" || a.message != nil {
			t.Errorf("%s: %d %s", operation, a.status, a.body)
		}
	}
}

// TestAnswerHeaders: clients read the content type and the request's id.
func TestAnswerHeaders(t *testing.T) {
	tg, _ := setup(t)
	good, bad := tg.call(t, "ListKeys", `{}`), tg.call(t, "DescribeKey", `{"KeyId":"fake"}`)
	for _, a := range []answer{good, bad} {
		if got := a.header.Get("Content-Type"); got != "application/x-amz-json-1.1" {
			t.Errorf("content type %q", got)
		}
		if a.header.Get("X-Amzn-Requestid") == "" {
			t.Error("no request id")
		}
	}
	if good.header.Get("X-Amzn-Requestid") == bad.header.Get("X-Amzn-Requestid") {
		t.Error("two answers with one request id")
	}
	if good.status != http.StatusOK || bad.status != http.StatusBadRequest {
		t.Errorf("status %d and %d, want 200 and 400", good.status, bad.status)
	}
}
