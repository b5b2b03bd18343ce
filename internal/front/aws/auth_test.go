package aws_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/aws"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

var now = time.Date(2026, 11, 22, 16, 0, 0, 0, time.UTC)

// world is a directory and a door that remembers the calls.
type world struct {
	long, session *identity.Credential
	served        []key.Call
	refused       []key.Call
}

func newWorld() *world {
	alice := key.Caller{Principal: key.Principal{Realm: key.DefaultRealm, Kind: key.User, Name: "alice"}}
	return &world{
		long:    &identity.Credential{ID: "AKIDEXAMPLE", Secret: identity.NewSecret("secret"), Caller: alice},
		session: &identity.Credential{ID: "ASIAEXAMPLE", Secret: identity.NewSecret("session secret"), Caller: alice, Expires: now.Add(time.Hour)},
	}
}

func (w *world) Credential(id string) (*identity.Credential, error) {
	if id != w.long.ID {
		return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "unknown")
	}
	return w.long, nil
}

func (w *world) SessionCredential(id, token string) (*identity.Credential, error) {
	if id != w.session.ID || token != "token" {
		return nil, fault.Because(fault.Unauthenticated, fault.UnknownCredential, "unknown")
	}
	return w.session, nil
}

func (w *world) Refuse(_ context.Context, call *key.Call, _ key.Action, err error) error {
	w.refused = append(w.refused, *call)
	return err
}

type request struct{}

func (request) Members(*aws.Members) {}

// handler serves Test.Ping at a time.
func (w *world) handler(at time.Time) http.Handler {
	return aws.New(aws.Config{
		Directory: w, Door: w, Now: func() time.Time { return at },
		Services: []aws.Service{{
			API: "aws.test", Scope: "test", Target: "Test", Explain: aws.ExplainShared, Known: []string{"Pong"},
			Operations: []aws.Operation{aws.JSON("Ping", key.ListKeys, func(_ context.Context, x *aws.Exchange, _ *request) error {
				w.served = append(w.served, x.Call)
				x.Out.Text("Answer", "pong")
				return nil
			})},
		}},
	})
}

var (
	long    = sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: "secret"}
	session = sigv4.Credentials{AccessKeyID: "ASIAEXAMPLE", Secret: "session secret", Token: "token"}
)

// ping returns a signed request.
func ping(t *testing.T, c sigv4.Credentials) *http.Request {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8080/", strings.NewReader("{}"))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set(sigv4.HeaderTarget, "Test.Ping")
	sigv4.Sign(r, []byte("{}"), c, "eu-west-1", "test", now)
	return r
}

func result(t *testing.T, h http.Handler, r *http.Request) string {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var a struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
		Answer  string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return strings.TrimSpace(fmt.Sprint(w.Code, " ", a.Type, a.Answer, " ", a.Message))
}

func TestAuthentication(t *testing.T) {
	const (
		mismatch = "400 InvalidSignatureException The request signature we calculated does not match the signature you provided. " +
			"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
		unknown = "400 UnrecognizedClientException The security token included in the request is invalid."
		hidden  = "400 InvalidSignatureException There were headers present in the request which were not signed, or signed and not present: "
		dated   = "400 IncompleteSignatureException Date must be in ISO-8601 'basic format'. See http://en.wikipedia.org/wiki/ISO_8601"
	)
	with := func(old, replacement string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), old, replacement, 1))
		}
	}
	body := func(text string) func(*http.Request) {
		return func(r *http.Request) {
			r.Body = httptest.NewRequestWithContext(r.Context(), http.MethodPost, "/", strings.NewReader(text)).Body
			r.ContentLength = int64(len(text))
		}
	}
	header := func(name string, values ...string) func(*http.Request) {
		return func(r *http.Request) { r.Header[name] = values }
	}
	sign := func(c sigv4.Credentials, region, service string) func(*http.Request) {
		return func(r *http.Request) { sigv4.Sign(r, []byte("{}"), c, region, service, now) }
	}
	tests := []struct {
		name string
		by   sigv4.Credentials
		do   func(*http.Request)
		want string
	}{
		{"right", long, func(*http.Request) {}, "200 pong"},
		{"right, with a session", session, func(*http.Request) {}, "200 pong"},
		{"right, body without a length", long, func(r *http.Request) { r.ContentLength = -1 }, "200 pong"},
		{"right, unsigned headers on the way", long, header("X-Amzn-Trace-Id", "Root=1"), "200 pong"},
		{"no authorization", long, func(r *http.Request) { r.Header.Del("Authorization") }, "400 MissingAuthenticationTokenException Missing Authentication Token"},
		{"two authorizations", long, func(r *http.Request) { r.Header.Add("Authorization", "AWS4-HMAC-SHA256 x") }, "400 IncompleteSignatureException There must be one Authorization header."},
		{"SigV4A", long, with("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), "400 IncompleteSignatureException SigV4A (AWS4-ECDSA-P256-SHA256) is not supported. Sign with AWS4-HMAC-SHA256."},
		{"presigned", long, func(r *http.Request) { r.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00" }, "400 IncompleteSignatureException Presigned requests (X-Amz-Algorithm in the query) are not supported. Sign in the Authorization header."},
		{"incomplete", long, with("SignedHeaders=", "Signed="), "400 IncompleteSignatureException Authorization header has an unknown, empty or repeated parameter."},
		{"missing parts", long, header("Authorization", "AWS4-HMAC-SHA256 Credential=a/20261122/r/s/aws4_request"), "400 IncompleteSignatureException Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter."},
		{"unknown key", sigv4.Credentials{AccessKeyID: "AKIDOTHER", Secret: "secret"}, func(*http.Request) {}, unknown},
		{"wrong secret", sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: "Secret"}, func(*http.Request) {}, mismatch},
		{"no secret", sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE"}, func(*http.Request) {}, mismatch},
		{"wrong token", sigv4.Credentials{AccessKeyID: "ASIAEXAMPLE", Secret: "session secret", Token: "other"}, func(*http.Request) {}, unknown},
		{"session without its token", sigv4.Credentials{AccessKeyID: "ASIAEXAMPLE", Secret: "session secret"}, func(*http.Request) {}, unknown},
		{"token with a long-lived key", sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: "secret", Token: "token"}, func(*http.Request) {}, unknown},
		{"two tokens", session, header(sigv4.HeaderToken, "token", "token"), unknown},
		{"another body", long, body("[]"), mismatch},
		{"more body", long, body("{} "), mismatch},
		{"another target", long, header(sigv4.HeaderTarget, "Test.Pong"), mismatch},
		{"another host", long, func(r *http.Request) { r.Host = "127.0.0.1:8081" }, mismatch},
		{"another path", long, func(r *http.Request) { r.URL.Path = "/x" }, mismatch},
		{"another query", long, func(r *http.Request) { r.URL.RawQuery = "x" }, mismatch},
		{"another content type", long, header("Content-Type", "application/x-amz-json-1.1; charset=utf-8"), mismatch},
		{"another region", long, with("eu-west-1", "eu-west-2"), mismatch},
		{"another service", long, sign(long, "eu-west-1", "kms"), "400 InvalidSignatureException Credential should be scoped to correct service: 'test'."},
		{"another signature", long, func(r *http.Request) {
			a := r.Header.Get("Authorization")
			last := byte('0')
			if a[len(a)-1] == '0' {
				last = '1'
			}
			r.Header.Set("Authorization", a[:len(a)-1]+string(last))
		}, mismatch},
		{"header not signed", long, header("X-Amz-Added", "1"), hidden + "x-amz-added"},
		{"signed header gone", long, func(r *http.Request) { r.Header.Del("Content-Type") }, hidden + "content-type"},
		{"hash of another body", long, func(r *http.Request) {
			r.Header.Set(sigv4.HeaderSHA256, strings.Repeat("0", 64))
			sign(long, "eu-west-1", "test")(r)
		}, "400 InvalidSignatureException The value of x-amz-content-sha256 is not the SHA-256 of the body."},
		{"unsigned payload", long, func(r *http.Request) {
			r.Header.Set(sigv4.HeaderSHA256, "UNSIGNED-PAYLOAD")
			sign(long, "eu-west-1", "test")(r)
		}, "400 InvalidSignatureException The value of x-amz-content-sha256 is not the SHA-256 of the body."},
		{"no date", long, func(r *http.Request) { r.Header.Del(sigv4.HeaderDate) }, "400 IncompleteSignatureException Authorization header requires existence of one 'X-Amz-Date' header."},
		{"date in words", long, header(sigv4.HeaderDate, "Sun, 22 Nov 2026 16:00:00 GMT"), dated},
		{"date with a fraction", long, header(sigv4.HeaderDate, "20261122T160000.0Z"), dated},
		{"day of the scope", long, with("20261122", "20261123"), "400 InvalidSignatureException Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '20261123' != '20261122', from '20261122T160000Z'."},
		{"body that breaks off", long, func(r *http.Request) { r.Body = http.NoBody; r.Body = &broken{} }, "400 SerializationException The body ended early."},
		{"another content type, signed", long, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/xml")
			sign(long, "eu-west-1", "test")(r)
		}, "400 SerializationException The Content-Type must be application/x-amz-json-1.1."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld()
			r := ping(t, test.by)
			test.do(r)
			if got := result(t, w.handler(now), r); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			ok := strings.HasPrefix(test.want, "200")
			if (len(w.served) == 1) != ok || (len(w.refused) == 1) == ok {
				t.Errorf("served %d times, refused %d times", len(w.served), len(w.refused))
			}
			for _, call := range w.refused {
				if call.Caller.Principal != (key.Principal{}) && !strings.Contains(test.want, "Serialization") {
					t.Errorf("a caller without proof is recorded as %s", call.Caller.Principal)
				}
			}
		})
	}
}

type broken struct{}

func (*broken) Read(p []byte) (int, error) { return iotest.ErrReader(fmt.Errorf("broken")).Read(p) }
func (*broken) Close() error               { return nil }

func TestClockSkew(t *testing.T) {
	const format = sigv4.DateFormat
	for _, test := range []struct {
		ahead time.Duration // of the server's clock before the client's
		want  string
	}{
		{0, "200 pong"},
		{5 * time.Minute, "200 pong"},
		{-5 * time.Minute, "200 pong"},
		{5*time.Minute + time.Second, "400 InvalidSignatureException Signature expired: 20261122T160000Z is now earlier than 20261122T160001Z (20261122T160501Z - 5 min.)"},
		{-5*time.Minute - time.Second, "400 InvalidSignatureException Signature not yet current: 20261122T160000Z is still later than 20261122T155959Z (20261122T155459Z + 5 min.)"},
	} {
		if got := result(t, newWorld().handler(now.Add(test.ahead)), ping(t, long)); got != test.want {
			t.Errorf("%s at %s: got %s, want %s", test.ahead, now.Format(format), got, test.want)
		}
	}
}

func TestExpiredSession(t *testing.T) {
	w := newWorld()
	w.session.Expires = now
	if got, want := result(t, w.handler(now), ping(t, session)), "400 ExpiredTokenException The security token included in the request is expired"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestRotatedSecret holds that a derived key does not outlive its secret.
func TestRotatedSecret(t *testing.T) {
	w := newWorld()
	h := w.handler(now)
	for range 2 {
		if got := result(t, h, ping(t, long)); got != "200 pong" {
			t.Fatal(got)
		}
	}
	changed := *w.long
	changed.Secret = identity.NewSecret("new secret")
	w.long = &changed
	if got := result(t, h, ping(t, long)); !strings.HasPrefix(got, "400 InvalidSignatureException") {
		t.Errorf("the old secret gives %s", got)
	}
	if got := result(t, h, ping(t, sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: "new secret"})); got != "200 pong" {
		t.Errorf("the new secret gives %s", got)
	}
}

func TestCall(t *testing.T) {
	w := newWorld()
	r := ping(t, long)
	r.RemoteAddr = "[::ffff:10.0.0.1]:1234"
	r.Header.Set("User-Agent", strings.Repeat("é", 200))
	r.TLS = &tls.ConnectionState{}
	if got := result(t, w.handler(now), r); got != "200 pong" {
		t.Fatal(got)
	}
	c := w.served[0]
	if c.API != "aws.test" || c.Operation != "Ping" || c.Region != "eu-west-1" || c.Source.String() != "10.0.0.1" || !c.Secure || !c.Time.Equal(now) {
		t.Errorf("the call is %+v", c)
	}
	if c.Caller.Method != "sigv4" || c.Caller.Principal.Name != "alice" || len(c.RequestID) != 36 || len(c.UserAgent) != 256 {
		t.Errorf("the call is %+v", c)
	}
}

func TestUnrouted(t *testing.T) {
	const unknown = "400 UnknownOperationException The requested operation is not recognized by the service."
	for _, test := range []struct {
		name string
		do   func(*http.Request)
		want string
	}{
		{"no target", func(r *http.Request) { r.Header.Del(sigv4.HeaderTarget) }, unknown},
		{"another service", func(r *http.Request) { r.Header.Set(sigv4.HeaderTarget, "Other.Ping") }, unknown},
		{"no dot", func(r *http.Request) { r.Header.Set(sigv4.HeaderTarget, "Ping") }, unknown},
		{"two targets", func(r *http.Request) { r.Header.Add(sigv4.HeaderTarget, "Test.Ping") }, unknown},
		{"GET", func(r *http.Request) { r.Method = http.MethodGet }, unknown},
		{"nothing at all", func(r *http.Request) { r.Header = http.Header{} }, unknown},
		{"unknown operation, unsigned", func(r *http.Request) { r.Header = http.Header{sigv4.HeaderTarget: {"Test.X"}} }, "400 MissingAuthenticationTokenException Missing Authentication Token"},
	} {
		w := newWorld()
		r := ping(t, long)
		test.do(r)
		if got := result(t, w.handler(now), r); got != test.want || len(w.refused) != 1 {
			t.Errorf("%s: got %s, want %s; refused %d times", test.name, got, test.want, len(w.refused))
		}
	}
}

func TestObserve(t *testing.T) {
	var seen []string
	w := newWorld()
	h := aws.New(aws.Config{Directory: w, Door: w, Observe: func(_ context.Context, api, operation, code string, _ time.Duration) {
		seen = append(seen, api+" "+operation+" "+code)
	}})
	r := ping(t, long)
	r.Header.Set(sigv4.HeaderTarget, "Whatever.A-stranger-sent")
	result(t, h, r)
	if len(seen) != 1 || seen[0] != "aws unknown UnknownOperationException" {
		t.Errorf("observed %q", seen)
	}
}
