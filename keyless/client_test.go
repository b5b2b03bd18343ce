package keyless_test

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/keylesstest"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
	"github.com/holdfast-kms/holdfast/keyless"
)

// sign signs a digest of zeros.
func sign(k *keyless.Key) error {
	_, err := k.Sign(nil, make([]byte, 32), crypto.SHA256)
	return err
}

// isSignature reports whether an operation is one that the tests make, and not
// a ping.
func isSignature(op *wire.Operation) bool { return op.Opcode == wire.OpECDSASignSHA256 }

// silent is an Answer that says nothing to signatures.
func silent(op *wire.Operation) (*wire.Operation, bool) { return nil, isSignature(op) }

// failing is an Answer that refuses signatures.
func failing(e wire.Error) func(*wire.Operation) (*wire.Operation, bool) {
	return func(op *wire.Operation) (*wire.Operation, bool) {
		if isSignature(op) {
			return keylesstest.Failed(e), true
		}
		return nil, false
	}
}

// TestOutOfOrder: many operations are in flight on one connection, and their
// answers come in another order: the first is answered when all are there.
func TestOutOfOrder(t *testing.T) {
	const many = 50
	var arrived sync.WaitGroup
	arrived.Add(many)
	s := serveUnix(t, keylesstest.Config{Answer: func(op *wire.Operation) (*wire.Operation, bool) {
		if isSignature(op) {
			arrived.Done()
			arrived.Wait()
			return &wire.Operation{Opcode: wire.OpResponse, Payload: op.Payload[:1]}, true
		}
		return nil, false
	}})
	c := open(t, keyless.Config{Servers: []string{s.Address()}, Connections: 1})
	k := remote(t, c, "p-256")
	var tasks sync.WaitGroup
	for i := range byte(many) {
		tasks.Go(func() {
			digest := make([]byte, 32)
			digest[0] = i
			if got, err := k.Sign(nil, digest, crypto.SHA256); err != nil || len(got) != 1 || got[0] != i {
				t.Errorf("operation %d: %x, %v", i, got, err)
			}
		})
	}
	tasks.Wait()
	if s.Accepted() != 1 {
		t.Errorf("%d connections", s.Accepted())
	}
}

// TestInFlight: no more operations are in flight than may be, and the others
// wait for their turn.
func TestInFlight(t *testing.T) {
	var now, most atomic.Int32
	s := serveUnix(t, keylesstest.Config{Answer: func(*wire.Operation) (*wire.Operation, bool) {
		if n := now.Add(1); n > most.Load() {
			most.Store(n)
		}
		time.Sleep(time.Millisecond)
		now.Add(-1)
		return nil, false
	}})
	c := open(t, keyless.Config{Servers: []string{s.Address()}, Connections: 1, InFlight: 3})
	k := remote(t, c, "p-256")
	var tasks sync.WaitGroup
	for range 40 {
		tasks.Go(func() {
			if err := sign(k); err != nil {
				t.Error(err)
			}
		})
	}
	tasks.Wait()
	if most.Load() > 3 {
		t.Errorf("%d operations were in flight", most.Load())
	}
}

// TestElsewhere: what one server cannot do, another one does; what no server can
// do is not asked twice.
func TestElsewhere(t *testing.T) {
	for name, test := range map[string]struct {
		answer func(*wire.Operation) (*wire.Operation, bool)
		keys   []crypto.Signer
		want   error // nil where the other server does it
	}{
		"no such key":       {keys: []crypto.Signer{keys()["p-384"]}},
		"an internal error": {answer: failing(wire.ErrInternal)},
		"silence":           {answer: silent},
		"cryptography":      {answer: failing(wire.ErrCrypto), want: keyless.Crypto},
		"the format":        {answer: failing(wire.ErrFormat), want: keyless.Format},
	} {
		t.Run(name, func(t *testing.T) {
			bad := serveUnix(t, keylesstest.Config{Answer: test.answer, Keys: test.keys})
			good := serveUnix(t, keylesstest.Config{})
			c := open(t, keyless.Config{Servers: []string{bad.Address(), good.Address()}, Timeout: time.Second})
			if err := c.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			k := remote(t, c, "p-256")
			for range 4 {
				err := sign(k)
				if test.want == nil && err != nil || test.want != nil && err != nil && !errors.Is(err, test.want) {
					t.Fatal(err)
				}
			}
			if bad.Requests(wire.OpECDSASignSHA256) == 0 {
				t.Error("the bad server was not asked")
			}
			if test.want != nil && bad.Requests(wire.OpECDSASignSHA256)+good.Requests(wire.OpECDSASignSHA256) != 4 {
				t.Error("what cannot succeed was asked twice")
			}
		})
	}
}

// TestNowhere: a key that no server has.
func TestNowhere(t *testing.T) {
	var servers []string
	for range 2 {
		servers = append(servers, serveUnix(t, keylesstest.Config{Keys: []crypto.Signer{keys()["rsa"]}}).Address())
	}
	c := open(t, keyless.Config{Servers: servers})
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := sign(remote(t, c, "p-256"))
	if e, ok := errors.AsType[*keyless.Error](err); !ok || e.Code != keyless.KeyNotFound || !errors.Is(err, keyless.KeyNotFound) {
		t.Errorf("%v", err)
	}
	for _, s := range c.Stats().Servers {
		if s.Operations[keyless.NotFound] != 1 {
			t.Errorf("%+v", s)
		}
	}
}

// TestServerStops: operations go to the other server while one is away, none of
// them fails, and they come back to it.
func TestServerStops(t *testing.T) {
	first, second := serveUnix(t, keylesstest.Config{}), serveUnix(t, keylesstest.Config{})
	path := strings.TrimPrefix(first.Address(), "unix://")
	c := open(t, keyless.Config{Servers: []string{first.Address(), second.Address()}})
	k := remote(t, c, "p-256")
	var tasks sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		tasks.Go(func() {
			for n := 0; ; n++ {
				if err := sign(k); err != nil {
					t.Error(err)
					return
				}
				select {
				case <-done:
					return
				default:
				}
			}
		})
	}
	until(t, "the first server is used", func() bool { return first.Requests(wire.OpECDSASignSHA256) > 10 })
	first.Stop()
	was := second.Requests(wire.OpECDSASignSHA256)
	until(t, "the second server is used", func() bool { return second.Requests(wire.OpECDSASignSHA256) > was+50 })
	_ = os.Remove(path)
	again := keylesstest.Start(t, keylesstest.Config{Keys: allKeys(), Network: "unix", Address: path})
	until(t, "the first server is used again", func() bool { return again.Requests(wire.OpECDSASignSHA256) > 10 })
	close(done)
	tasks.Wait()
	if s := c.Stats(); s.Unavailable != 0 || s.Servers[0].LastFailure == nil {
		t.Errorf("%+v", s)
	}
}

// TestDropped: a server that ends connections, as they do with idle ones, costs
// no operation.
func TestDropped(t *testing.T) {
	s := serveUnix(t, keylesstest.Config{})
	c := open(t, keyless.Config{Servers: []string{s.Address()}})
	k := remote(t, c, "p-256")
	for range 5 {
		if err := sign(k); err != nil {
			t.Fatal(err)
		}
		s.Drop()
	}
	if s.Accepted() < 4 {
		t.Errorf("%d connections", s.Accepted())
	}
}

// TestAway: operations wait for a server that has just gone, and fail at once
// when it has long been away.
func TestAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	log := &lockedBuilder{}
	c := open(t, keyless.Config{Servers: []string{"unix://" + path}, Timeout: 200 * time.Millisecond, Log: slog.New(slog.NewTextHandler(log, nil))})
	k := remote(t, c, "p-256")
	err := sign(k)
	if !errors.Is(err, keyless.ErrUnavailable) || !strings.Contains(err.Error(), "no such file") {
		t.Fatalf("%v", err)
	}
	dials := c.Stats().Servers[0].Dials
	began := time.Now()
	for range 1000 {
		if err := sign(k); !errors.Is(err, keyless.ErrUnavailable) {
			t.Fatal(err)
		}
	}
	if s := c.Stats(); s.Unavailable != 1001 || s.Servers[0].DialFailures == 0 {
		t.Errorf("%+v", s)
	} else if tried := s.Servers[0].Dials - dials; float64(tried) > 10+time.Since(began).Seconds()*50 {
		t.Errorf("%d attempts to connect", tried)
	}
	keylesstest.Start(t, keylesstest.Config{Keys: allKeys(), Network: "unix", Address: path})
	until(t, "the server is found", func() bool { return sign(k) == nil })
	if text := log.String(); strings.Count(text, "is away") != 1 || strings.Count(text, "is back") != 1 {
		t.Errorf("the log is\n%s", text)
	}
}

// TestSilence: a server that stops answering, to pings as well, is given up with
// its connection.
func TestSilence(t *testing.T) {
	var quiet atomic.Bool
	s := serveUnix(t, keylesstest.Config{Answer: func(*wire.Operation) (*wire.Operation, bool) { return nil, quiet.Load() }})
	c := open(t, keyless.Config{Servers: []string{s.Address()}, Connections: 1, HealthInterval: 20 * time.Millisecond})
	k := remote(t, c, "p-256")
	if err := sign(k); err != nil {
		t.Fatal(err)
	}
	quiet.Store(true)
	until(t, "another connection is made", func() bool { return s.Accepted() > 1 })
	quiet.Store(false)
	if err := sign(k); err != nil {
		t.Error(err)
	}
}

// TestBusy: pings are answered while nothing else is, and the connection stays:
// a long queue is no reason to lose it.
func TestBusy(t *testing.T) {
	release := make(chan struct{})
	s := serveUnix(t, keylesstest.Config{Answer: func(op *wire.Operation) (*wire.Operation, bool) {
		if isSignature(op) {
			<-release
		}
		return nil, false
	}})
	c := open(t, keyless.Config{Servers: []string{s.Address()}, Connections: 1, InFlight: 1, HealthInterval: 5 * time.Millisecond})
	k := remote(t, c, "p-256")
	result := make(chan error, 1)
	go func() { result <- sign(k) }()
	until(t, "the connection was looked after", func() bool { return s.Requests(wire.OpPing) > 3 })
	close(release)
	if err := <-result; err != nil || s.Accepted() != 1 {
		t.Errorf("%v; %d connections", err, s.Accepted())
	}
}

// TestTime: operations end with their contexts and with the client's Timeout.
func TestTime(t *testing.T) {
	s := serveUnix(t, keylesstest.Config{Answer: silent})
	c := open(t, keyless.Config{Servers: []string{s.Address()}, Timeout: 50 * time.Millisecond})
	k := remote(t, c, "p-256")
	if err := sign(k); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Millisecond, func() { cancel(nil) })
	if _, err := k.SignContext(ctx, make([]byte, 32), crypto.SHA256); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	stats := c.Stats().Servers[0]
	if stats.Operations[keyless.TimedOut] != 1 || stats.Operations[keyless.Cancelled] != 1 || stats.InFlight != 0 {
		t.Errorf("%+v", stats)
	}
}

// TestAuthentication: an access key is the first thing that is sent, and one
// that is refused leaves the server away.
func TestAuthentication(t *testing.T) {
	serverTLS, clientTLS := transport(t)
	var refuse atomic.Bool
	var first sync.Map
	s := keylesstest.Start(t, keylesstest.Config{Keys: allKeys(), TLS: serverTLS, Answer: func(op *wire.Operation) (*wire.Operation, bool) {
		if string(op.Function) != "holdfast.authenticate" {
			return nil, false
		}
		first.Store("payload", string(op.Payload))
		if refuse.Load() {
			return keylesstest.Failed(wire.ErrUnexpectedOpcode), true
		}
		return &wire.Operation{Opcode: wire.OpResponse}, true
	}})
	config := keyless.Config{
		Servers: []string{s.Address()}, TLS: clientTLS, Connections: 1, AccessKeyID: "AKIA", SecretAccessKey: "secret", SessionToken: "token", Region: "eu-west-1",
	}
	if err := sign(remote(t, open(t, config), "p-256")); err != nil {
		t.Fatal(err)
	}
	want := `{"access_key_id":"AKIA","secret_access_key":"secret","session_token":"token","region":"eu-west-1"}`
	if got, _ := first.Load("payload"); got != want {
		t.Errorf("the server was sent %s", got)
	}
	refuse.Store(true)
	err := sign(remote(t, open(t, config), "p-256"))
	if !errors.Is(err, keyless.ErrUnavailable) || !errors.Is(err, keyless.UnexpectedOpcode) || strings.Contains(err.Error(), "secret\"") {
		t.Errorf("%v", err)
	}
}

// TestClose: what is in flight fails, what comes later too, and no goroutine
// stays.
func TestClose(t *testing.T) {
	s := serveUnix(t, keylesstest.Config{Answer: silent})
	c := open(t, keyless.Config{Servers: []string{s.Address(), "unix:///nowhere"}})
	k := remote(t, c, "p-256")
	result := make(chan error, 1)
	go func() { result <- sign(k) }()
	until(t, "the request is there", func() bool { return s.Requests(wire.OpECDSASignSHA256) > 0 })
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; !errors.Is(err, keyless.ErrClosed) {
		t.Errorf("what was in flight: %v", err)
	}
	if err := sign(k); !errors.Is(err, keyless.ErrClosed) {
		t.Errorf("what came later: %v", err)
	}
	if err := c.Ping(t.Context()); !errors.Is(err, keyless.ErrClosed) {
		t.Errorf("a ping: %v", err)
	}
	stacks := make([]byte, 1<<20)
	if text := string(stacks[:runtime.Stack(stacks, true)]); strings.Contains(text, "keyless.(*conn)") || strings.Contains(text, "keyless.(*server)") {
		t.Errorf("goroutines stay:\n%s", text)
	}
}

// TestRedacted: the secret is in no text of the configuration.
func TestRedacted(t *testing.T) {
	c := keyless.Config{Servers: []string{"k:1"}, AccessKeyID: "AKIA", SecretAccessKey: "hidden", SessionToken: "hidden"}
	log := &lockedBuilder{}
	slog.New(slog.NewJSONHandler(log, nil)).InfoContext(t.Context(), "m", slog.Any("config", c))
	if text := fmt.Sprintf("%v %+v %#v %s %s", c, c, c, c, log); strings.Contains(text, "hidden") || strings.Count(text, "k:1") != 5 {
		t.Error(text)
	}
}

// TestStats: what was done is counted.
func TestStats(t *testing.T) {
	s := serveUnix(t, keylesstest.Config{})
	c := open(t, keyless.Config{Servers: []string{s.Address()}, Connections: 1})
	k := remote(t, c, "p-256")
	for range 3 {
		if err := sign(k); err != nil {
			t.Fatal(err)
		}
	}
	got := c.Stats().Servers[0]
	var answered uint64
	for _, n := range got.Latency.Counts {
		answered += n
	}
	if got.Operations[keyless.Done] != 3 || answered != 3 || got.Connections != 1 || got.Dials != 1 || got.Latency.Sum <= 0 ||
		len(got.Latency.Counts) != len(got.Latency.Bounds)+1 || got.Server != s.Address() {
		t.Errorf("%+v", got)
	}
	for _, o := range keyless.Outcomes() {
		if o.String() == "unknown" {
			t.Errorf("outcome %d has no name", o)
		}
	}
}

func TestConfig(t *testing.T) {
	_, clientTLS := transport(t)
	nameless := clientTLS.Clone()
	for name, test := range map[string]struct {
		config keyless.Config
		want   string
	}{
		"no server":              {keyless.Config{}, "no server"},
		"no port":                {keyless.Config{Servers: []string{"localhost"}}, "neither host:port"},
		"a relative socket":      {keyless.Config{Servers: []string{"unix://s"}}, "no absolute path"},
		"half a credential":      {keyless.Config{Servers: []string{"a:1"}, AccessKeyID: "x"}, "go together"},
		"a secret in the clear":  {keyless.Config{Servers: []string{"unix:///s"}, AccessKeyID: "x", SecretAccessKey: "y"}, "over TLS only"},
		"a socket without names": {keyless.Config{Servers: []string{"unix:///s"}, TLS: nameless}, "needs a ServerName"},
		"too many connections":   {keyless.Config{Servers: []string{"a:1"}, Connections: 1000}, "between 1 and"},
		"too much in flight":     {keyless.Config{Servers: []string{"a:1"}, InFlight: -1}, "between 1 and"},
		"too many servers":       {keyless.Config{Servers: make([]string, 65)}, "more than 64"},
		"a negative time":        {keyless.Config{Servers: []string{"a:1"}, Timeout: -1}, "negative"},
	} {
		if _, err := keyless.New(test.config); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, not %q", name, err, test.want)
		}
	}
}

// until waits until something is so.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("after %v it is not so that %s", time.Since(began), what)
		}
	}
}

// lockedBuilder is a strings.Builder for several goroutines.
type lockedBuilder struct {
	mu      sync.Mutex // guards builder
	builder strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.builder.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.builder.String()
}

// BenchmarkSign is what a signature costs beside the cryptography: the server
// answers with a constant.
func BenchmarkSign(b *testing.B) {
	for _, secure := range []bool{false, true} {
		b.Run(fmt.Sprintf("tls=%t", secure), func(b *testing.B) {
			answer := func(op *wire.Operation) (*wire.Operation, bool) {
				return &wire.Operation{Opcode: wire.OpResponse, Payload: make([]byte, 70)}, isSignature(op)
			}
			config := keyless.Config{}
			if secure {
				serverTLS, clientTLS := transport(b)
				config.TLS = clientTLS
				config.Servers = []string{keylesstest.Start(b, keylesstest.Config{TLS: serverTLS, Answer: answer}).Address()}
			} else {
				config.Servers = []string{serveUnix(b, keylesstest.Config{Answer: answer}).Address()}
			}
			k := remote(b, open(b, config), "p-256")
			b.SetParallelism(16)
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := sign(k); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
