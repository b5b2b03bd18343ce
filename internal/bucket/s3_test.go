package bucket

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

var credentials = sigv4.Credentials{AccessKeyID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}

// endpoint takes files from whoever signs as S3 asks, and checks that with
// code of its own.
type endpoint struct {
	mu    sync.Mutex // guards what follows
	files map[string]string
	types map[string]string
	fail  []int // statuses of the next answers
	calls int
}

func (e *endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls++
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if len(e.fail) > 0 {
		status := e.fail[0]
		e.fail = e.fail[1:]
		w.WriteHeader(status)
		_, _ = fmt.Fprintf(w, "<Error><Code>Code%d</Code><Message>told</Message></Error>", status) // the client will tell
		return
	}
	if err := verify(r, body); err != nil {
		w.WriteHeader(http.StatusForbidden)
		_, _ = fmt.Fprintf(w, "<Error><Code>SignatureDoesNotMatch</Code><Message>%s</Message></Error>", err) // as above
		return
	}
	e.files[r.URL.Path], e.types[r.URL.Path] = string(body), r.Header.Get("Content-Type")
}

// verify checks a signature as "Authenticating Requests: Using the
// Authorization Header" of the Amazon S3 API Reference describes it.
func verify(r *http.Request, body []byte) error {
	rest, ok := strings.CutPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 ")
	if !ok {
		return errors.New("no signature")
	}
	parts := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		parts[name] = value
	}
	scope := strings.Split(parts["Credential"], "/")
	if len(scope) != 5 || scope[0] != credentials.AccessKeyID || scope[2] != "eu-central-1" || scope[3] != "s3" || scope[4] != "aws4_request" {
		return fmt.Errorf("credential %q", parts["Credential"])
	}
	hash := sha256.Sum256(body)
	if got := r.Header.Get("X-Amz-Content-Sha256"); got != hex.EncodeToString(hash[:]) {
		return fmt.Errorf("content hash %q", got)
	}
	signed := strings.Split(parts["SignedHeaders"], ";")
	for _, must := range []string{"host", "x-amz-content-sha256", "x-amz-date", "content-type"} {
		if !slices.Contains(signed, must) {
			return fmt.Errorf("%s is not signed", must)
		}
	}
	var canonical strings.Builder
	canonical.WriteString(r.Method + "\n" + r.URL.EscapedPath() + "\n" + r.URL.RawQuery + "\n")
	for _, name := range signed {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		if name == "content-length" {
			value = fmt.Sprint(r.ContentLength)
		}
		canonical.WriteString(name + ":" + value + "\n")
	}
	canonical.WriteString("\n" + parts["SignedHeaders"] + "\n" + hex.EncodeToString(hash[:]))
	request := sha256.Sum256([]byte(canonical.String()))
	text := "AWS4-HMAC-SHA256\n" + r.Header.Get("X-Amz-Date") + "\n" + strings.Join(scope[1:], "/") + "\n" + hex.EncodeToString(request[:])
	key := []byte("AWS4" + credentials.Secret)
	for _, word := range append(scope[1:], text) {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(word))
		key = m.Sum(nil)
	}
	if got := hex.EncodeToString(key); got != parts["Signature"] {
		return errors.New("the signature is another")
	}
	return nil
}

func newEndpoint(t *testing.T) (*endpoint, *S3, string) {
	t.Helper()
	e := &endpoint{files: map[string]string{}, types: map[string]string{}}
	server := httptest.NewTLSServer(e)
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	spool := t.TempDir()
	s, err := NewS3(S3Config{
		Endpoint: server.URL + "/", Region: "eu-central-1", Credentials: credentials, Roots: roots, Spool: spool, Timeout: 10 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	s.pause = time.Millisecond
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if left := list(t, spool); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return e, s, server.URL
}

func TestS3(t *testing.T) {
	e, s, _ := newEndpoint(t)
	long := strings.Repeat("0123456789abcdef", 1<<16)
	for name, content := range map[string]string{"audit-report/1234/5678.csv": "a,b\n", "long~1": long, "empty": ""} {
		if err := s.Put(t.Context(), "my.bucket", name, "text/csv", strings.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if e.files["/my.bucket/"+name] != content || e.types["/my.bucket/"+name] != "text/csv" {
			t.Errorf("%s: %d bytes of %d, type %q", name, len(e.files["/my.bucket/"+name]), len(content), e.types["/my.bucket/"+name])
		}
	}
}

func TestS3Failures(t *testing.T) {
	e, s, _ := newEndpoint(t)
	for _, c := range []struct {
		statuses []int
		kind     fault.Kind
		calls    int
	}{
		{[]int{503}, 0, 2},
		{[]int{500, 429}, 0, 3},
		{[]int{500, 500, 503}, fault.Unavailable, 3},
		{[]int{404}, fault.NotFound, 1},
		{[]int{403}, fault.WrongState, 1},
		{[]int{400}, fault.WrongState, 1},
		{[]int{307}, fault.WrongState, 1},
	} {
		e.fail, e.calls = c.statuses, 0
		err := s.Put(t.Context(), "bucket", "a", "text/plain", strings.NewReader("x"))
		if (err != nil) != (c.kind != 0) || err != nil && fault.KindOf(err) != c.kind || e.calls != c.calls {
			t.Errorf("%v: %v after %d calls, want %v after %d", c.statuses, err, e.calls, c.kind, c.calls)
		}
		if err != nil && !strings.Contains(err.Error(), fmt.Sprint("Code", c.statuses[len(c.statuses)-1])) {
			t.Errorf("%v: the log does not learn the endpoint's words: %v", c.statuses, err)
		}
	}
	e.calls = 0
	broken := errors.New("the source broke")
	if err := s.Put(t.Context(), "bucket", "a", "", io.MultiReader(strings.NewReader("x"), iotest.ErrReader(broken))); !errors.Is(err, broken) || e.calls != 0 {
		t.Errorf("a broken source gives %v after %d calls", err, e.calls)
	}
	if err := s.Put(t.Context(), "../x", "a", "", strings.NewReader("x")); err == nil || fault.KindOf(err) != fault.InvalidArgument {
		t.Errorf("a bucket outside: %v", err)
	}
}

// TestS3Untrusted: nothing is sent to whom the roots do not vouch for.
func TestS3Untrusted(t *testing.T) {
	e, _, url := newEndpoint(t)
	s, err := NewS3(S3Config{Endpoint: url, Region: "eu-central-1", Credentials: credentials, Roots: x509.NewCertPool()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.Put(ctx, "bucket", "a", "", strings.NewReader("x")); err == nil || e.calls != 0 {
		t.Errorf("%v after %d calls", err, e.calls)
	}
}

func TestS3Addresses(t *testing.T) {
	for _, address := range []string{"", "s3.example.com", "ftp://s3.example.com", "https://", "https://u:p@s3.example.com", "https://s3.example.com?x", "::"} {
		if _, err := NewS3(S3Config{Endpoint: address}); err == nil {
			t.Errorf("%q is taken for an endpoint", address)
		}
	}
}

// TestS3Moto puts a file into moto's S3 and reads it back.
func TestS3Moto(t *testing.T) {
	if out, err := exec.CommandContext(t.Context(), "moto_server", "--help").CombinedOutput(); err != nil {
		t.Skipf("SKIP: moto_server is not installed: a second opinion on our S3 is missing (%v %.80s)", err, out)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // only to find a port
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	if err = errors.Join(err, l.Close()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, "moto_server", "-H", "127.0.0.1", "-p", port)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "MOTO_S3_CUSTOM_ENDPOINTS=http://"+address)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
	})
	url := "http://" + address
	send := func(method, path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(ctx, method, url+path, http.NoBody)
		if err != nil {
			return nil, err
		}
		req.Header.Set(sigv4.HeaderSHA256, hex.EncodeToString(sha256.New().Sum(nil)))
		sigv4.Sign(req, nil, credentials, "us-east-1", "s3", time.Now())
		return http.DefaultClient.Do(req)
	}
	put := func(path string) error {
		resp, err := send(http.MethodPut, path)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	}
	for deadline := time.Now().Add(time.Minute); put("/reports") != nil; {
		if time.Now().After(deadline) {
			t.Fatal("moto_server does not serve")
		}
		time.Sleep(100 * time.Millisecond) // until another program's server is up
	}
	s, err := NewS3(S3Config{Endpoint: url, Region: "us-east-1", Credentials: credentials})
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("certificate\n"), 10_000)
	if err := s.Put(t.Context(), "reports", "audit-report/a/b.csv", "text/csv", bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	resp, err := send(http.MethodGet, "/reports/audit-report/a/b.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	got, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Equal(got, content) || resp.Header.Get("Content-Type") != "text/csv" {
		t.Errorf("%d bytes of %d came back as %q (%v)", len(got), len(content), resp.Header.Get("Content-Type"), err)
	}
	err = s.Put(t.Context(), "missing", "a", "", strings.NewReader("x"))
	if err == nil || fault.KindOf(err) != fault.NotFound {
		t.Errorf("a bucket that is missing: %v, want NotFound", err)
	}
}
