package sink

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/bucket"
	"github.com/holdfast-kms/holdfast/internal/courier"
	"github.com/holdfast-kms/holdfast/internal/wire/aws/sigv4"
)

// hook is an HTTP receiver that does what it is told: an answer for each
// request, and 204 after those.
type hook struct {
	t      testing.TB
	signer *courier.Signer

	mu      sync.Mutex // guards what follows
	answers []func(http.ResponseWriter, *http.Request)
	got     []audit.Position
	ids     []string
	first   *http.Request
	formats []string
}

func status(code int, header ...string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

// hang answers when nobody waits any more.
func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the sink has left
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.signer.Verify(r.Header, time.Now(), body); err != nil {
		h.t.Error(err)
	}
	h.ids = append(h.ids, r.Header.Get(courier.HeaderID))
	if len(h.answers) > 0 {
		answer := h.answers[0]
		h.answers = h.answers[1:]
		answer(w, r)
		return
	}
	if h.first == nil {
		h.first = r
	}
	var in io.Reader = bytes.NewReader(body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		if in, err = gzip.NewReader(in); err != nil {
			h.t.Error(err)
			return
		}
	}
	h.take(in)
	w.WriteHeader(http.StatusNoContent)
}

func (h *hook) take(in io.Reader) {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var e struct {
			RequestID string `json:"req"`
			Metadata  struct {
				UID string `json:"uid"`
			} `json:"metadata"`
		}
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			h.t.Errorf("%v: %s", err, lines.Bytes())
		}
		if p, ok := auditformat.ParseEventID(logID, e.Metadata.UID); ok {
			h.got = append(h.got, p)
		}
		h.formats = append(h.formats, lines.Text())
	}
}

// to returns a receiver that posts to an address.
func to(t testing.TB, address string, format auditformat.Format, timeout time.Duration) (*HTTP, *courier.Signer) {
	t.Helper()
	signer, err := courier.ParseSigner("whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3")
	if err != nil {
		t.Fatal(err)
	}
	return NewHTTP(HTTPOptions{
		Poster: courier.NewHTTP(courier.HTTPOptions{
			Egress: courier.Egress{Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, Timeout: timeout,
		}),
		Host: "receiver", URL: func() (string, error) { return address, nil }, Signer: func() (*courier.Signer, error) { return signer, nil },
		Authorization: func() (string, error) { return "Bearer geheim", nil },
		Format:        format, Encoder: auditformat.New(logID, "1"), Log: logID,
	}), signer
}

// TestHTTP: batches get through server errors, time-outs, requests to wait and
// connections that break; a batch that comes again has the same id and the same
// entries.
func TestHTTP(t *testing.T) {
	h := &hook{t: t, answers: []func(http.ResponseWriter, *http.Request){
		status(500), hang, status(429, "Retry-After", "120"), status(401), status(302, "Location", "http://127.0.0.1:1/"),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, status(503, "Retry-After", "soon"), status(413),
	}}
	s := httptest.NewServer(h)
	defer s.Close()
	w := newWorld(t)
	receiver, signer := to(t, s.URL+"/in?token=geheim", auditformat.OCSF, 300*time.Millisecond)
	h.signer = signer
	write(t, w.log, 90)
	begin := w.clock.Now()
	w.start(t, Options{Name: "lake", Receiver: receiver, Entries: 40})
	w.caughtUp(t)
	h.mu.Lock()
	defer h.mu.Unlock()
	if left := missing(h.got, 90); left != nil || len(h.got) != 90 {
		t.Errorf("%d entries, %v are missing", len(h.got), left)
	}
	want := slices.Concat(slices.Repeat([]string{logID + "-1-40"}, 8), []string{
		logID + "-1-20", logID + "-21-40", logID + "-41-60", logID + "-61-80", logID + "-81-90",
	})
	if diff := cmp.Diff(want, h.ids); diff != "" {
		t.Errorf("ids (-want +got)\n%s", diff)
	}
	r := h.first
	for name, want := range map[string]string{
		"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip", "Authorization": "Bearer geheim",
		HeaderLog: logID, HeaderFirst: "1", HeaderLast: "20",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if h := w.Health()[0]; h.Failures != 7 || strings.Contains(fmt.Sprint(h), "geheim") {
		t.Errorf("the sink is %+v", h)
	}
	if took := w.clock.Now().Sub(begin); took < 2*time.Minute || took > time.Hour {
		t.Errorf("it took %v", took)
	}
}

// TestJSONL: the log's own lines arrive as they are.
func TestJSONL(t *testing.T) {
	h := &hook{t: t}
	s := httptest.NewServer(h)
	defer s.Close()
	w := newWorld(t)
	receiver, signer := to(t, s.URL, auditformat.JSONL, time.Second)
	h.signer = signer
	write(t, w.log, 12)
	w.start(t, Options{Name: "lake", Receiver: receiver})
	w.caughtUp(t)
	var want []string
	for r, err := range w.log.Read(context.Background(), audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, string(r.JSON))
	}
	if diff := cmp.Diff(want, h.formats); diff != "" {
		t.Error(diff)
	}
}

// TestLongBody: what would be more than one request may have comes in several.
func TestLongBody(t *testing.T) {
	w := newWorld(t)
	e := call(1)
	e.Why, e.UserAgent = strings.Repeat("\x01", 4<<10), strings.Repeat("<", 1<<10)
	for range 300 {
		if _, err := w.log.Enqueue(e); err != nil {
			t.Fatal(err)
		}
	}
	write(t, w.log, 1)
	h := &hook{t: t}
	s := httptest.NewServer(h)
	defer s.Close()
	receiver, signer := to(t, s.URL, auditformat.OCSF, time.Second)
	h.signer, receiver.o.Plain = signer, true
	w.start(t, Options{Name: "lake", Receiver: receiver, Bytes: 8 << 20})
	w.caughtUp(t)
	if len(h.got) != 301 || len(h.ids) < 3 {
		t.Errorf("%d entries in %d requests", len(h.got), len(h.ids))
	}
}

// s3 keeps what is put into it, and fails as it is told.
type s3 struct {
	mu    sync.Mutex // guards what follows
	files map[string][]byte
	puts  map[string]int
	fail  []int
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts[r.URL.Path]++
	if len(s.fail) > 0 {
		w.WriteHeader(s.fail[0])
		s.fail = s.fail[1:]
		return
	}
	if have, ok := s.files[r.URL.Path]; ok && !bytes.Equal(have, body) {
		w.WriteHeader(http.StatusConflict)
		return
	}
	s.files[r.URL.Path] = body
}

// lines returns how many lines a file in gzip has.
func lines(t *testing.T, file []byte) int {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(text, []byte("\n"))
}

// TestFiles: files are named by their day and positions, in a directory and
// behind an endpoint of S3; one that comes again, because its delivery could not
// be remembered, is the same file.
func TestFiles(t *testing.T) {
	w := newWorld(t)
	f := &failing{Store: w.store}
	w.store = f
	write(t, w.log, 250)
	end := &s3{files: map[string][]byte{}, puts: map[string]int{}, fail: []int{403, 404}}
	s := httptest.NewServer(end)
	defer s.Close()
	away, err := bucket.NewS3(bucket.S3Config{Endpoint: s.URL, Region: "us-east-1", Credentials: sigv4.Credentials{AccessKeyID: "a", Secret: "b"}})
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	here, err := bucket.OpenDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	o := FilesOptions{Name: "audit", Prefix: "kms/1", Encoder: auditformat.New(logID, "1"), Log: logID}
	o1, o2 := o, o
	o1.To, o2.To, o2.Format = away, here, auditformat.CEF
	w.start(t, Options{Name: "away", Receiver: NewFiles(o1), Entries: 100}, Options{Name: "here", Receiver: NewFiles(o2), Entries: 100})
	w.caughtUp(t)
	day := time.Now().UTC().Format("2006/01/02")
	want := map[string]int{}
	for _, name := range []string{"%020d-%020d.jsonl.gz"} {
		for _, span := range [][2]int{{1, 100}, {101, 200}, {201, 250}} {
			want["/audit/kms/1/"+logID+"/"+day+"/"+fmt.Sprintf(name, span[0], span[1])] = span[1] - span[0] + 1
		}
	}
	got := map[string]int{}
	for name, file := range end.files {
		got[name] = lines(t, file)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("behind S3 (-want +got)\n%s", diff)
	}
	for name := range want {
		path := filepath.Join(folder, strings.Replace(name, ".jsonl.", ".cef.", 1))
		if file, err := os.ReadFile(path); err != nil || lines(t, file) != want[name] {
			t.Errorf("%s: %v", path, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	// The store forgets the last delivery: the same file comes again.
	put(t, w.store, "away", `{"v":1,"log":"`+logID+`","position":200,"upto":250}`)
	write(t, w.log, 7)
	w.start(t, Options{Name: "away", Receiver: NewFiles(o1), Entries: 100})
	w.caughtUp(t)
	if len(end.files) != 4 || slices.Max(slices.Collect(maps.Values(end.puts))) > 3 {
		t.Errorf("the files are %v", slices.Sorted(maps.Keys(end.files)))
	}
}

// TestTLS: a syslog server is who its certificate says, or gets nothing, and
// learns who sends.
func TestTLS(t *testing.T) {
	a := newAuthority(t)
	server := newServer(t, &tls.Config{
		Certificates: []tls.Certificate{a.pair("collector.test")}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool, MinVersion: tls.VersionTLS13,
	})
	own := a.pair("holdfast.test")
	w := newWorld(t)
	write(t, w.log, 300)
	w.start(t, Options{Name: "siem", Receiver: secure(server.address, a, &own), Entries: 100})
	w.caughtUp(t)
	server.mu.Lock()
	if got := server.got; len(got) != 300 || missing(got, 300) != nil || server.count != 3 {
		t.Errorf("%d entries in %d connections", len(got), server.count)
	}
	if text := server.texts[0]; !strings.HasPrefix(text, "<110>1 20") || !strings.Contains(text, " kms.test holdfast - Sign [holdfast@32473 ") {
		t.Errorf("a message is %s", text)
	}
	server.mu.Unlock()
	wrong := a.pair("other.test")
	impostor := newServer(t, &tls.Config{Certificates: []tls.Certificate{wrong}, MinVersion: tls.VersionTLS12})
	if err := secure(impostor.address, a, &own).Deliver(context.Background(), batchOf(t, w.log)); err == nil || !strings.Contains(err.Error(), "collector.test") {
		t.Errorf("an impostor: %v", err)
	}
	if err := secure(server.address, a, nil).Deliver(context.Background(), batchOf(t, w.log)); err == nil {
		t.Error("without a client certificate a batch was delivered")
	}
}

func batchOf(t *testing.T, l *audit.Log) *Batch {
	t.Helper()
	b := new(Batch)
	for r, err := range l.Read(context.Background(), audit.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		b.Records = append(b.Records, r)
		if len(b.Records) == 20 {
			break
		}
	}
	return b
}

// TestMessages: the text of a message is in any format.
func TestMessages(t *testing.T) {
	server := newServer(t, nil)
	l := openLog(t, t.TempDir())
	write(t, l, 1)
	b := batchOf(t, l)
	for format, want := range map[auditformat.Format]string{
		auditformat.CEF:  " - CEF:0|Holdfast|",
		auditformat.OCSF: ` - {"`,
	} {
		s := NewSyslog(SyslogOptions{Address: server.address, Encoder: auditformat.New(logID, "1"), Message: &format})
		c, err := s.connect(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		read := &recording{Conn: c.Conn}
		if err := s.write(context.Background(), &syslogConn{Conn: read}, b); err != nil {
			t.Fatal(err)
		}
		_ = c.Close() // the server cannot read these
		message, err := frame(&read.Buffer)
		if err != nil || !strings.HasPrefix(message, "<110>1 20") || !strings.Contains(message, want) || s.About().Format != format.String() {
			t.Errorf("%v: %q, %v", format, message, err)
		}
	}
}

// recording keeps what is written.
type recording struct {
	net.Conn
	bytes.Buffer
}

func (r *recording) Write(b []byte) (int, error)    { return r.Buffer.Write(b) }
func (r *recording) Read(b []byte) (int, error)     { return r.Conn.Read(b) }
func (r *recording) SetDeadline(at time.Time) error { return r.Conn.SetDeadline(at) }

// TestNoEnd: a receiver that does not end a connection that is ended has not
// said that it has anything.
func TestNoEnd(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // a test's
	held := make(chan net.Conn, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			held <- c
			_, _ = io.Copy(io.Discard, c) // and then nothing
		}
	}()
	log := openLog(t, t.TempDir())
	write(t, log, 3)
	s := NewSyslog(SyslogOptions{Address: l.Addr().String(), Encoder: auditformat.New(logID, "1"), Timeout: 200 * time.Millisecond})
	err = s.Deliver(context.Background(), batchOf(t, log))
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "does not close the connection") {
		t.Errorf("got %v", err)
	}
	_ = (<-held).Close() // a test's
}
