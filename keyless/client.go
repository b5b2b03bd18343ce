package keyless

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Client uses the keys of key servers. All methods may be called at the same
// time.
type Client struct {
	config         Config
	servers        []*server
	authentication *wire.Operation // nil where a client certificate says who asks
	changed        notice
	turn           atomic.Uint32 // which server is asked first, of those that are as good
	unavailable    atomic.Uint64

	started sync.Once
	ctx     context.Context // ends with Close; of the goroutines, which have no caller
	cancel  context.CancelFunc
	tasks   sync.WaitGroup

	mu     sync.Mutex // guards closed
	closed bool
}

// New returns a client. It connects with the first operation.
func New(c Config) (*Client, error) {
	c.Servers = append([]string(nil), c.Servers...)
	if err := c.complete(); err != nil {
		return nil, err
	}
	client := &Client{config: c}
	client.changed.channel = make(chan struct{})
	for _, name := range c.Servers {
		e, err := c.endpoint(name)
		if err != nil {
			return nil, err
		}
		client.servers = append(client.servers, &server{endpoint: e, client: client, lanes: make([]lane, c.Connections)})
	}
	var err error
	if client.authentication, err = authentication(&c); err != nil {
		return nil, err
	}
	client.ctx, client.cancel = context.WithCancel(context.Background())
	return client, nil
}

// Close ends the connections. Operations in flight fail with ErrClosed. It
// returns when all of the client's goroutines have ended.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.changed.raise()
	c.tasks.Wait()
	return nil
}

// start begins to connect, once.
func (c *Client) start() error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	c.started.Do(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.closed {
			return // Close must not miss what starts here
		}
		for _, s := range c.servers {
			s.since = time.Now()
			for i := range s.lanes {
				c.tasks.Go(func() { s.run(c.ctx, &s.lanes[i]) })
			}
		}
	})
	return nil
}

// notice tells everybody who waits that something has changed.
type notice struct {
	mu      sync.Mutex // guards channel
	channel chan struct{}
}

// wait returns a channel that is closed with the next change.
func (n *notice) wait() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.channel
}

func (n *notice) raise() {
	n.mu.Lock()
	defer n.mu.Unlock()
	close(n.channel)
	n.channel = make(chan struct{})
}

// attempt is one operation with what was tried for it.
type attempt struct {
	deadline time.Time
	tried    uint64 // a bit for each server that is not asked again
	lost     uint64 // a bit for each server over whose connection it was lost
	losses   int    // how often it was lost
	last     error  // what the last server said
}

// left returns how many servers there are yet to try.
func (a *attempt) left(servers []*server) int {
	n := 0
	for i := range servers {
		if a.tried&(1<<i) == 0 {
			n++
		}
	}
	return n
}

// do has one of the servers do an operation.
func (c *Client) do(ctx context.Context, op *wire.Operation) ([]byte, error) {
	if err := c.start(); err != nil {
		return nil, err
	}
	a := attempt{deadline: time.Now().Add(c.config.Timeout)}
	if d, ok := ctx.Deadline(); ok && d.Before(a.deadline) {
		a.deadline = d
	}
	for {
		i, conn, err := c.pick(ctx, &a)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		share := time.Until(a.deadline) / time.Duration(a.left(c.servers))
		payload, err := conn.do(ctx, op, began.Add(share))
		s := c.servers[i]
		s.counts.count(err, time.Since(began))
		if err == nil {
			return payload, nil
		}
		if ctx.Err() != nil || !elsewhere(err) {
			return nil, err
		}
		c.note(&a, i, err)
	}
}

// note notes what one server did not do.
func (c *Client) note(a *attempt, i int, err error) {
	bit := uint64(1) << i
	switch outcomeOf(err) {
	case Lost:
		a.lost |= bit
		if a.losses++; a.losses <= len(c.servers)*(c.config.Connections+1) {
			bit = 0 // another connection may do it: when a server starts again, all that there were end
		}
	case Failed, TimedOut:
		c.servers[i].shun()
	case Done, NotFound, Refused, Cancelled, outcomes:
	}
	a.tried |= bit
	a.last = err
}

// pick returns a connection to the best server that is yet to try, and waits
// for one where that may help.
func (c *Client) pick(ctx context.Context, a *attempt) (int, *conn, error) {
	var timer *time.Timer
	for {
		changed := c.changed.wait()
		if i, conn := c.best(a); conn != nil {
			return i, conn, nil
		}
		if err := c.hopeless(a); err != nil {
			return 0, nil, err
		}
		if timer == nil {
			timer = time.NewTimer(time.Until(a.deadline))
			defer timer.Stop()
		}
		select {
		case <-changed:
		case <-timer.C:
			if ctx.Err() == nil {
				return 0, nil, c.missing(a)
			}
			return 0, nil, ctx.Err()
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		}
	}
}

// best returns the connection of the server that is yet to try and has the
// fewest operations in flight, of those that did not just fail where there are
// such.
func (c *Client) best(a *attempt) (int, *conn) {
	var found *conn
	var at, load int
	first := int(c.turn.Add(1)) % len(c.servers)
	now := time.Now().UnixNano()
	for n := range c.servers {
		i := (first + n) % len(c.servers)
		s := c.servers[i]
		if a.tried&(1<<i) != 0 {
			continue
		}
		conn := s.best()
		if conn == nil {
			continue
		}
		weight := conn.load()
		if a.lost&(1<<i) != 0 || s.shunnedUntil.Load() > now {
			weight += maxInFlight + 1
		}
		if found == nil || weight < load {
			found, at, load = conn, i, weight
		}
	}
	return at, found
}

// hopeless returns an error when there is no use in waiting for a connection.
func (c *Client) hopeless(a *attempt) error {
	if c.ctx.Err() != nil {
		return ErrClosed
	}
	if a.left(c.servers) == 0 {
		return a.last
	}
	if a.last != nil && outcomeOf(a.last) != Lost {
		return c.missing(a) // what a server that is there said is better than to wait for one that is not
	}
	for i, s := range c.servers {
		if a.tried&(1<<i) == 0 && !s.away() {
			return nil
		}
	}
	return c.missing(a)
}

// missing returns the error of an operation for which there is no server.
func (c *Client) missing(a *attempt) error {
	failures := []error{a.last}
	for i, s := range c.servers {
		if a.tried&(1<<i) == 0 {
			s.mu.Lock()
			failures = append(failures, s.last)
			s.mu.Unlock()
		}
	}
	c.unavailable.Add(1)
	if cause := errors.Join(failures...); cause != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, cause)
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, context.DeadlineExceeded)
}

// Ping asks each server whether it is there, over one connection. It returns
// the failures of those that are not.
func (c *Client) Ping(ctx context.Context) error {
	if err := c.start(); err != nil {
		return err
	}
	deadline := time.Now().Add(c.config.Timeout)
	var failures []error
	for i := range c.servers {
		a := attempt{deadline: deadline, tried: ^(uint64(1) << i)}
		_, conn, err := c.pick(ctx, &a)
		if err == nil {
			err = conn.ping(ctx, deadline)
		}
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}

// Stats returns what was done, and how the servers are.
func (c *Client) Stats() Stats {
	out := Stats{Unavailable: c.unavailable.Load()}
	for _, s := range c.servers {
		out.Servers = append(out.Servers, s.stats())
	}
	return out
}
