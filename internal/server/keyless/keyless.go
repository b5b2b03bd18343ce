// Package keyless is the server's side of the Keyless SSL key server: its
// listeners, its certificates, and the figures that Prometheus is shown.
//
// Start with Open. The package is internal and may change with any release.
package keyless

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/fault"
	front "github.com/holdfast-kms/holdfast/internal/front/keyless"
)

// Options are what a key server is opened with. All but Busy are needed.
type Options struct {
	Settings config.Keyless
	// Identity is the certificate that the key server presents.
	Identity Identity
	// Store returns the keys that are served now.
	Store func() *front.Store
	// Busy, where it is given, is held while a request is served: the keys may be
	// others afterwards (Hangup).
	Busy    sync.Locker
	Log     *slog.Logger
	Observe func(ctx context.Context, api, operation, code string, elapsed time.Duration)
	// Failed is called when a listener fails. It must not block.
	Failed func(error)
}

// Identity is a certificate that can be read again.
type Identity interface {
	Current() *tls.Certificate
	Reload() error
}

// Service is a key server that serves.
type Service struct {
	Options
	roots     atomic.Pointer[x509.CertPool] // nil for none
	tls       *tls.Config
	server    *front.Server
	listeners []net.Listener
	serving   sync.WaitGroup
}

// Open listens and serves. Shutdown ends it.
func Open(o Options) (*Service, error) {
	s := &Service{Options: o}
	if err := s.readRoots(); err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	s.tls = s.protection()
	s.server = front.New(front.Config{
		Keys: keys{s}, TLS: func() *tls.Config { return s.tls }, Log: o.Log, Observe: o.Observe,
		Limits: front.Limits{Connections: o.Settings.MaxConnections, InFlight: o.Settings.InFlight, Queue: o.Settings.Queue},
	})
	for _, l := range s.listeners {
		s.serving.Go(func() {
			if err := s.server.Serve(l); err != nil {
				o.Failed(fmt.Errorf("serving %s: %w", l.Addr(), err))
			}
		})
	}
	return s, nil
}

// listen opens the listeners.
func (s *Service) listen() error {
	open := func(network, address string) error {
		if address == "" {
			return nil
		}
		l, err := net.Listen(network, address) //nolint:noctx // a listener lives as long as the server
		if err != nil {
			return fmt.Errorf("listening on %s: %w", address, err)
		}
		s.listeners = append(s.listeners, l)
		return nil
	}
	err := open("tcp", s.Settings.Listen)
	if err == nil {
		err = errors.Join(front.RemoveSocket(s.Settings.Unix), open("unix", s.Settings.Unix))
	}
	if err != nil {
		for _, l := range s.listeners {
			err = errors.Join(err, l.Close())
		}
	}
	return err
}

// Addr returns the address of the first listener.
func (s *Service) Addr() string { return s.listeners[0].Addr().String() }

// protection returns how connections are protected, and which clients may
// connect.
func (s *Service) protection() *tls.Config {
	c := front.Protection(s.Identity.Current)
	c.VerifyConnection = func(state tls.ConnectionState) error {
		return s.Store().Admit(context.Background(), state.PeerCertificates, s.roots.Load())
	}
	if s.Settings.MinimumTLS == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
	if s.Settings.Required() {
		c.ClientAuth = tls.RequireAnyClientCert // VerifyConnection says which
	}
	return c
}

// readRoots reads the authorities of clients.
func (s *Service) readRoots() error {
	if s.Settings.ClientCA == "" {
		return nil
	}
	text, err := os.ReadFile(s.Settings.ClientCA)
	if err != nil {
		return fmt.Errorf("reading keyless.client_ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fault.New(fault.InvalidArgument, "keyless.client_ca: %s has no certificate", s.Settings.ClientCA)
	}
	s.roots.Store(pool)
	return nil
}

// Reload reads the files again. What cannot be read stays as it was.
func (s *Service) Reload() error {
	return errors.Join(s.readRoots(), s.Identity.Reload())
}

// Stats returns the figures of the server.
func (s *Service) Stats() front.Stats { return s.server.Stats() }

// Hangup ends the connections that there are.
func (s *Service) Hangup() { s.server.Hangup() }

// Shutdown takes no more requests, answers those that were read, and ends.
func (s *Service) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	s.serving.Wait()
	return err
}

// keys are those that are served at the time.
type keys struct{ *Service }

// Session implements front.Keys.
func (k keys) Session(c *front.Client) front.Session {
	if k.Busy == nil {
		return k.Store().Session(c)
	}
	k.Busy.Lock()
	defer k.Busy.Unlock()
	return busy{k.Store().Session(c), k.Busy}
}

// busy is a session whose keys may become others.
type busy struct {
	front.Session
	lock sync.Locker
}

// Prove implements front.Session.
func (b busy) Prove(ctx context.Context, r *front.Request) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.Session.Prove(ctx, r)
}

// Do implements front.Session.
func (b busy) Do(ctx context.Context, r *front.Request) ([]byte, error) {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.Session.Do(ctx, r)
}

// Refuse implements front.Session.
func (b busy) Refuse(ctx context.Context, r *front.Request, err error) error {
	b.lock.Lock()
	defer b.lock.Unlock()
	return b.Session.Refuse(ctx, r, err)
}
