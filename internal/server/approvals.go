package server

import (
	"log/slog"

	"github.com/holdfast-kms/holdfast/internal/approval"
	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/config"
	"github.com/holdfast-kms/holdfast/internal/guard"
)

// openGuard opens the guard, with the gate before critical operations in it, and
// who takes the decisions about those.
func (i *instance) openGuard(c *config.Config, recorder audit.Recorder, log *slog.Logger) error {
	gate, err := approval.NewGate(approval.Config{Store: i.store, Rules: c.Approvals.List(), Log: log})
	if err != nil {
		return err
	}
	i.guard = guard.Gated(recorder, i.directory, gate)
	i.approvals = approval.New(gate, i.guard)
	return nil
}
