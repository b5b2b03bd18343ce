package lambda_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	front "github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/front/aws/awstest"
	"github.com/holdfast-kms/holdfast/internal/front/aws/lambda"
	"github.com/holdfast-kms/holdfast/internal/function"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/secret"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

var update = flag.Bool("update", false, "rewrite testdata/answers and the page for users")

// door is functions that note what they are asked. A failure of reading an
// event is the function's.
type door struct{ awstest.Door }

func (d *door) Invoke(_ context.Context, c *key.Call, name string, event function.Event) (*function.Result, error) {
	var read any
	var err error
	r := &function.Result{}
	if name == string(function.SignCACertificate) {
		read, err = event.Sign()
		r.Signed = &function.Signed{Certificate: []byte("certificate"), Chain: [][]byte{[]byte("chain")}}
	} else {
		read, err = event.Issue()
		r.Issued = &function.Issued{
			Authority: "11111111-2222-3333-4444-555555555555", Serial: "0102", Secret: &secret.Secret{Name: "certificates/web.example.com"},
			CommonName: "web.example.com", NotAfter: time.Date(2027, 11, 23, 0, 0, 0, 0, time.UTC),
		}
	}
	if err != nil {
		c.Recorded = true
		return nil, &function.Failure{Err: d.both(c, err)}
	}
	if c.DryRun {
		return nil, d.both(c, fault.Because(fault.InvalidArgument, fault.DryRun, "dry"))
	}
	return r, d.NoteJSON(c, "Invoke", name, read)
}

// both notes a call and returns what it fails with.
func (d *door) both(c *key.Call, err error) error {
	if noted := d.NoteJSON(c, "Invoke", "in vain"); noted != nil {
		return noted
	}
	return err
}

func (d *door) Describe(_ context.Context, c *key.Call, name string) (*function.Function, error) {
	return &function.All()[0], d.NoteJSON(c, "Describe", name)
}

func (d *door) List(_ context.Context, c *key.Call) ([]function.Function, error) {
	return function.All(), d.NoteJSON(c, "List")
}

// fake returns the API over a new door.
func fake(testing.TB) (front.Service, *awstest.Door) {
	d := &door{}
	return lambda.New(d), &d.Door
}

// TestWirePairs sends what botocore sends for every operation, signature
// included, and compares what the door is asked and what goes back.
func TestWirePairs(t *testing.T) {
	awstest.TestWirePairs(t, fake, awstest.Pairs{Operations: lambda.Operations(), Update: *update})
}

// TestDocumentation holds that the page for users says what is implemented.
func TestDocumentation(t *testing.T) {
	awstest.TestPage(t, awstest.Page{Path: "../../../../docs/aws-lambda.md", Package: "aws/lambda", Operations: lambda.Operations(), Update: *update})
}

// request is one to the API, as alice signs it.
type request struct {
	method, path, body string
	headers            map[string]string
}

// answer is what comes back.
type answer struct {
	status  int
	header  http.Header
	code    string
	message string
	body    string
}

func send(t testing.TB, d *door, r request) answer {
	t.Helper()
	if r.method == "" {
		r.method = http.MethodPost
	}
	h := httptest.NewRequestWithContext(t.Context(), r.method, "http://127.0.0.1:8080"+r.path, strings.NewReader(r.body))
	for name, value := range r.headers {
		h.Header.Set(name, value)
	}
	service := lambda.New(d)
	sigv4.Sign(h, []byte(r.body), sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}, "us-east-1", "lambda", time.Now())
	w := httptest.NewRecorder()
	front.New(front.Config{Services: []front.Service{service}, Directory: awstest.NewDirectory(), Door: d}).ServeHTTP(w, h)
	a := answer{status: w.Code, header: w.Header(), code: w.Header().Get("X-Amzn-Errortype"), body: w.Body.String()}
	if a.header.Get("X-Amzn-Requestid") == "" {
		t.Errorf("%s: no request id", r.path)
	}
	if a.code != "" {
		var said struct{ Type, Message string }
		if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil {
			t.Fatalf("%s: the answer is no JSON: %s", r.path, a.body)
		}
		a.message = said.Message
	}
	return a
}

const (
	issuePath = "/2015-03-31/functions/issue-certificate/invocations"
	signPath  = "/2015-03-31/functions/sign-ca-certificate/invocations"
	caARN     = "arn:aws:acm-pca:us-east-1:123456789012:certificate-authority/11111111-2222-3333-4444-555555555555"
	pemCSR    = "-----BEGIN CERTIFICATE REQUEST-----\nMAA=\n-----END CERTIFICATE REQUEST-----\n"
)

// TestEvents is the table of what functions are given, and why they fail.
func TestEvents(t *testing.T) {
	quoted := func(text string) string { return strings.ReplaceAll(text, "\n", `\n`) }
	const file = `The event's csr is "ca-csr.pem", the name of a file, and a function sees no files of its caller: send what is in it, in PEM or base64 ` +
		`(jq -n --rawfile csr ca-csr.pem '{csr: $csr, kms_key_id: "alias/…"}' prints such a payload).`
	read := `Invoke Invoke sign-ca-certificate {"CSR":"MAA=","Key":{"Realm":"","Region":"","ID":"","Alias":"alias/root"}}`
	for _, row := range []struct{ path, event, want string }{
		{signPath, `{"csr":"` + quoted(pemCSR) + `","kms_key_id":"alias/root"}`, read},
		{signPath, `{"csr":"` + base64.StdEncoding.EncodeToString([]byte(pemCSR)) + `","kms_key_id":"alias/root"}`, read},
		{signPath, `{"csr":"MA\nA=","kms_key_id":"alias/root"}`, read},
		{signPath, `{"csr":"ca-csr.pem","kms_key_id":"alias/root"}`, file},
		{signPath, `{"csr":"nonsense","kms_key_id":"alias/root"}`, "The event's csr is no certificate request in PEM or base64."},
		{signPath, `{"csr":"` + quoted(strings.ReplaceAll(pemCSR, " REQUEST", "")) + `","kms_key_id":"alias/root"}`, "The event's csr is no certificate request in PEM or base64."},
		{signPath, `{"kms_key_id":"alias/root"}`, `The event has no "csr".`},
		{signPath, ``, `The event has no "kms_key_id".`},
		{signPath, `{"csr":"x","kms_key_id":"arn:aws:s3:::x"}`, `The event's kms_key_id "arn:aws:s3:::x" is not a KMS key or alias.`},
		{signPath, `{"csr":"x","kms_key":"x"}`, `The event's member "kms_key" is not known to this function.`},
		{signPath, `{"csr":7}`, `The event's member "csr" is a JSON number, which it must not be.`},
		{signPath, `[]`, `The event's member "" is a JSON array, which it must not be.`},
		{issuePath, `{"common_name":"a.example.com","ca_arn":"` + caARN + `"}`, `Invoke Invoke issue-certificate {"CommonName":"a.example.com","Names":null,"Days":0,"Authority":"11111111-2222-3333-4444-555555555555"}`},
		{issuePath, `{"ca_arn":"` + caARN + `"}`, `The event has no "common_name".`},
		{issuePath, `{"common_name":"a.example.com"}`, `The event has no "ca_arn".`},
		{issuePath, `{"common_name":"a.example.com","ca_arn":"x"}`, `The event's ca_arn "x" is not the ARN of a certificate authority.`},
	} {
		d := &door{}
		a := send(t, d, request{path: row.path, body: row.event})
		got := strings.Join(d.Log, "\n")
		if a.header.Get("X-Amz-Function-Error") != "" {
			var said struct{ ErrorMessage, ErrorType, RequestID string }
			if err := json.Unmarshal([]byte(a.body), &said); err != nil || said.ErrorType != "ValidationException" || said.RequestID == "" {
				t.Errorf("%s: %v %s", row.event, err, a.body)
			}
			got = said.ErrorMessage
		}
		if got != row.want || a.status != 200 || a.header.Get("X-Amz-Executed-Version") != "$LATEST" {
			t.Errorf("%s:\n got %d %s\nwant %s", row.event, a.status, got, row.want)
		}
	}
}

// TestRefused is the table of requests that never reach the door.
func TestRefused(t *testing.T) {
	for _, row := range []struct {
		request
		want string
	}{
		{request{path: "/2015-03-31/functions/issue-certificate:3/invocations"}, "404 ResourceNotFoundException Function not found: arn:aws:lambda:us-east-1:123456789012:function:issue-certificate:3"},
		{request{path: issuePath + "?Qualifier=PROD"}, "404 ResourceNotFoundException Function not found: arn:aws:lambda:us-east-1:123456789012:function:issue-certificate:PROD"},
		{request{path: issuePath, headers: map[string]string{"X-Amz-Invocation-Type": "Event"}}, "400 UnsupportedOperationException Holdfast does not support the InvocationType Event: nobody would get what the function returns."},
		{request{path: issuePath, headers: map[string]string{"X-Amz-Invocation-Type": "x"}}, "400 ValidationException 1 validation error detected: Value 'x' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set: [Event, RequestResponse, DryRun]"},
		{request{path: issuePath, headers: map[string]string{"X-Amz-Log-Type": "x"}}, "400 ValidationException 1 validation error detected: Value 'x' at 'logType' failed to satisfy constraint: Member must satisfy enum value set: [None, Tail]"},
		{request{path: issuePath, headers: map[string]string{"X-Amz-Client-Context": "e30="}}, "400 UnsupportedOperationException Holdfast does not support the parameter ClientContext."},
		{request{path: issuePath + "?Other=1"}, "400 UnsupportedOperationException Holdfast does not support the parameter Other."},
		{request{path: issuePath, body: "{"}, "400 InvalidRequestContentException Could not parse request body into json: the payload is no JSON."},
		{request{path: issuePath, body: strings.Repeat(" ", 6<<20+1)}, "413 RequestTooLargeException Request must be smaller than 6291456 bytes for the InvokeFunction operation"},
		{request{path: "/2015-03-31/functions/a%20b/invocations"}, "400 ValidationException 1 validation error detected: Value 'a b' at 'functionName' failed to satisfy constraint: Member must satisfy regular expression pattern: *"},
		{request{path: "/2015-03-31/functions", method: "GET", headers: nil, body: ""}, "200"},
		{request{path: "/2015-03-31/functions?MaxItems=0", method: "GET"}, "400 ValidationException Value '0' at 'maxItems' must be a number from 1 to 10000"},
		{request{path: "/2015-03-31/functions?FunctionVersion=1", method: "GET"}, "400 ValidationException 1 validation error detected: Value '1' at 'functionVersion' failed to satisfy constraint: Member must satisfy enum value set: [ALL]"},
		{request{path: "/2015-03-31/functions?Marker=x", method: "GET"}, "400 InvalidParameterValueException The Marker is not of this listing."},
		{request{path: "/2015-03-31/functions", body: "{}"}, "400 UnsupportedOperationException The operation CreateFunction is not supported by Holdfast."},
		{request{path: "/2018-10-31/layers", method: "GET"}, "400 UnsupportedOperationException The operation GetLayerVersionByArn is not supported by Holdfast."},
	} {
		d := &door{}
		a := send(t, d, row.request)
		got := strings.TrimSpace(fmt.Sprint(a.status, " ", strings.TrimSpace(a.code+" "+a.message)))
		want, prefix := strings.CutSuffix(row.want, "*")
		if got != want && (!prefix || !strings.HasPrefix(got, want)) {
			t.Errorf("%s %s:\n got %s\nwant %s", row.method, row.path, got, row.want)
		}
		if a.status != 200 && (d.Log != nil || len(d.Refused) != 1) {
			t.Errorf("%s %s: asked %v, refused %v", row.method, row.path, d.Log, d.Refused)
		}
	}
}

// TestFailures is the table of what goes wrong before a function runs, and
// while it does, for every kind of fault.
func TestFailures(t *testing.T) {
	about := func(k fault.Kind) *fault.Error {
		return &fault.Error{Kind: k, Op: "function:Invoke", Public: "the text", Resource: "123456789012/us-east-1/function/issue-certificate"}
	}
	const denied = "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:issue-certificate"
	for kind, want := range map[fault.Kind][2]string{
		fault.Internal:         {"500 ServiceException", ""},
		fault.InvalidArgument:  {"400 InvalidParameterValueException The text.", "ValidationException The text."},
		fault.Unauthenticated:  {"403 UnrecognizedClientException The security token included in the request is invalid.", "ValidationException The text."},
		fault.PermissionDenied: {"403 AccessDeniedException " + denied, "AccessDeniedException " + denied},
		fault.NotFound:         {"404 ResourceNotFoundException Function not found: arn:aws:lambda:us-east-1:123456789012:function:issue-certificate", "ResourceNotFoundException The text."},
		fault.AlreadyExists:    {"400 InvalidParameterValueException The text.", "ResourceExistsException The text."},
		fault.WrongState:       {"409 ResourceConflictException The text.", "InvalidStateException The text."},
		fault.Conflict:         {"409 ResourceConflictException The text.", "ConflictException The text."},
		fault.Unsupported:      {"400 InvalidParameterValueException The text.", "UnsupportedOperationException The text."},
		fault.LimitExceeded:    {"429 TooManyRequestsException The text.", "LimitExceededException The text."},
		fault.BadCiphertext:    {"400 InvalidParameterValueException The text.", "ValidationException The text."},
		fault.BadSignature:     {"400 InvalidParameterValueException The text.", "ValidationException The text."},
		fault.Unavailable:      {"503 ServiceUnavailableException The text.", "ServiceUnavailableException The text."},
	} {
		body := `{"common_name":"a.example.com","ca_arn":"` + caARN + `"}`
		d := &door{}
		d.Err = about(kind)
		a := send(t, d, request{path: issuePath, body: body})
		got := fmt.Sprint(a.status, " ", a.code, " ", a.message)
		if kind == fault.Internal {
			got, _, _ = strings.Cut(got, " The request failed because of an internal error. Request id: ")
		}
		if got != want[0] {
			t.Errorf("%s:\n got %s\nwant %s", kind, got, want[0])
		}
		if kind == fault.Internal {
			continue
		}
		d.Err = &function.Failure{Err: fmt.Errorf("wrapped: %w", about(kind))}
		a = send(t, d, request{path: issuePath, body: body})
		var said struct{ ErrorMessage, ErrorType string }
		if err := json.Unmarshal([]byte(a.body), &said); err != nil || a.status != 200 || a.header.Get("X-Amz-Function-Error") != "Unhandled" {
			t.Errorf("%s: %d %v %s", kind, a.status, err, a.body)
		}
		if got := said.ErrorType + " " + said.ErrorMessage; got != want[1] {
			t.Errorf("%s within the function:\n got %s\nwant %s", kind, got, want[1])
		}
	}
}

// TestInvocationTypes: a dry run answers 204 with nothing, and a log comes with
// the answer when it is asked for, without what the function was given.
func TestInvocationTypes(t *testing.T) {
	d := &door{}
	body := `{"common_name":"a.example.com","ca_arn":"` + caARN + `"}`
	if a := send(t, d, request{path: issuePath, body: body, headers: map[string]string{"X-Amz-Invocation-Type": "DryRun"}}); a.status != 204 || a.body != "" {
		t.Errorf("a dry run is answered with %d %q", a.status, a.body)
	}
	for _, row := range []struct{ body, want string }{{body, "REPORT RequestId: "}, {`{"common_name":""}`, `[ERROR] {"errorMessage":"The event has no \"common_name\"."`}} {
		a := send(t, d, request{path: issuePath, body: row.body, headers: map[string]string{"X-Amz-Log-Type": "Tail"}})
		log, err := base64.StdEncoding.DecodeString(a.header.Get("X-Amz-Log-Result"))
		if err != nil || !strings.Contains(string(log), row.want) || strings.Contains(string(log), "a.example.com") {
			t.Errorf("the log is %v %s", err, log)
		}
	}
}

// TestFunctionPages: a page of functions goes on where the one before ended.
func TestFunctionPages(t *testing.T) {
	d := &door{}
	var names []string
	path := "/2015-03-31/functions?MaxItems=1"
	for range 3 {
		a := send(t, d, request{method: "GET", path: path})
		var page struct {
			Functions  []struct{ FunctionName string }
			NextMarker string
		}
		if err := json.Unmarshal([]byte(a.body), &page); err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Functions {
			names = append(names, f.FunctionName)
		}
		if page.NextMarker == "" {
			break
		}
		path = "/2015-03-31/functions?MaxItems=1&Marker=" + page.NextMarker
	}
	if got := strings.Join(names, " "); got != "issue-certificate sign-ca-certificate" {
		t.Errorf("the pages have %s", got)
	}
}

// FuzzEvent holds that any payload to either function is answered with 200 or
// 400 and JSON, and recorded once.
func FuzzEvent(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"csr":"ca.pem","kms_key_id":"a"}`, `{"csr":"MAA=","kms_key_id":"a"}`, `{"common_name":"a","ca_arn":"` + caARN + `","san":[null]}`, `[[`, `{"csr":"","csr":"x"} 7`} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, event string, sign bool) {
		d := &door{}
		path := issuePath
		if sign {
			path = signPath
		}
		a := send(t, d, request{path: path, body: event})
		if a.status != 200 && a.status != 400 || !json.Valid([]byte(a.body)) || len(d.Log)+len(d.Refused) != 1 {
			t.Fatalf("%q: %d %s, asked %v, refused %v", event, a.status, a.body, d.Log, d.Refused)
		}
	})
}
