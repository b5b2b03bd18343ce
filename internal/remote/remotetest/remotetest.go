// Package remotetest has what the tests of engines over key services share: a
// Faulty server that misbehaves to order, and the suite that says what an
// engine makes of it.
package remotetest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"
)

// Fault is what a service does instead of answering.
type Fault uint8

// The faults.
const (
	None Fault = iota
	// Throttle answers that there are too many requests, without acting.
	Throttle
	// Fail answers that the service has an internal error, without acting.
	Fail
	// Slow acts, and answers after Delay.
	Slow
	// Cut acts, and closes the connection in the middle of the answer.
	Cut
	// Drop closes the connection without acting or answering.
	Drop
	// Expire answers that the credential has expired, without acting.
	Expire
)

// Service is a key service that misbehaves to order.
type Service interface {
	// Inject spares so many requests and has the n after them suffer the fault.
	// What was ordered before is forgotten.
	Inject(f Fault, spare, n int)
	// Requests returns how many requests have come, with those that suffered.
	Requests() int
	// Keys returns how many keys the service has that are not deleted.
	Keys() int
}

// Delay is how late Slow answers: later than the Attempt of Settings.
const Delay = 700 * time.Millisecond

// Orders are what a service was told to do instead of answering. All methods
// may be called at the same time.
type Orders struct {
	mu       sync.Mutex
	fault    Fault // guarded by mu
	spare    int   // guarded by mu
	left     int   // guarded by mu
	requests int   // guarded by mu
}

// Inject spares so many requests and has the n after them suffer the fault.
func (o *Orders) Inject(f Fault, spare, n int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fault, o.spare, o.left = f, spare, n
}

// Requests returns how many requests have come.
func (o *Orders) Requests() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.requests
}

// Turn counts a request and returns what it suffers.
func (o *Orders) Turn() Fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.requests++
	if o.spare > 0 {
		o.spare--
		return None
	}
	if o.left == 0 {
		return None
	}
	o.left--
	return o.fault
}

// Faulty is an HTTP server in front of another handler.
type Faulty struct {
	Orders
	// Next answers what suffers nothing.
	Next http.Handler
	// Answer writes the service's own error for Throttle, Fail and Expire.
	Answer func(w http.ResponseWriter, r *http.Request, f Fault)
	// Spares reports which requests suffer nothing, such as those for tokens;
	// nil for none.
	Spares func(r *http.Request) bool
	// Count returns how many keys the service has.
	Count func() int
}

// Keys returns how many keys the service has.
func (s *Faulty) Keys() int { return s.Count() }

// ServeHTTP answers, or misbehaves.
func (s *Faulty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.Spares != nil && s.Spares(r) {
		s.Next.ServeHTTP(w, r)
		return
	}
	switch f := s.Turn(); f {
	case Throttle, Fail, Expire:
		_, _ = io.Copy(io.Discard, r.Body)
		s.Answer(w, r, f)
	case Drop:
		abort(w)
	case Cut:
		s.cut(w, r)
	case Slow:
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		rec := httptest.NewRecorder()
		s.Next.ServeHTTP(rec, r)
		select {
		case <-time.After(Delay):
		case <-r.Context().Done():
		}
		copyTo(w, rec, rec.Body.Len())
	case None:
		s.Next.ServeHTTP(w, r)
	}
}

// cut acts, and sends half of the answer.
func (s *Faulty) cut(w http.ResponseWriter, r *http.Request) {
	rec := httptest.NewRecorder()
	s.Next.ServeHTTP(rec, r)
	copyTo(w, rec, rec.Body.Len()/2)
	if f, ok := w.(http.Flusher); ok {
		f.Flush()
	}
	abort(w)
}

// copyTo sends a recorded answer's head and some of its body.
func copyTo(w http.ResponseWriter, rec *httptest.ResponseRecorder, n int) {
	maps.Copy(w.Header(), rec.Header())
	if n < rec.Body.Len() {
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:n])
}

// abort ends the connection.
func abort(http.ResponseWriter) { panic(http.ErrAbortHandler) }
