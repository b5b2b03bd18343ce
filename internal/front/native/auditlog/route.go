// Package auditlog serves the audit log over the native API to those who may read it.
package auditlog

import (
	"context"
	"io"

	"github.com/holdfast-kms/holdfast/internal/front/native"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/retention"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Reader reads the audit log for callers who may.
type Reader interface {
	// Audit authorises key.ReadAudit for the call and returns the entries that
	// the filter wants, in the order of the log: at most f.Limit, which is
	// positive. Next is the position after which the next page begins, empty
	// at the end of the log.
	Audit(ctx context.Context, call *key.Call, f wire.AuditFilter) (*wire.AuditList, error)
	// ExportAudit authorises key.ReadAudit for the call and writes out all
	// entries that the filter wants, in the order of the log, to what open
	// returns for a media type. Format "" is the log's own.
	ExportAudit(ctx context.Context, call *key.Call, f wire.AuditFilter, format string, open func(media string) io.Writer) error
	// Sinks authorises key.ListSinks for the call and returns all sinks.
	Sinks(ctx context.Context, call *key.Call) (*wire.AuditSinkList, error)
}

// front has the handlers.
type front struct {
	log   Reader
	holds *retention.Service
}

// Operations returns the operations on the audit log.
func Operations(r Reader, holds *retention.Service) []native.Operation {
	f := &front{r, holds}
	return []native.Operation{
		native.Get("/audit", "ReadAudit", key.ReadAudit, native.Handle(f.audit)).Takes(native.Paged("last", "since", "until", "action", "principal", "resource", "result", "request_id")...),
		native.Get("/audit-export", "ExportAudit", key.ReadAudit, f.exportEndpoint()).
			Takes("format", "since", "until", "action", "principal", "resource", "result", "request_id"),
		native.Get("/audit-sinks", "ListAuditSinks", key.ListSinks, native.Handle(f.sinks)),
		native.Get("/audit-holds", "ListAuditHolds", key.HoldAudit, native.Handle(f.listHolds)),
		native.Post("/audit-holds", "AddAuditHold", key.HoldAudit, native.Handle(f.addHold)).Created(),
		native.Delete("/audit-holds/{hold}", "RemoveAuditHold", key.HoldAudit, native.Handle(f.removeHold)),
	}
}
