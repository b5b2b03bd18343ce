package keyless

import (
	"runtime"
	"sync"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// keptBuffer is the longest buffer of answers that is kept for another
// connection, in bytes.
const keptBuffer = 64 << 10

// buffers are for answers. Connections that are silent have none.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// answer has an answer written. The request's place is free once it is.
func (c *conn) answer(o *wire.Operation, id uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out == nil && !c.broken {
		c.out = borrow()
	}
	if !c.broken {
		c.out, _ = o.Append(c.out, id) // no payload is as long as a packet: see perform and pong
	}
	c.answers++
	if !c.writing {
		c.writing = true
		go c.write() // drain waits for it
	}
}

func borrow() []byte {
	b, ok := buffers.Get().(*[]byte)
	if !ok {
		panic("keyless: the pool of buffers has something else")
	}
	return (*b)[:0]
}

func giveBack(b []byte) {
	if cap(b) <= keptBuffer {
		b = b[:0]
		buffers.Put(&b)
	}
}

// write writes answers while there are any: those that gather while one batch is
// written go out together, in as few records as they fit into.
func (c *conn) write() {
	for {
		runtime.Gosched() // who waits for the same commit of the audit log answers now too
		c.mu.Lock()
		if c.answers == 0 {
			c.writing = false
			c.room.Broadcast()
			c.mu.Unlock()
			return
		}
		out, n := c.out, c.answers
		c.out, c.answers = nil, 0
		broken := c.broken
		c.mu.Unlock()
		if !broken {
			c.send(out)
		}
		if out != nil {
			giveBack(out)
		}
		c.release(n)
	}
}

// send writes answers, or cuts the connection.
func (c *conn) send(out []byte) {
	err := c.net.SetWriteDeadline(time.Now().Add(c.server.limits.Write))
	if err == nil {
		_, err = c.tls.Write(out)
	}
	if err == nil {
		c.server.batches.Add(1)
		return
	}
	c.mu.Lock()
	c.broken = true
	c.room.Broadcast()
	c.mu.Unlock()
	c.server.cuts.Add(1)
	c.cut()
}
