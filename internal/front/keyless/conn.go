package keyless

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// Limits of clients that have not proved who they are.
const (
	strangerInFlight = 4
	maxRefusals      = 8 // of operations, and then it is cut
	maxProofs        = 3 // that fail, and then it is cut
)

// conn is one connection. Its goroutine reads packets and hands them to a lane,
// whose workers append their answers to out; while there are any, another
// goroutine writes them, as many as there are at one time. An answer holds its
// request's place until it is written.
type conn struct {
	server  *Server
	net     *timed
	tls     *tls.Conn
	session Session
	name    string
	serial  uint64 // of requests; the reader's
	refused int    // the reader's
	failed  int    // proofs; the reader's
	header  [wire.HeaderSize]byte

	mu       sync.Mutex // guards what follows
	room     sync.Cond  // a place is free, or nothing is written any more
	inFlight int
	out      []byte // answers that are to be written
	answers  int    // in out
	writing  bool   // a goroutine writes
	broken   bool   // nothing can be written any more
}

func newConn(s *Server, n net.Conn) *conn {
	c := &conn{server: s, net: &timed{Conn: n}}
	c.room.L = &c.mu
	c.name = s.name + "-" + strconv.FormatUint(s.serial.Add(1), 36) + "-"
	c.tls = tls.Server(c.net, s.config.TLS())
	return c
}

// serve serves the connection until it ends, in whatever way.
func (c *conn) serve() {
	defer c.close()
	limits := &c.server.limits
	c.net.until, c.net.silence = time.Now().Add(limits.Handshake), limits.Handshake
	if err := c.tls.HandshakeContext(context.Background()); err != nil { // timed bounds it
		c.server.handshakes.Add(1)
		return
	}
	c.server.connections.Add(1)
	defer c.server.connections.Add(-1)
	state := c.tls.ConnectionState()
	c.session = c.server.config.Keys.Session(&Client{Chain: state.PeerCertificates, Source: source(c.net.RemoteAddr()), Name: c.name})
	for c.packet() {
	}
	c.drain()
}

// source returns the address of a TCP connection, unmapped.
func source(a net.Addr) netip.Addr {
	if t, ok := a.(*net.TCPAddr); ok {
		return t.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// packet reads a packet and sees to it that it is answered; false ends the
// reading.
func (c *conn) packet() bool {
	c.expect()
	if _, err := io.ReadFull(c.tls, c.header[:]); err != nil {
		return false
	}
	h, err := wire.ParseHeader(c.header[:])
	if err == nil && h.Length > c.server.limits.Packet-wire.HeaderSize {
		err = wire.ErrFormat
	}
	if !c.take() {
		return false
	}
	if err != nil { // where the next packet begins is not known, or far away
		c.fail(h.ID, err)
		return false
	}
	c.net.silence = c.server.limits.First // the rest of a packet is not long in coming
	j := newJob(c, h.Length)
	if _, err := io.ReadFull(c.tls, j.buffer); err != nil {
		j.free()
		c.release(1)
		return false
	}
	j.id, j.Arrived = h.ID, time.Now()
	return c.dispatch(j)
}

// expect sets how long the next packet may take to come.
func (c *conn) expect() {
	limits := &c.server.limits
	c.net.silence = limits.Idle
	if c.serial == 0 {
		c.net.silence = limits.First
	}
	if !c.net.until.IsZero() && c.session.Proved() {
		c.net.until = time.Time{}
	}
}

// dispatch has a request served: here what is at once, else in its lane. A
// packet that cannot be read has an answer, and the connection goes on: where the
// next one begins is known.
func (c *conn) dispatch(j *job) bool {
	err := j.Parse(j.buffer)
	if err == nil {
		j.Route, err = route(j.Opcode)
	}
	if err != nil {
		c.fail(j.id, err)
		j.free()
		return c.tolerate()
	}
	c.serial++
	switch {
	case j.Opcode == wire.OpPing:
		c.pong(j)
	case j.Opcode == wire.OpCustom:
		return c.prove(j)
	case !c.session.Proved():
		return c.refuse(j)
	default:
		j.ID = c.requestID()
		c.server.lane(j.Route).put(j)
	}
	return true
}

// requestID returns a new one: the connection's name and the number.
func (c *conn) requestID() string {
	var room [48]byte
	return string(strconv.AppendUint(append(room[:0], c.name...), c.serial, 36))
}

// pong answers a ping with its payload.
func (c *conn) pong(j *job) {
	c.answer(&wire.Operation{Opcode: wire.OpPong, Payload: j.Payload[:min(len(j.Payload), wire.MaxPayload)]}, j.id)
	c.server.config.Observe(context.Background(), API, j.Route.Name(), "ok", time.Since(j.Arrived))
	j.free()
}

// tolerate reports whether a connection that sent something wrong may go on.
// Who has proved who it is may: it is known.
func (c *conn) tolerate() bool {
	if c.session.Proved() {
		return true
	}
	c.refused++
	return c.refused < maxRefusals
}

// fail answers a packet that is no request with an error.
func (c *conn) fail(id uint32, err error) {
	c.server.config.Observe(context.Background(), API, "malformed", codeOf(err), 0)
	c.answer(&wire.Operation{Opcode: wire.OpError, Payload: errorPayload(errorOf(err))}, id)
}

// take takes a place for a request, and waits until there is one. It is false
// when the connection is broken.
func (c *conn) take() bool {
	limit := c.server.limits.InFlight
	if !c.net.until.IsZero() {
		limit = min(limit, strangerInFlight)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.inFlight >= limit && !c.broken {
		c.room.Wait()
	}
	if c.broken {
		return false
	}
	c.inFlight++
	c.server.inFlight.Add(1)
	return true
}

// release gives places back.
func (c *conn) release(n int) {
	c.server.inFlight.Add(-int64(n))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.inFlight -= n
	c.room.Broadcast()
}

// drain waits until every request is answered, and the answers written.
func (c *conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.inFlight > 0 || c.writing {
		c.room.Wait()
	}
}

// close ends the connection. A client that reads learns by TLS that nothing is
// missing.
func (c *conn) close() {
	c.mu.Lock()
	broken := c.broken
	c.mu.Unlock()
	if !broken {
		_ = c.net.SetWriteDeadline(time.Now().Add(c.server.limits.Write)) // the next line fails then
		_ = c.tls.Close()                                                 // nothing was promised
		return
	}
	c.cut()
}

// halt has the connection read no more.
func (c *conn) halt() { c.net.halt() }

// cut ends the connection at once.
func (c *conn) cut() {
	c.net.halt()
	_ = c.net.Close() // nothing was promised
}

// timed is a connection whose reads have limits: silence is how long each may
// take, until when all must have come, if it is not zero. One goroutine reads,
// which sets both.
type timed struct {
	net.Conn
	silence time.Duration
	until   time.Time
	halted  atomic.Bool
}

// long ago is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// Read reads what has come, and waits as long as it may.
func (t *timed) Read(b []byte) (int, error) {
	at := time.Now().Add(t.silence)
	if !t.until.IsZero() && t.until.Before(at) {
		at = t.until
	}
	if err := t.SetReadDeadline(at); err != nil {
		return 0, err
	}
	if t.halted.Load() { // halt may have come before the deadline was set
		return 0, errHalted
	}
	return t.Conn.Read(b)
}

// errHalted ends the reading of a connection.
var errHalted = errors.New("the server stops")

// halt ends the reading, also the one that waits.
func (t *timed) halt() {
	t.halted.Store(true)
	_ = t.SetReadDeadline(longAgo) // a connection that is closed reads nothing either
}

// firstOf returns the client's own certificate, nil for none.
func firstOf(chain []*x509.Certificate) *x509.Certificate {
	if len(chain) == 0 {
		return nil
	}
	return chain[0]
}
