package auditlog

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/retention"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) sinks(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AuditSinkList, error) {
	return f.log.Sinks(ctx, r.Call)
}

func (f *front) listHolds(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AuditHoldList, error) {
	all, err := f.holds.Holds(ctx, r.Call)
	if err != nil {
		return nil, err
	}
	list := &wire.AuditHoldList{Holds: make([]wire.AuditHold, len(all))}
	for i := range all {
		list.Holds[i] = *holdOut(&all[i])
	}
	return list, nil
}

func (f *front) addHold(ctx context.Context, r *native.Request, in *wire.AddAuditHoldRequest) (*wire.AuditHold, error) {
	h, err := f.holds.Add(ctx, r.Call, retention.Hold{Name: in.Name, From: in.From, Until: in.Until, Reason: in.Reason})
	if err != nil {
		return nil, err
	}
	return holdOut(h), nil
}

func (f *front) removeHold(ctx context.Context, r *native.Request, _ *wire.None) (*wire.None, error) {
	return native.Nothing(f.holds.Remove(ctx, r.Call, r.Path("hold")))
}

func holdOut(h *retention.Hold) *wire.AuditHold {
	return &wire.AuditHold{
		Name: h.Name, From: h.From, Until: h.Until, Reason: h.Reason, CreatedAt: h.CreatedAt, CreatedBy: h.CreatedBy,
	}
}
