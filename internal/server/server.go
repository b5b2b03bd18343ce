package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/net/netutil"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/hsm"
	"github.com/holdfast-kms/holdfast/internal/remote"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
	"github.com/holdfast-kms/holdfast/internal/server/keyless"
	"github.com/holdfast-kms/holdfast/internal/server/tracing"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Timeouts of a connection. A client that is slower than these is cut off.
const (
	headerTimeout   = 10 * time.Second
	readTimeout     = 30 * time.Second
	writeTimeout    = 60 * time.Second
	idleTimeout     = 2 * time.Minute
	shutdownTimeout = 30 * time.Second
	maxHeaderBytes  = 32 << 10
)

// Options are what the command line adds to a configuration.
type Options struct {
	Config config.Config
	// Root is the opened root key; nil with Shares.
	Root *seal.Root
	// Shares makes the server start sealed: it serves when enough are entered.
	Shares *seal.Unsealing
	Log    *slog.Logger
	// Ready is called once, with the base URL, when the server serves. Sealed
	// is called before it when a sealed server waits for shares.
	Ready, Sealed func(url string) error
	// Dev is set for a development server only.
	Dev *Dev
	// Pprof is a loopback address for net/http/pprof; "" means none.
	Pprof string
}

// gcPercent lets the heap of garbage grow to four times what lives before it
// is collected: what lives is small (an idle server stays below 50 MB), and
// collecting it twenty times a second under load would cost a tenth of the
// processor. The variable GOGC goes before it.
const gcPercent = 400

// server is what runs around the instance.
type server struct {
	Options
	tls      *certificate.Identity
	metrics  *metrics
	tracer   *tracing.Tracer                 // nil where nothing is traced
	instance atomic.Pointer[instance]        // nil while the server is sealed
	sealed   *sealed                         // nil for one that starts with its root key
	keyless  atomic.Pointer[keyless.Service] // nil while there is none
	failed   chan error                      // why a listener serves no more
	// resetting is held for reading by each request of a development server,
	// and for writing while it is emptied.
	resetting sync.RWMutex
	stopping  atomic.Bool
}

// Run serves until ctx ends, then lets running requests finish and closes
// everything. SIGHUP has the TLS certificate read again.
func Run(ctx context.Context, o Options) (err error) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	s := &server{Options: o, sealed: newSealed(o.Shares, ctx.Done()), failed: make(chan error, maxListeners)}
	if s.tracer, err = tracing.Open(ctx, &o.Config.Tracing, Version().Version, o.Log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.tracer.Close()) }()
	if s.tls, err = certificate.Open(&o.Config); err != nil {
		return err
	}
	s.openMetrics()
	listeners, err := s.listen()
	if err != nil {
		return err
	}
	url := "https://" + listeners[0].Addr().String()
	if s.Dev != nil && s.Config.PublicURL == "" {
		s.Config.PublicURL = url
	}
	if s.Dev != nil && len(s.Config.Egress.Allow) == 0 {
		s.Config.Egress.Allow = loopback() // what a developer's server tells is on the developer's machine
	}
	if s.Dev != nil && !s.Config.Keyless.On() {
		s.Config.Keyless.Listen, s.Config.Keyless.ClientCertificates = "127.0.0.1:0", config.KeylessOptional
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	if s.sealed == nil {
		if err := s.start(ctx, url); err != nil {
			return errors.Join(err, closeAll(listeners))
		}
	}
	return s.serve(ctx, listeners, url)
}

// loopback are the networks of this machine alone.
func loopback() []netip.Prefix {
	return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
}

// closeAll closes listeners that do not serve.
func closeAll(endpoints []*endpoint) error {
	var failures []error
	for _, e := range endpoints {
		failures = append(failures, e.Close())
	}
	return errors.Join(failures...)
}

// maxListeners is how many listeners a server has at most.
const maxListeners = 8

// endpoint is one listener with what it serves.
type endpoint struct {
	net.Listener
	http *http.Server
}

// listen opens every listener: the main one first.
func (s *server) listen() ([]*endpoint, error) {
	var open []*endpoint
	add := func(address string, secure bool, h http.Handler) error {
		l, err := net.Listen("tcp", address) //nolint:noctx // a listener lives as long as the server
		if err != nil {
			return fmt.Errorf("listening on %s: %w", address, err)
		}
		l = netutil.LimitListener(l, s.Config.Limits.Connections)
		if secure {
			l = tls.NewListener(l, s.tls.Config())
		}
		open = append(open, &endpoint{l, s.httpServer(h)})
		return nil
	}
	err := add(s.Config.Listen, true, s.handler(s.Config.Metrics.Listen == ""))
	if err == nil && s.Config.Metrics.Listen != "" {
		err = add(s.Config.Metrics.Listen, false, s.metrics.handler())
	}
	if err == nil && s.Dev != nil && s.Dev.ListenHTTP != "" {
		err = add(s.Dev.ListenHTTP, false, s.handler(true))
	}
	if err == nil && s.Pprof != "" {
		err = add(s.Pprof, false, pprofHandler())
	}
	if err != nil {
		return nil, errors.Join(err, closeAll(open))
	}
	return open, nil
}

func (s *server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

// serve serves all listeners until ctx ends or one fails.
func (s *server) serve(ctx context.Context, endpoints []*endpoint, url string) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	for _, e := range endpoints {
		go func() { s.failed <- e.http.Serve(e.Listener) }()
	}
	// What the start needed is given back: a server that waits stays small.
	debug.FreeOSMemory()
	if err := s.announce(ctx, url); err != nil {
		return errors.Join(err, s.shutdown(ctx, endpoints))
	}
	for {
		select {
		case <-hangup:
			s.reload(ctx)
		case u := <-s.sealed.hand():
			err := s.unseal(ctx, u, url)
			u.done <- err
			if err != nil {
				return errors.Join(fmt.Errorf("starting after the unsealing: %w", err), s.shutdown(ctx, endpoints))
			}
		case err := <-s.failed:
			return errors.Join(fmt.Errorf("serving: %w", err), s.shutdown(ctx, endpoints))
		case <-ctx.Done():
			return s.shutdown(ctx, endpoints)
		}
	}
}

// shutdown lets running requests finish.
func (s *server) shutdown(ctx context.Context, endpoints []*endpoint) error {
	s.stopping.Store(true)
	s.Log.InfoContext(ctx, "stopping: running requests finish first")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	failures := []error{s.stopKeyless(ctx)}
	for _, e := range endpoints {
		failures = append(failures, e.http.Shutdown(ctx))
	}
	return errors.Join(failures...)
}

// handler answers what concerns the server itself, and hands on the rest.
func (s *server) handler(withMetrics bool) http.Handler {
	figures, api := s.metrics.handler(), s.tracer.Handler(http.HandlerFunc(s.serveAPI))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.caught(r)
		switch {
		case r.URL.Path == "/healthz":
			answer(w, http.StatusOK, "ok")
		case r.URL.Path == "/readyz":
			s.readyz(w, r)
		case r.URL.Path == "/metrics" && withMetrics:
			figures.ServeHTTP(w, r)
		case ofSeal(r.URL.Path):
			s.serveSeal(w, r)
		case s.instance.Load() == nil:
			s.refuse(w, r)
		default:
			api.ServeHTTP(w, r)
		}
	})
}

// serveAPI hands a request to the front ends.
func (s *server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if s.Dev != nil {
		s.serveDev(w, r)
		return
	}
	s.instance.Load().handler.ServeHTTP(w, r)
}

// caught logs the panic of a request, our own bug, and cuts its connection:
// what is half sent cannot be taken back. net/http would log it among the
// noise of connections, which nobody reads.
func (s *server) caught(r *http.Request) {
	if p := recover(); p != nil && p != http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
		s.Log.ErrorContext(r.Context(), "a request panicked", slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
		panic(http.ErrAbortHandler)
	} else if p != nil {
		panic(p)
	}
}

// readyz says whether requests should be sent here.
func (s *server) readyz(w http.ResponseWriter, r *http.Request) {
	if s.stopping.Load() {
		answer(w, http.StatusServiceUnavailable, "stopping")
		return
	}
	i := s.instance.Load()
	if i == nil {
		answer(w, http.StatusServiceUnavailable, s.progress())
		return
	}
	status, text := http.StatusOK, "ready"
	if err := i.ready(r.Context()); err != nil {
		s.Log.WarnContext(r.Context(), "not ready", slog.Any("cause", err))
		status, text = http.StatusServiceUnavailable, "not ready"
	}
	// A token or provider that is away is shown, and takes the server out for
	// nobody: all that needs it fails by itself, and all else goes on.
	answer(w, status, strings.TrimSuffix(text+"\n"+i.hsms.Lines()+i.providers.Lines(), "\n"))
}

func answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text + "\n")) // the client is gone if this fails
}

func (s *server) keys() float64 {
	if i := s.instance.Load(); i != nil {
		return float64(i.keys.Keys())
	}
	return 0
}

// tokens returns how each token is.
func (s *server) tokens() []hsm.Health {
	if i := s.instance.Load(); i != nil {
		return i.hsms.Health()
	}
	return nil
}

// providers returns how each key service is.
func (s *server) providers() []remote.Health {
	if i := s.instance.Load(); i != nil {
		return i.providers.Health()
	}
	return nil
}

// pprofHandler serves the profiles of this process.
func pprofHandler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	return mux
}

// Version returns what the binary was built from.
func Version() native.ServerVersion {
	v := native.ServerVersion{Version: "dev", Go: runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v.Revision = s.Value
		}
	}
	return v
}
