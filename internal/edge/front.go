package edge

import (
	"context"
	"crypto"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/internal/edge/setting"
	"github.com/holdfast-kms/holdfast/keyless"
)

// result is how a handshake ended.
type result string

// The results.
const (
	resultOK          result = "ok"
	resultClient      result = "client"         // the client's doing: it went away, or speaks what is not offered
	resultTimeout     result = "timeout"        // it took too long
	resultUnknownName result = "unknown-name"   // no site has the name
	resultNone        result = "no-certificate" // the site has none now
	resultKey         result = "key"            // the key could not be used
)

// handshake is what is known of a handshake while it runs: by one goroutine.
type handshake struct {
	result result
	cause  error // of resultKey
}

type handshakeKey struct{}

// front accepts connections and does their handshakes. What is through is
// accepted from it by net/http.
type front struct {
	config  *tls.Config
	limits  *setting.Limits
	timeout time.Duration
	table   func() *table
	metrics *metrics
	log     *slog.Logger

	places chan struct{} // full when as many connections are open as may be
	turns  chan struct{} // the same for handshakes
	ready  chan net.Conn
	closed chan struct{}
	once   sync.Once
	// ending is closed when nothing is to be accepted any more.
	ending    chan struct{}
	accepting sync.WaitGroup // the listeners' goroutines
	tasks     sync.WaitGroup // handshakes

	mu   sync.Mutex // guards open
	open map[*conn]bool
}

// conn is a connection below TLS.
type conn struct {
	net.Conn
	front *front
	once  sync.Once
}

// Write writes within the time that a client may take nothing.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.front.limits.StallTimeout)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Close gives the connection's place back.
func (c *conn) Close() error {
	c.once.Do(func() {
		c.front.mu.Lock()
		delete(c.front.open, c)
		c.front.mu.Unlock()
		<-c.front.places
	})
	return c.Conn.Close()
}

// acceptPause is how long nothing is accepted after a failure to.
const acceptPause = 50 * time.Millisecond

// accept accepts the connections of a listener until that is closed.
func (f *front) accept(ctx context.Context, l net.Listener) {
	for {
		select {
		case f.places <- struct{}{}:
		case <-f.ending:
			return
		}
		raw, err := l.Accept()
		if err != nil {
			<-f.places
			if errors.Is(err, net.ErrClosed) {
				return
			}
			f.log.ErrorContext(ctx, "a connection was not accepted", slog.Any("cause", err))
			select {
			case <-time.After(acceptPause): // it may be short of files
			case <-f.ending:
				return
			}
			continue
		}
		c := &conn{Conn: raw, front: f}
		f.mu.Lock()
		f.open[c] = true
		f.mu.Unlock()
		f.tasks.Go(func() { f.shake(ctx, c) })
	}
}

// shake does the handshake of a connection and hands it on.
func (f *front) shake(ctx context.Context, c *conn) {
	h := &handshake{}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, handshakeKey{}, h), f.timeout)
	defer cancel()
	select {
	case f.turns <- struct{}{}:
		defer func() { <-f.turns }()
	case <-ctx.Done():
		f.failed(ctx, c, h, ctx.Err())
		return
	}
	began := time.Now()
	secure := tls.Server(c, f.config)
	if err := secure.HandshakeContext(ctx); err != nil {
		f.failed(ctx, c, h, err)
		return
	}
	state := secure.ConnectionState()
	f.metrics.handshake(resultOK, tls.VersionName(state.Version), state.DidResume, time.Since(began))
	select {
	case f.ready <- secure:
	case <-f.closed:
		_ = secure.Close() // nobody serves it any more
	}
}

// failed counts and logs a handshake that did not come to its end.
func (f *front) failed(ctx context.Context, c *conn, h *handshake, err error) {
	_ = c.Close() // the alert is sent
	r := h.result
	if r == "" {
		r = resultClient
		if ctx.Err() != nil {
			r = resultTimeout
		}
	}
	f.metrics.handshake(r, "", false, 0)
	level := slog.LevelDebug
	if r == resultKey || r == resultNone {
		level = slog.LevelError
		if h.cause != nil {
			err = h.cause
		}
	}
	f.log.Log(ctx, level, "a TLS handshake failed", slog.String("result", string(r)), slog.String("client", c.RemoteAddr().String()), slog.Any("cause", err))
}

// certificate chooses the certificate of a handshake. Without one the client is
// told so by the alert unrecognized_name.
func (f *front) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	h, ok := hello.Context().Value(handshakeKey{}).(*handshake)
	if !ok {
		return nil, errors.New("a handshake of somebody else")
	}
	s := f.table().find(hello.ServerName)
	if s == nil {
		h.result = resultUnknownName
		return nil, nil
	}
	c := s.certificate(hello, time.Now())
	if c == nil {
		h.result = resultNone
		return nil, errors.New("the site " + s.name + " has no certificate to present now")
	}
	scoped := *keyless.ForHandshake(c.Certificate, hello)
	key, ok := scoped.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key does not sign")
	}
	scoped.PrivateKey = &watched{key, h, c.from}
	return &scoped, nil
}

// watched is a key whose failures are told from the client's.
type watched struct {
	crypto.Signer
	handshake *handshake
	from      *certificate.Kept
}

// Sign signs.
func (w *watched) Sign(random io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	signature, err := w.Signer.Sign(random, digest, opts)
	if err != nil && !errors.Is(err, context.Canceled) {
		w.handshake.result, w.handshake.cause = resultKey, err
	}
	if errors.Is(err, keyless.KeyNotFound) {
		w.from.Doubt() // it may have been renewed with another key
	}
	return signature, err
}

// Accept returns the next connection that is through its handshake.
func (f *front) Accept() (net.Conn, error) {
	select {
	case c := <-f.ready:
		return c, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}

// Close has Accept return.
func (f *front) Close() error {
	f.once.Do(func() { close(f.closed) })
	return nil
}

// Addr returns no address: there may be several.
func (f *front) Addr() net.Addr { return &net.TCPAddr{} }

// finish waits for the handshakes that have begun, once the listeners are closed.
// It is called once.
func (f *front) finish() {
	close(f.ending)
	f.accepting.Wait() // no handshake begins any more
	f.tasks.Wait()
}

// cut closes all connections.
func (f *front) cut() {
	f.mu.Lock()
	open := make([]*conn, 0, len(f.open))
	for c := range f.open {
		open = append(open, c)
	}
	f.mu.Unlock()
	for _, c := range open {
		_ = c.Close() // they were given the time to end
	}
}

// connections returns how many are open.
func (f *front) connections() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.open)
}
