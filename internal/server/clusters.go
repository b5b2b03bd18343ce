package server

import (
	"context"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/cluster"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/customstore"
	"github.com/holdfast-kms/holdfast/internal/policy"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/tokens"
)

// openClusters opens the clusters of HSMs, over the tokens of the pool, and
// the custom key stores over them. The key stores wait for Start.
func (i *instance) openClusters(ctx context.Context, c *config.HSM, keyring *seal.Keyring, log *slog.Logger) error {
	members, err := i.hsms.Members(log)
	if err != nil {
		return err
	}
	i.clusters = cluster.New(cluster.Config{
		Guard: i.guard, Store: i.store, Pool: cluster.NewTokens(members...), Compile: compiler(policy.ForResource), Log: log,
		Changed: func(id string) { i.keyStores.Refresh(id) },
	})
	p := &tokens.Places{Config: c, Wrapper: keyring, Log: log}
	i.keyStores, err = customstore.New(ctx, customstore.Config{
		Guard: i.guard, Store: i.store, Clusters: i.clusters, Wrapper: keyring, Open: p.Open, Log: log,
	})
	if err != nil {
		return err
	}
	i.closers = append(i.closers, i.keyStores.Close)
	return nil
}
