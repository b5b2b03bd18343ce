package cryptoki

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/pkcs11"
	"github.com/holdfast-kms/holdfast/internal/wire/p11kit"
)

// connection is one application's. Its messages are read by one of its workers,
// which answers them, too. When a call waits, another worker reads on, so that
// the threads of an application do not wait for one another; calls that do not
// wait cost no change of workers. Responses go out as they are ready; the client
// knows them by their code.
type connection struct {
	server *server
	conn   net.Conn
	app    *application
	wg     sync.WaitGroup
	// workers is how many there are, idle how many wait to read.
	workers, idle atomic.Int32

	// reading guards what follows.
	reading sync.Mutex
	in      frames
	dialect p11kit.Dialect
}

func newConnection(s *server, conn net.Conn, who peer) *connection {
	return &connection{
		server: s, conn: conn, app: newApplication(s, who),
		in: frames{conn: conn, patience: s.MessageTimeout, idle: s.IdleTimeout},
	}
}

// stop ends reading. What runs is still answered.
func (c *connection) stop() {
	c.in.stopped.Store(true)
	_ = c.conn.SetReadDeadline(time.Now()) // a connection that is closed reads nothing either
}

// run serves the application until its connection ends.
func (c *connection) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.greet(); err == nil {
		c.begin(ctx, cancel)
	}
	c.wg.Wait()
	c.app.close(context.WithoutCancel(ctx))
	_ = c.conn.Close() // nothing is to be written any more
	c.server.forget(c)
}

// greet agrees on a version of the protocol.
func (c *connection) greet() error {
	if err := c.conn.SetReadDeadline(time.Now().Add(c.server.MessageTimeout)); err != nil {
		return err
	}
	var offered [1]byte
	if _, err := io.ReadFull(c.conn, offered[:]); err != nil {
		return err
	}
	if err := c.conn.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	if c.in.stopped.Load() {
		return net.ErrClosed
	}
	c.dialect = p11kit.DialectOf(offered[0])
	_, err := c.conn.Write([]byte{min(offered[0], p11kit.MaxVersion)})
	return err
}

// begin starts another worker.
func (c *connection) begin(ctx context.Context, cancel context.CancelFunc) {
	c.workers.Add(1)
	c.wg.Go(func() {
		w := worker{connection: c, cancel: cancel}
		w.work(ctx)
	})
}

// patienceWithCalls is how long a call takes before another worker reads on.
const patienceWithCalls = 100 * time.Microsecond

// worker reads messages and answers them.
type worker struct {
	*connection

	cancel context.CancelFunc
	body   []byte
	out    p11kit.Writer
	// calling is true while a call is made with the right to read: who sets it to
	// false has that right then, be it the worker or its timer.
	calling atomic.Bool
	timer   *time.Timer
}

func (w *worker) work(ctx context.Context) {
	w.timer = time.AfterFunc(time.Hour, func() {
		if w.calling.CompareAndSwap(true, false) {
			w.handOver(ctx)
		}
	})
	defer w.timer.Stop()
	for {
		w.idle.Add(1)
		w.reading.Lock()
		w.idle.Add(-1)
		if err := w.next(ctx); err != nil {
			w.ended(ctx, err)
			return
		}
	}
}

// handOver lets another worker read.
func (w *worker) handOver(ctx context.Context) {
	w.reading.Unlock()
	if w.idle.Load() == 0 && int(w.workers.Load()) < w.server.Calls {
		w.begin(ctx, w.cancel)
	}
}

// next reads and answers messages, until one has waited. It has the right to
// read when it begins, and not when it returns.
func (w *worker) next(ctx context.Context) error {
	for {
		code, err := w.read()
		if err != nil {
			w.reading.Unlock()
			return err
		}
		id, r, err := p11kit.ParseRequest(w.body, w.dialect)
		if err != nil {
			w.reading.Unlock()
			return err
		}
		c := call{app: w.app, id: id, r: r, w: &w.out}
		w.calling.Store(true)
		w.timer.Reset(patienceWithCalls)
		err = w.answer(ctx, code, &c)
		w.timer.Stop()
		if !w.calling.CompareAndSwap(true, false) {
			return err // another worker reads
		}
		if err != nil {
			w.reading.Unlock()
			return err
		}
	}
}

// read reads a message's body.
func (w *worker) read() (code uint32, err error) {
	h, body, err := w.in.next(w.body)
	w.body = body
	return h.Code, err
}

// keepBody is how much memory a worker keeps for the next message, in bytes.
const keepBody = 16 << 10

// answer makes a call and writes its response.
func (w *worker) answer(ctx context.Context, code uint32, c *call) error {
	timed, cancel := context.WithTimeout(ctx, w.server.CallTimeout)
	defer cancel()
	w.out.Response(code, c.id)
	if err := w.make(timed, c); err != nil {
		w.out.Refuse(code, w.refusal(ctx, c, err))
	}
	_, err := w.conn.Write(w.out.Frame())
	// PINs and keys were in either.
	clear(w.body)
	if cap(w.body) > keepBody {
		w.body = nil
	}
	w.out.Clear()
	return err
}

// make makes a call. What panics is our mistake, and ends the call only.
func (*worker) make(ctx context.Context, c *call) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.app.server.Log.ErrorContext(ctx, "a PKCS #11 call panicked", slog.String("function", c.id.String()), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			err = pkcs11.RVGeneralError
		}
	}()
	return c.make(ctx)
}

// refusal returns what the application is told, and logs what it is not.
func (w *worker) refusal(ctx context.Context, c *call, err error) pkcs11.RV {
	v := rvOf(err)
	if _, plain := errors.AsType[pkcs11.RV](err); !plain {
		w.server.Log.WarnContext(ctx, "a PKCS #11 call failed", slog.String("function", c.id.String()), slog.String("answer", v.Error()),
			slog.Uint64("uid", uint64(w.app.who.uid)), slog.Int("pid", int(w.app.who.pid)), slog.Any("cause", err))
	}
	return v
}

// ended closes the connection for all its workers: no response can come any more
// to what they still do.
func (w *worker) ended(ctx context.Context, err error) {
	if w.in.stopped.Load() {
		return // the others may still answer
	}
	w.cancel()
	if errors.Is(err, p11kit.ErrMalformed) {
		w.server.Log.WarnContext(ctx, "a PKCS #11 application sent what is no message; its connection is closed",
			slog.Uint64("uid", uint64(w.app.who.uid)), slog.Int("pid", int(w.app.who.pid)))
	}
	_ = w.conn.Close() // the others read and write no more
}

// frames reads messages. Each is overwritten in its buffer once it is read.
type frames struct {
	conn     net.Conn
	patience time.Duration // with a message that has begun
	idle     time.Duration // with one that has not; 0: for ever
	stopped  atomic.Bool
	hurried  bool // a deadline is set for the rest of a message
	buf      [4 << 10]byte
	from, to int
}

// next returns the next message's header and its body, in body's memory if that
// is long enough.
func (f *frames) next(body []byte) (p11kit.Header, []byte, error) {
	h, err := f.header()
	if err != nil {
		return h, body, err
	}
	if f.to-f.from < int(h.Options+h.Body) {
		if err := f.hurry(); err != nil {
			return h, body, err
		}
	}
	if body, err = f.take(int(h.Options), int(h.Body), body); err != nil {
		return h, body, err
	}
	if f.hurried || f.idle > 0 {
		f.hurried = false
		err = f.deadline(0)
	}
	return h, body, err
}

// header waits for a message, and reads its header.
func (f *frames) header() (p11kit.Header, error) {
	if f.from == f.to && f.idle > 0 {
		if err := f.deadline(f.idle); err != nil {
			return p11kit.Header{}, err
		}
	}
	for f.to-f.from < p11kit.HeaderSize {
		if f.to > f.from {
			if err := f.hurry(); err != nil {
				return p11kit.Header{}, err
			}
		}
		if err := f.fill(); err != nil {
			return p11kit.Header{}, err
		}
	}
	h, err := p11kit.ParseHeader(f.buf[f.from : f.from+p11kit.HeaderSize])
	f.drop(p11kit.HeaderSize)
	return h, err
}

// hurry has the rest of a message come before patience is over.
func (f *frames) hurry() error {
	if f.hurried {
		return nil
	}
	f.hurried = true
	return f.deadline(f.patience)
}

// deadline sets how long a read may take; 0 is for ever. A server that ends
// reads no more, whatever is set.
func (f *frames) deadline(d time.Duration) error {
	var t time.Time
	if d > 0 {
		t = time.Now().Add(d)
	}
	if err := f.conn.SetReadDeadline(t); err != nil {
		return err
	}
	if f.stopped.Load() {
		return net.ErrClosed
	}
	return nil
}

// fill reads more into the buffer.
func (f *frames) fill() error {
	if f.from > 0 {
		copy(f.buf[:], f.buf[f.from:f.to])
		f.from, f.to = 0, f.to-f.from
	}
	n, err := f.conn.Read(f.buf[f.to:])
	f.to += n
	if n > 0 {
		return nil
	}
	return err
}

// drop overwrites the next n bytes of the buffer and goes on behind them.
func (f *frames) drop(n int) {
	clear(f.buf[f.from : f.from+n])
	f.from += n
}

// chunk is how much memory is taken for a message before its bytes are there.
const chunk = 64 << 10

// take skips bytes and returns the next n.
func (f *frames) take(skip, n int, body []byte) ([]byte, error) {
	for _, part := range [...]int{skip, n} {
		body = body[:0]
		for len(body) < part {
			at := len(body)
			body = slices.Grow(body, min(part-at, chunk))[:at+min(part-at, chunk)]
			had := copy(body[at:], f.buf[f.from:f.to])
			f.drop(had)
			if _, err := io.ReadFull(f.conn, body[at+had:]); err != nil {
				return body, err
			}
		}
	}
	return body, nil
}
