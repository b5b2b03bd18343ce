package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// load is a number of connections to the key server, each with so many requests
// under way at one time.
type load struct {
	address      string
	tls          *tls.Config
	authenticate []byte // the payload of the first request, nil for none
	request      keyless.Operation
	conns, depth int
}

// outcome is what a load saw.
type outcome struct {
	latencies []time.Duration
	took      time.Duration
}

func (o *outcome) quantile(q float64) float64 {
	if len(o.latencies) == 0 {
		return 0
	}
	slices.Sort(o.latencies)
	return o.latencies[min(len(o.latencies)-1, int(q*float64(len(o.latencies))))].Seconds() * 1e3
}

func (o *outcome) rate() float64 { return float64(len(o.latencies)) / o.took.Seconds() }

// run loads for d.
func (l *load) run(ctx context.Context, d time.Duration) (*outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	clients := make([]*client, l.conns)
	for i := range clients {
		c, err := l.dial(ctx)
		if err != nil {
			return nil, err
		}
		defer c.conn.Close() //nolint:errcheck // the measurement is over
		clients[i] = c
	}
	began := time.Now()
	each, failures := make([][]time.Duration, l.conns), make([]error, l.conns)
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() { each[i], failures[i] = c.loop(began.Add(d), l.depth) })
	}
	wg.Wait()
	out := &outcome{slices.Concat(each...), time.Since(began)}
	for _, err := range failures {
		if err != nil {
			return nil, err // all fail alike: one says it
		}
	}
	return out, nil
}

// client is one connection.
type client struct {
	conn net.Conn
	in   *bufio.Reader
	// packet is the request, whose id is overwritten.
	packet []byte
	body   []byte
}

// idAt is where a packet has its id.
const idAt = 4

func (l *load) dial(ctx context.Context) (*client, error) {
	plain, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.address)
	if err != nil {
		return nil, err
	}
	// What waits in this process's own socket is no latency of the server's.
	if t, ok := plain.(*net.TCPConn); ok {
		if err := t.SetWriteBuffer(burst * keyless.PadTo); err != nil {
			return nil, err
		}
	}
	conn := tls.Client(plain, l.tls)
	c := &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10), body: make([]byte, keyless.MaxBody)}
	if l.authenticate != nil {
		hello := keyless.Operation{Opcode: keyless.OpCustom, Function: []byte("holdfast.authenticate"), Payload: l.authenticate}
		if c.packet, err = hello.Append(nil, 0); err != nil {
			return nil, err
		}
		if _, err := c.conn.Write(c.packet); err != nil {
			return nil, err
		}
		if _, err := c.receive(); err != nil {
			return nil, fmt.Errorf("authenticating: %w", err)
		}
	}
	c.packet, err = l.request.Append(nil, 0)
	return c, err
}

// burst is how many requests go out in one write, at most.
const burst = 64

// loop keeps depth requests under way until a time, and waits for the last
// answers. What sends does not wait for what receives: under a flood the server
// takes requests when it can, and its answers must be read meanwhile.
func (c *client) loop(end time.Time, depth int) ([]time.Duration, error) {
	free, sent := make(chan uint16, depth), make([]atomic.Int64, depth)
	for id := range depth {
		free <- uint16(id)
	}
	began, failed := time.Now(), make(chan error, 1)
	go func() { failed <- c.send(free, func(id uint16) { sent[id].Store(int64(time.Since(began))) }) }()
	latencies := make([]time.Duration, 0, 1<<16)
	for open := depth; open > 0; {
		id, err := c.receive()
		if err != nil {
			return nil, err // send ends when the connection is closed
		}
		latencies = append(latencies, time.Since(began)-time.Duration(sent[id].Load()))
		if time.Now().Before(end) {
			free <- uint16(id) //nolint:gosec // it was sent as one
		} else {
			open--
		}
	}
	close(free)
	return latencies, <-failed
}

// send sends a request for each id that is free, several in one write where
// several are.
func (c *client) send(free <-chan uint16, note func(id uint16)) error {
	out := make([]byte, 0, burst*len(c.packet))
	for id := range free {
		out = c.put(out[:0], id)
		note(id)
		for more := true; more && len(out) < cap(out); {
			select {
			case id, more = <-free:
				if more {
					out = c.put(out, id)
					note(id)
				}
			default:
				more = false
			}
		}
		if _, err := c.conn.Write(out); err != nil {
			return err
		}
	}
	return nil
}

// put appends the request with an id.
func (c *client) put(out []byte, id uint16) []byte {
	at := len(out)
	out = append(out, c.packet...)
	binary.BigEndian.PutUint32(out[at+idAt:], uint32(id))
	return out
}

// receive reads an answer and returns its id.
func (c *client) receive() (uint32, error) {
	var head [keyless.HeaderSize]byte
	if _, err := io.ReadFull(c.in, head[:]); err != nil {
		return 0, err
	}
	h, err := keyless.ParseHeader(head[:])
	if err != nil {
		return 0, err
	}
	if _, err := io.ReadFull(c.in, c.body[:h.Length]); err != nil {
		return 0, err
	}
	var o keyless.Operation
	if err := o.Parse(c.body[:h.Length]); err != nil {
		return 0, err
	}
	if o.Opcode != keyless.OpResponse {
		return 0, fmt.Errorf("the answer is %s %x", o.Opcode, o.Payload)
	}
	return h.ID, nil
}

// credential is what authenticates a connection by an access key.
func credential(env map[string]string) ([]byte, error) {
	return json.Marshal(map[string]string{
		"access_key_id": env["HOLDFAST_ACCESS_KEY_ID"], "secret_access_key": env["HOLDFAST_SECRET_ACCESS_KEY"],
	})
}
