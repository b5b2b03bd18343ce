package auditlog

import (
	"context"
	"io"
	"strconv"

	"github.com/holdfast-kms/holdfast/internal/fault"
	"github.com/holdfast-kms/holdfast/internal/front/native"
	wire "github.com/holdfast-kms/holdfast/internal/wire/native"
)

func (f *front) audit(ctx context.Context, r *native.Request, _ *wire.None) (*wire.AuditList, error) {
	filter, err := auditFilter(r)
	if err != nil {
		return nil, err
	}
	return f.log.Audit(ctx, r.Call, filter)
}

// exportEndpoint writes out all entries that a search wants.
func (f *front) exportEndpoint() native.Endpoint {
	return native.Streamed("application/x-ndjson", func(ctx context.Context, r *native.Request, w io.Writer, media func(string)) error {
		filter, err := searchOf(r)
		if err != nil {
			return err
		}
		return f.log.ExportAudit(ctx, r.Call, filter, r.Param("format"), func(kind string) io.Writer {
			media(kind)
			return w
		})
	})
}

// auditFilter reads the parameters of a search in the audit log.
func auditFilter(r *native.Request) (f wire.AuditFilter, err error) {
	page, err := r.Page()
	if err != nil {
		return f, err
	}
	if f, err = searchOf(r); err != nil {
		return f, err
	}
	f.Limit = page.Limit
	if page.After != "" {
		if f.After, err = strconv.ParseUint(page.After, 10, 64); err != nil {
			return f, fault.Because(fault.InvalidArgument, fault.MalformedMarker, "the parameter %q must be a position", "after")
		}
	}
	if f.Last, err = r.Number("last", 0, native.MaxLimit); err != nil {
		return f, err
	}
	if f.Last > 0 && page.After != "" {
		return f, fault.New(fault.InvalidArgument, "the parameters %q and %q exclude each other", "after", "last")
	}
	return f, nil
}

// searchOf reads the parameters that say which entries are wanted.
func searchOf(r *native.Request) (f wire.AuditFilter, err error) {
	f = wire.AuditFilter{
		Action: r.Param("action"), Principal: r.Param("principal"), Resource: r.Param("resource"),
		Result: r.Param("result"), RequestID: r.Param("request_id"),
	}
	if f.Since, err = r.Moment("since"); err != nil {
		return f, err
	}
	f.Until, err = r.Moment("until")
	return f, err
}
