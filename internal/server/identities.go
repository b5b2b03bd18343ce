package server

import (
	"context"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/issuers"
)

// openIdentities opens the directory, the guard and who changes the directory.
func (i *instance) openIdentities(ctx context.Context, c *config.Config, root *seal.Root, log *slog.Logger) (err error) {
	i.directory, err = identity.Open(ctx, identity.Config{
		Root: root, Store: i.store, Compile: compiler(policy.ForIdentity), CompileTrust: compiler(policy.ForTrust),
		Fetch: issuers.Fetcher{Plain: c.Issuers.PlainLoopback}, PlainIssuers: c.Issuers.PlainLoopback,
	})
	if err != nil {
		return err
	}
	if err := i.openGuard(ctx, c, root, i.tapped(c), log); err != nil {
		return err
	}
	i.admin = identity.NewAdmin(i.directory, i.guard)
	return nil
}
