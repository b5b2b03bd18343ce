package keyless

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	wire "github.com/holdfast-kms/holdfast/internal/wire/keyless"
)

// job is a request on its way. It comes from a pool, with its buffer.
type job struct {
	Request
	conn   *conn
	id     uint32 // the packet's
	buffer []byte // of which the request's fields are parts
}

// usualBuffer is the room for a packet that is padded as all are; longer ones
// are not kept.
const usualBuffer = 2 * wire.PadTo

var jobs = sync.Pool{New: func() any { return &job{buffer: make([]byte, usualBuffer)} }}

// newJob returns a job with room for a body.
func newJob(c *conn, size int) *job {
	j, ok := jobs.Get().(*job)
	if !ok {
		panic("keyless: the pool of jobs has something else")
	}
	j.conn = c
	if size > cap(j.buffer) {
		j.buffer = make([]byte, size)
	}
	j.buffer = j.buffer[:size]
	return j
}

// free gives a job back. What it held may be a secret.
func (j *job) free() {
	clear(j.buffer)
	if cap(j.buffer) > usualBuffer {
		return
	}
	j.Request, j.conn = Request{}, nil
	jobs.Put(j)
}

// lane are the requests of one kind that wait, and who serves them. RSA has a
// lane of its own, because one operation takes as long as forty others. Its
// workers are many more than processors: each waits for the audit log to be
// durable, or for an HSM, most of its time. What they compute is short, so that
// the scheduler's order does for them; package engine/soft lets only as many RSA
// operations run as there are processors.
type lane struct {
	server  *Server
	queue   chan *job
	blocked atomic.Uint64 // how often a connection had to wait for room
	workers sync.WaitGroup
}

func startLane(s *Server, workers int) *lane {
	l := &lane{server: s, queue: make(chan *job, s.limits.Queue)}
	for range workers {
		l.workers.Go(l.work)
	}
	return l
}

// put hands a job to the workers. It waits where there is no room: the
// connection reads nothing meanwhile.
func (l *lane) put(j *job) {
	select {
	case l.queue <- j:
	default:
		l.blocked.Add(1)
		l.queue <- j
	}
}

// end ends the workers, when no connection is left.
func (l *lane) end() {
	close(l.queue)
	l.workers.Wait()
}

func (l *lane) work() {
	var d deadline
	defer d.end()
	for j := range l.queue {
		l.server.serve(d.next(l.server.limits.Request), j)
	}
}

// deadline gives a worker's requests a context with a deadline, a new one not for
// each of them but every now and then: an operation has its limit, and up to half
// as much more.
type deadline struct {
	context.Context
	cancel context.CancelFunc
	left   time.Time
}

func (d *deadline) next(limit time.Duration) context.Context {
	if now := time.Now(); d.Context == nil || now.After(d.left) {
		d.end()
		d.Context, d.cancel = context.WithTimeout(context.Background(), limit+limit/2)
		d.left = now.Add(limit / 2)
	}
	return d.Context
}

func (d *deadline) end() {
	if d.Context != nil {
		d.cancel()
	}
}

// serve does what a job asks for and answers it.
func (s *Server) serve(ctx context.Context, j *job) {
	payload, err := s.perform(ctx, j)
	answer := wire.Operation{Opcode: wire.OpResponse, Payload: payload}
	if err != nil {
		answer = wire.Operation{Opcode: wire.OpError, Payload: errorPayload(errorOf(err))}
	}
	s.config.Observe(ctx, API, j.Route.Name(), codeOf(err), time.Since(j.Arrived))
	c, id := j.conn, j.id
	j.free()
	c.answer(&answer, id)
	clear(payload)
}

// perform runs one request. A panic, our own bug, ends only that.
func (s *Server) perform(ctx context.Context, j *job) (payload []byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.config.Log.ErrorContext(ctx, "a request panicked", slog.String("request", j.ID), slog.Any("panic", p),
				slog.String("stack", string(debug.Stack())))
			payload, err = nil, wire.ErrInternal
		}
	}()
	payload, err = j.conn.session.Do(ctx, &j.Request)
	if err == nil && j.Opcode == wire.OpRSADecrypt {
		payload = premaster(payload)
	}
	if err == nil && len(payload) > wire.MaxPayload {
		return nil, fmt.Errorf("an answer of %d bytes: %w", len(payload), wire.ErrInternal)
	}
	if err != nil && errorOf(err) == wire.ErrInternal {
		s.config.Log.ErrorContext(ctx, "request failed", slog.String("api", API), slog.String("operation", j.Route.Name()),
			slog.String("request", j.ID), slog.Any("cause", err))
	}
	return payload, err
}

// errorPayloads are the bytes of the errors, so that none is made for an answer.
var errorPayloads = func() (all [256][1]byte) {
	for i := range all {
		all[i][0] = byte(i)
	}
	return all
}()

func errorPayload(e wire.Error) []byte { return errorPayloads[e][:] }
