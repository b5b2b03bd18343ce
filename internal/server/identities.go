package server

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/issuers"
)

// openIdentities opens the directory, the guard and who changes the directory.
func (i *instance) openIdentities(ctx context.Context, c *config.Config, root *seal.Root) (err error) {
	i.directory, err = identity.Open(ctx, identity.Config{
		Root: root, Store: i.store, Compile: compiler(policy.ForIdentity), CompileTrust: compiler(policy.ForTrust),
		Fetch: issuers.Fetcher{Plain: c.Issuers.PlainLoopback}, PlainIssuers: c.Issuers.PlainLoopback,
	})
	if err != nil {
		return err
	}
	i.guard = guard.New(i.tapped(c), i.directory)
	i.admin = identity.NewAdmin(i.directory, i.guard)
	return nil
}
