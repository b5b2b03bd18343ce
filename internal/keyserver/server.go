package keyserver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/durable"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/keyless"
)

// Options are what the command adds to a configuration.
type Options struct {
	Config *Config
	// Again reads the configuration again, for Reload; nil for none.
	Again func() (*Config, error)
	Log   *slog.Logger
	// Isolated has PKCS #11 libraries run in processes of their own: the program
	// calls the worker's Main first.
	Isolated bool
}

// Times of a server.
const (
	shutdownTimeout = 30 * time.Second
	// grace is how long keys stay open that a reload has replaced, for the
	// operations that have begun.
	grace = time.Minute
)

// serving is what a reload replaces.
type serving struct {
	set         *Set
	allow       []Rule
	certificate *tls.Certificate
	clients     *x509.CertPool
}

// Server is a key server.
type Server struct {
	Options
	serving atomic.Pointer[serving]
	log     *audit.Log // nil where uses are not on record
	engine  *keyless.Server
	figures *figures
	metrics *http.Server

	listeners []net.Listener
	shown     net.Listener // of the figures, nil for none
	retiring  sync.WaitGroup
	ended     chan struct{}

	reloading sync.Mutex // one at a time
}

// Open opens the keys and listens. Run serves; Close must be called if Run is not.
func Open(ctx context.Context, o Options) (_ *Server, err error) {
	s := &Server{Options: o, figures: newFigures(), ended: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	o.tell(ctx)
	now, err := s.read(ctx, o.Config)
	if err != nil {
		return nil, err
	}
	s.serving.Store(now)
	if err := s.openRecord(ctx); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	protection := s.protection()
	s.engine = keyless.New(keyless.Config{
		Keys: s, TLS: func() *tls.Config { return protection }, Log: o.Log, Observe: s.figures.observe,
		Limits: keyless.Limits{Connections: o.Config.MaxConnections, InFlight: o.Config.InFlight, Queue: o.Config.Queue},
	})
	s.metrics = s.figures.server(s.engine.Stats)
	return s, s.writePID()
}

// tell tells loudly what the configuration asks for in vain.
func (o *Options) tell(ctx context.Context) {
	for _, line := range o.Config.Undone() {
		o.Log.WarnContext(ctx, line)
	}
}

// read opens what a configuration names.
func (s *Server) read(ctx context.Context, c *Config) (*serving, error) {
	certificate, err := tls.LoadX509KeyPair(c.AuthCert, c.AuthKey)
	if err != nil {
		return nil, fmt.Errorf("reading auth_cert and auth_key: %w", err)
	}
	text, err := config.ReadFile(c.CloudflareCACert, maxConfig)
	if err != nil {
		return nil, fmt.Errorf("reading cloudflare_ca_cert: %w", err)
	}
	clients := x509.NewCertPool()
	if !clients.AppendCertsFromPEM(text) {
		return nil, fault.New(fault.InvalidArgument, "cloudflare_ca_cert: %s has no certificate", c.CloudflareCACert)
	}
	set, err := openSet(ctx, c, s.Isolated, s.Log)
	if err != nil {
		return nil, err
	}
	for _, k := range set.Keys() {
		s.Log.InfoContext(ctx, "a key is served", slog.String("key", k.String()))
	}
	return &serving{set: set, allow: c.Allow, certificate: &certificate, clients: clients}, nil
}

// openRecord opens the audit log, or says loudly that there is none.
func (s *Server) openRecord(ctx context.Context) (err error) {
	if s.Config.AuditDir == "" {
		s.Log.WarnContext(ctx, "NOTHING IS ON RECORD: set audit_dir to have every use of a key in an audit log")
		return nil
	}
	s.log, err = openLog(s.Config.AuditDir)
	return err
}

// protection returns how connections are protected. Every client has a
// certificate from one of the authorities.
func (s *Server) protection() *tls.Config {
	c := keyless.Protection(func() *tls.Certificate { return s.serving.Load().certificate })
	c.ClientAuth = tls.RequireAnyClientCert // and VerifyConnection verifies it, under what is read again
	c.VerifyConnection = func(state tls.ConnectionState) error {
		between := x509.NewCertPool()
		for _, c := range state.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{
			Roots: s.serving.Load().clients, Intermediates: between, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		})
		return err
	}
	if s.Config.MinimumTLS == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	return c
}

// listen opens the listeners.
func (s *Server) listen() error {
	open := func(network, address string) (net.Listener, error) {
		l, err := net.Listen(network, address) //nolint:noctx // a listener lives as long as the server
		if err != nil {
			return nil, fmt.Errorf("listening on %s: %w", address, err)
		}
		return l, nil
	}
	if address := s.Config.Address(); address != "" {
		l, err := open("tcp", address)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	if s.Config.Unix != "" {
		if err := keyless.RemoveSocket(s.Config.Unix); err != nil {
			return err
		}
		l, err := open("unix", s.Config.Unix)
		if err != nil {
			return err
		}
		s.listeners = append(s.listeners, l)
	}
	if address := s.Config.MetricsAddress(); address != "" {
		l, err := open("tcp", address)
		if err != nil {
			return err
		}
		s.shown = l
	}
	return nil
}

// Addr returns the address of the first listener.
func (s *Server) Addr() string { return s.listeners[0].Addr().String() }

// MetricsAddr returns where the figures are shown, "" for nowhere.
func (s *Server) MetricsAddr() string {
	if s.shown == nil {
		return ""
	}
	return s.shown.Addr().String()
}

// writePID writes the process's id where it is asked for.
func (s *Server) writePID() error {
	if s.Config.PIDFile == "" {
		return nil
	}
	if err := durable.WriteFile(s.Config.PIDFile, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("writing pid_file: %w", err)
	}
	return nil
}

// Run serves until ctx ends or a listener fails, answers what was read, and
// closes everything. Each receive of reload reads keys and certificates again.
func (s *Server) Run(ctx context.Context, reload <-chan os.Signal) error {
	failed := make(chan error, len(s.listeners)+1)
	var serving sync.WaitGroup
	for _, l := range s.listeners {
		serving.Go(func() { failed <- s.engine.Serve(l) })
	}
	if s.shown != nil {
		serving.Go(func() { failed <- s.metrics.Serve(s.shown) })
	}
	var err error
	for running := true; running; {
		select {
		case <-ctx.Done():
			running = false
		case err = <-failed:
			running = false
		case <-reload:
			if err := s.Reload(ctx); err != nil {
				s.Log.ErrorContext(ctx, "keys and certificates stay as they were", slog.Any("cause", err))
			}
		}
	}
	s.Log.InfoContext(ctx, "stopping: running requests finish first")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err = errors.Join(err, s.engine.Shutdown(stopping), s.metrics.Shutdown(stopping))
	serving.Wait()
	return errors.Join(err, s.Close())
}

// Reload reads the configuration's keys, certificates and rules again. When one
// of them cannot be read, all stay as they were. Addresses, limits and the audit
// log stay.
func (s *Server) Reload(ctx context.Context) error {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	c := s.Config
	if s.Again != nil {
		var err error
		if c, err = s.Again(); err != nil {
			return err
		}
	}
	now, err := s.read(ctx, c)
	if err != nil {
		return err
	}
	before := s.serving.Swap(now)
	s.retiring.Go(func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ended:
		}
		if err := before.set.Close(); err != nil {
			s.Log.WarnContext(ctx, "closing the keys that were served before", slog.Any("cause", err))
		}
	})
	s.Log.InfoContext(ctx, "keys and certificates are read again")
	return nil
}

// Close gives up what Open opened, after Run or in its place.
func (s *Server) Close() error {
	close(s.ended)
	s.retiring.Wait()
	var failures []error
	if s.engine != nil {
		failures = append(failures, s.engine.Shutdown(context.Background())) // has ended, if Run was called
	}
	for _, l := range append(s.listeners, s.shown) {
		if l == nil {
			continue
		}
		if err := l.Close(); !errors.Is(err, net.ErrClosed) {
			failures = append(failures, err)
		}
	}
	if now := s.serving.Load(); now != nil {
		failures = append(failures, now.set.Close())
	}
	if s.log != nil {
		failures = append(failures, s.log.Close())
	}
	if s.Config.PIDFile != "" && s.engine != nil {
		failures = append(failures, os.Remove(s.Config.PIDFile))
	}
	return errors.Join(failures...)
}

// Check reads what a configuration names, and gives it up again: what it returns
// is what Open would fail with, but for its addresses.
func Check(ctx context.Context, o Options) error {
	o.tell(ctx)
	s := &Server{Options: o}
	now, err := s.read(ctx, o.Config)
	if err != nil {
		return err
	}
	return now.set.Close()
}
