package keyless

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// How long a server is left alone after it could not be reached: first, twice
// as long with each further failure, at most; give or take a quarter.
const (
	firstBackOff = 50 * time.Millisecond
	mostBackOff  = 5 * time.Second
)

// shunned is how long a server that failed or was too slow is the second choice.
const shunned = time.Second

// patience is how long after a server went away operations wait for it to come
// back, when there is no other, at most: a restart costs time and no failures,
// and a long absence costs no time. Half of a shorter Timeout is the limit too.
const patience = 2 * time.Second

// server is one key server with the connections to it.
type server struct {
	*endpoint
	client *Client
	lanes  []lane
	counts counters
	// shunnedUntil is a time in nanoseconds since 1970.
	shunnedUntil atomic.Int64

	mu     sync.Mutex // guards all below
	open   int        // connections
	since  time.Time  // when open became 0, or the client started
	failed bool       // since then an attempt to connect failed
	last   error      // why it was last away
}

// lane is the place of one connection. It is empty while there is none.
type lane struct{ conn atomic.Pointer[conn] }

// best returns the connection with the fewest operations in flight, nil for
// none.
func (s *server) best() *conn {
	var found *conn
	for i := range s.lanes {
		if c := s.lanes[i].conn.Load(); c != nil && !c.over() && (found == nil || c.load() < found.load()) {
			found = c
		}
	}
	return found
}

// shun makes the server the second choice for a while.
func (s *server) shun() { s.shunnedUntil.Store(time.Now().Add(shunned).UnixNano()) }

// away reports whether there is no use in waiting for the server: it has been
// away for longer than patience lasts, or is there and says no.
func (s *server) away() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open > 0 || !s.failed {
		return false
	}
	_, refuses := errors.AsType[*Error](s.last)
	return refuses || time.Since(s.since) >= min(patience, s.client.config.Timeout/2)
}

// run keeps one connection until ctx ends.
func (s *server) run(ctx context.Context, l *lane) {
	backOff := firstBackOff
	for ctx.Err() == nil {
		c, err := s.connect(ctx)
		if err == nil {
			answered := s.keep(ctx, l, c)
			err = c.failure()
			if answered {
				backOff = firstBackOff
			}
		}
		if ctx.Err() != nil {
			return
		}
		s.lostOne(ctx, err)
		pause := time.NewTimer(backOff*3/4 + rand.N(backOff/2)) //nolint:gosec // no secret
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
		}
		backOff = min(2*backOff, mostBackOff)
	}
}

// lostOne notes that a connection could not be made, or ended.
func (s *server) lostOne(ctx context.Context, err error) {
	s.mu.Lock()
	first := s.open == 0 && !s.failed
	s.last = err
	if s.open == 0 {
		s.failed = true
	}
	s.mu.Unlock()
	if first {
		s.client.config.Log.WarnContext(ctx, "a key server is away", slog.String("server", s.name), slog.Any("cause", err))
	}
	s.client.changed.raise()
}

// connect makes a connection, and proves who asks where that is by an access
// key. The connection's goroutines run when it returns one.
func (s *server) connect(ctx context.Context) (c *conn, err error) {
	s.counts.dials.Add(1)
	defer func() {
		if err != nil {
			s.counts.dialFailures.Add(1)
		}
	}()
	deadline := time.Now().Add(s.client.config.Timeout)
	dial, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	n, err := (&net.Dialer{}).DialContext(dial, s.network, s.address)
	if err != nil {
		return nil, fmt.Errorf("keyless: connecting: %w", err)
	}
	if s.tls != nil {
		secure := tls.Client(n, s.tls)
		if err := secure.HandshakeContext(dial); err != nil {
			_ = n.Close() // the other failure is told
			return nil, fmt.Errorf("keyless: connecting to %s: %w", s.name, err)
		}
		n = secure
	}
	c = newConn(n, s.name, s.client.config.InFlight)
	s.client.tasks.Go(func() { c.write(s.client.config.Timeout) })
	s.client.tasks.Go(c.read)
	if auth := s.client.authentication; auth != nil {
		if _, err := c.do(dial, auth, deadline); err != nil {
			err = fmt.Errorf("keyless: proving who asks to %s: %w", s.name, err)
			c.fail(err)
			return nil, err
		}
	}
	return c, nil
}

// keep offers a connection in its lane until it ends, and asks it from time to
// time whether it is there. It reports whether the server ever answered.
func (s *server) keep(ctx context.Context, l *lane, c *conn) bool {
	s.gainedOne(ctx)
	l.conn.Store(c)
	s.client.changed.raise()
	defer s.closedOne(l)
	tick := time.NewTicker(s.client.config.HealthInterval)
	defer tick.Stop()
	heard := c.heard.Load()
	for {
		select {
		case <-ctx.Done():
			c.fail(ErrClosed)
		case <-c.ended:
		case <-c.doubt:
			s.shun()
			s.ask(ctx, c)
		case <-tick.C:
			if now := c.heard.Load(); now != heard {
				heard = now
				continue
			}
			s.ask(ctx, c)
		}
		if c.over() {
			return c.heard.Load() > 0
		}
	}
}

func (s *server) gainedOne(ctx context.Context) {
	s.mu.Lock()
	back := s.open == 0 && s.failed
	s.open++
	s.failed = false
	s.mu.Unlock()
	if back {
		s.client.config.Log.InfoContext(ctx, "a key server is back", slog.String("server", s.name))
	}
}

func (s *server) closedOne(l *lane) {
	l.conn.Store(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open--; s.open == 0 {
		s.since = time.Now()
	}
}

// ask ends a connection over which a ping is not answered.
func (s *server) ask(ctx context.Context, c *conn) {
	limit := min(s.client.config.Timeout, s.client.config.HealthInterval)
	if err := c.ping(ctx, time.Now().Add(limit)); err != nil {
		c.fail(lost(err))
	}
}

// stats returns how the server is.
func (s *server) stats() ServerStats {
	out := ServerStats{Server: s.name}
	for i := range s.lanes {
		if c := s.lanes[i].conn.Load(); c != nil {
			out.InFlight += c.load()
		}
	}
	s.mu.Lock()
	out.Connections, out.LastFailure = s.open, s.last
	s.mu.Unlock()
	s.counts.read(&out)
	return out
}
