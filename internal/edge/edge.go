package edge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/edge/certificate"
	"github.com/holdfast-kms/holdfast/internal/edge/setting"
	"github.com/holdfast-kms/holdfast/keyless"
)

// Options are what an edge gets beside its configuration.
type Options struct {
	Config *setting.Config
	// Keys are the key servers, nil where all keys are files; the edge closes it.
	Keys *keyless.Client
	// Managed is asked for managed certificates, nil where there are none.
	Managed certificate.Managed
	// Log is the edge's own log, Stderr where the access log goes without a file.
	Log    *slog.Logger
	Stderr io.Writer
	// Reload asks, each time, to look at files and certificates, and to take a
	// configuration that Again returns.
	Reload <-chan os.Signal
	Again  func() (*setting.Config, error)
	// Ready is called once, with the listeners' addresses, when the edge serves.
	Ready func(addresses []string) error
}

// Edge is a running edge.
type Edge struct {
	Options
	log       *slog.Logger
	current   atomic.Pointer[setting.Config]
	table     atomic.Pointer[table]
	front     *front
	tickets   *tickets
	journal   *journal
	metrics   *metrics
	responder *certificate.Responder
	buffers   *buffers
	stopping  atomic.Bool

	mu      sync.Mutex // guards kept
	kept    map[certificate.Setting]*kept
	ctx     context.Context //nolint:containedctx // of the goroutines that keep certificates
	keepers sync.WaitGroup
}

// kept is a certificate with what ends its goroutine.
type kept struct {
	*certificate.Kept
	cancel context.CancelFunc
}

// config returns the configuration as it is now.
func (e *Edge) config() *setting.Config { return e.current.Load() }

// Run serves until ctx ends, then lets running requests finish and closes
// everything.
func Run(ctx context.Context, o Options) (err error) {
	keeping, stop := context.WithCancel(context.WithoutCancel(ctx))
	e := &Edge{
		Options: o, log: o.Log, metrics: newMetrics(), responder: certificate.NewResponder(), buffers: newBuffers(), kept: map[certificate.Setting]*kept{}, ctx: keeping,
	}
	defer func() {
		stop()
		e.keepers.Wait()
		if o.Keys != nil {
			err = errors.Join(err, o.Keys.Close())
		}
	}()
	if e.journal, err = openJournal(o.Config.AccessLog, o.Stderr, e.metrics); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.journal.close()) }()
	if err := e.take(ctx, o.Config); err != nil {
		return err
	}
	e.openFront(o.Config)
	e.metrics.watch(e)
	listeners, err := listen(ctx, o.Config)
	if err != nil {
		return err
	}
	return e.serve(ctx, listeners)
}

// openFront makes what does the handshakes.
func (e *Edge) openFront(c *setting.Config) {
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, SessionTicketsDisabled: c.TLS.Tickets.Off,
	}
	if c.TLS.MinVersion == "1.3" {
		config.MinVersion = tls.VersionTLS13
	}
	e.front = &front{
		config: config, limits: &c.Limits, timeout: c.TLS.HandshakeTimeout, table: e.table.Load, metrics: e.metrics, log: e.log,
		places: make(chan struct{}, c.Limits.Connections), turns: make(chan struct{}, c.Limits.Handshakes),
		ready: make(chan net.Conn), closed: make(chan struct{}), ending: make(chan struct{}), open: map[*conn]bool{},
	}
	config.GetCertificate = e.front.certificate
	e.tickets = &tickets{config: config, keep: c.TLS.Tickets.Keep}
	e.tickets.rotate(time.Now())
}

// listeners are the open ones.
type listeners struct {
	front   []net.Listener
	metrics net.Listener // nil for none
}

func (l *listeners) close() error {
	var failures []error
	for _, one := range l.front {
		failures = append(failures, one.Close())
	}
	return errors.Join(failures...)
}

// listen opens the listeners of a configuration.
func listen(ctx context.Context, c *setting.Config) (*listeners, error) {
	l := &listeners{}
	for _, address := range c.Listen {
		one, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listening on %s: %w", address, err), l.close())
		}
		l.front = append(l.front, one)
	}
	if c.Metrics.Listen != "" {
		one, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Metrics.Listen)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("listening on %s: %w", c.Metrics.Listen, err), l.close())
		}
		l.metrics = one
	}
	return l, nil
}

// serve serves the listeners until ctx ends.
func (e *Edge) serve(ctx context.Context, l *listeners) error {
	limits := &e.config().Limits
	quiet := slog.NewLogLogger(e.log.Handler(), slog.LevelDebug)
	server := &http.Server{
		Handler: e, ReadHeaderTimeout: limits.HeaderTimeout, IdleTimeout: limits.IdleTimeout, MaxHeaderBytes: limits.HeaderBytes, ErrorLog: quiet,
		HTTP2: &http.HTTP2Config{MaxConcurrentStreams: limits.Streams},
	}
	figures := &http.Server{Handler: e.metrics.handler(e), ReadHeaderTimeout: limits.HeaderTimeout, ReadTimeout: time.Minute, WriteTimeout: time.Minute, ErrorLog: quiet}
	tasks, end := &sync.WaitGroup{}, make(chan error, 2)
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	addresses := make([]string, 0, len(l.front))
	for _, one := range l.front {
		addresses = append(addresses, one.Addr().String())
		e.front.accepting.Go(func() { e.front.accept(working, one) })
	}
	tasks.Go(func() { end <- server.Serve(e.front) })
	if l.metrics != nil {
		e.log.InfoContext(ctx, "metrics", slog.String("address", l.metrics.Addr().String()))
		tasks.Go(func() { end <- figures.Serve(l.metrics) })
	}
	tasks.Go(func() { e.tickets.run(working, e.config().TLS.Tickets.Rotate) })
	if e.Keys != nil {
		tasks.Go(func() { e.greet(working) })
	}
	err := e.Ready(addresses)
	if err == nil {
		err = e.wait(ctx, end)
	}
	err = errors.Join(err, l.close(), e.drain(ctx, server), figures.Close())
	stop()
	tasks.Wait()
	return err
}

// greet connects to the key servers, so that the first client need not wait.
func (e *Edge) greet(ctx context.Context) {
	if err := e.Keys.Ping(ctx); err != nil && ctx.Err() == nil {
		e.log.ErrorContext(ctx, "not every key server can be reached", slog.Any("cause", err))
	}
}

// wait waits until ctx ends, or a listener fails.
func (e *Edge) wait(ctx context.Context, end <-chan error) error {
	for {
		select {
		case <-e.Reload:
			e.reload(ctx)
		case err := <-end:
			return fmt.Errorf("serving: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// drain lets handshakes and requests finish that have begun.
func (e *Edge) drain(ctx context.Context, server *http.Server) error {
	e.stopping.Store(true)
	e.log.InfoContext(ctx, "stopping: running requests finish first")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), e.config().Drain)
	defer cancel()
	shaken := make(chan struct{})
	go func() {
		defer close(shaken)
		e.front.finish()
	}()
	select {
	case <-shaken:
	case <-ctx.Done():
	}
	err := server.Shutdown(ctx)
	for err == nil && e.front.connections() > 0 && ctx.Err() == nil { // those that net/http gave away: WebSockets
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	e.front.cut()
	<-shaken
	if errors.Is(err, context.DeadlineExceeded) {
		e.log.WarnContext(ctx, "requests were cut off that took too long")
		return nil
	}
	return err
}

// ready says whether clients should be sent here, and what is not as it should
// be.
func (e *Edge) ready() (int, string) {
	var wrong []string
	if e.stopping.Load() {
		return http.StatusServiceUnavailable, "stopping"
	}
	for _, s := range e.table.Load().sites {
		if s.certificate(&tls.ClientHelloInfo{}, time.Now()) == nil {
			wrong = append(wrong, "the site "+s.name+" has no certificate")
		}
	}
	connections := 0
	stats := e.keyStats()
	for _, s := range stats.Servers {
		connections += s.Connections
	}
	if len(stats.Servers) > 0 && connections == 0 {
		wrong = append(wrong, "no key server is connected")
	}
	if len(wrong) > 0 {
		return http.StatusServiceUnavailable, strings.Join(wrong, "\n")
	}
	return http.StatusOK, "ready"
}

// keyStats returns what was done on the key servers.
func (e *Edge) keyStats() keyless.Stats {
	if e.Keys == nil {
		return keyless.Stats{}
	}
	return e.Keys.Stats()
}
