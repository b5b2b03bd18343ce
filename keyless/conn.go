package keyless

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Sizes of a connection's buffers, in bytes.
const (
	readBuffer = wire.HeaderSize + wire.MaxBody // a whole packet, so that it is read in place
	keepBuffer = 64 << 10                       // a larger one for writing is given back
)

// conn is one connection with the operations in flight on it. A goroutine
// writes what callers have appended, so that packets which come together leave
// together; another one reads answers.
type conn struct {
	net   net.Conn
	name  string        // the server's
	slots chan struct{} // full when as many operations are in flight as may be
	wake  chan struct{} // tells the writer that there is something to write
	ended chan struct{} // closed when the connection is no more
	// heard counts answers: while it stays, the server is silent.
	heard atomic.Uint64
	// doubt asks whoever looks after the connection to look now.
	doubt chan struct{}

	mu      sync.Mutex // guards all below
	out     []byte     // packets to write
	pending map[uint32]*call
	next    uint32 // id of the next operation
	err     error  // why the connection ended; nil while it is there
}

// call is one operation in flight.
type call struct {
	done    chan struct{} // gets a value once payload and err are set
	payload []byte
	err     error
	timer   *time.Timer
}

// calls are those that nobody uses.
var calls = sync.Pool{New: func() any {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return &call{done: make(chan struct{}, 1), timer: t}
}}

func newConn(n net.Conn, name string, inFlight int) *conn {
	return &conn{
		net: n, name: name, slots: make(chan struct{}, inFlight), wake: make(chan struct{}, 1), ended: make(chan struct{}),
		doubt: make(chan struct{}, 1), pending: make(map[uint32]*call),
	}
}

// load returns how many operations are in flight.
func (c *conn) load() int { return len(c.slots) }

// over reports whether the connection has ended.
func (c *conn) over() bool {
	select {
	case <-c.ended:
		return true
	default:
		return false
	}
}

// do sends an operation and waits for its answer until the deadline, and as
// long as ctx lasts. The payload is the caller's.
func (c *conn) do(ctx context.Context, op *wire.Operation, deadline time.Time) ([]byte, error) {
	k := calls.Get().(*call)
	defer calls.Put(k)
	k.timer.Reset(time.Until(deadline))
	defer k.timer.Stop()
	if err := c.acquire(ctx, k); err != nil {
		return nil, err
	}
	defer func() { <-c.slots }()
	return c.exchange(ctx, op, k)
}

// ping asks whether the server is there. It needs no place among the operations
// in flight: when they are many, it is what tells slow from gone.
func (c *conn) ping(ctx context.Context, deadline time.Time) error {
	k := calls.Get().(*call)
	defer calls.Put(k)
	k.timer.Reset(time.Until(deadline))
	defer k.timer.Stop()
	_, err := c.exchange(ctx, &wire.Operation{Opcode: wire.OpPing}, k)
	return err
}

// acquire takes a place among the operations in flight.
func (c *conn) acquire(ctx context.Context, k *call) error {
	select {
	case c.slots <- struct{}{}:
		return nil
	default:
	}
	select {
	case c.slots <- struct{}{}:
		return nil
	case <-k.timer.C:
		return fmt.Errorf("keyless: %s has as many operations in flight as it may: %w", c.name, context.DeadlineExceeded)
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return c.failure()
	}
}

// exchange sends an operation and waits for its answer, as long as the timer
// and ctx last.
func (c *conn) exchange(ctx context.Context, op *wire.Operation, k *call) ([]byte, error) {
	heard := c.heard.Load()
	id, err := c.send(op, k)
	if err != nil {
		return nil, err
	}
	select {
	case <-k.done:
	case <-k.timer.C:
		err = fmt.Errorf("keyless: %s did not answer in time: %w", c.name, context.DeadlineExceeded)
		if c.heard.Load() == heard {
			signal(c.doubt)
		}
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		if c.take(id) != nil {
			return nil, err
		}
		<-k.done // it has just been answered
	}
	payload, err := k.payload, k.err
	k.payload, k.err = nil, nil
	return payload, err
}

// send appends the operation's packet to what is to be written.
func (c *conn) send(op *wire.Operation, k *call) (uint32, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return 0, c.err
	}
	id := c.next
	out, err := op.Append(c.out, id)
	if err != nil {
		return 0, fmt.Errorf("keyless: the operation does not fit into a packet: %w", err)
	}
	c.next++
	c.out = out
	c.pending[id] = k
	signal(c.wake)
	return id, nil
}

// signal sends to a channel of one place, which may be full already.
func signal(to chan struct{}) {
	select {
	case to <- struct{}{}:
	default:
	}
}

// take returns the call that waits for an answer with an id, nil for none, and
// forgets it.
func (c *conn) take(id uint32) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.pending[id]
	delete(c.pending, id)
	return k
}

// failure returns why the connection ended.
func (c *conn) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// fail ends the connection, and all operations in flight on it.
func (c *conn) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	close(c.ended)
	_ = c.net.Close() // nothing is lost by it
	for id, k := range c.pending {
		delete(c.pending, id)
		k.err = err
		k.done <- struct{}{}
	}
}

// write writes packets until the connection ends.
func (c *conn) write(timeout time.Duration) {
	var spare []byte
	for {
		select {
		case <-c.wake:
		case <-c.ended:
			return
		}
		runtime.Gosched() // who is about to send joins this write
		c.mu.Lock()
		out := c.out
		c.out = spare[:0]
		c.mu.Unlock()
		if err := c.net.SetWriteDeadline(time.Now().Add(timeout)); err != nil {
			c.fail(lost(err))
			return
		}
		if _, err := c.net.Write(out); err != nil {
			c.fail(lost(err))
			return
		}
		if spare = out; cap(spare) > keepBuffer {
			spare = nil
		}
	}
}

// lost is errLost with its cause.
func lost(err error) error { return fmt.Errorf("%w: %w", errLost, err) }

// read reads answers until the connection ends.
func (c *conn) read() {
	in := bufio.NewReaderSize(c.net, readBuffer)
	var op wire.Operation
	for {
		packet, h, err := next(in)
		if err == nil {
			err = op.Parse(packet[wire.HeaderSize:])
		}
		if err != nil {
			c.fail(lost(err))
			return
		}
		c.heard.Add(1)
		if k := c.take(h.ID); k != nil {
			k.payload, k.err = c.answer(&op)
			k.done <- struct{}{}
		}
		if _, err := in.Discard(len(packet)); err != nil {
			c.fail(lost(err))
			return
		}
	}
}

// next returns a whole packet, which is good until something else is read.
func next(in *bufio.Reader) ([]byte, wire.Header, error) {
	head, err := in.Peek(wire.HeaderSize)
	if err != nil {
		return nil, wire.Header{}, err
	}
	h, err := wire.ParseHeader(head)
	if err != nil {
		return nil, h, err
	}
	packet, err := in.Peek(wire.HeaderSize + h.Length)
	return packet, h, err
}

// answer returns what an answer means, as the caller's own.
func (c *conn) answer(op *wire.Operation) ([]byte, error) {
	switch op.Opcode { //nolint:exhaustive // all others are requests
	case wire.OpResponse, wire.OpPong:
		return append(make([]byte, 0, len(op.Payload)), op.Payload...), nil
	case wire.OpError:
		if len(op.Payload) == 1 {
			return nil, &Error{Code(op.Payload[0]), c.name}
		}
	}
	return nil, &Error{UnexpectedOpcode, c.name}
}
