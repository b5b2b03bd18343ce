package server

import (
	"context"
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/approval"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/seal"
)

// approvalKeySetting is the sealed key of the digests of requests that wait for
// approval.
const approvalKeySetting = "approval digest key"

// openGuard opens the guard, with the gate before critical operations in it, and
// who takes the decisions about those.
func (i *instance) openGuard(ctx context.Context, c *config.Config, root *seal.Root, recorder audit.Recorder, log *slog.Logger) error {
	secret, err := seal.Secret(ctx, root, i.store, approvalKeySetting, newSeed)
	if err != nil {
		return err
	}
	gate, err := approval.NewGate(approval.Config{Store: i.store, Key: secret, Rules: c.Approvals.List(), Log: log})
	if err != nil {
		return err
	}
	i.guard = guard.Gated(recorder, i.directory, gate)
	i.approvals = approval.New(gate, i.guard)
	return nil
}
