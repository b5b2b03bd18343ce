package server

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/identity"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/seal"
	"github.com/holdfast-kms/holdfast/internal/server/certificate"
)

// Initialise makes the store and the audit log of a new data directory and
// its first administrator, whose credential it returns.
func Initialise(ctx context.Context, c config.Config, root *seal.Root, admin string) (*identity.NewAccessKey, error) {
	if _, err := certificate.Open(&c); err != nil {
		return nil, err
	}
	return offline(ctx, &c, root, func(i *instance) (*identity.NewAccessKey, error) {
		return i.admin.Bootstrap(ctx, startCall(key.DefaultRealm, "Init"), admin, Administrator(), nil)
	})
}

// ReplaceAdministrator takes every access key from a user of a data directory
// that nobody serves, and returns a new one.
func ReplaceAdministrator(ctx context.Context, c config.Config, root *seal.Root, admin string) (*identity.NewAccessKey, error) {
	return offline(ctx, &c, root, func(i *instance) (*identity.NewAccessKey, error) {
		return i.admin.Replace(ctx, startCall(key.DefaultRealm, "ReplaceAdmin"), admin)
	})
}
