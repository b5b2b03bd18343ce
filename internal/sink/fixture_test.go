package sink

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/event"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/store"
	"github.com/holdfast-kms/holdfast/internal/store/mem"
)

const logID = "0b8f1a0e-5d3c-4c39-9a2f-3f4f5f6f7f80"

// openLog opens a log with small files, so that there are many.
func openLog(t testing.TB, dir string) *audit.Log {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	l, err := audit.Open(dir, audit.Options{
		Signer: ed25519.NewKeyFromSeed(seed), ID: logID, SegmentSize: audit.MinSegmentSize, CheckpointInterval: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func call(n int) *audit.Entry {
	return &audit.Entry{
		Realm: key.DefaultRealm, Region: "us-east-1", RequestID: "request-" + strconv.Itoa(n), API: "aws.kms", Operation: "Sign",
		Action: key.Sign, Principal: "123456789012:user:alice", Resource: "123456789012/us-east-1/1234abcd", Decision: audit.Allowed, Result: "ok",
	}
}

// write appends entries and waits for them.
func write(t testing.TB, l *audit.Log, n int) {
	t.Helper()
	var p audit.Position
	for i := range n {
		var err error
		if p, err = l.Enqueue(call(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Wait(context.Background(), p); err != nil {
		t.Fatal(err)
	}
}

// clock is a clock that goes on only while somebody waits for it, and then at
// once.
type clock struct {
	mu     sync.Mutex // guards what follows
	now    time.Time
	passed func(now time.Time)
}

func newClock() *clock { return &clock{now: time.Now()} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Wait(ctx context.Context, d time.Duration) bool {
	c.mu.Lock()
	c.now = c.now.Add(d)
	if c.passed != nil {
		c.passed(c.now)
	}
	c.mu.Unlock()
	return wait(ctx, time.Millisecond)
}

// box is a receiver in memory.
type box struct {
	about About

	mu   sync.Mutex // guards what follows
	got  []audit.Position
	runs []string // first-last of each batch
	// refuse says why a batch does not get in.
	refuse func(ctx context.Context, b *Batch) error
}

func (x *box) About() About { return x.about }
func (x *box) Close() error { return nil }

func (x *box) Deliver(ctx context.Context, b *Batch) error {
	x.mu.Lock()
	refuse := x.refuse
	x.mu.Unlock()
	if refuse != nil {
		if err := refuse(ctx, b); err != nil {
			return err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.runs = append(x.runs, fmt.Sprintf("%d-%d", b.First(), b.Last()))
	for _, r := range b.Records {
		x.got = append(x.got, r.Position)
	}
	return nil
}

func (x *box) positions() []audit.Position {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.got)
}

// missing returns what is not there of the positions up to last.
func missing(got []audit.Position, last audit.Position) (list []audit.Position) {
	there := map[audit.Position]bool{}
	for _, p := range got {
		there[p] = true
	}
	for p := audit.Position(1); p <= last; p++ {
		if !there[p] {
			list = append(list, p)
		}
	}
	return list
}

// world is a log, a store and sinks over them.
type world struct {
	log   *audit.Log
	store store.Store
	clock *clock
	*Sinks
}

func newWorld(t testing.TB) *world {
	t.Helper()
	return &world{log: openLog(t, t.TempDir()), store: mem.New(), clock: newClock()}
}

// start opens and starts sinks.
func (w *world) start(t testing.TB, list ...Options) {
	t.Helper()
	c := Config{Log: w.log, ID: logID, Store: w.store, Out: slog.New(slog.DiscardHandler), Sinks: list}
	if w.clock != nil {
		c.Now, c.Wait = w.clock.Now, w.clock.Wait
	}
	var err error
	if w.Sinks, err = Open(context.Background(), c); err != nil {
		t.Fatal(err)
	}
	w.Start()
	t.Cleanup(func() { _ = w.Close() })
}

// until waits until something is so.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("it never came to that: %s", what)
		}
	}
}

// caughtUp waits until all sinks have delivered everything.
func (w *world) caughtUp(t testing.TB) {
	t.Helper()
	until(t, "everything is delivered", func() bool { return w.Delivered() >= w.log.Last() })
}

// events returns what people were to be told.
func (w *world) events(t testing.TB) (list []*event.Event) {
	t.Helper()
	err := w.store.Update(context.Background(), func(tx store.Tx) (err error) {
		list, err = event.Due(tx, w.clock.Now().Add(time.Hour), 100)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// server is a syslog server for TLS or plain TCP.
type server struct {
	t       testing.TB
	secure  *tls.Config
	address string

	mu    sync.Mutex // guards what follows
	l     net.Listener
	conns map[net.Conn]bool
	got   []audit.Position
	texts []string
	count int
	// hurt, if it is set, is called with each connection before it is read, and
	// returns after how many messages it breaks and how; -1 for never.
	hurt func() (after int, how func(net.Conn))
}

// newServer returns one that is up.
func newServer(t testing.TB, secure *tls.Config) *server {
	t.Helper()
	s := &server{t: t, secure: secure, address: "127.0.0.1:0", conns: map[net.Conn]bool{}}
	s.up()
	t.Cleanup(s.down)
	return s
}

func (s *server) up() {
	l, err := net.Listen("tcp", s.address) //nolint:noctx // a test's
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.address, s.l = l.Addr().String(), l
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(c)
		}
	}()
}

// down ends the server, and every connection as a killed process does.
func (s *server) down() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.l != nil {
		_ = s.l.Close()
	}
	for c := range s.conns {
		_ = c.Close()
	}
	s.l = nil
}

func (s *server) serve(raw net.Conn) {
	s.mu.Lock()
	s.count++
	after, how := -1, func(net.Conn) {}
	if s.hurt != nil {
		after, how = s.hurt()
	}
	s.conns[raw] = true
	s.mu.Unlock()
	defer func() {
		_ = raw.Close()
		s.mu.Lock()
		delete(s.conns, raw)
		s.mu.Unlock()
	}()
	c := raw
	if s.secure != nil {
		c = tls.Server(raw, s.secure)
	}
	for n := 0; ; n++ {
		if n == after {
			how(raw)
			return
		}
		message, err := frame(c)
		if err != nil {
			return
		}
		s.take(message)
	}
}

// frame reads a message with its length before it, and nothing behind it: what
// a server read and then forgot nobody could know of.
func frame(r io.Reader) (string, error) {
	head, one := "", make([]byte, 1)
	for one[0] != ' ' {
		if _, err := io.ReadFull(r, one); err != nil {
			return "", err
		}
		head += string(one)
	}
	n, err := strconv.Atoi(strings.TrimSuffix(head, " "))
	if err != nil {
		return "", fmt.Errorf("no length: %w", err)
	}
	b := make([]byte, n)
	_, err = io.ReadFull(r, b)
	return string(b), err
}

func (s *server) take(message string) {
	_, rest, ok := strings.Cut(message, ` position="`)
	number, _, _ := strings.Cut(rest, `"`)
	n, err := strconv.ParseUint(number, 10, 64)
	if !ok || err != nil {
		s.t.Errorf("a message without a position: %s", message)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got, s.texts = append(s.got, audit.Position(n)), append(s.texts, message)
}

func (s *server) positions() []audit.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// plain returns a receiver for the server without TLS.
func (s *server) plain() *Syslog {
	return NewSyslog(SyslogOptions{Address: s.address, Encoder: auditformat.New(logID, "1"), Timeout: 5 * time.Second})
}

func stateOf(t testing.TB, s store.Store, name string) (st state) {
	t.Helper()
	err := s.View(context.Background(), func(r store.Reader) error {
		row, err := r.Get(store.Sinks, rowID(name))
		if err != nil {
			return err
		}
		return json.Unmarshal(row.Body, &st)
	})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

var discard = slog.New(slog.DiscardHandler)

// put stores a sink's state.
func put(t testing.TB, s store.Store, name, body string) {
	t.Helper()
	err := s.Update(context.Background(), func(tx store.Tx) error {
		return tx.Put(store.Sinks, store.Row{ID: rowID(name), Body: []byte(body)})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func encoded(t testing.TB, s state) []byte {
	t.Helper()
	b, err := json.Marshal(&s)
	if err != nil {
		t.Skip("a time that JSON cannot have")
	}
	return b
}
