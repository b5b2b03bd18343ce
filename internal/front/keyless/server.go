package keyless

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/alg"
	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Config is what a Server stands on. Keys and TLS are required.
type Config struct {
	Keys Keys
	// TLS returns how connections are protected; it is asked for each of them. It
	// says which clients' certificates are taken (tls.Config.VerifyConnection).
	TLS    func() *tls.Config
	Limits Limits
	// Log gets what an operator should know; nil means slog.Default.
	Log *slog.Logger
	// Observe, when it is set, is told of every answered request: code is "ok", or
	// what went wrong in a few words.
	Observe func(ctx context.Context, api, operation, code string, elapsed time.Duration)
}

// Limits bound what clients can use up. The zero value of a field means its
// default.
type Limits struct {
	// Connections open at one time; more are closed at once. Default: 10000.
	Connections int
	// InFlight are the requests of one connection that are not answered yet; no
	// more are read. Default: 256.
	InFlight int
	// Queue are the requests of all connections that wait in each lane; no more
	// are read. Default: 1024.
	Queue int
	// Workers are the requests of each lane that are served at one time. Most of
	// their time they wait for the audit log, or for an HSM. Default: 256, and of
	// the lane of RSA 128.
	Workers, RSAWorkers int
	// Packet is the longest packet in bytes. Default: 40 KiB, for a payload of
	// wire.MaxPayload and its names.
	Packet int
	// Handshake bounds the TLS handshake, and the time until a client has proved
	// who it is. Default: 30 s.
	Handshake time.Duration
	// First bounds the time until the first request, and the rest of a packet
	// whose beginning is there. Default: 30 s.
	First time.Duration
	// Idle is how long a connection may be silent. Default: 1 h.
	Idle time.Duration
	// Write bounds how long answers wait for a client that does not read.
	// Default: 10 s.
	Write time.Duration
	// Request bounds an operation. Default: 30 s.
	Request time.Duration
}

// withDefaults returns the limits that hold.
func (l Limits) withDefaults() Limits {
	number := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	length := func(v *time.Duration, d time.Duration) {
		if *v == 0 {
			*v = d
		}
	}
	number(&l.Connections, 10_000)
	number(&l.InFlight, 256)
	number(&l.Queue, 1024)
	number(&l.Workers, 256)
	number(&l.RSAWorkers, 128)
	number(&l.Packet, 40<<10)
	length(&l.Handshake, 30*time.Second)
	length(&l.First, 30*time.Second)
	length(&l.Idle, time.Hour)
	length(&l.Write, 10*time.Second)
	length(&l.Request, 30*time.Second)
	return l
}

// Server serves connections of any number of listeners. Start with New; end with
// Shutdown.
type Server struct {
	config Config
	limits Limits
	// name is the server's own, in the ids of requests, and serial counts its
	// connections.
	name   string
	serial atomic.Uint64
	rsa    *lane
	rest   *lane
	figures
	stopping atomic.Bool   // no connection is taken any more
	ending   chan struct{} // closed with it

	conns sync.WaitGroup // the goroutines of connections
	ended sync.Once      // the lanes

	mu        sync.Mutex // guards what follows
	open      map[*conn]struct{}
	listeners map[net.Listener]struct{}
}

// New returns a server, whose workers wait. Shutdown ends it.
func New(c Config) *Server {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Observe == nil {
		c.Observe = func(context.Context, string, string, string, time.Duration) {}
	}
	var name [4]byte
	_, _ = rand.Read(name[:]) // never fails
	s := &Server{
		config: c, limits: c.Limits.withDefaults(), name: "kl-" + hex.EncodeToString(name[:]),
		open: map[*conn]struct{}{}, listeners: map[net.Listener]struct{}{},
		ending: make(chan struct{}),
	}
	s.rsa = startLane(s, s.limits.RSAWorkers)
	s.rest = startLane(s, s.limits.Workers)
	return s
}

// lane returns the one of an operation.
func (s *Server) lane(o *Operation) *lane {
	if o.Family == alg.RSA {
		return s.rsa
	}
	return s.rest
}

// pause is how long Serve waits after a failed Accept, such as for the want of
// file descriptors.
const pause = 50 * time.Millisecond

// Serve serves the connections of a listener, which it closes, until Shutdown.
// It returns nil then, and else the listener's failure.
func (s *Server) Serve(l net.Listener) error {
	if !s.add(l) {
		return l.Close()
	}
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			s.accept(c)
		case s.stopping.Load():
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default:
			s.config.Log.Warn("keyless: no connection can be taken for the moment", slog.Any("cause", err)) //nolint:sloglint // no request is concerned
			s.wait(pause)
		}
	}
}

// wait waits, but not for a server that ends.
func (s *Server) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-s.ending:
	}
}

// add notes a listener, unless the server ends.
func (s *Server) add(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

// accept serves a connection in a goroutine of its own, or closes it where there
// are too many.
func (s *Server) accept(n net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping.Load() || len(s.open) >= s.limits.Connections {
		s.refused.Add(1)
		_ = n.Close() // it has got nothing
		return
	}
	if t, ok := n.(*net.TCPConn); ok {
		// What is not read yet waits at the client, which notices, and not in this
		// machine's memory.
		_ = t.SetReadBuffer(s.limits.InFlight * wire.PadTo) // an old size does no harm
	}
	c := newConn(s, n)
	s.open[c] = struct{}{}
	s.conns.Go(func() {
		defer s.forget(c)
		c.serve()
	})
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
}

// Hangup ends the connections that there are, as Shutdown does, and goes on.
func (s *Server) Hangup() { s.each((*conn).halt) }

// Shutdown takes no more connections and reads no more requests, lets those that
// were read be answered, and closes the connections; those that are not done when
// ctx ends are cut. It returns once nothing of the server runs.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.halt()
	done := make(chan struct{})
	go func() { s.conns.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
		s.each((*conn).cut)
		err = errors.Join(err, ctx.Err())
		<-done
	}
	s.ended.Do(func() {
		s.rsa.end()
		s.rest.end()
	})
	return err
}

// halt closes the listeners and has the connections read nothing more.
func (s *Server) halt() error {
	s.mu.Lock()
	if !s.stopping.Swap(true) {
		close(s.ending)
	}
	var failures []error
	for l := range s.listeners {
		failures = append(failures, l.Close())
	}
	clear(s.listeners)
	s.mu.Unlock()
	s.each((*conn).halt)
	return errors.Join(failures...)
}

// each calls f with every connection.
func (s *Server) each(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.open {
		f(c)
	}
}
