package edge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"sync"
	"time"
)

// copyBuffer is the size of the buffers that bodies are copied through.
const copyBuffer = 32 << 10

// buffers are those that nobody uses.
type buffers struct{ pool sync.Pool }

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([copyBuffer]byte) }}}
}

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte { return b.pool.Get().(*[copyBuffer]byte)[:] }

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put((*[copyBuffer]byte)(p)) }

// proxy returns the handler of a site.
func (e *Edge) proxy(s *site, f *forwarder) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: f.rewrite, Transport: s.upstreams, BufferPool: e.buffers,
		ErrorLog:     slog.NewLogLogger(e.log.Handler(), slog.LevelDebug),
		ErrorHandler: e.upstreamFailed,
	}
}

// upstreamFailed answers a request that no upstream answered.
func (e *Edge) upstreamFailed(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusBadGateway
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		status = http.StatusRequestEntityTooLarge
	case gaveUp(r, err):
		status = statusClientGone
	case errors.Is(err, context.DeadlineExceeded) || os.IsTimeout(err):
		status = http.StatusGatewayTimeout
	}
	if status >= http.StatusInternalServerError {
		e.log.WarnContext(r.Context(), "an upstream did not answer", slog.String("host", bounded(r.Host)), slog.Any("cause", err))
	}
	refuse(w, status)
}

// statusClientGone is what the access log says of clients that went away before
// an answer; nobody is sent it.
const statusClientGone = 499

// refuse answers with a status and nothing else.
func refuse(w http.ResponseWriter, status int) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, http.StatusText(status)+"\n") // the client is gone if this fails
}

// ServeHTTP hands a request to the site that it is for.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	t := e.table.Load()
	s := t.find(host(r))
	out := &response{ResponseWriter: w, status: http.StatusOK}
	defer func() { e.journal.request(r, out, s, began) }()
	switch {
	case !plainHost(r.Host):
		refuse(out, http.StatusBadRequest)
		return
	case s == nil || s != t.find(r.TLS.ServerName):
		// Another site's certificate was presented: its clients are not this one's
		// (RFC 9110 section 15.5.20).
		refuse(out, http.StatusMisdirectedRequest)
		return
	}
	if most := e.config().Limits.BodyBytes; most > 0 {
		if r.ContentLength > most {
			refuse(out, http.StatusRequestEntityTooLarge)
			return
		}
		r.Body = http.MaxBytesReader(out, r.Body, most)
	}
	s.handler.ServeHTTP(out, r)
}

// response is an answer of which the status and the length are noted.
type response struct {
	http.ResponseWriter
	status int
	bytes  int64
	wrote  bool
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader notes the status. Those of 1xx come before it.
func (w *response) WriteHeader(status int) {
	if !w.wrote && status >= http.StatusOK || status == http.StatusSwitchingProtocols {
		w.status, w.wrote = status, true
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write notes the length.
func (w *response) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.wrote = true
	w.bytes += int64(n)
	return n, err
}

// Hijack gives the connection away, for a WebSocket.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err == nil {
		w.status = http.StatusSwitchingProtocols
	}
	return c, rw, err
}
