package sts_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/sts"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

// directory knows one caller.
type directory struct {
	sts.Directory
	caller  key.Caller
	err     error
	refused int
}

func (d *directory) Credential(id string) (*identity.Credential, error) {
	if id != "AKIDEXAMPLE" {
		return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "unknown")
	}
	return &identity.Credential{ID: id, Secret: identity.NewSecret(secret), Caller: d.caller}, nil
}

func (d *directory) SessionCredential(string, string) (*identity.Credential, error) {
	return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "unknown")
}

func (d *directory) CallerIdentity(_ context.Context, call *key.Call) (key.Caller, error) {
	return call.Caller, d.err
}

func (d *directory) Refuse(_ context.Context, _ *key.Call, _ key.Action, err error) error {
	d.refused++
	return err
}

var requestID = regexp.MustCompile("[0-9a-f]{8}-[0-9a-f-]{27}")

func serve(d *directory, at time.Time, r *http.Request) (int, string) {
	w := httptest.NewRecorder()
	aws.New(aws.Config{
		Services: []aws.Service{sts.New(d)}, Directory: d, Door: d, Now: func() time.Time { return at },
	}).ServeHTTP(w, r)
	return w.Code, requestID.ReplaceAllString(w.Body.String(), "ID")
}

func alice() *directory {
	return &directory{caller: key.Caller{
		Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "ops/alice<&>"}, UserID: "AIDAEXAMPLE",
	}}
}

const answer = `<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult>
<Arn>arn:aws:iam::123456789012:user/ops/alice&lt;&amp;&gt;</Arn>
<UserId>AIDAEXAMPLE</UserId>
<Account>123456789012</Account>
</GetCallerIdentityResult>
<ResponseMetadata>
<RequestId>ID</RequestId>
</ResponseMetadata>
</GetCallerIdentityResponse>
`

// TestRecorded sends what botocore sends (see kms/testdata/record.py).
func TestRecorded(t *testing.T) {
	r, at := awstest.Recorded(t, "GetCallerIdentity")
	if code, body := serve(alice(), at, r); code != http.StatusOK || body != answer {
		t.Errorf("%d %s", code, body)
	}
}

func refusal(code, message string) string {
	return fmt.Sprintf("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n<Error>\n<Type>Sender</Type>\n"+
		"<Code>%s</Code>\n<Message>%s</Message>\n</Error>\n<RequestId>ID</RequestId>\n</ErrorResponse>\n", code, message)
}

func TestRequests(t *testing.T) {
	const version = "&Version=2011-06-15"
	now := time.Now()
	get := func(query, id, secret string) *http.Request {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/?"+query, nil)
		sigv4.Sign(r, nil, sigv4.Credentials{AccessKeyID: id, Secret: secret}, "us-east-1", "sts", now)
		return r
	}
	unsigned := get("Action=GetCallerIdentity"+version, "AKIDEXAMPLE", secret)
	unsigned.Header.Del("Authorization")
	ok := "Action=GetCallerIdentity" + version
	tests := []struct {
		name    string
		request *http.Request
		code    int
		body    string
	}{
		{"GET", get(ok, "AKIDEXAMPLE", secret), 200, answer},
		{"unknown key", get(ok, "AKIDOTHER", secret), 403, refusal("InvalidClientTokenId", "The security token included in the request is invalid.")},
		{"wrong secret", get(ok, "AKIDEXAMPLE", "x"), 403, refusal("SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")},
		{"unsigned", unsigned, 403, refusal("MissingAuthenticationToken", "Missing Authentication Token")},
		{"known operation", get("Action=AssumeRoot"+version, "AKIDEXAMPLE", secret), 400, refusal("InvalidAction", "The operation AssumeRoot is not supported by Holdfast.")},
		{"unknown operation", get("Action=Nothing"+version, "AKIDEXAMPLE", secret), 400, refusal("InvalidAction", "The requested operation is not recognized by the service.")},
		{"another version", get("Action=GetCallerIdentity&Version=2020-01-01", "AKIDEXAMPLE", secret), 400, `{"__type":"UnknownOperationException","message":"The requested operation is not recognized by the service."}`},
		{"bad query", get("Action=%zz", "AKIDEXAMPLE", secret), 400, `{"__type":"UnknownOperationException","message":"The requested operation is not recognized by the service."}`},
	}
	for _, test := range tests {
		d := alice()
		if code, body := serve(d, now, test.request); code != test.code || body != test.body || (code == 200) != (d.refused == 0) {
			t.Errorf("%s: %d %s, refused %d times; want %d %s", test.name, code, body, d.refused, test.code, test.body)
		}
	}
}

// TestKinds has an answer for every kind of failure.
func TestKinds(t *testing.T) {
	want := map[fault.Kind]string{
		fault.Internal: "500 InternalFailure", fault.Unauthenticated: "403 InvalidClientTokenId",
		fault.PermissionDenied: "403 AccessDenied", fault.Unavailable: "503 ServiceUnavailable", fault.LimitExceeded: "400 Throttling",
	}
	for _, k := range fault.Kinds() {
		d := alice()
		d.err = fmt.Errorf("wrapped: %w", &fault.Error{Kind: k, Public: "text", Err: errors.New("the cause")})
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1/?Action=GetCallerIdentity&Version=2011-06-15", nil)
		now := time.Now()
		sigv4.Sign(r, nil, sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: secret}, "us-east-1", "sts", now)
		code, body := serve(d, now, r)
		_, rest, _ := strings.Cut(body, "<Code>")
		name, _, _ := strings.Cut(rest, "</Code>")
		expected := want[k]
		if expected == "" {
			expected = "400 ValidationError"
		}
		if got := fmt.Sprint(code, " ", name); got != expected || strings.Contains(body, "the cause") {
			t.Errorf("%s: %s, want %s: %s", k, got, expected, body)
		}
	}
}
