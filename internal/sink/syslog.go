package sink

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/holdfast-kms/holdfast/internal/auditformat"
)

// SyslogOptions say where a syslog server is, and how it is spoken to. Address
// and Encoder are needed.
type SyslogOptions struct {
	// Address is host:port.
	Address string
	// TLS returns the settings of a connection, anew for each, so that
	// certificates can be replaced. Nil is for plain TCP.
	TLS func() (*tls.Config, error)
	// Encoder writes the messages: as RFC 5424 has them with structured data, or
	// with Message as the text in another format.
	Encoder *auditformat.Encoder
	Message *auditformat.Format
	Source  auditformat.SyslogSource
	// Timeout bounds a batch. Default: 30 s.
	Timeout time.Duration
}

const syslogTimeout = 30 * time.Second

// Syslog sends entries to a syslog server: over TLS (RFC 5425) or plain TCP
// (RFC 6587), with the same octet counting.
//
// Syslog has no acknowledgement. That a write succeeded says that the bytes are
// in this machine's memory. So each batch has a connection of its own, and ends
// with it: TLS close_notify and TCP FIN, after which the receiver closes its own
// side once it has read everything. Only that end, without a reset, is success.
type Syslog struct {
	o    SyslogOptions
	room []byte
}

// NewSyslog returns a receiver. It is not connected to before the first batch.
func NewSyslog(o SyslogOptions) *Syslog {
	if o.Timeout <= 0 {
		o.Timeout = syslogTimeout
	}
	return &Syslog{o: o}
}

// About implements Receiver.
func (s *Syslog) About() About {
	a := About{Kind: "syslog", Target: s.o.Address, Format: "syslog"}
	if s.o.Message != nil {
		a.Format = s.o.Message.String()
	}
	return a
}

// Close implements Receiver.
func (*Syslog) Close() error { return nil }

// Deliver implements Receiver.
func (s *Syslog) Deliver(ctx context.Context, b *Batch) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	if err := s.write(ctx, c, b); err != nil {
		return errors.Join(err, ignore(c.Close()))
	}
	return c.finish(ctx)
}

// ignore says that an error is of no consequence: another one is told.
func ignore(error) error { return nil }

// connect connects, up to the end of TLS's handshake.
func (s *Syslog) connect(ctx context.Context) (*syslogConn, error) {
	dialer := &net.Dialer{KeepAlive: 15 * time.Second}
	raw, err := dialer.DialContext(ctx, "tcp", s.o.Address)
	if err != nil {
		return nil, err
	}
	tcp, _ := raw.(*net.TCPConn)
	c := &syslogConn{Conn: raw, tcp: tcp, read: make(chan struct{})}
	if s.o.TLS != nil {
		if c.Conn, err = s.secure(ctx, raw); err != nil {
			return nil, errors.Join(fmt.Errorf("speaking TLS to %s: %w", s.o.Address, err), ignore(raw.Close()))
		}
	}
	go c.watch()
	return c, nil
}

func (s *Syslog) secure(ctx context.Context, raw net.Conn) (net.Conn, error) {
	settings, err := s.o.TLS()
	if err != nil {
		return nil, err
	}
	if settings = settings.Clone(); settings.ServerName == "" {
		if settings.ServerName, _, err = net.SplitHostPort(s.o.Address); err != nil {
			return nil, err
		}
	}
	c := tls.Client(raw, settings)
	return c, c.HandshakeContext(ctx)
}

// write writes the messages of a batch: the length of each in octets, a space,
// and the message (RFC 5425 section 4.3).
func (s *Syslog) write(ctx context.Context, c *syslogConn, b *Batch) error {
	defer c.bound(ctx)()
	out := bufio.NewWriterSize(c, 16<<10) // a record of TLS
	for _, r := range b.Records {
		if s.o.Message != nil {
			s.room = s.o.Encoder.SyslogWith(s.room[:0], s.o.Source, *s.o.Message, r)
		} else {
			s.room = s.o.Encoder.Syslog(s.room[:0], s.o.Source, r)
		}
		var head [24]byte
		if _, err := out.Write(append(strconv.AppendInt(head[:0], int64(len(s.room)), 10), ' ')); err != nil {
			return err
		}
		if _, err := out.Write(s.room); err != nil {
			return err
		}
	}
	return out.Flush()
}

// syslogConn is a connection to a syslog server.
type syslogConn struct {
	net.Conn

	tcp  *net.TCPConn  // below Conn
	read chan struct{} // closed when nothing more is read
	why  error         // after read: nil for an orderly end
}

// watch reads what the receiver says, which is nothing, up to the connection's
// end.
func (c *syslogConn) watch() {
	defer close(c.read)
	_, c.why = io.Copy(io.Discard, io.LimitReader(c.Conn, 1<<20))
}

// ended reports whether the receiver has ended the connection.
func (c *syslogConn) ended() bool {
	select {
	case <-c.read:
		return true
	default:
		return false
	}
}

// bound ends whatever waits for the connection with ctx, until the returned
// function is called.
func (c *syslogConn) bound(ctx context.Context) (release func()) {
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) }) // what waits says so
	return func() { stop() }
}

// finish ends the connection in order, and returns nil when the receiver has
// read everything that was written.
func (c *syslogConn) finish(ctx context.Context) (err error) {
	defer func() { _ = c.Close() }() // it is over either way
	if c.ended() {
		return c.broken("before everything was written")
	}
	defer c.bound(ctx)()
	if secure, ok := c.Conn.(*tls.Conn); ok {
		if err := secure.CloseWrite(); err != nil {
			return err
		}
	}
	if err := c.tcp.CloseWrite(); err != nil {
		return err
	}
	select {
	case <-c.read:
	case <-ctx.Done():
		return fmt.Errorf("the receiver does not close the connection, and so does not say that it has read everything: %w", ctx.Err())
	}
	if c.why != nil {
		return c.broken("before everything was read")
	}
	return settled(ctx, c.tcp)
}

func (c *syslogConn) broken(when string) error {
	if c.why == nil {
		return fmt.Errorf("the receiver has closed the connection %s", when)
	}
	return fmt.Errorf("the connection has ended %s: %w", when, c.why)
}
