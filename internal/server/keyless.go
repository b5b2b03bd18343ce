package server

import (
	"context"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/config"
	keylessfront "github.com/holdfast-kms/holdfast/internal/front/keyless"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
	"github.com/holdfast-kms/holdfast/internal/server/keyless"
)

// openKeyless returns the instance's keys as the key server serves them.
func (i *instance) openKeyless(c *config.Config) *keylessfront.Store {
	return keylessfront.NewStore(keylessfront.StoreConfig{
		Door: i.keys, Directory: i.directory, Issuers: i.ca, Region: c.Region, SealKey: c.Keyless.SealKey,
		Certificates: &keyless.Certificates{Inventory: i.inventory, Managed: i.managed, Authorities: i.ca},
	})
}

// startKeyless starts the key server, if there is to be one, once there are keys.
func (s *server) startKeyless() error {
	if !s.Config.Keyless.On() {
		return nil
	}
	identity := s.tls
	if c := &s.Config.Keyless; c.Certificate != "" {
		var err error
		if identity, err = certificate.Open(&config.Config{TLS: config.TLS{Certificate: c.Certificate, Key: c.Key}}); err != nil {
			return err
		}
	}
	o := keyless.Options{
		Settings: s.Config.Keyless, Identity: identity, Log: s.Log, Observe: s.metrics.observe,
		Store: func() *keylessfront.Store { return s.instance.Load().keyless }, Failed: func(err error) { s.failed <- err },
	}
	if s.Dev != nil {
		o.Busy = s.resetting.RLocker()
	}
	started, err := keyless.Open(o)
	if err != nil {
		return err
	}
	s.keyless.Store(started)
	s.Log.Info("Keyless SSL is served", slog.String("address", started.Addr())) //nolint:sloglint // no request is concerned
	return nil
}

// stopKeyless ends the key server: requests that it has read are answered.
func (s *server) stopKeyless(ctx context.Context) error {
	if k := s.keyless.Swap(nil); k != nil {
		return k.Shutdown(ctx)
	}
	return nil
}

// keylessStats returns the key server's figures, nil while there is none.
func (s *server) keylessStats() *keylessfront.Stats {
	if k := s.keyless.Load(); k != nil {
		stats := k.Stats()
		return &stats
	}
	return nil
}

// reload reads certificates again. What cannot be read stays as it was.
func (s *server) reload(ctx context.Context) {
	if err := s.tls.Reload(); err != nil {
		s.Log.ErrorContext(ctx, "the TLS certificate stays as it was", slog.Any("cause", err))
	}
	if k := s.keyless.Load(); k != nil {
		if err := k.Reload(); err != nil {
			s.Log.ErrorContext(ctx, "the key server's certificates stay as they were", slog.Any("cause", err))
		}
	}
}
