package sinks

import (
	"context"

	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/sink"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// List tells a caller who may of the sinks.
func List(ctx context.Context, g *guard.Guard, call *key.Call, of *sink.Sinks) (*native.AuditSinkList, error) {
	return guard.Do(ctx, g, call, key.ListSinks, func(v *guard.Visit) (*native.AuditSinkList, error) {
		r := key.Resource{Kind: key.KindServer, Realm: call.Caller.Principal.Realm, ID: "audit/sink"}
		if err := v.Authorize(guard.Target{Action: key.ListSinks, Resource: r}); err != nil {
			return nil, err
		}
		list := &native.AuditSinkList{Sinks: []native.AuditSink{}}
		for _, h := range of.Health() {
			list.Sinks = append(list.Sinks, native.AuditSink{
				Name: h.Name, Kind: h.Kind, Target: h.Target, Format: h.Format, Position: uint64(h.Position), LagEntries: h.Entries,
				LagSeconds: int64(h.Lag.Seconds()), Behind: h.Behind, Delivered: h.Delivered, Failures: h.Failures, DeliveredAt: h.DeliveredAt,
				Error: h.Error, FailedAt: h.FailedAt, NextAt: h.NextAt,
			})
		}
		return list, nil
	})
}
