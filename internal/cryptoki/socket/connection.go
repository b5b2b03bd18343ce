package socket

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
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
	app    Application
	who    Peer
	wg     sync.WaitGroup
	// workers is how many there are, idle how many wait to read.
	workers, idle atomic.Int32
	// patience is for how many nanoseconds a call runs before another worker reads
	// on.
	patience atomic.Int64

	// reading guards what follows.
	reading sync.Mutex
	in      frames
	dialect p11kit.Dialect
}

func newConnection(s *server, conn net.Conn, who Peer) *connection {
	c := &connection{
		server: s, conn: conn, who: who,
		in: frames{conn: conn, patience: s.MessageTimeout, idle: s.IdleTimeout},
	}
	c.patience.Store(int64(leastPatience))
	return c
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
	c.app = c.server.application(c.who)
	if err := c.greet(); err == nil {
		c.begin(ctx, cancel)
	}
	c.wg.Wait()
	c.app.Close(context.WithoutCancel(ctx))
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

// How long a call runs before another worker reads on. That costs a change of
// workers, and is for nothing where the application has one thread, which waits
// for the answer. So the wait is twice as long each time that nothing came
// meanwhile, up to the most, and the least again once something did.
const (
	leastPatience = 100 * time.Microsecond
	mostPatience  = 10 * time.Millisecond
)

// learn notes whether a message came while another one's call ran.
func (c *connection) learn(came bool) {
	patience := c.patience.Load()
	if came {
		c.patience.Store(int64(leastPatience))
	} else {
		c.patience.CompareAndSwap(patience, min(2*patience, int64(mostPatience)))
	}
}

// worker reads messages and answers them.
type worker struct {
	*connection

	cancel context.CancelFunc
	body   []byte
	args   p11kit.Reader
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
		var id p11kit.Call
		id, w.args, err = p11kit.ParseRequest(w.body, w.dialect)
		if err != nil {
			w.reading.Unlock()
			return err
		}
		if w.in.to > w.in.from { // the next message is there
			w.learn(true)
		}
		w.calling.Store(true)
		w.timer.Reset(time.Duration(w.patience.Load()))
		err = w.answer(ctx, code, id)
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
func (w *worker) answer(ctx context.Context, code uint32, id p11kit.Call) error {
	timed, cancel := context.WithTimeout(ctx, w.server.CallTimeout)
	defer cancel()
	began := time.Now()
	w.out.Response(code, id)
	if v := w.call(timed, id); v != pkcs11.RVOK {
		w.out.Refuse(code, v)
	}
	if time.Since(began) > leastPatience {
		w.learn(waiting(w.conn)) // an application with one thread sends nothing before it has its answer
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

// call makes a call. What panics is our mistake, and ends the call only.
func (w *worker) call(ctx context.Context, id p11kit.Call) (v pkcs11.RV) {
	defer func() {
		if p := recover(); p != nil {
			w.server.Log.ErrorContext(ctx, "a PKCS #11 call panicked", slog.String("function", id.String()), slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
			v = pkcs11.RVGeneralError
		}
	}()
	return w.app.Call(ctx, id, &w.args, &w.out)
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
			w.who.Attr())
	}
	_ = w.conn.Close() // the others read and write no more
}
