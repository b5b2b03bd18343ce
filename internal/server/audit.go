package server

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/holdfast-kms/holdfast/internal/audit"
	"github.com/holdfast-kms/holdfast/internal/auditformat"
	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/guard"
	"github.com/holdfast-kms/holdfast/internal/key"
	"github.com/holdfast-kms/holdfast/internal/wire/native"
)

// Audit reads the audit log for callers who may (native.Audit). A caller sees
// the entries of its own realm.
func (i *instance) Audit(ctx context.Context, call *key.Call, f native.AuditFilter) (*native.AuditList, error) {
	return guard.Do(ctx, i.guard, call, key.ReadAudit, func(v *guard.Visit) (*native.AuditList, error) {
		filter, err := auditFilter(v, &f)
		if err != nil {
			return nil, err
		}
		if f.Last > 0 {
			return list(i.entries.Tail(ctx, f.Last, filter, false), f.Last)
		}
		return list(i.entries.Read(ctx, filter), f.Limit)
	})
}

// auditFilter authorises a look at the audit log and returns what the caller
// wants of its realm's.
func auditFilter(v *guard.Visit, f *native.AuditFilter) (audit.Filter, error) {
	realm := v.Call.Caller.Principal.Realm
	server := key.Resource{Kind: key.KindServer, Realm: realm, ID: "audit"}
	return audit.Filter{
		From: f.Since, Until: f.Until, After: audit.Position(f.After), Realm: string(realm), Principal: f.Principal,
		Action: f.Action, Resource: f.Resource, RequestID: f.RequestID, Result: f.Result,
	}, v.Authorize(guard.Target{Action: key.ReadAudit, Resource: server})
}

// ExportAudit writes out what a caller may see of the audit log
// (native.Audit). The entry of the export itself is durable before anything
// leaves.
func (i *instance) ExportAudit(
	ctx context.Context, call *key.Call, f native.AuditFilter, format string, open func(media string) io.Writer,
) error {
	kind := auditformat.JSONL
	filter, err := guard.Do(ctx, i.guard, call, key.ReadAudit, func(v *guard.Visit) (audit.Filter, error) {
		v.Note("export", format)
		filter, err := auditFilter(v, &f)
		if known, ok := auditformat.ParseFormat(format); ok {
			kind = known
		} else if err == nil && format != "" {
			err = fault.New(fault.InvalidArgument, "%q is no format: %s", format, strings.Join(auditformat.Formats(), ", "))
		}
		return filter, err
	})
	if err != nil {
		return err
	}
	return auditformat.Export(open(kind.ContentType()), i.entries.Read(ctx, filter), kind, auditformat.New(i.log, Version().Version))
}

// list gathers at most limit records, and says where the next page begins.
func list(records func(func(*audit.Record, error) bool), limit int) (*native.AuditList, error) {
	out := &native.AuditList{Records: []native.AuditRecord{}}
	for r, err := range records {
		if err != nil {
			return nil, err
		}
		if len(out.Records) == limit {
			out.Next = strconv.FormatUint(out.Records[limit-1].Position, 10)
			break
		}
		out.Records = append(out.Records, native.AuditRecordOf(r))
	}
	return out, nil
}
