package server

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
)

// Initialise makes the store and the audit log of a new data directory and
// its first administrator, whose credential it returns.
func Initialise(ctx context.Context, c config.Config, root *seal.Root, admin string) (_ *identity.NewAccessKey, err error) {
	if _, err := openTLS(&c); err != nil {
		return nil, err
	}
	i, err := open(ctx, &c, root, false, newMetrics(func() float64 { return 0 }), slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, i.close()) }()
	return i.admin.Bootstrap(ctx, startCall(key.DefaultRealm, "Init"), admin, Administrator(), nil)
}

// SelfMadeCA returns the path of the CA certificate under which a server's
// self-made certificate stands, for its clients to trust.
func SelfMadeCA(c *config.Config) string { return filepath.Join(c.Data, tlsDir, caCertFile) }
