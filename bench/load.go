package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load is a number of connections that each send a request, wait for its
// answer and send the next. The bytes to send are made beforehand, so that
// one processor of load saturates one of server.
type load struct {
	addr  string
	conns int
	// request returns the bytes of the next request of a connection.
	request func(conn int) []byte
	// mark must be in every answer.
	mark []byte
}

// outcome is what a load saw: one latency an answer, in no order.
type outcome struct {
	latencies []time.Duration
	elapsed   time.Duration
}

func (o *outcome) quantile(q float64) time.Duration {
	if len(o.latencies) == 0 {
		return 0
	}
	slices.Sort(o.latencies)
	return o.latencies[min(len(o.latencies)-1, int(q*float64(len(o.latencies))))]
}

func (o *outcome) rate() float64 { return float64(len(o.latencies)) / o.elapsed.Seconds() }

// run loads for d, or for most answers a connection when most is not 0.
func (l *load) run(ctx context.Context, d time.Duration, most int) (*outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var stop atomic.Bool
	if most == 0 {
		defer time.AfterFunc(d, func() { stop.Store(true) }).Stop()
	}
	began := time.Now()
	var wg sync.WaitGroup
	each, errs := make([][]time.Duration, l.conns), make([]error, l.conns)
	for i := range l.conns {
		wg.Go(func() {
			each[i], errs[i] = l.connection(ctx, i, &stop, most)
			if errs[i] != nil {
				stop.Store(true)
			}
		})
	}
	wg.Wait()
	out := &outcome{slices.Concat(each...), time.Since(began)}
	for _, err := range errs {
		if err != nil {
			return out, err // all connections fail alike: one says it
		}
	}
	return out, nil
}

// connection sends and receives on one connection until told to stop.
func (l *load) connection(ctx context.Context, i int, stop *atomic.Bool, most int) ([]time.Duration, error) {
	c := &conn{addr: l.addr}
	defer c.close()
	latencies := make([]time.Duration, 0, 1<<16)
	for n := 0; !stop.Load() && (most == 0 || n < most); n++ {
		began := time.Now()
		body, err := c.exchange(ctx, l.request(i))
		if err != nil {
			return latencies, err
		}
		latencies = append(latencies, time.Since(began))
		if !bytes.Contains(body, l.mark) {
			return latencies, fmt.Errorf("answer without %q: %.300s", l.mark, body)
		}
	}
	return latencies, nil
}

// conn is a client's connection that is opened when it is needed. It knows
// as much of HTTP/1.1 as the servers here speak: a status, a length, a body.
type conn struct {
	addr string
	net  net.Conn
	r    *bufio.Reader
	body []byte
}

func (c *conn) close() {
	if c.net != nil {
		_ = c.net.Close() // the measurement is over
		c.net = nil
	}
}

// exchange sends a request and returns the body of the answer, which is valid
// until the next one. An answer that is no success is an error.
func (c *conn) exchange(ctx context.Context, request []byte) ([]byte, error) {
	if c.net == nil {
		nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", c.addr)
		if err != nil {
			return nil, err
		}
		if c.net = nc; c.r == nil {
			c.r = bufio.NewReaderSize(nc, 16<<10)
		}
		c.r.Reset(nc)
	}
	if _, err := c.net.Write(request); err != nil {
		return nil, err
	}
	status, length, closes, err := c.head()
	if err != nil {
		return nil, err
	}
	if err := c.read(length); err != nil {
		return nil, err
	}
	if closes {
		c.close()
	}
	if status < 200 || status > 299 {
		return nil, fmt.Errorf("status %d: %.300s", status, c.body)
	}
	return c.body, nil
}

// chunked stands for the length of a body that comes in chunks.
const chunked = -1

// read reads the body.
func (c *conn) read(length int) error {
	c.body = c.body[:0]
	if length != chunked {
		return c.readMore(length)
	}
	for { // RFC 9112 section 7.1
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return err
		}
		n, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if err := c.readMore(int(n)); err != nil {
			return err
		}
		if _, err := c.r.Discard(len("\r\n")); err != nil || n == 0 {
			return err
		}
	}
}

// readMore appends n bytes to the body.
func (c *conn) readMore(n int) error {
	before := len(c.body)
	c.body = slices.Grow(c.body, n)[:before+n]
	_, err := io.ReadFull(c.r, c.body[before:])
	return err
}

// head reads the status line and the headers. The length is chunked for a
// body that comes so.
func (c *conn) head() (status, length int, closes bool, err error) {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, 0, false, err
	}
	if len(line) < 12 {
		return 0, 0, false, fmt.Errorf("status line %q", line)
	}
	closes = bytes.HasPrefix(line, []byte("HTTP/1.0"))
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, 0, false, err
	}
	for {
		if line, err = c.r.ReadSlice('\n'); err != nil {
			return 0, 0, false, err
		}
		if len(line) <= 2 {
			return status, length, closes, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case equalFold(name, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, 0, false, err
			}
		case equalFold(name, "connection"):
			closes = closes || bytes.EqualFold(value, []byte("close"))
		case equalFold(name, "transfer-encoding"):
			length = chunked
		}
	}
}

// equalFold compares a header's name without converting it.
func equalFold(name []byte, want string) bool {
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}
